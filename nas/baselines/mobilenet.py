"""MobileNetV2.

Sandler, Howard, Zhu, Zhmoginov, Chen: "MobileNetV2: Inverted Residuals and Linear Bottlenecks"
(2018, arXiv:1801.04381), table 2.
"""

from __future__ import annotations

from functools import partial

from torch import nn

from nas.baselines.entry import Baseline
from searchspaces.layers import SMALL_IMAGE, Layer, conv, head, mbconv, network, relu6, round_channels, stage

#     t   c  n  s, and s at 32 pixels: the first two strides (the stem and c = 24) drop out, so 4x4 pixels remain
ROWS = [
    (1, 16, 1, 1, 1),
    (6, 24, 2, 2, 1),
    (6, 32, 3, 2, 2),
    (6, 64, 4, 2, 2),
    (6, 96, 3, 1, 1),
    (6, 160, 3, 2, 2),
    (6, 320, 1, 1, 1),
]


def mobilenet_v2(num_classes: int, image_size: int, width: float = 1.0) -> nn.Sequential:
    """Table 2 at any `width`; the last convolution keeps its 1280 channels below width 1 (section 5)."""
    small = image_size <= SMALL_IMAGE
    bottlenecks = {
        f"bottleneck{i}": stage(partial(_bottleneck, expand=t), round_channels(c * width), n, s_small if small else s)
        for i, (t, c, n, s, s_small) in enumerate(ROWS, start=1)
    }
    return network(
        {"conv1": conv(round_channels(32 * width), stride=1 if small else 2, act=relu6)},
        bottlenecks,
        {"conv_last": conv(round_channels(1280 * max(1.0, width)), kernel=1, act=relu6), "head": head(num_classes)},
    )


def _bottleneck(c: int, stride: int, expand: int) -> Layer:
    return mbconv(c, stride, expand=expand, act=relu6)


BASELINES = {
    "mobilenet_v2": Baseline(
        mobilenet_v2,
        year=2018,
        paper="Sandler et al., arXiv:1801.04381",
        top1=28.0,
        errors="table 4",
        cifar="the stem and the second stage without stride",
        scalable=True,
    )
}
