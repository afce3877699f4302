"""What a network is: layers, cost, choices and the spaces to search."""

from __future__ import annotations

import math
import numbers
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import Any

from searchspaces.chain import Chain
from searchspaces.compact import Compact
from searchspaces.mnas import Mnas
from searchspaces.nasbench201 import NASBench201
from searchspaces.nasbench_macro import NASBenchMacro
from searchspaces.nasnet import NASNet
from searchspaces.space import Arch, Choice, Space

__all__ = [
    "SPACES",
    "Arch",
    "Chain",
    "Choice",
    "Compact",
    "Mnas",
    "NASBench201",
    "NASBenchMacro",
    "NASNet",
    "Space",
    "get_space",
    "register",
    "space_class",
]

SPACES: dict[str, type[Space]] = {
    space.name: space for space in (Chain, Compact, Mnas, NASBench201, NASBenchMacro, NASNet)
}


MADE: dict[str, type[Space]] = {}
"""Spaces that are made of something else, and so need a setting: whoever has that registers them."""


def register(space: type[Space]) -> type[Space]:
    """Have `get_space` know a space by its name."""
    MADE[space.name] = space
    return space


def get_space(name: str, /, **settings: Any) -> Space:
    """The space called `name`, with its settings: `get_space("mnas", image_size=32, width=0.5)`.

    Raises ValueError for an unknown name or setting, with those that there are.
    """
    kind: Any = space_class(name)
    declared = {field.name: field.type for field in fields(kind) if field.init}
    if unknown := settings.keys() - declared.keys():
        raise ValueError(f"the space {name} has no {', '.join(sorted(unknown))}; it has {', '.join(declared)}")
    checked = {setting: _checked(f"{name}: {setting}", value, declared[setting]) for setting, value in settings.items()}
    try:
        space: Space = kind(**checked)
    except TypeError as error:
        raise ValueError(f"the space {name} has other settings: {error}") from None
    return space


_KINDS: dict[str, tuple[type, str]] = {
    "int": (numbers.Integral, "a whole number"),
    "float": (numbers.Real, "a finite number"),
    "bool": (bool, "true or false"),
}


def _checked(name: str, value: Any, declared: Any) -> Any:
    """`value`, which is `declared` to be of a type, JSON's lists as tuples unless they are to be lists.

    Raises ValueError where it is plainly of another type.
    """
    if isinstance(value, list) and not str(declared).startswith(("list", "<class 'list")):
        return tuple(value)
    plain = str(declared).removesuffix(" | None")
    if plain not in _KINDS or (value is None and plain != str(declared)):
        return value
    kind, words = _KINDS[plain]
    if isinstance(value, float) and value.is_integer() and plain == "int":
        return int(value)  # as in 8e6
    wrong = not isinstance(value, kind) or (isinstance(value, bool) and plain != "bool")
    if wrong or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError(f"{name} must be {words}, not {value!r}")
    return value


def space_class(name: str) -> type[Space]:
    """The class of the space called `name`: one of `SPACES`, or `mypackage.module:MySpace` for anybody's own.

    Raises ValueError where there is none.
    """
    if found := SPACES.get(name) or MADE.get(name):
        return found
    module, colon, attribute = name.partition(":")
    if not colon:
        raise ValueError(f"there is no space called {name!r}; there are {', '.join(sorted(SPACES))}")
    try:
        own = getattr(import_module(module), attribute)
    except (ImportError, TypeError, ValueError) as error:  # the latter of "..:X" and ":X"
        raise ValueError(f"cannot import the space {name}: {error}") from None
    except AttributeError:
        raise ValueError(f"{module} has no {attribute!r}: a space of your own is mypackage.module:MySpace") from None
    if not (isinstance(own, type) and issubclass(own, Space) and is_dataclass(own)):
        raise ValueError(f"{name} is no space: it must be a frozen dataclass that inherits searchspaces.Space")
    return own
