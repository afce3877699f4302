"""A space for small images and small budgets that contains what it must beat.

MnasNet's space (`mnas`) is MobileNetV2 varied. Where a network may cost some million multiply-adds and is trained for
minutes, residual basic blocks and early strides do better than anything in it, and a search finds only what is in its
space. So this one has as points, or near them, the networks that people would take instead: ResNet-8 and ResNet-20 (He
et al. 2015, section 4.2) and MobileNetV1 (Howard et al. 2017, table 1) exactly; the layouts of MobileNetV2, SqueezeNet
and ShuffleNetV2. A network is a 3x3 stem, six stages of equal layers, an optional 1x1 convolution, and the classifier:

    stem        stride        1 or 2
    per stage   layers        0 (the stage is left out), 1, 2 or 3
                operation     3x3 convolution (conv), residual basic block of two 3x3 convolutions (basic), depthwise-
                              separable convolution (sep), MBConv with expansion 3 or 6 (mb3, mb6)
                kernel        of a depthwise convolution: 3x3 or 5x5
                SE ratio      after a depthwise convolution: 0 or 0.25
                stride        of the first layer: 1 or 2
                growth        channels over those of the stage before: 1, 1.5 or 2 times
    last        growth        channels of the last 1x1 convolution over those before; 0: there is none

All channels follow from the stem's, 16 times the width multiplier; with `max_macs` each architecture has the width that
the limit allows it (`searchspaces.scaled`). So what is searched is shape: depth, and where pixels and channels are.

- A basic block's shortcut has no parameters (ResNet's option A). MBConv and, unlike MobileNetV1's, sep have an identity
  where the shape is kept: without, random networks of many layers train badly. A conv has none.
- A basic block and a conv have no larger kernel and no squeeze-excite: at small budgets those cost more than they give.
- A network is made deeper by more layers of every stage that is there.
- Images of more than 64 pixels get a stem of twice the stride.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from typing import ClassVar, NamedTuple

from searchspaces.layers import (
    SMALL_IMAGE,
    Layer,
    chain,
    conv,
    head,
    mbconv,
    pad_channels,
    relu,
    residual,
    round_repeats,
)
from searchspaces.scaled import Placed, Row, Rows, RowSpace
from searchspaces.space import Arch, Choice

STAGES, STEM = 6, 16
LAYERS = (0, 1, 2, 3)
OPS = ("conv", "basic", "sep", "mb3", "mb6")
KERNELS = (3, 5)
RATIOS = (0.0, 0.25)
STRIDES = (1, 2)
GROWTH = (1.0, 1.5, 2.0)
LAST = (0, 2, 4)

_CHOICES = (
    Choice("stem.stride", STRIDES, tag="s"),
    *(
        choice
        for i in range(1, STAGES + 1)
        for choice in (
            Choice(f"stage{i}.layers", LAYERS, tag="n"),
            Choice(f"stage{i}.op", OPS),
            Choice(f"stage{i}.kernel", KERNELS, tag="k"),
            Choice(f"stage{i}.se", RATIOS, tag="se"),
            Choice(f"stage{i}.stride", STRIDES, tag="s"),
            Choice(f"stage{i}.growth", GROWTH, tag="g"),
        )
    ),
    Choice("last.growth", LAST, kind="last", tag="last"),
)
_REMOVED = (0,) * 6


class CompactBlock(NamedTuple):
    """One layer of a stage as it is built."""

    op: str
    kernel: int
    se: float
    c: int
    s: int


class Stage(NamedTuple):
    """A stage that is there: its choices, and its channels before the width multiplies them."""

    layers: int
    op: str
    kernel: int
    se: float
    s: int
    nominal: float


@dataclass(frozen=True)
class Compact(RowSpace):
    """The space, at a `width` or within `max_macs`, for images of `image_size` pixels."""

    name: ClassVar[str] = "compact"

    @property
    def choices(self) -> tuple[Choice, ...]:
        return _CHOICES

    def rows(self, arch: Arch, width: float, num_classes: int, image_size: int, depth: float = 1.0) -> list[Row | Rows]:
        last = self._last(arch)
        return [
            Row(conv, (self.channels(STEM, width), 3, STRIDES[arch[0]] * (1 if image_size <= SMALL_IMAGE else 2))),
            *map(_row, self._blocks(arch, width, depth)),
            *([Row(conv, (self.channels(last, width), 1))] if last else []),
            Row(head, (num_classes,)),
        ]

    def placed(self, arch: Arch, num_classes: int, image_size: int) -> Iterator[Placed]:
        """A layer's place is its number in its stage, and the stage's among those that are there."""
        rows = super().placed(arch, num_classes, image_size)
        stages = [
            f"stage{i}.{layer}" for i, stage in enumerate(self._stages(arch), 1) for layer in range(1, stage.layers + 1)
        ]
        places = ["stem", *stages, *(["last"] if self._last(arch) else []), "head"]
        return (row._replace(place=place) for row, place in zip(rows, places, strict=True))

    def blocks(self, arch: Arch) -> list[CompactBlock]:
        """The layers of `arch` between the stem and the last convolution."""
        return self._blocks(arch, self.width_of(arch))

    def ends(self, arch: Arch) -> tuple[int, int, int]:
        """The stem's stride and channels, and the last convolution's channels; 0: there is none."""
        width, last = self.width_of(arch), self._last(arch)
        return STRIDES[arch[0]], self.channels(STEM, width), self.channels(last, width) if last else 0

    def _blocks(self, arch: Arch, width: float, depth: float = 1.0) -> list[CompactBlock]:
        return [
            block
            for stage in self._stages(arch)
            for block in _blocks(stage, self.channels(stage.nominal, width), round_repeats(stage.layers, depth))
        ]

    def _stages(self, arch: Arch) -> list[Stage]:
        """The stages of `arch` that are there."""
        stages, nominal = [], float(STEM)
        for start in range(1, 1 + len(_REMOVED) * STAGES, len(_REMOVED)):
            if stage := _stage(arch[start : start + len(_REMOVED)], nominal):
                nominal = stage.nominal
                stages.append(stage)
        return stages

    def _last(self, arch: Arch) -> float:
        """The last convolution's channels before the width multiplies them; 0: there is none."""
        stages = self._stages(arch)
        return LAST[arch[-1]] * (stages[-1].nominal if stages else STEM)

    # ------------------------------------------------------------------ which architectures build one network

    def canonical(self, arch: Arch) -> Arch:
        """The same layers as the first stages, as few as can be; the other stages are left out.

        One network can be told in several ways: a stage may be any of them, six layers two stages or three, and with
        rounded channels one growth may come to as much as another. All of them have the same layers, and of these
        layers this finds the first telling.
        """
        stride, stem, last = self.ends(arch)
        same = self.with_layers(stride, stem, self.blocks(arch), last)
        assert same is not None, "an architecture's own choices build its network"
        return same

    def with_layers(self, stride: int, stem: int, blocks: Sequence[CompactBlock], last: int) -> Arch | None:
        """The first architecture with these layers between a stem and a last convolution of so many channels."""
        steps = self.steps_giving(stem, STEM, self.steps)
        for told, nominal, among in self._tellings(list(blocks), STEM, steps, STAGES):
            for index, factor in enumerate(LAST):
                there = among if not last else self.steps_giving(last, nominal * factor, among)
                removed = _REMOVED * (STAGES - len(told) // len(_REMOVED))
                same = (STRIDES.index(stride), *told, *removed, index)
                if bool(factor) == bool(last) and self.step_of(same) in there:
                    return same
        return None

    def _tellings(self, blocks: list[CompactBlock], nominal: float, steps: range, stages: int) -> Iterator[Telling]:
        """The choices of at most so many `stages` that have the layers `blocks` at some of `steps`."""
        if not blocks:
            yield (), nominal, steps
            return
        for layers in range(_alike(blocks) if stages else 0, 0, -1):
            same = _told(layers, blocks[0])
            for index, growth in enumerate(GROWTH):
                if there := self.steps_giving(blocks[0].c, nominal * growth, steps):
                    for rest, end, among in self._tellings(blocks[layers:], nominal * growth, there, stages - 1):
                        yield (*same, index, *rest), end, among


Telling = tuple[Arch, float, range]  # the stages' indices, the channels at their end before the width, the steps


def _alike(blocks: Sequence[CompactBlock]) -> int:
    """How many of `blocks`, from the first on, can be one stage."""
    as_first = _unstrided(blocks[0])
    others = takewhile(as_first.__eq__, blocks[1 : max(LAYERS)])
    return 1 + sum(1 for _ in others)


# A search looks at thousands of architectures, of which the stages and layers are few: each is made once.


@lru_cache(maxsize=1 << 15)
def _stage(own: Arch, before: float) -> Stage | None:
    """By its `own` choices, with so many channels `before` it; None: it is left out."""
    layers, op, kernel, se, s, growth = own
    if not LAYERS[layers]:
        return None
    if OPS[op] in ("conv", "basic"):
        kernel = se = 0
    return Stage(LAYERS[layers], OPS[op], KERNELS[kernel], RATIOS[se], STRIDES[s], before * GROWTH[growth])


@lru_cache(maxsize=1 << 15)
def _blocks(stage: Stage, channels: int, layers: int) -> tuple[CompactBlock, ...]:
    """Of so many `channels`, the first with the stride."""
    first = CompactBlock(stage.op, stage.kernel, stage.se, channels, stage.s)
    return (first, *[_unstrided(first)] * (layers - 1))


@lru_cache(maxsize=1 << 15)
def _unstrided(block: CompactBlock) -> CompactBlock:
    return block._replace(s=1)


@lru_cache(maxsize=1 << 15)
def _told(layers: int, first: CompactBlock) -> Arch:
    """The choices of a stage of so many layers, of which this is the `first`, but for its growth."""
    kernel, se = KERNELS.index(first.kernel), RATIOS.index(first.se)
    return LAYERS.index(layers), OPS.index(first.op), kernel, se, STRIDES.index(first.s)


@lru_cache(maxsize=1 << 15)
def _row(block: CompactBlock) -> Row:
    return Row(_layer, tuple(block))


def _layer(op: str, kernel: int, se: float, c: int, stride: int) -> Layer:
    """One layer of a stage."""
    if op == "conv":
        return conv(c, kernel, stride)
    if op == "basic":
        body = chain(conv(c, kernel, stride), conv(c, kernel, act=None))
        return lambda c_in: residual(body, None if (c_in, 1) == (c, stride) else pad_channels(c, stride), relu)(c_in)
    return mbconv(c, stride, kernel, {"sep": 1, "mb3": 3, "mb6": 6}[op], se)
