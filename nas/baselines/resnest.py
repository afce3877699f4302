"""ResNeSts: ResNets with attention over splits of their channels.

Zhang, Wu, Zhang, Zhu, Lin, Zhang, Sun, He, Mueller, Manmatha, Li, Smola: "ResNeSt: Split-Attention Networks" (2020,
arXiv:2004.08955): section 3 and figure 2; ResNet's table 1 with ResNet-D's stem of three 3x3 convolutions and its
pooled shortcuts, and strides taken by average pooling. A block's 3x3 convolution gives `radix` candidates
for every channel, in `cardinality` groups each; by default radix 2 and cardinality 1.

As in the authors' code, the inner width of the attention is a quarter of the candidates', at least 32.
`resnest50_4s2x40d` is radix 4, cardinality 2, width 40 (section 5.3's ablation): there the pooling comes before the
3x3 convolution, which `+fast` does elsewhere ("ResNeSt-fast").
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from nas.baselines import resnet
from nas.baselines.entry import Baseline, Builder
from nas.baselines.resnet import STAGES, stages
from searchspaces.layers import (
    SMALL_IMAGE,
    Layer,
    avg_pool,
    chain,
    conv,
    head,
    max_pool,
    network,
    relu,
    residual,
    round_channels,
)

BLOCKS = {**resnet.BLOCKS, 200: (3, 24, 36, 3), 269: (3, 30, 48, 8)}


def resnest(
    num_classes: int,
    image_size: int,
    layers: int,
    radix: int = 2,
    cardinality: int = 1,
    base_width: int = 64,
    width: float = 1.0,
    depth: float = 1.0,
    fast: bool = False,
) -> nn.Sequential:
    """Deep networks have a wider stem. Images of up to 64 pixels get it without stride and pooling."""
    small = image_size <= SMALL_IMAGE
    c = max(1, round((32 if layers <= 50 else 64) * width))
    stem = {"conv1": chain(conv(c, 3, 1 if small else 2), conv(c), conv(2 * c))}
    pool = {} if small else {"pool1": max_pool(3, 2)}
    block = partial(_block, radix=radix, cardinality=cardinality, base_width=base_width, fast=fast)
    return network(stem, pool, stages(block, STAGES, BLOCKS[layers], width, depth), {"fc": head(num_classes)})


def _block(c: int, stride: int, radix: int, cardinality: int, base_width: int, fast: bool) -> Layer:
    """ResNet's bottleneck with split attention for its 3x3 convolution, and average pooling for its strides."""
    groups = radix * cardinality
    c_3x3 = groups * max(1, round(c * base_width / 64 / radix))
    split = {"conv2": lambda c_in: (SplitAttention(c_in, c_3x3, radix, cardinality), c_3x3)}
    pool = {"pool": avg_pool(3, stride, count_padding=True)} if stride > 1 else {}
    middle = (pool, split) if fast else (split, pool)
    body = chain({"conv1": conv(c_3x3, 1)}, *middle, {"conv3": conv(4 * c, 1, act=None)})

    def layer(c_in: int) -> tuple[nn.Module, int]:
        before = {"pool": avg_pool(2, stride, padding=0, ceil=True)} if stride > 1 else {}
        shortcut = chain(before, {"conv": conv(4 * c, 1, act=None)})
        return residual(body, None if stride == 1 and c_in == 4 * c else shortcut, relu)(c_in)

    return layer


class SplitAttention(nn.Module):
    """`radix` candidates for each of `c` channels from one convolution, summed with weights from their means."""

    def __init__(self, c_in: int, c: int, radix: int, cardinality: int) -> None:
        super().__init__()
        self.radix, self.cardinality = radix, cardinality
        reduced = max(32, round_channels(c_in * radix / 4, 8))
        self.conv = conv(c * radix, 3, groups=radix * cardinality)(c_in)[0]
        self.reduce = conv(reduced, 1, groups=cardinality, bias=True)(c)[0]
        self.expand = nn.Conv2d(reduced, c * radix, 1, groups=cardinality)

    def forward(self, x: Tensor) -> Tensor:
        splits = self.conv(x).unflatten(1, (self.radix, -1))  # [B, radix, c, H, W]
        logits = self.expand(self.reduce(splits.sum(1).mean((2, 3), keepdim=True)))  # of each group its splits
        by_split = logits.unflatten(1, (self.cardinality, self.radix, -1)).transpose(1, 2).flatten(2, 3)
        weights = by_split.softmax(1) if self.radix > 1 else by_split.sigmoid()  # [B, radix, c, 1, 1]
        out: Tensor = (splits * weights).sum(1)
        return out


def resnest_of(layers: int, radix: int, cardinality: int, base_width: int) -> Baseline:
    """For names such as `resnest50_4s2x40d`."""
    if layers < 50 or layers not in BLOCKS or cardinality not in (1, 2, 4, 8) or min(radix, base_width) < 1:
        raise ValueError(
            "resnestD_RsKxWd has depth D of 50, 101, 152, 200 or 269, cardinality K of 1, 2, 4 or 8, "
            f"and R and W >= 1, not {layers}_{radix}s{cardinality}x{base_width}d"
        )
    return _resnest(
        partial(resnest, layers=layers, radix=radix, cardinality=cardinality, base_width=base_width, fast=True), {}
    )


def _resnest(builder: Builder, options: dict[str, str], image_size: int = 224, top1: float | None = None) -> Baseline:
    return Baseline(
        builder,
        year=2020,
        paper="Zhang et al., arXiv:2004.08955",
        image_size=image_size,
        top1=top1,
        errors="single crop" if top1 else "",
        cifar="stem without stride, no pooling",
        options=options,
        scalable=True,
        deepens=True,
    )


FAST = {"fast": "the pooling for strides before the 3x3 convolutions, which cost less then"}

BASELINES = {
    "resnest50": _resnest(partial(resnest, layers=50), FAST, 224, 18.87),
    "resnest101": _resnest(partial(resnest, layers=101), FAST, 256, 17.0),
    "resnest200": _resnest(partial(resnest, layers=200), FAST, 320, 16.1),
    "resnest269": _resnest(partial(resnest, layers=269), FAST, 416, 15.5),
}
