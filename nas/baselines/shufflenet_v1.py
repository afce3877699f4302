"""ShuffleNet.

Zhang, Zhou, Lin, Sun: "ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices" (2017,
arXiv:1707.01083), table 1.

Where the paper is silent or says otherwise, its authors' code (github.com/megvii-model/ShuffleNet-Series) decides:
- no bias in the classifier, and weights at N(0, 1 / input channels of a group);
- the shuffle stands after the depthwise convolution (printed before it: only the order of its filters differs);
- conv1 keeps 24 channels at 1.5x.
"""

from __future__ import annotations

from functools import partial

from torch import nn

from nas.baselines.entry import Baseline
from searchspaces.layers import (
    SMALL_IMAGE,
    Layer,
    avg_pool,
    chain,
    channel_shuffle,
    concat,
    conv,
    depthwise,
    head,
    max_pool,
    network,
    relu,
    residual,
    stage,
)

# Table 1: the channels of stage 2 by groups (stages 3 and 4 have twice and four times as many), and every stage's units
CHANNELS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}
UNITS = (4, 8, 4)
# conv1's channels by width. 0.25x is not in the authors' code: scaled as printed it has 11M MACs, where they print 13M.
STEMS = {0.25: 6, 0.5: 12, 1.0: 24, 1.5: 24, 2.0: 48}
CIFAR = "conv1 without stride, no pooling"


def shufflenet_v1(num_classes: int, image_size: int, width: float, groups: int = 3) -> nn.Sequential:
    """Table 1 with every channel `width` times."""
    stages = {
        # "For stage 2, we do not apply group convolution on the first pointwise layer."
        f"stage{i}": stage(
            partial(_unit, groups=groups, first_groups=1 if i == 2 else groups),
            int(CHANNELS[groups] * width) * 2 ** (i - 2),
            n,
            2,
        )
        for i, n in enumerate(UNITS, start=2)
    }
    c_stem = -(-STEMS[width] // groups) * groups  # up to a multiple of the groups: 16 at 0.5x in 8 groups
    return network(stem(c_stem, image_size), stages, {"fc": head(num_classes, bias=False)}, init=authors_init)


def stem(c: int, image_size: int) -> dict[str, Layer]:
    return {"conv1": conv(c)} if image_size <= SMALL_IMAGE else {"conv1": conv(c, stride=2), "maxpool": max_pool(3, 2)}


def _unit(c: int, stride: int, groups: int, first_groups: int) -> Layer:
    """Figure 2: (b), and with a stride (c), whose shortcut's channels stand beside the others."""
    c_mid = c // 4

    def layer(c_in: int) -> tuple[nn.Module, int]:
        body = chain(
            conv(c_mid, 1, groups=first_groups if stride == 2 else groups),
            depthwise(3, stride, act=None),
            channel_shuffle(
                c_mid // groups
            ),  # every `groups`-th channel from the first on, then from the second on, ...
            conv(c if stride == 1 else c - c_in, 1, groups=groups, act=None if stride == 1 else relu),
        )
        return (residual(body, act=relu) if stride == 1 else concat(avg_pool(3, 2, count_padding=True), body))(c_in)

    return layer


def authors_init(module: nn.Module) -> None:
    """As the authors' code has it."""
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, std=0.01 if module.in_channels == 3 else 1 / module.weight.shape[1])
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.constant_(module.bias, 1e-4)


def in_groups(width: str, groups: int) -> Baseline:
    """The network at any of its widths and numbers of groups, for names such as `shufflenet_v1_x1_0_g8`."""
    times = float(width.replace("_", "."))
    if int(CHANNELS[groups] * times) // 4 % groups:
        raise ValueError(f"{groups} groups do not divide the channels of shufflenet_v1_x{width}: take 1, 3 or 8")
    return _v1(times, groups)


def _v1(width: float, groups: int = 3, top1: float | None = None, errors: str = "") -> Baseline:
    return Baseline(
        partial(shufflenet_v1, width=width, groups=groups),
        year=2017,
        paper="Zhang et al., arXiv:1707.01083",
        top1=top1,
        errors=errors,
        cifar=CIFAR,
    )


BASELINES = {
    "shufflenet_v1_x0_25": _v1(0.25, 3, 55.0, "table 2, single crop"),
    "shufflenet_v1_x0_5": _v1(0.5, 3, 43.2, "table 2, single crop"),
    "shufflenet_v1_x1_0": _v1(1.0, 3, 32.6, "table 2, single crop"),
    "shufflenet_v1_x1_0_g8": _v1(1.0, 8, 32.4, "table 2, single crop"),
    "shufflenet_v1_x1_5": _v1(1.5, 3, 28.5, "table 5, single crop"),
    "shufflenet_v1_x2_0": _v1(2.0, 3, 26.3, "table 5, single crop"),
}
