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
- the last 1x1 convolution scales with the width multiplier too, as EfficientNet's does.
Batch norm keeps PyTorch's momentum (0.1): the paper's 0.01 needs far more steps than a proxy training has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from torch import nn

from searchspaces.layers import (
    SMALL_IMAGE,
    Layer,
    chain,
    conv,
    head,
    inverted_bottleneck,
    max_pool,
    network,
    pad_channels,
    residual,
    round_channels,
    skip_where_shape_kept,
    squeeze_excite,
    stage,
)
from searchspaces.space import Arch, Choice, Space

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


class Block(NamedTuple):
    """One block as it is built: what its choices come to, with rounded channels and real strides."""

    op: str
    kernel: int
    se: float
    skip: str
    c: int
    n: int
    s: int


@dataclass(frozen=True)
class Mnas(Space):
    """The space, at a `width` multiplier (of every layer's channels) and for images of `image_size` pixels."""

    image_size: int = 32
    width: float = 1.0

    name: ClassVar[str] = "mnas"

    def __post_init__(self) -> None:
        if self.image_size < 1 or not 0 < self.width <= 100:
            raise ValueError("mnas: image_size must be positive, and width above 0 and at most 100")

    @property
    def choices(self) -> tuple[Choice, ...]:
        return _CHOICES

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        stem_stride = 1 if (image_size or self.image_size) <= SMALL_IMAGE else 2
        return network(
            conv(self._channels(STEM), stride=stem_stride),
            *[_block(block) for block in self.blocks(arch, image_size)],
            conv(self._channels(LAST), kernel=1),
            head(num_classes),
        )

    def blocks(self, arch: Arch, image_size: int | None = None) -> list[Block]:
        """The seven blocks of `arch`, top to bottom: the network as its paper would print it."""
        small = (image_size or self.image_size) <= SMALL_IMAGE
        blocks = []
        for (_, c, n, s, s_small), chosen in zip(SKELETON, self._chosen(arch), strict=True):
            op, kernel, se, skip, filters, layers = chosen
            blocks.append(
                Block(op, kernel, se, skip, self._channels(c * filters), max(1, n + layers), s_small if small else s)
            )
        return blocks

    def canonical(self, arch: Arch) -> Arch:
        """Of the choices that come to the same block, the first: filter sizes that round to the same channels,
        zero layers for one, and an identity skip that finds no layer whose shape is kept."""
        c_in, blocks, out = self._channels(STEM), self.blocks(arch), []
        for position, block in enumerate(blocks):
            op, kernel, se, skip, filters, layers = arch[6 * position : 6 * position + 6]
            _, c, n, _, _ = SKELETON[position]
            if block.skip == "id" and block.n == 1 and (block.s != 1 or block.c != c_in):
                skip = SKIPS.index("none")
            filters = [self._channels(c * f) for f in FILTERS].index(block.c)
            layers = [max(1, n + extra) for extra in LAYERS].index(block.n)
            out += [op, kernel, se, skip, filters, layers]
            c_in = block.c
        return tuple(out)

    def _chosen(self, arch: Arch) -> Iterator[tuple[Any, ...]]:
        values = list(self.options(arch).values())
        return (tuple(values[start : start + 6]) for start in range(0, len(values), 6))

    def _channels(self, c: float) -> int:
        return round_channels(c * self.width)


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


def _block(block: Block) -> Layer:
    return stage(lambda c, stride: _layer(block, c, stride), block.c, block.n, block.s)


def _layer(block: Block, c: int, stride: int) -> Layer:
    """One layer of a block: its convolution, squeeze-excite where chosen, and its skip."""
    if block.op == "conv":
        body = conv(c, block.kernel, stride)
        if block.se:
            body = chain(body, lambda c_out: squeeze_excite(max(1, int(c_out * block.se)))(c_out))
    else:
        expand = {"sep": 1, "mb3": 3, "mb6": 6}[block.op]
        body = inverted_bottleneck(c, block.kernel, stride, expand, block.se)
    if block.skip == "id":
        return skip_where_shape_kept(body, c, stride)
    if block.skip == "pool":
        return residual(body, chain(max_pool(3, stride), pad_channels(c)))
    return body
