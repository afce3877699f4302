"""What may stand in a file: each of its fields declared once, beside what is made of it, and checked before it is used.

A field is of a `Kind` of `limits`, by which the same value is checked where it is an option or an argument: so there is
one declaration of what a recipe's `epochs` may be, whoever says it. (A library of schemas would have had its own,
beside those; and its errors, of several lines, are not what is said to a user.) Here are the kinds that files have
and options have not: objects, lists, and mappings.

    BUDGET = Object({"trials": Optional(COUNT), "seconds": Optional(Number(0, above=True))})

A violation is a ValueError that names the field by its path, what it must be, and what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from nas.checks.limits import Checks, quoted
from nas.files import read_json


class Unknown(ValueError):
    """A field that this version has not: the file is of a newer one, or somebody put it there."""


@dataclass(frozen=True)
class Object:
    """`fields` by their names, of which those `needed` may not lack. It has no others, unless it is `open` to them.

    `format` is the newest one that is known of a file that says its own, in a field by that name. `renamed` are the
    names of fields in older files, and what these are called now: they come out by the new ones.
    """

    fields: Mapping[str, Checks]
    needed: tuple[str, ...] = ()
    open: bool = False
    format: int | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)

    def checked(self, name: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise ValueError(f"{name or 'the whole'} must be an object, not {quoted(value)}")
        value = {self.renamed.get(its, its): inner for its, inner in value.items()}
        for needed in self.needed:
            if needed not in value:
                raise ValueError(f"{_within(name, needed)} is missing")
        if not self.open and (unknown := [its for its in value if its not in self.fields]):
            raise Unknown(_within(name, unknown[0]))
        known = {f: kind.checked(_within(name, f), value[f]) for f, kind in self.fields.items() if f in value}
        return {**value, **known}


@dataclass(frozen=True)
class ListOf:
    """As many as there are, from `least` to `most`, each of one kind."""

    kind: Checks
    least: int = 0
    most: int | None = None

    def checked(self, name: str, value: Any) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{name} must be a list, not {quoted(value)}")
        if len(value) < self.least or (self.most is not None and len(value) > self.most):
            many = self.least if self.most == self.least else f"at least {self.least}"
            raise ValueError(f"{name} must be a list of {many}, not of {len(value)}")
        return [self.kind.checked(f"{name}[{number}]", inner) for number, inner in enumerate(value)]


@dataclass(frozen=True)
class MapOf:
    """Any names, each with one of a kind."""

    kind: Checks

    def checked(self, name: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise ValueError(f"{name} must be an object, not {quoted(value)}")
        return {key: self.kind.checked(_within(name, key), inner) for key, inner in value.items()}


@dataclass(frozen=True)
class OrNull:
    """Of that kind, or null."""

    kind: Checks

    def checked(self, name: str, value: Any) -> Any:
        return None if value is None else self.kind.checked(name, value)


@dataclass(frozen=True)
class Moment:
    """A date and a time, as ISO 8601 writes them."""

    def checked(self, name: str, value: Any) -> str:
        try:
            datetime.fromisoformat(value).astimezone()
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"{name} must be a date and a time, not {quoted(value)}") from None
        return str(value)


@dataclass(frozen=True)
class Real:
    """Any number, infinite ones and NaN among them: a program's objective, and what a policy came to, may be such."""

    def checked(self, name: str, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{name} must be a number, not {quoted(value)}")
        return float(value)


ANYTHING = Object({}, open=True)
"""An object that is checked elsewhere."""


def read(path: Path, schema: Object) -> dict[str, Any]:
    """What the JSON file `path` says. Raises ValueError where it cannot be read, or is not what `schema` says."""
    return checked(path, schema, read_json(path))


def checked(path: Path, schema: Object, document: Any) -> dict[str, Any]:
    """`document`, which the file `path` has. Raises ValueError, which names the file, where it is not of `schema`."""
    its = document.get("format") if isinstance(document, Mapping) else None
    if schema.format is not None and isinstance(its, int) and its > schema.format:
        raise ValueError(
            f"{path} is of format {quoted(its)}, which a newer version of nas writes; this one knows those up to "
            f"{schema.format}: install the newer one"
        )
    try:
        return schema.checked("", document)
    except Unknown as unknown:
        raise ValueError(
            f"{path} was written by a newer version of nas, or edited: it has {str(unknown)[:80]!r}, which this one "
            "does not know"
        ) from None
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}; restore it from a copy") from None


def _within(name: str, field: str) -> str:
    return f"{name}.{field}" if name else str(field)
