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
from functools import lru_cache
from typing import ClassVar, NamedTuple

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
    round_channels,
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
KERNELS = (3, 5)
RATIOS = (0.0, 0.25)
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
        return [
            _block(number, own, width, self.multiple, small, depth)
            for number, own in enumerate(_by_block(self.check(arch)))
        ]

    def canonical(self, arch: Arch) -> Arch:
        """Of the choices that come to the same block, the first: filter sizes that round to the same channels,
        zero layers for one, and an identity skip that finds no layer whose shape is kept."""
        width = self.width_of(arch)
        c_in, blocks, merged = self.channels(STEM, width), self.blocks(arch), []
        for position, (block, own) in enumerate(zip(blocks, _by_block(arch), strict=True)):
            merged.append(_merged(position, own, block, c_in))
            c_in = block.c
        if not self.limited:  # of one width, where filters that come to the same channels are the same
            first = [_first_filters(number, block.c, width, self.multiple) for number, block in enumerate(blocks)]
            return _joined(merged, first)
        ends = self.steps
        for nominal in (STEM, LAST):
            ends = self.steps_giving(self.channels(nominal, width), nominal, ends)
        for filters, steps in self.filters_giving([block.c for block in blocks], ends):
            same = _joined(merged, filters)
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


FILTERS = (0.75, 1.0, 1.25)
LAYERS = (-1, 0, 1)
_CHOICES = tuple(
    choice
    for b in range(1, len(SKELETON) + 1)
    for choice in (
        Choice(f"block{b}.op", OPS),
        Choice(f"block{b}.kernel", KERNELS, tag="k"),
        Choice(f"block{b}.se", RATIOS, tag="se"),
        Choice(f"block{b}.skip", SKIPS),
        Choice(f"block{b}.filters", FILTERS, tag="f"),
        Choice(f"block{b}.layers", LAYERS, tag="n"),
    )
)


def _by_block(arch: Arch) -> list[Arch]:
    """The six choices of each block."""
    return [arch[start : start + 6] for start in range(0, len(arch), 6)]


# A search looks at thousands of architectures, of which the blocks are few: each is made once.


@lru_cache(maxsize=1 << 15)
def _block(number: int, own: Arch, width: float, multiple: int, small: bool, depth: float) -> MnasBlock:
    """Block `number` by its `own` choices; its channels are a `multiple`."""
    op, kernel, se, skip, filters, layers = own
    _, c, n, s, s_small = SKELETON[number]
    channels = round_channels(c * FILTERS[filters] * width, multiple)
    repeats = round_repeats(max(1, n + LAYERS[layers]), depth)
    stride = s_small if small else s
    return MnasBlock(OPS[op], KERNELS[kernel], RATIOS[se], SKIPS[skip], channels, repeats, stride)


@lru_cache(maxsize=1 << 15)
def _merged(number: int, own: Arch, block: MnasBlock, c_in: int) -> Arch:
    """The first of the block's own choices that come to `block`, but for its filters."""
    op, kernel, se, skip, _, _ = own
    if block.skip == "id" and block.n == 1 and (block.s != 1 or block.c != c_in):
        skip = SKIPS.index("none")
    layers = [max(1, SKELETON[number][2] + extra) for extra in LAYERS].index(block.n)
    return op, kernel, se, skip, layers


@lru_cache(maxsize=1 << 15)
def _first_filters(number: int, channels: int, width: float, multiple: int) -> int:
    """The first choice of filters with which block `number` has so many `channels`."""
    c = SKELETON[number][1]
    return next(i for i, factor in enumerate(FILTERS) if round_channels(c * factor * width, multiple) == channels)


def _joined(merged: Sequence[Arch], filters: Sequence[int]) -> Arch:
    """The choices of all blocks, of which `merged` are the others."""
    return tuple(index for own, f in zip(merged, filters, strict=True) for index in (*own[:4], f, own[4]))


@lru_cache(maxsize=1 << 15)
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
