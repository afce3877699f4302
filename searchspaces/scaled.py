"""Spaces with a width: one multiplier of all channels, or for each architecture the one at which it fits a limit.

Of two architectures that are to be compared at 8M multiply-adds, each is built as wide as 8M allow: so neither wins or
loses by its size, and a search is about shapes alone. With `max_macs` the width is no longer a setting and not a choice
either, but follows from the architecture: the widest, in small steps, that costs at most so much at the space's
`image_size` and `num_classes`. Built for other images or classes the network keeps that width, and its weights' shapes.

A space whose networks are one layer after the other gives these as values (`RowSpace`), which makes widths cheap to
find: each layer is costed once. For others a few networks are built as shapes alone.
"""

from __future__ import annotations

import itertools
import math
from abc import abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, NamedTuple

from torch import nn

from searchspaces.bounded import check_settings
from searchspaces.cost import cost_of, costs_by_row, shapes_only
from searchspaces.flow import traced
from searchspaces.images import MOST_CHANNELS, RGB, image_channels
from searchspaces.layers import Layer, chain, network, round_channels
from searchspaces.space import Arch, Space
from searchspaces.summary import Summary, series

WIDEST = 100
LARGEST_IMAGE = 16_384  # pixels a side
GUESSES = 8  # by interpolation, before an interval is halved


