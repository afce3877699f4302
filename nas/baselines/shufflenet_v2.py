"""ShuffleNet V2.

Ma, Zhang, Zheng, Sun: "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design" (2018,
arXiv:1807.11164), table 5.

Where the paper is silent or says otherwise, its authors' code (github.com/megvii-model/ShuffleNet-Series) decides:
- no bias in the classifier, dropout before that at 2x, and weights at N(0, 1 / input channels of a group);
- a unit starts by splitting every second channel off (printed: halves, and the shuffle at the unit's end);
- the left branch of a unit with stride keeps its input's width (printed: both branches have half of the channels).
torchvision has the latter two as printed, and a bias: `+torchvision`.

The published sizes differ in more than a multiplier; `shufflenet_v2_x1_0@0.5` has half of x1_0's channels everywhere.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from nas.baselines.entry import Baseline
from nas.baselines.shufflenet_v1 import CIFAR, UNITS, authors_init, stem
from searchspaces.layers import (
    Layer,
    chain,
    channel_shuffle,
    concat,
    conv,
    depthwise,
    head,
    network,
    round_repeats,
    stage,
)

# Table 5: the channels of stages 2, 3, 4 and of conv5 by size; v1's number of units
CHANNELS = {
    0.5: (48, 96, 192, 1024),
    1.0: (116, 232, 464, 1024),
    1.5: (176, 352, 704, 1024),
    2.0: (244, 488, 976, 2048),
}


def shufflenet_v2(
    num_classes: int, image_size: int, size: float, width: float = 1.0, depth: float = 1.0, torchvision: bool = False
) -> nn.Sequential:
    """Table 5's column `size` at any `width` and `depth`.

    Stage 2 has an even number of channels and those after it double it; every stage has `depth` times its units,
    rounded up.
    """
    first, *_, c_last = CHANNELS[size]
    half = max(1, round(first * width / 2))
    channels = [2 * half * (c // first) for c in CHANNELS[size][:-1]]
    stages = {
        f"stage{i}": stage(partial(_unit, torchvision=torchvision), c, round_repeats(n, depth), 2)
        for i, (c, n) in enumerate(zip(channels, UNITS, strict=True), start=2)
    }
    classifier = head(num_classes) if torchvision else head(num_classes, 0.2 if size == 2.0 else 0.0, bias=False)
    c_stem, c_last = (max(1, round(c * width)) for c in (24, c_last))
    return network(stem(c_stem, image_size), stages, {"conv5": conv(c_last, 1), "fc": classifier}, init=authors_init)


def _unit(c: int, stride: int, torchvision: bool) -> Layer:
    """Figure 3: (c), and with a stride (d)."""
    half = c // 2

    def layer(c_in: int) -> tuple[nn.Module, int]:
        c_left = half if stride == 1 or torchvision else c_in
        right = chain(conv(half, 1), depthwise(3, stride, act=None), conv(c - c_left, 1))
        if stride == 1:
            unit = _beside_first_half(right)
        else:
            unit = concat(chain(depthwise(3, stride, act=None), conv(c_left, 1)), right)
        if torchvision:
            return chain(unit, channel_shuffle(2))(c_in)
        return (chain(channel_shuffle(half), unit) if stride == 1 else unit)(c_in)

    return layer


def _beside_first_half(body: Layer) -> Layer:
    """The first half of the channels as they are, and `body` of the second half."""
    return lambda c_in: (_BesideFirstHalf(body(c_in // 2)[0]), c_in)


class _BesideFirstHalf(nn.Module):
    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        first, second = x.chunk(2, dim=1)
        return torch.cat([first, self.body(second)], dim=1)


def _v2(size: float, top1: float) -> Baseline:
    return Baseline(
        partial(shufflenet_v2, size=size),
        year=2018,
        paper="Ma et al., arXiv:1807.11164",
        top1=top1,
        errors="table 8, single crop",
        cifar=CIFAR,
        options={"torchvision": "torchvision's units, of which those with a stride are narrower, and a bias"},
        scalable=True,
        deepens=True,
    )


BASELINES = {
    "shufflenet_v2_x0_5": _v2(0.5, 39.7),
    "shufflenet_v2_x1_0": _v2(1.0, 30.6),
    "shufflenet_v2_x1_5": _v2(1.5, 27.4),
    "shufflenet_v2_x2_0": _v2(2.0, 25.1),
}
