"""MobileNets.

v1: Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto, Adam: "MobileNets: Efficient Convolutional Neural
Networks for Mobile Vision Applications" (2017, arXiv:1704.04861), table 1. v2: Sandler, Howard, Zhu, Zhmoginov,
Chen: "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (2018, arXiv:1801.04381), table 2.

Depth multiplies the layers of every row below, rounded up.

Deviations:
- v1's activations are the ReLU that is printed; `+relu6` ends them at 6, as its authors' code and timm do;
- v1's last depthwise convolution is printed with a stride that its sizes contradict;
- v1's channels at a width are rounded down, never below 8, as its authors' code does (the paper is silent);
- no dropout before the classifier: the papers have none, the authors' code has 0.001 (v1) and 0.2 (v2);
- PyTorch's eps (1e-5) and momentum in batch norm, and the same padding on both sides, as torchvision and timm;
  the authors' code has eps 1e-3 and TensorFlow's padding.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from torch import nn

from nas.baselines.entry import Baseline
from searchspaces import layers
from searchspaces.layers import (
    SMALL_IMAGE,
    Activation,
    Layer,
    chain,
    conv,
    depthwise,
    head,
    mbconv,
    network,
    round_channels,
    round_repeats,
    stage,
)
from searchspaces.mnas import LAST, SKELETON, STEM

# v1's table 1, its rows of one width together: depthwise-separable convolutions, of which the first has the stride.
# At 32 pixels the first two strides (the stem and c = 128) drop out, so 4x4 pixels remain.
#       c  n  s  s at 32 pixels
V1 = [
    (64, 1, 1, 1),
    (128, 2, 2, 1),
    (256, 2, 2, 2),
    (512, 6, 2, 2),
    (1024, 2, 2, 2),
]


def mobilenet_v1(
    num_classes: int, image_size: int, width: float = 1.0, depth: float = 1.0, relu6: bool = False
) -> nn.Sequential:
    """v1's table 1 at any `width` (section 3.3) and `depth`."""
    small = image_size <= SMALL_IMAGE
    act = layers.relu6 if relu6 else layers.relu
    separables = {
        f"separable{i}": stage(
            partial(_separable, act=act), _v1_channels(c * width), round_repeats(n, depth), s_small if small else s
        )
        for i, (c, n, s, s_small) in enumerate(V1, start=1)
    }
    stem = conv(_v1_channels(32 * width), stride=1 if small else 2, act=act)
    return network({"conv1": stem}, separables, {"head": head(num_classes)})


def _v1_channels(c: float) -> int:
    return max(8, int(c))


def _separable(c: int, stride: int, act: Activation) -> Layer:
    """3x3 depthwise, then 1x1 (figure 3, right)."""
    return chain(depthwise(3, stride, act), conv(c, 1, act=act))


def mobilenet_v2(num_classes: int, image_size: int, width: float = 1.0, depth: float = 1.0) -> nn.Sequential:
    """v2's table 2 at any `width` and `depth`.

    The last convolution keeps its 1280 channels below width 1 (section 5).
    """
    small = image_size <= SMALL_IMAGE
    bottlenecks = {
        f"bottleneck{i}": stage(
            partial(_bottleneck, expand=t),
            round_channels(c * width),
            round_repeats(n, depth),
            s_small if small else s,
        )
        for i, (t, c, n, s, s_small) in enumerate(SKELETON, start=1)
    }
    return network(
        {"conv1": conv(round_channels(STEM * width), stride=1 if small else 2, act=layers.relu6)},
        bottlenecks,
        {"conv_last": conv(round_channels(LAST * max(1.0, width)), kernel=1, act=layers.relu6)},
        {"head": head(num_classes)},
    )


def _bottleneck(c: int, stride: int, expand: int) -> Layer:
    return mbconv(c, stride, expand=expand, act=layers.relu6)


_V1 = Baseline(
    mobilenet_v1,
    year=2017,
    paper="Howard et al., arXiv:1704.04861",
    top1=29.4,
    errors="table 6",
    cifar="the stem and the first other stride without stride",
    options={"relu6": "activations end at 6, as in the authors' code and timm"},
    scalable=True,
    deepens=True,
)
_V2 = Baseline(
    mobilenet_v2,
    year=2018,
    paper="Sandler et al., arXiv:1801.04381",
    top1=28.0,
    errors="table 4",
    cifar="the stem and the second stage without stride",
    scalable=True,
    deepens=True,
)


def _v1(width: float, image_size: int, top1: float, top5: float | None, errors: str) -> Baseline:
    """v1 with the multipliers of sections 3.3 and 3.4."""
    builder = partial(mobilenet_v1, width=width)
    return replace(_V1, builder=builder, image_size=image_size, top1=top1, top5=top5, errors=errors, scalable=False)


CHECKPOINTS = "the authors' checkpoints (the paper has only a figure), single crop"
BASELINES = {
    "mobilenet_v1": _V1,
    "mobilenet_v1@0.75-192": _v1(0.75, 192, 32.8, 12.7, CHECKPOINTS),
    "mobilenet_v1@0.5-160": _v1(0.5, 160, 39.8, None, "table 9"),
    "mobilenet_v1@0.25-128": _v1(0.25, 128, 58.5, 33.7, CHECKPOINTS),
    "mobilenet_v2": _V2,
    "mobilenet_v2@1.4": replace(_V2, builder=partial(mobilenet_v2, width=1.4), top1=25.3, scalable=False),
}
