"""What a changed network is like, found without building it: for a surrogate that looks at hundreds of architectures.

To build one and follow its forward takes a tenth of a second, so that a surrogate thought for seconds about each trial.
What is summed over layers follows from each layer's own figures: how many channels it has and reads, how large its
kernel and its map are, and how often its block comes. What a path through the network is like changes by what each
choice does to it by itself: that is found once for each option, by building it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from torch import nn

from searchspaces.around.changes import Changes
from searchspaces.around.channels import NORMS
from searchspaces.around.stages import Original
from searchspaces.around.widths import is_in
from searchspaces.summary import KINDS, MOST_PATHS, NOTHING, SUMS, Summary, Vector, halvings

DEPTHWISE, RESOLUTIONS = SUMS.index("depthwise macs"), SUMS.index("macs/1")
COUNTED = np.array([name in KINDS for name in SUMS])
NOWHERE: Mapping[str, float] = MappingProxyType({})


class Alone(NamedTuple):
    """The `summary` of the original with one change of what a path goes through, which is in each of `layers`."""

    summary: Summary
    layers: tuple[str, ...] = ()


class Layer(NamedTuple):
    """Of the original. `reads` are how many of its channels each group of producers gives it; -1: nobody's."""

    name: str
    out: int  # channels
    group: int  # of producers, that these are of; -1: as many as it reads
    reads: tuple[tuple[int, int], ...]
    window: int  # pixels of its kernel
    groups: int
    side: int  # of the map that it puts out, in pixels
    bias: bool
    norm: bool  # whether it is a norm, and has but two numbers for each channel


@dataclass(frozen=True)
class Sketch:
    """The layers of the `original` as figures."""

    original: Original
    image_size: int
    layers: tuple[Layer, ...]

    @classmethod
    def of(cls, original: Original, image_size: int) -> Sketch:
        return cls(original, image_size, tuple(_layers(original)))

    def summary(
        self, whole: Summary, changes: Changes, alone: Sequence[Alone], smaller: Mapping[str, float] = NOWHERE
    ) -> Summary:
        """With `changes`, where the original's is `whole`.

        From a layer in `smaller` on, maps have so many times fewer pixels a side than in the original.
        """
        sums = whole.sums + self._sums(changes, smaller) - self._own
        most, least, paths = whole.most, whole.least, whole.paths
        times = Times(changes)
        for one, layers in alone:
            often = sum(map(times, layers)) / len(layers) if layers else 1.0
            sums = sums + often * np.where(COUNTED, one.sums - whole.sums, 0.0)
            most, least = most + often * (one.most - whole.most), least + often * (one.least - whole.least)
            paths = min(paths * (one.paths / whole.paths) ** often, MOST_PATHS)
        return Summary(np.maximum(sums, 0.0), most, least, paths)

    @cached_property
    def _own(self) -> Vector:
        """Of the original, by its layers."""
        return self._sums(Changes(), NOWHERE)

    def _sums(self, changes: Changes, smaller: Mapping[str, float]) -> Vector:
        """`[len(SUMS)]`, of which the operations by kinds are left at nothing."""
        wider = self._wider(changes)
        times = Times(changes)
        total, shrunk = NOTHING.sums.copy(), 1.0
        for layer in self.layers:
            shrunk *= smaller.get(layer.name, 1.0)
            if often := times(layer.name):
                total = total + often * self._of(layer, changes, wider, shrunk)
        return total

    def _wider(self, changes: Changes) -> dict[int, float]:
        """By groups of producers: how many times the original's channels they have, where that is another number."""
        found = {}
        for number, group in enumerate(self.original.widths.groups):
            if name := next((name for name in group if name in changes.channels), None):
                found[number] = changes.channels[name] / len(self.original.widths.producers[name].labels)
        return found

    def _of(self, layer: Layer, changes: Changes, wider: Mapping[int, float], shrunk: float) -> Vector:
        given = sum(number * wider.get(group, 1.0) for group, number in layer.reads)
        gated = self._gate(layer, changes, given)
        if layer.norm:
            return self._operation("", 0.0, 2 * given, 0.0, 1.0, 1.0) + gated
        was = sum(number for _, number in layer.reads)
        out = layer.out * (wider.get(layer.group, 1.0) if layer.group >= 0 else given / max(1, was))
        pixels = max(1.0, (layer.side / shrunk) ** 2) if layer.side > 1 else 1.0
        window = changes.kernels[layer.name] ** 2 if layer.name in changes.kernels else layer.window
        filters = layer.groups == was > 1 and layer.group < 0
        each = window * out if filters else window * given * out / changes.groups.get(layer.name, layer.groups)
        kind = "depthwise" if filters else ""
        found = self._operation(kind, each, out * layer.bias, out, pixels, layer.side / shrunk)
        if layer.name in changes.separable:
            found = self._operation("depthwise", window * given, 0.0, given, pixels, layer.side / shrunk)
            found = found + self._operation("", given * out, out * layer.bias, out, pixels, layer.side / shrunk)
        return found + gated

    def _gate(self, layer: Layer, changes: Changes, channels: float) -> Vector:
        """Of what is put beside a layer that reads so many `channels`: before a convolution, or after a norm."""
        if layer.name not in changes.gated:
            return NOTHING.sums
        inside = 2 * channels * max(1.0, channels * changes.gated[layer.name].share)
        return self._operation("", inside, 0.0, 0.0, 1.0, 1.0)

    def _operation(
        self, kind: str, weights: float, biases: float, channels: float, pixels: float, side: float
    ) -> Vector:
        found, macs = np.zeros(len(SUMS)), weights * pixels
        found[:3] = macs, weights + biases, channels * pixels
        if macs:
            found[RESOLUTIONS + halvings(self.image_size / max(side, 1.0))] = macs
            found[DEPTHWISE] = macs if kind == "depthwise" else 0.0
        return found


