"""Spaces with a width: one multiplier of all channels, or for each architecture the one at which it fits a limit.

Of two architectures that are to be compared at 8M multiply-adds, each is built as wide as 8M allow: so neither wins or
loses by its size, and a search is about shapes alone. With `max_macs` the width is no longer a setting and not a choice
either, but follows from the architecture: the widest, in steps of 1/256, that costs at most so much at the space's
`image_size` and `num_classes`. Built for other images or classes the network keeps that width, and its weights' shapes.
"""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from torch import nn

from searchspaces.cost import costs_by_row, shapes_only
from searchspaces.layers import Layer, chain, network, round_channels
from searchspaces.space import Arch, Space

STEPS = 256  # widths to a multiplier of 1
WIDEST = 100


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
class ScaledSpace(Space):
    """A space whose channels all scale: subclasses give the `rows` of an architecture at a width.

    `width` is that of every architecture. With `max_macs` each has its own instead, see above; where even the
    narrowest costs more it is built so, which `nas search` refuses to train. `max_macs` counts a classifier for
    `num_classes`, 10 if not given.
    """

    image_size: int = 32
    width: float = 1.0
    max_macs: int | None = None
    num_classes: int | None = None

    def __post_init__(self) -> None:
        if self.image_size < 1 or not 0 < self.width <= WIDEST:
            raise ValueError(f"{self.name}: image_size must be positive, and width above 0 and at most {WIDEST}")
        if self.max_macs is not None and (self.max_macs < 1 or self.width != 1.0):
            raise ValueError(f"{self.name}: max_macs must be positive, and decides the width: give no width with it")
        if self.num_classes is not None and (self.num_classes < 1 or self.max_macs is None):
            raise ValueError(f"{self.name}: num_classes must be positive, and goes with max_macs, which counts them")

    @abstractmethod
    def rows(self, arch: Arch, width: float, num_classes: int, image_size: int) -> Sequence[Row | Rows]:
        """The network of `arch` at `width`, top to bottom. None of them gets cheaper as the width grows."""

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        rows = self.rows(arch, self.width_of(arch), num_classes, image_size or self.image_size)
        return network(*[row.layer() for row in rows])

    def width_of(self, arch: Arch) -> float:
        """The width multiplier at which `arch` is built."""
        return self.width_at(self.step_of(arch))

    # ------------------------------------------------------------------ widths, in steps

    @property
    def steps(self) -> range:
        """The widths that there are: one, or with `max_macs` many."""
        return range(1) if self.max_macs is None else range(1, WIDEST * STEPS + 1)

    def width_at(self, step: int) -> float:
        return self.width if self.max_macs is None else step / STEPS

    def step_of(self, arch: Arch) -> int:
        """The step at which `arch` is built."""
        return self.steps[0] if self.max_macs is None else _widest_step(self, arch)

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

    def macs_at(step: int) -> int:
        rows = space.rows(arch, space.width_at(step), space.num_classes or 10, space.image_size)
        return macs_of(rows, space.image_size)

    return space.steps[max(0, bisect_right(space.steps, space.max_macs, key=macs_at) - 1)]


def macs_of(rows: Sequence[Row | Rows], image_size: int) -> int:
    """The multiply-adds of a network of `rows`. Each row is costed once in a process, for one shape that goes in."""
    total, channels, pixels = 0, 3, image_size
    for part in rows:
        for row in part.rows if isinstance(part, Rows) else (part,):
            macs, channels, pixels = _cost_of(row, channels, pixels)
            total += macs
    return total


@lru_cache(maxsize=1 << 17)
def _cost_of(row: Row, channels: int, pixels: int) -> tuple[int, int, int]:
    """Multiply-adds, and the channels and pixels that come out."""
    with shapes_only():
        module, c = row.layer()(channels)
    (found,) = costs_by_row(nn.Sequential(module), pixels, channels)
    return found.cost.macs, c, found.output[-1]
