"""What a network is: layers, cost, choices and the spaces to search."""

from __future__ import annotations

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
    "space_class",
]

SPACES: dict[str, type[Space]] = {
    space.name: space for space in (Chain, Compact, Mnas, NASBench201, NASBenchMacro, NASNet)
}


def get_space(name: str, **settings: Any) -> Space:
    """The space called `name`, with its settings: `get_space("mnas", image_size=32, width=0.5)`.

    Raises ValueError for an unknown name or setting, with those that there are.
    """
    kind: Any = space_class(name)
    if unknown := settings.keys() - (known := [field.name for field in fields(kind) if field.init]):
        raise ValueError(f"the space {name} has no {', '.join(sorted(unknown))}; it has {', '.join(known)}")
    try:
        space: Space = kind(**settings)
    except TypeError as error:
        raise ValueError(f"the space {name} has other settings: {error}") from None
    return space


def space_class(name: str) -> type[Space]:
    """The class of the space called `name`: one of `SPACES`, or `mypackage.module:MySpace` for anybody's own.

    Raises ValueError where there is none.
    """
    if name in SPACES:
        return SPACES[name]
    module, colon, attribute = name.partition(":")
    if not colon:
        raise ValueError(f"there is no space called {name!r}; there are {', '.join(sorted(SPACES))}")
    try:
        found = getattr(import_module(module), attribute)
    except ImportError as error:
        raise ValueError(f"cannot import the space {name}: {error}") from None
    except AttributeError:
        raise ValueError(f"{module} has no {attribute!r}: a space of your own is mypackage.module:MySpace") from None
    if not (isinstance(found, type) and issubclass(found, Space) and is_dataclass(found)):
        raise ValueError(f"{name} is no space: it must be a frozen dataclass that inherits searchspaces.Space")
    return found
