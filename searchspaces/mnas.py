"""MnasNet's factorized hierarchical search space.

Tan, Chen, Pang, Vasudevan, Sandler, Howard, Le: "MnasNet: Platform-Aware Neural Architecture Search for
Mobile" (2018, arXiv:1807.11626), section 4.1 and figure 4. The network is MobileNetV2's sequence of
seven blocks; each block is a stack of equal layers whose design is searched *once for the block*, so
that blocks differ from each other (unlike NASNet's cells) and the space stays small:

    per block   convolution   regular (conv), depthwise-separable (sep), MBConv with expansion 3 or 6
                kernel        3x3 or 5x5
                SE ratio      0 or 0.25
                skip          none, identity, pooling
                filters       0.75, 1.0 or 1.25 times MobileNetV2's
                layers        one less, as many, or one more than MobileNetV2's

Where the paper is silent:
- one less than one layer is one layer (blocks 1 and 7);
- the pooling skip adds the block's input after 3x3 max-pooling at the layer's stride, with zero
  channels added or surplus ones dropped: it works in every layer, the identity only where the shape is kept;
- a network is made deeper by more layers of every block, see `nas scale`;
- the last 1x1 convolution scales with the width multiplier too, as EfficientNet's does.
Batch norm keeps PyTorch's momentum (0.1): the paper's 0.01 needs far more steps than a proxy training has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from searchspaces.layers import (
    SMALL_IMAGE,
    Layer,
    chain,
    conv,
    head,
    inverted_bottleneck,
    max_pool,
    pad_channels,
    residual,
    round_repeats,
    skip_where_shape_kept,
    squeeze_excite,
)
from searchspaces.scaled import Row, Rows, RowSpace
from searchspaces.space import Arch, Choice

# MobileNetV2's blocks (Sandler et al. 2018, table 2), and the strides that a 32-pixel image gets: the
# stem's and block 2's drop out, so that the last block still sees 4x4 pixels, as CIFAR networks have it.
# The expansion t is MobileNetV2's own, which is searched here.
#    t    c  n  s  s at 32 pixels
SKELETON = [
    (1, 16, 1, 1, 1),
    (6, 24, 2, 2, 1),
    (6, 32, 3, 2, 2),
    (6, 64, 4, 2, 2),
    (6, 96, 3, 1, 1),
    (6, 160, 3, 2, 2),
    (6, 320, 1, 1, 1),
]
STEM, LAST = 32, 1280

OPS = ("conv", "sep", "mb3", "mb6")
SKIPS = ("none", "id", "pool")


class MnasBlock(NamedTuple):
    """One block as it is built: what its choices come to, with rounded channels and real strides."""

    op: str
    kernel: int
    se: float
    skip: str
    c: int
    n: int
    s: int


@dataclass(frozen=True)
class Mnas(RowSpace):
    """The space, at a `width` multiplier (of every layer's channels) and for images of `image_size` pixels."""

    name: ClassVar[str] = "mnas"

    @property
    def choices(self) -> tuple[Choice, ...]:
        return _CHOICES

    def rows(self, arch: Arch, width: float, num_classes: int, image_size: int, depth: float = 1.0) -> list[Row | Rows]:
        stem_stride = 1 if image_size <= SMALL_IMAGE else 2
        return [
            Row(conv, (self.channels(STEM, width), 3, stem_stride)),
            *[_stage(block) for block in self._blocks(arch, width, image_size, depth)],
            Row(conv, (self.channels(LAST, width), 1)),
            Row(head, (num_classes,)),
        ]

    def blocks(self, arch: Arch, image_size: int | None = None) -> list[MnasBlock]:
        """The seven blocks of `arch`, top to bottom: the network as its paper would print it."""
        return self._blocks(arch, self.width_of(arch), image_size or self.image_size)

    def _blocks(self, arch: Arch, width: float, image_size: int, depth: float = 1.0) -> list[MnasBlock]:
        small = image_size <= SMALL_IMAGE
        blocks = []
        for (_, c, n, s, s_small), chosen in zip(SKELETON, self._chosen(arch), strict=True):
            op, kernel, se, skip, filters, layers = chosen
            scaled = self.channels(c * filters, width)
            number = round_repeats(max(1, n + layers), depth)
            blocks.append(MnasBlock(op, kernel, se, skip, scaled, number, s_small if small else s))
        return blocks

    def canonical(self, arch: Arch) -> Arch:
        """Of the choices that come to the same block, the first: filter sizes that round to the same channels,
        zero layers for one, and an identity skip that finds no layer whose shape is kept."""
        width = self.width_of(arch)
        c_in, blocks, merged = self.channels(STEM, width), self.blocks(arch), []
        for position, block in enumerate(blocks):
            op, kernel, se, skip, _, layers = arch[6 * position : 6 * position + 6]
            if block.skip == "id" and block.n == 1 and (block.s != 1 or block.c != c_in):
                skip = SKIPS.index("none")
            _, _, n, _, _ = SKELETON[position]
            layers = [max(1, n + extra) for extra in LAYERS].index(block.n)
            merged.append((op, kernel, se, skip, layers))
            c_in = block.c
        ends = self.steps
        for nominal in (STEM, LAST):
            ends = self.steps_giving(self.channels(nominal, width), nominal, ends)
        for filters, steps in self.filters_giving([block.c for block in blocks], ends):
            same = tuple(
                index for (*first, layers), f in zip(merged, filters, strict=True) for index in (*first, f, layers)
            )
            if self.step_of(same) in steps:
                return same
        return self.check(arch)  # at another width latency or memory may let the other one be wider

    def filters_giving(self, channels: Sequence[int], steps: range) -> Iterator[tuple[tuple[int, ...], range]]:
        """The choices of filters with which the blocks have `channels` at some of `steps`, and at which."""
        if not channels:
            yield (), steps
            return
        *before, last = channels
        for index, factor in enumerate(FILTERS):
            nominal = SKELETON[len(before)][1] * factor
            if there := self.steps_giving(last, nominal, steps):
                for filters, both in self.filters_giving(before, there):
                    yield (*filters, index), both

    def _chosen(self, arch: Arch) -> Iterator[tuple[Any, ...]]:
        values = list(self.options(arch).values())
        return (tuple(values[start : start + 6]) for start in range(0, len(values), 6))


FILTERS = (0.75, 1.0, 1.25)
LAYERS = (-1, 0, 1)
_CHOICES = tuple(
    choice
    for b in range(1, len(SKELETON) + 1)
    for choice in (
        Choice(f"block{b}.op", OPS),
        Choice(f"block{b}.kernel", (3, 5), tag="k"),
        Choice(f"block{b}.se", (0.0, 0.25), tag="se"),
        Choice(f"block{b}.skip", SKIPS),
        Choice(f"block{b}.filters", FILTERS, tag="f"),
        Choice(f"block{b}.layers", LAYERS, tag="n"),
    )
)


def _stage(block: MnasBlock) -> Rows:
    """`n` equal layers, the first with the stride."""
    op, kernel, se, skip, c, n, s = block
    return Rows(tuple(Row(_layer, (op, kernel, se, skip, c, s if i == 0 else 1)) for i in range(n)))


def _layer(op: str, kernel: int, se: float, skip: str, c: int, stride: int) -> Layer:
    """One layer of a block: its convolution, squeeze-excite where chosen, and its skip."""
    if op == "conv":
        body = conv(c, kernel, stride)
        if se:  # of the output channels, where MBConv has it of the input's: the paper does not say, see docs/spaces
            body = chain(body, lambda c_out: squeeze_excite(max(1, int(c_out * se)))(c_out))
    else:
        expand = {"sep": 1, "mb3": 3, "mb6": 6}[op]
        body = inverted_bottleneck(c, kernel, stride, expand, se)
    if skip == "id":
        return skip_where_shape_kept(body, c, stride)
    if skip == "pool":
        return residual(body, chain(max_pool(3, stride), pad_channels(c)))
    return body
