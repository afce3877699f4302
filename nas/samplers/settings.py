"""Settings of a strategy by name: their types and ranges, read off the frozen dataclass that declares them.

    hidden: Count = 32

says all that there is to say of a setting: what it is called, what it may be, and what it is where nobody says. A
setting that is a dataclass itself (the policy of `Screened`) stands for its own.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from nas.checks.limits import COUNT, NATURAL, SHARE, Flag, Kind, Number, Optional, Word

T = TypeVar("T")


Count = Annotated[int, COUNT]
Natural = Annotated[int, NATURAL]
Rounds = Annotated[int, Number(1, 1_000, whole=True)]  # of a computation that each proposal or update waits for
Draws = Annotated[int, Number(1, 10_000, whole=True)]
Weight = Annotated[float, Number(0, 1e6)]
Share = Annotated[float, SHARE]
Positive = Annotated[float, Number(0, 1e6, above=True)]


def check(settings: Any) -> None:
    """Raises ValueError where a field of `settings`, a dataclass, is not what it may be."""
    for name, kind in _kinds(type(settings)).items():
        kind.checked(name, getattr(settings, name))


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
    kinds = _kinds_of(settings)
    return {name: kinds[name].parsed(name, value) if isinstance(value, str) else value for name, value in found.items()}


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


def _kinds_of(settings: Any) -> dict[str, Kind]:
    """What each of the `settings` may be, by the names of `defaults`."""
    found = _kinds(type(settings))
    for field in dataclasses.fields(settings):
        if dataclasses.is_dataclass(value := getattr(settings, field.name)):
            found |= _kinds_of(value)
    return found


def _kinds(declared: type) -> dict[str, Kind]:
    """What each field of a dataclass may be, but for those that are dataclasses themselves."""
    hints = get_type_hints(declared, include_extras=True)
    return {name: _kind(hint) for name, hint in hints.items() if not dataclasses.is_dataclass(hint)}


def _kind(hint: Any) -> Kind:
    if get_origin(hint) is Annotated:
        kind: Kind = get_args(hint)[1]
        return kind
    if get_origin(hint) is Literal:
        return Word(get_args(hint))
    if get_origin(hint) in (Union, UnionType):
        (of,) = [part for part in get_args(hint) if part is not NoneType]
        return Optional(_kind(of))
    return {bool: Flag()}[hint]
