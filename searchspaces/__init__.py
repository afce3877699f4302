"""What a network is: layers, cost, choices and the spaces to search."""

from __future__ import annotations

from typing import Any

from searchspaces.mnas import Mnas
from searchspaces.space import Arch, Choice, Space

__all__ = ["SPACES", "Arch", "Choice", "Mnas", "Space", "get_space"]

SPACES: dict[str, type[Space]] = {"mnas": Mnas}


def get_space(name: str, **settings: Any) -> Space:
    """The space called `name`, with its settings: `get_space("mnas", image_size=32, width=0.5)`.

    Raises ValueError for an unknown name or setting, with those that there are.
    """
    if name not in SPACES:
        raise ValueError(f"there is no space called {name!r}; there are {', '.join(sorted(SPACES))}")
    try:
        return SPACES[name](**settings)
    except TypeError as error:
        raise ValueError(f"the space {name} has other settings: {error}") from None
