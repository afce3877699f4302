"""What a value may be that a person gives: declared once, checked before anything is computed or written."""

from __future__ import annotations

import json
import math
import numbers
import reprlib
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar


class Checks(Protocol):
    """What values something has."""

    def checked(self, name: str, value: Any) -> Any:
        """`value` as plain Python has it. Raises ValueError, by its `name`, where it is none of these."""
        ...


class Kind(Checks, Protocol):
    """What values a setting has, which may be written as a text."""

    def parsed(self, name: str, text: str) -> Any:
        """The value that `text` means. Raises ValueError where it means none."""
        ...


# Python's own first, which are told at once
_REAL: tuple[Any, ...] = (int, float, numbers.Real)
_INTEGRAL: tuple[Any, ...] = (int, numbers.Integral)

K_co = TypeVar("K_co", bound=Checks, covariant=True)


@dataclass(frozen=True)
class Number:
    """From `least` to `most`, or from `above` the least."""

    least: float = -math.inf
    most: float = math.inf
    above: bool = False
    whole: bool = False
    of: str = ""  # what is counted

    def checked(self, name: str, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, _REAL):
            raise ValueError(f"{name} must be {self._kind}, not {quoted(value)}")
        integral = type(value) is not float and isinstance(value, _INTEGRAL)
        if self.whole and not integral:
            raise ValueError(f"{name} must be {self._kind}, not {quoted(value)}")
        number: Any = int(value) if integral else float(value)
        if isinstance(number, float) and not math.isfinite(number):
            raise ValueError(f"{name} must be a finite number, not {number}")
        if isinstance(number, int) and abs(number) > LARGEST:
            raise ValueError(f"{name} must be at most {_short(min(self.most, LARGEST))}, not {_short(number)}")
        if number < self.least or (self.above and number == self.least):
            raise ValueError(f"{name} must be {self._from}{self.of and ' '}{self.of}, not {_short(number)}")
        if number > self.most:
            raise ValueError(f"{name} must be at most {_short(self.most)}, not {_short(number)}")
        return number

    def parsed(self, name: str, text: str) -> Any:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            raise ValueError(f"{quoted(text)} is no value for {name}: it must be {self._kind}") from None
        return self.checked(name, value)

    @property
    def words(self) -> str:
        """`1 to 1,024`, `1 or more`, `above 0`: what a help text says of it; "" where it is any number."""
        most = f"{'up ' if self.above else ' '}to {_short(self.most)}" if self.most < LARGEST else ""
        if self.above:
            return f"above {_short(self.least)}{most and ', '}{most}"
        if self.least == -math.inf:
            return f"at most {_short(self.most)}" if most else ""
        return f"{_short(self.least)}{most or ' or more'}"

    @property
    def _kind(self) -> str:
        return "a whole number" if self.whole else "a number"

    @property
    def _from(self) -> str:
        if self.above:
            return f"above {_short(self.least)}"
        return f"at least {_short(self.least)}"


@dataclass(frozen=True)
class Word:
    """One of `known`."""

    known: tuple[str, ...]

    def checked(self, name: str, value: Any) -> Any:
        if value not in self.known:
            raise ValueError(f"{name} is one of {', '.join(self.known)}, not {quoted(value)}")
        return value

    def parsed(self, name: str, text: str) -> Any:
        return self.checked(name, text)


@dataclass(frozen=True)
class Text:
    """Any text of no more characters than `longest`."""

    longest: float = math.inf

    def checked(self, name: str, value: Any) -> Any:
        if not isinstance(value, str):
            raise ValueError(f"{name} must be a text, not {quoted(value)}")
        if len(value) > self.longest:
            raise ValueError(f"{name} must be a text of at most {self.longest:,} characters, not of {len(value):,}")
        return value

    def parsed(self, name: str, text: str) -> Any:
        return text


@dataclass(frozen=True)
class Flag:
    """Yes or no."""

    def checked(self, name: str, value: Any) -> Any:
        if not isinstance(value, bool):
            raise ValueError(f"{name} must be true or false, not {quoted(value)}")
        return value

    def parsed(self, name: str, text: str) -> Any:
        if text.lower() not in ("true", "false"):
            raise ValueError(f"{quoted(text)} is no value for {name}: it must be true or false")
        return text.lower() == "true"


@dataclass(frozen=True)
class Optional(Generic[K_co]):
    """Values of `kind`, or None."""

    kind: K_co

    def checked(self, name: str, value: Any) -> Any:
        return None if value is None else self.kind.checked(name, value)

    def parsed(self: Optional[Kind], name: str, text: str) -> Any:
        return None if text.lower() in ("null", "none") else self.kind.parsed(name, text)


LARGEST = 2**63 - 1  # whole number, for PyTorch and for any sum of it with others

COUNT = Number(1, whole=True)
SEED = Number(0, LARGEST, whole=True)  # what torch's generators take
SEEDS = Number(1, 10_000, whole=True)  # trainings of a network, or searches, each with its own
THREADS = Number(1, 1024, whole=True)
CLASSES = Number(1, 1_000_000, whole=True)
MIN_SIZE = 8  # height and width in pixels of the least images that are trained on
PIXELS = Number(1, 16_384, whole=True, of="pixels")  # a side of what a network takes
MOST_CHANNELS = 1024
CHANNELS = Number(1, MOST_CHANNELS, whole=True)  # of an image: 1 of grey, 3 of RGB
NATURAL = Number(0, whole=True)
SHARE = Number(0, 1)
PART = Number(0, 1, above=True)  # a share, and not none
TEXT = Text()

# What a training and a search may be asked for: what is more is a slip of the hand, or no machine has it.
EPOCHS = Number(1, 1_000_000, whole=True)
SECONDS = Number(0, 1e9, above=True)  # thirty years
IMAGES = Number(2, 1_000_000_000, whole=True, of="images")  # batch norm compares images
BATCH = Number(2, 1_000_000, whole=True, of="images")
RATE = Number(0, 1e30, above=True)  # of learning: what diverges is said to
DECAY = Number(0, 1_000)
TRIALS = Number(1, 1_000_000_000, whole=True)
MACS = Number(1, 1e18)
EXPONENT = Number(-10, 10)
WORKERS = Number(1, 10_000, whole=True)
COST_WORKERS = Number(1, 256, whole=True)  # each is a thread that waits


def quoted(value: Any) -> str:
    """`value` as Python writes it; of a long one the beginning and the end."""
    return repr(value) if isinstance(value, float) else reprlib.repr(value)


def _short(value: float) -> str:
    if isinstance(value, int) and abs(value) > LARGEST:
        return f"a number of {math.floor(math.log10(abs(value))) + 1} digits"
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
