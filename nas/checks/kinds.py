"""What the value of an option may be, which a person gives: kinds of values beside those of `nas.checks.limits`.

`nas search --epochs 0` and `nas.search(epochs=0)` are told the same, before anything is loaded: so nothing here needs
torch. What only more knowledge can say (whether there is such a run, a strategy, so many images) is said where that is.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.checks.limits import IMAGES, LARGEST, MACS, SECONDS, Checks, Flag, Number, Optional, Text, quoted
from nas.text.units import parse_bytes, parse_count, parse_joules, parse_seconds, parse_whole, parsed

LONGEST_PATH = 4096  # characters, as Linux has it


@dataclass(frozen=True)
class Amount:
    """A number, or a text that `parse` makes one of: `10M`, `20m`."""

    number: Number
    parse: Callable[[Any], float]

    def checked(self, name: str, value: Any) -> Any:
        return self.number.checked(name, parsed(name, self.parse, value))


@dataclass(frozen=True)
class Or:
    """The `word`, or what is of `kind`."""

    word: str
    kind: Checks

    def checked(self, name: str, value: Any) -> Any:
        return value if value == self.word else self.kind.checked(name, value)


@dataclass(frozen=True)
class Place:
    """A file or folder, by its path."""

    def checked(self, name: str, value: Any) -> Any:
        if not isinstance(value, str | os.PathLike):
            raise ValueError(f"{name} must be a path, not {quoted(value)}")
        path = str(value)
        if not path or path.isspace() or "\0" in path or len(path) > LONGEST_PATH:
            raise ValueError(f"{name} must be a path, and no file or folder can be called {quoted(path)}")
        _check_no_device(name, path)
        return value


@dataclass(frozen=True)
class Target:
    """What names a network or a run: a text, or the path of a file or folder."""

    def checked(self, name: str, value: Any) -> Any:
        if isinstance(value, os.PathLike):
            return PLACE.checked(name, value)
        Text(100_000).checked(name, value)  # architectures of many layers are long
        if len(value) <= LONGEST_PATH and "\0" not in value:
            _check_no_device(name, value)
        return value


@dataclass(frozen=True)
class Several:
    """One of `kind`, or a list of them; with `least` 1 not an empty one."""

    kind: Checks
    least: int = 0

    def checked(self, name: str, value: Any) -> Any:
        if isinstance(value, str | os.PathLike):
            return self.kind.checked(name, value)
        if not isinstance(value, Sequence) or isinstance(value, bytes) or len(value) < self.least:
            raise ValueError(f"{name} must be one or a list of {'some' if self.least else 'any'}, not {quoted(value)}")
        return [self.kind.checked(name, one) for one in value]


@dataclass(frozen=True)
class ByName:
    """Values by their names, each of which is checked by whoever has them."""

    def checked(self, name: str, value: Any) -> Any:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise ValueError(f'{name} must be values by their names, as in {{"name": 1}}, not {quoted(value)}')
        return value


@dataclass(frozen=True)
class ASpace:
    """A space's name, or a space itself."""

    def checked(self, name: str, value: Any) -> Any:
        if isinstance(value, str):  # which needs no torch
            return LINE.checked(name, value)
        from searchspaces import Space

        return value if isinstance(value, Space) else LINE.checked(name, value)


@dataclass(frozen=True)
class ANetwork:
    """What names a network, or an `nn.Module` itself."""

    def checked(self, name: str, value: Any) -> Any:
        return value if hasattr(value, "named_modules") else Target().checked(name, value)


@dataclass(frozen=True)
class SomeData:
    """A data set's name, or what has images itself: a PyTorch data set, a pair, or a dict of these."""

    def checked(self, name: str, value: Any) -> Any:
        if isinstance(value, str):
            return LINE.checked(name, value)
        is_pair = isinstance(value, list | tuple) and len(value) == 2
        if not (isinstance(value, Mapping) or is_pair or gives_items(value)):
            raise ValueError(
                f"{name} must be a data set's name, a torch Dataset that has a length, a pair (images, labels) or a "
                f"dict of these, not a {type(value).__name__}"
            )
        return value


@dataclass(frozen=True)
class SomeNetworks:
    """What a run is told of: a network's text, a trial or its number, a dict, or a list of these."""

    def checked(self, name: str, value: Any) -> Any:
        for one in value if isinstance(value, list | tuple) else [value]:
            is_number = isinstance(one, int) and not isinstance(one, bool) and abs(one) <= LARGEST
            if not (is_number or isinstance(one, str | Mapping) or hasattr(one, "number")):
                raise ValueError(
                    f"{name} must be a network's text, a trial, its number, a dict with a result, or a list of these, "
                    f"not {quoted(value)}"
                )
        return value


@dataclass(frozen=True)
class Function:
    """What can be called."""

    def checked(self, name: str, value: Any) -> Any:
        if not callable(value):
            raise ValueError(f"{name} must be a function, not {quoted(value)}")
        return value


LINE = Text(1_000)
NAMED = Target()
FLAG = Flag()
PLACE = Place()
TARGET = Optional(Amount(MACS, parse_count))  # multiply-adds, parameters
TIME = Optional(Amount(SECONDS, parse_seconds))
BYTES = Optional(Amount(Number(0, 1e18, above=True), parse_bytes))
JOULES = Optional(Amount(Number(0, 1e18, above=True), parse_joules))
SUBSET = Or("all", Amount(IMAGES, parse_whole))
GROWTH = Optional(Number(1, 10))  # alpha, beta and gamma


def gives_items(value: Any) -> bool:
    """Whether it gives items by their number, and says how many, and is no array and no collection of Python's."""
    if isinstance(value, str | bytes | list | tuple | Mapping) or hasattr(value, "__array__"):
        return False
    return hasattr(type(value), "__getitem__") and hasattr(type(value), "__len__")


def _check_no_device(name: str, path: str) -> None:
    """Raises ValueError where `path` is neither file nor folder, but what may be read without end, or never answers."""
    try:
        mode = Path(path).expanduser().stat().st_mode
    except (OSError, RuntimeError, ValueError):  # there is none, or none can be
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise ValueError(f"{name} must be a file or folder, and {quoted(path)} is a device or a pipe")