class Times:
    """How often a layer of the original is there, by its name."""

    def __init__(self, changes: Changes) -> None:
        self._gone: list[str] = [*changes.ungated]
        self._copied: dict[str, int] = {}
        for repeat, blocks in changes.blocks.values():
            self._gone += repeat.left_out(blocks)
            if blocks > repeat.blocks:
                self._copied[repeat.last] = 1 + blocks - repeat.blocks

    def __call__(self, name: str) -> int:
        if is_in(name, self._gone):
            return 0
        return math.prod(times for block, times in self._copied.items() if is_in(name, (block,)))


def _layers(original: Original) -> Iterator[Layer]:
    """In the order in which they run."""
    followed, widths = original.followed, original.widths
    group_of = {name: number for number, group in enumerate(widths.groups) for name in group}
    made_by = {label: group_of[name] for name, producer in widths.producers.items() for label in producer.labels}
    for name in followed.order:
        module = original.modules[name]
        if name not in followed.shapes or not isinstance(module, (nn.Conv2d, nn.Linear, *NORMS)):
            continue
        given, out = followed.shapes[name]
        labels = followed.reads.get(name) or (-1,) * (given[0] if len(out) == 3 else given[-1])
        reads = tuple(Counter(made_by.get(label, -1) for label in labels).items())
        side, norm = out[-1] if len(out) == 3 else 1, isinstance(module, NORMS)
        if isinstance(module, nn.Conv2d | nn.Linear):
            window = math.prod(module.kernel_size) if isinstance(module, nn.Conv2d) else 1
            groups = module.groups if isinstance(module, nn.Conv2d) else 1
            group = group_of.get(name, -1) if name not in widths.completed else -1
            channels = out[0] if len(out) == 3 else out[-1]
            yield Layer(name, channels, group, reads, window, groups, side, module.bias is not None, norm)
        else:
            yield Layer(name, 0, -1, reads, 0, 1, side, False, norm)
