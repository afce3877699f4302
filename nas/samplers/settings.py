"""Settings of a strategy by name: their types and ranges, read off the frozen dataclass that declares them.

    hidden: Count = 32

says all that there is to say of a setting: what it is called, what it may be, and what it is where nobody says. A
setting that is a dataclass itself (the policy of `Screened`) stands for its own.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


@dataclass(frozen=True)
class Within:
    """What a number may be: from `low`, or where it must be `above` that, to `high`."""

    low: float
    high: float = math.inf
    above: bool = False

    def has(self, number: float) -> bool:
        return (self.low < number if self.above else self.low <= number) and number <= self.high

    def __str__(self) -> str:
        if self.high < math.inf:
            return f"from {self.low:g} to {self.high:g}"
        return f"above {self.low:g}" if self.above else f"of at least {self.low:g}"


Count = Annotated[int, Within(1)]
Natural = Annotated[int, Within(0)]
Weight = Annotated[float, Within(0)]
Share = Annotated[float, Within(0, 1)]
Positive = Annotated[float, Within(0, above=True)]


def check(settings: Any) -> None:
    """Raises ValueError where a field of `settings`, a dataclass, is not what it may be."""
    for name, hint in _hints(type(settings)).items():
        value = getattr(settings, name)
        if not dataclasses.is_dataclass(value) and not _fits(value, hint):
            raise ValueError(f"{name} is {_words(hint)}, not {value!r}")


def defaults(settings: Any) -> dict[str, Any]:
    """Each setting by its name, as `settings` has it."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        found |= defaults(value) if dataclasses.is_dataclass(value) else {field.name: value}
    return found


def read(settings: Any, given: Mapping[str, Any], strategy: str) -> dict[str, Any]:
    """What was `given`, by the settings' full names; texts become values: `{"entropy": "0.01"}`.

    A name may be shortened as long as no other begins so. Raises ValueError for one that there is not.
    """
    known = defaults(settings)
    found = {_full_name(name, known, strategy): value for name, value in given.items()}
    return {name: _value(value) if isinstance(value, str) else value for name, value in found.items()}


def changed(settings: T, values: Mapping[str, Any]) -> T:
    """`settings` with `values`, by full names. Raises ValueError where one is not what it may be."""
    own: dict[str, Any] = {}
    for field in dataclasses.fields(settings):  # type: ignore[arg-type]
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            own[field.name] = changed(value, values)
        elif field.name in values:
            own[field.name] = values[field.name]
    return dataclasses.replace(settings, **own)  # type: ignore[type-var]


def _full_name(name: str, known: Mapping[str, Any], strategy: str) -> str:
    if name in known:
        return name
    meant = [full for full in known if name and full.startswith(name)]
    if len(meant) == 1:
        return meant[0]
    if not known:
        raise ValueError(f"the strategy {strategy} has no settings")
    if meant:
        raise ValueError(f"{name!r} may be {' or '.join(meant)}: write more of it")
    there = ", ".join(f"{full}={json.dumps(value)}" for full, value in known.items())
    raise ValueError(f"the strategy {strategy} has no setting {name!r}; it has {there}")


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None if text == "none" else text


def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _fits(value: Any, hint: Any) -> bool:
    if get_origin(hint) is Annotated:
        kind, within = get_args(hint)
        return _fits(value, kind) and within.has(value)
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) in (Union, UnionType):
        return any(_fits(value, part) for part in get_args(hint))
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def _words(hint: Any) -> str:
    if get_origin(hint) is Annotated:
        kind, within = get_args(hint)
        return f"{_words(kind)} {within}"
    if get_origin(hint) in (Literal, Union, UnionType):
        parts = get_args(hint)
        return " or ".join(part if isinstance(part, str) else _words(part) for part in parts)
    return {int: "a whole number", float: "a number", bool: "true or false", NoneType: "none"}[hint]
