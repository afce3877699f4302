"""Wide ResNets.

Zagoruyko, Komodakis: "Wide Residual Networks" (2016, arXiv:1605.07146): table 1 for CIFAR: WRN-d-k has
d = 6n + 4 layers (n basic preactivated units a stage) and k times ResNet's filters but for the stem's; for ImageNet
section 3.4 and table 8: bottlenecks whose 3x3 convolution is twice as wide.

Deviations: none in WRN-d-k, where `+dropout` is the paper's 0.3 between a unit's convolutions. WRN-50-2 is
torchvision's: stride in the 3x3 convolution. WRN-101-2 is torchvision's own.
"""

from __future__ import annotations

from functools import partial

from torch import nn

from nas.baselines import resnet
from nas.baselines.entry import Baseline
from nas.baselines.preact_resnet import basic_unit
from nas.baselines.resnet import CIFAR_STAGES, stages
from searchspaces.layers import bare_conv, head, network, norm_act


def wrn(
    num_classes: int,
    image_size: int,
    n: int,
    k: int,
    width: float = 1.0,
    depth: float = 1.0,
    dropout: bool = False,
) -> nn.Sequential:
    """Table 1, for images of any size. `width` is of k, `depth` of n, rounded up."""
    unit = partial(basic_unit, drop=0.3 if dropout else 0.0)
    rows = stages(unit, CIFAR_STAGES, 3 * [n], k * width, depth, name="conv{}")
    return network({"conv1": bare_conv(16)}, rows, {"norm": norm_act(), "fc": head(num_classes)})


def wrn_of(depth: int, k: int, top1: float | None = None) -> Baseline:
    """WRN-`depth`-`k`, for names such as `wrn40-8`."""
    if depth < 10 or (depth - 4) % 6 or k < 1:
        raise ValueError(f"a WRN-d-k has d = 6n + 4 layers (10, 16, 22, 28, 40, ...) and k >= 1, not {depth}-{k}")
    return Baseline(
        partial(wrn, n=(depth - 4) // 6, k=k),
        year=2016,
        paper="Zagoruyko & Komodakis, arXiv:1605.07146",
        image_size=32,
        num_classes=10,
        data="CIFAR-10",
        top1=top1,
        errors="table 5, without dropout" if top1 else "",
        scalable=True,
        deepens=True,
        options={"dropout": "dropout of 0.3 between the convolutions of a unit (section 2.4)"},
    )


def _imagenet(layers: int, top1: float | None = None, top5: float | None = None) -> Baseline:
    return Baseline(
        partial(resnet.resnet, layers=layers, block=partial(resnet.bottleneck, base_width=128)),
        year=2016,
        paper="Zagoruyko & Komodakis, arXiv:1605.07146",
        top1=top1,
        top5=top5,
        errors="table 8, single crop" if top1 else "",
        cifar="3x3 stem without stride, no pooling",
        scalable=True,
        deepens=True,
    )


BASELINES = {
    "wrn16-8": wrn_of(16, 8, 4.27),
    "wrn40-4": wrn_of(40, 4, 4.53),
    "wrn28-10": wrn_of(28, 10, 4.00),
    "wide_resnet50_2": _imagenet(50, 21.9, 6.03),
    "wide_resnet101_2": _imagenet(101),
}