@dataclass(frozen=True)
class ScaledSpace(Space):
    """A space whose channels all scale: subclasses give the `network_at` a width.

    `width` is that of every architecture. With `max_macs` each has its own instead, see above; where even the
    narrowest costs more it is built so, which `nas search` refuses to train. `max_macs` counts a classifier for
    `num_classes`, 10 if not given, and a first layer for `image_channels`, 3 if not given.
    """

    image_size: int = 32
    width: float = 1.0
    max_macs: int | None = None
    num_classes: int | None = None
    image_channels: int | None = None

    def __post_init__(self) -> None:
        check_settings(self.name, self.bounds())
        if not 0 < self.width <= WIDEST:
            raise ValueError(f"{self.name}: width must be above 0 and at most {WIDEST}, not {self.width:g}")
        if self.max_macs is not None and self.width != 1.0:
            raise ValueError(f"{self.name}: max_macs decides the width: give no width with it")
        if self.num_classes is not None and self.max_macs is None:
            raise ValueError(f"{self.name}: num_classes goes with max_macs, which counts them: give both")
        if self.image_channels is not None and self.max_macs is None:
            raise ValueError(f"{self.name}: image_channels goes with max_macs, which counts them: give both")

    def bounds(self) -> dict[str, tuple[float, float, float]]:
        """Of settings that are whole numbers: (value, least, most). What is more takes all of anybody's time."""
        return {
            "image_size": (self.image_size, 1, LARGEST_IMAGE),
            "max_macs": (1 if self.max_macs is None else self.max_macs, 1, 10**18),
            "num_classes": (1 if self.num_classes is None else self.num_classes, 1, 1_000_000),
            "image_channels": (1 if self.image_channels is None else self.image_channels, 1, MOST_CHANNELS),
        }

    @abstractmethod
    def network_at(self, arch: Arch, width: float, num_classes: int, image_size: int, depth: float = 1.0) -> nn.Module:
        """What `build` gives, of a given `width`, and with `depth` times the layers, rounded up.

        No layer gets cheaper, and there are not fewer, as these grow.
        """

    def macs_at(self, arch: Arch, width: float) -> int:
        """The multiply-adds that `max_macs` is about."""
        build = partial(self.network_at, arch, width, self.num_classes or 10, self.image_size)
        return cost_of(build, self.image_size, self.image_channels or RGB).macs

    def summary(self, arch: Arch) -> Summary:
        """With `max_macs` that of width 1, as if it were wider: to find the width takes a hundred times as long."""
        if self.max_macs is None:
            return self.summary_at(arch, self.width)
        nominal = self.summary_at(arch, 1.0)
        return nominal.widened(self.max_macs / max(nominal.sums[0], 1.0))

    def summary_at(self, arch: Arch, width: float) -> Summary:
        """Of the network of `arch` at `width`; it is built, as shapes alone, where a space knows nothing quicker."""
        with shapes_only():
            module = self.network_at(arch, width, self.num_classes or 10, self.image_size)
        return traced(module, self.image_channels or image_channels(), self.image_size)[0]

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        return self.network_at(arch, self.width_of(arch), num_classes, image_size or self.image_size)

    def scaled(
        self, arch: Arch, width: float, depth: float, num_classes: int = 10, image_size: int | None = None
    ) -> nn.Module:
        return self.network_at(arch, self.width_of(arch) * width, num_classes, image_size or self.image_size, depth)

    def simplified(self, arch: Arch) -> Arch:
        """With `max_macs`, what is merged is the same network at any width, and no width has to be found for that."""
        if self.max_macs is None:
            return self.canonical(arch)
        return replace(self, max_macs=None, num_classes=None, image_channels=None, width=float(WIDEST)).canonical(arch)

    def width_of(self, arch: Arch) -> float:
        """The width multiplier at which `arch` is built."""
        return self.width_at(self.step_of(arch))

    # ------------------------------------------------------------------ widths, in steps

    @property
    def fineness(self) -> int:
        """Steps up to a width of 1, with `max_macs`."""
        return 256

    @property
    def steps(self) -> range:
        """The widths that there are: one, or with `max_macs` many."""
        return range(1) if self.max_macs is None else range(1, WIDEST * self.fineness + 1)

    def width_at(self, step: int) -> float:
        return self.width if self.max_macs is None else step / self.fineness

    def step_of(self, arch: Arch) -> int:
        """The step at which `arch` is built."""
        return self.steps[0] if self.max_macs is None else _widest_step(self, arch)

    def is_built_in(self, arch: Arch, steps: range) -> bool:
        """Whether `step_of(arch)` is one of `steps`, some in a row: two looks tell."""
        return (steps[-1] == self.steps[-1] or not self._fits(arch, steps[-1] + 1)) and (
            steps[0] == self.steps[0] or self._fits(arch, steps[0])
        )

    def _fits(self, arch: Arch, step: int) -> bool:
        assert self.max_macs is not None
        return self.macs_at(arch, self.width_at(step)) <= self.max_macs

    def channels(self, nominal: float, width: float) -> int:
        """`nominal` channels at `width`: a multiple of 8, or with `max_macs` of 2, so that it can be met closely."""
        return round_channels(nominal * width, 8 if self.max_macs is None else 2)

    def steps_giving(self, channels: int, nominal: float, among: range) -> range:
        """The steps of `among` at which `nominal` channels are `channels`: by it `canonical` knows equal networks."""

        def at(step: int) -> int:
            return self.channels(nominal, self.width_at(step))

        return among[bisect_left(among, channels, key=at) : bisect_right(among, channels, key=at)]


@lru_cache(maxsize=1 << 14)
def _widest_step(space: ScaledSpace, arch: Arch) -> int:
    """The last step at which `arch` costs at most `max_macs`; the first where none does."""
    assert space.max_macs is not None
    return last_within(
        space.max_macs, space.steps, space.fineness, lambda step: space.macs_at(arch, space.width_at(step))
    )


