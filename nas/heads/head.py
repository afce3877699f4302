"""What a head is: which of a network's maps it takes, and the module that it makes for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import nn

Channels = Mapping[int, int]
"""How many channels the maps have that a head is given, by their strides."""


@dataclass(frozen=True)
class Head:
    """`make` gives the module for the `Channels` of its maps and a number of classes.

    That takes the maps `{stride: [B, C, H, W]}` and gives scores `[B, classes, h, w]` at the pixels of the finest.
    `takes` says which of a network's strides it wants. With an `output_stride` no map is to be smaller than that.
    """

    make: Callable[[Channels, int], nn.Module]
    takes: Callable[[Sequence[int]], Sequence[int]] = tuple
    output_stride: int | None = None


def deepest(count: int) -> Callable[[Sequence[int]], Sequence[int]]:
    """The last `count` strides; all of a network that has fewer."""
    return lambda strides: sorted(strides)[-count:]
