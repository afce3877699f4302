"""MnasNets.

Tan, Chen, Pang, Vasudevan, Sandler, Howard, Le: "MnasNet: Platform-Aware Neural Architecture Search for Mobile"
(2018, arXiv:1807.11626): A1 is figure 7a; B1, searched without squeeze-excitation (table 2), stands in the authors'
code alone (github.com/tensorflow/tpu, models/official/mnasnet). `searchspaces.mnas` is the space that they are from.

Deviations: the last 1x1 convolution, of 1280 channels at any width, is in the authors' code and not in the figure;
batch norm has PyTorch's eps (1e-5; the authors' code: 1e-3) and padding is the same on both sides, as torchvision and
timm have it. Batch norm's momentum and the dropout are the paper's (section 5).
"""

from __future__ import annotations

from functools import partial

from torch import nn

from nas.baselines.entry import Baseline
from searchspaces.layers import (
    SMALL_IMAGE,
    Layer,
    conv,
    head,
    inverted_bottleneck,
    mbconv,
    network,
    relu,
    round_channels,
    round_repeats,
    stage,
)
from searchspaces.weights import he_normal_per_group

Rows = list[tuple[int, int, float, int, int, int, int]]

# At 32 pixels the first two strides (the stem and block 2) drop out, so 4x4 pixels remain.
#    t  k    se    c  n  s  s at 32 pixels
A1: Rows = [
    (1, 3, 0.0, 16, 1, 1, 1),  # "SepConv"
    (6, 3, 0.0, 24, 2, 2, 1),
    (3, 5, 0.25, 40, 3, 2, 2),
    (6, 3, 0.0, 80, 4, 2, 2),
    (6, 3, 0.25, 112, 2, 1, 1),
    (6, 5, 0.25, 160, 3, 2, 2),
    (6, 3, 0.0, 320, 1, 1, 1),
]
B1: Rows = [
    (1, 3, 0.0, 16, 1, 1, 1),
    (3, 3, 0.0, 24, 3, 2, 1),
    (3, 5, 0.0, 40, 3, 2, 2),
    (6, 5, 0.0, 80, 3, 2, 2),
    (6, 3, 0.0, 96, 2, 1, 1),
    (6, 5, 0.0, 192, 4, 2, 2),
    (6, 3, 0.0, 320, 1, 1, 1),
]
NORM = partial(nn.BatchNorm2d, momentum=0.01)


def mnasnet(num_classes: int, image_size: int, rows: Rows, width: float = 1.0, depth: float = 1.0) -> nn.Sequential:
    """`rows` at any `width`, with `depth` times the layers of each block, rounded up."""
    small = image_size <= SMALL_IMAGE
    blocks = {
        f"block{i}": stage(
            partial(_layer, kernel=k, expand=t, se=se),
            round_channels(c * width),
            round_repeats(n, depth),
            s_small if small else s,
        )
        for i, (t, k, se, c, n, s, s_small) in enumerate(rows, start=1)
    }
    return network(
        {"conv1": conv(round_channels(32 * width), stride=1 if small else 2, norm=NORM)},
        blocks,
        {"conv_last": conv(1280, kernel=1, norm=NORM), "head": head(num_classes, dropout=0.2)},
        init=he_normal_per_group,
    )


def _layer(c: int, stride: int, kernel: int, expand: int, se: float) -> Layer:
    if expand == 1:  # SepConv never has a skip, not even where a width makes the stem's channels its own
        return inverted_bottleneck(c, kernel, stride, expand, se, relu, NORM)
    return mbconv(c, stride, kernel, expand, se, relu, NORM)


def _mnasnet(rows: Rows, top1: float, top5: float, errors: str) -> Baseline:
    return Baseline(
        partial(mnasnet, rows=rows),
        year=2018,
        paper="Tan et al., arXiv:1807.11626",
        top1=top1,
        top5=top5,
        errors=errors,
        cifar="the stem and the second block without stride",
        scalable=True,
        deepens=True,
    )


BASELINES = {
    "mnasnet_a1": _mnasnet(A1, 24.8, 7.5, "table 1"),
    "mnasnet_b1": _mnasnet(B1, 25.5, 7.9, "table 2"),
}