def last_within(limit: int, steps: range, start: int, macs_at: Callable[[int], int]) -> int:
    """The last of `steps` with at most `limit` multiply-adds, the first where all have more; looking at `start` first.

    Multiply-adds must not fall from one step to the next. They are nearly a w^2 + b w in the width w, so that two looks
    tell where the limit is, but for rounded channels: some five are enough, where halving needs fifteen.
    """
    low, high = steps[0], steps[-1] + 1  # has at most the limit, or is the first; has more
    guess, far = start, (0, 0.0)  # a step, and its multiply-adds divided by it
    for number in itertools.count():
        if high - low <= 1:
            break
        step = min(max(guess if number < GUESSES else (low + high) // 2, low + 1), high - 1)
        macs = macs_at(step)
        low, high = (step, high) if macs <= limit else (low, step)
        guess = _step_of(limit, far, (step, macs / step))
        far = far if number else (step, macs / step)
    return low


def _step_of(limit: int, far: tuple[int, float], near: tuple[int, float]) -> int:
    """The step w at which a w^2 + b w, by the values of a w + b at two steps, is `limit`."""
    a = (near[1] - far[1]) / (near[0] - far[0])
    b = near[1] - a * near[0]
    if a <= 0:
        return int(limit / near[1])
    return int((math.sqrt(b * b + 4 * a * limit) - b) / (2 * a))


# ---------------------------------------------------------------------------- networks of rows


class Row(NamedTuple):
    """One layer of a network, `make(*args)`, as a value: equal rows are equal layers."""

    make: Callable[..., Layer]
    args: tuple[Any, ...]

    def layer(self) -> Layer:
        return self.make(*self.args)


class Rows(NamedTuple):
    """Several as one child of the network, one after the other."""

    rows: tuple[Row, ...]

    def layer(self) -> Layer:
        return chain(*[row.layer() for row in self.rows])


@dataclass(frozen=True)
class RowSpace(ScaledSpace):
    """One whose networks are rows, one after the other."""

    @abstractmethod
    def rows(
        self, arch: Arch, width: float, num_classes: int, image_size: int, depth: float = 1.0
    ) -> Sequence[Row | Rows]:
        """The network of `arch` at `width` and `depth`, top to bottom. None gets cheaper or fewer as these grow."""

    def network_at(self, arch: Arch, width: float, num_classes: int, image_size: int, depth: float = 1.0) -> nn.Module:
        return network(*[row.layer() for row in self.rows(arch, width, num_classes, image_size, depth)])

    def macs_at(self, arch: Arch, width: float) -> int:
        rows = self.rows(arch, width, self.num_classes or 10, self.image_size)
        return macs_of(rows, self.image_size, self.image_channels or RGB)

    @property
    def quick_features(self) -> bool:
        return True

    def summary_at(self, arch: Arch, width: float) -> Summary:
        rows = self.rows(arch, width, self.num_classes or 10, self.image_size)
        return summary_of(rows, self.image_size, self.image_channels or image_channels())


def macs_of(rows: Sequence[Row | Rows], image_size: int, channels: int = RGB) -> int:
    """The multiply-adds of a network of `rows` for images of so many channels.

    Each row is costed once in a process, for one shape that goes in.
    """
    total, pixels = 0, image_size
    for part in rows:
        for row in part.rows if isinstance(part, Rows) else (part,):
            macs, channels, pixels = _cost_of(row, channels, pixels)
            total += macs
    return total


def summary_of(rows: Sequence[Row | Rows], image_size: int, channels: int = RGB) -> Summary:
    """Of a network of `rows`, each of which is followed once in a process, as in `macs_of`."""
    parts, pixels = [], image_size
    for part in rows:
        for row in part.rows if isinstance(part, Rows) else (part,):
            summary, channels, pixels = summary_of_row(row, channels, pixels, image_size)
            parts.append(summary)
    return series(parts)


@lru_cache(maxsize=1 << 17)
def summary_of_row(row: Row, channels: int, pixels: int, image_size: int) -> tuple[Summary, int, int]:
    """And the channels and pixels that come out."""
    with shapes_only():
        module, c = row.layer()(channels)
    summary, _, pixels = traced(module, channels, pixels, image_size)
    return summary, c, pixels


@lru_cache(maxsize=1 << 17)
def _cost_of(row: Row, channels: int, pixels: int) -> tuple[int, int, int]:
    """Multiply-adds, and the channels and pixels that come out."""
    with shapes_only():
        module, c = row.layer()(channels)
    (found,) = costs_by_row(nn.Sequential(module), pixels, channels)
    return found.cost.macs, c, found.output[-1]
