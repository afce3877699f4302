"""ResNeXts: ResNets whose 3x3 convolutions are in groups.

Xie, Girshick, Dollar, Tu, He: "Aggregated Residual Transformations for Deep Neural Networks" (2016,
arXiv:1611.05431): tables 1 and 3 for ImageNet, section 5.2 and table 7 for CIFAR: a 3x3 stem and three stages of
three bottlenecks. CxWd: C groups, each W channels wide in the first stage and doubled with every stage.

Deviations: none; the form is the paper's figure 3(c). 101_32x8d is torchvision's own.
"""

from __future__ import annotations

from functools import partial

from torch import nn

from nas.baselines import resnet
from nas.baselines.entry import Baseline
from nas.baselines.resnet import STAGES, bottleneck, stages
from searchspaces.layers import conv, head, network


def resnext29(
    num_classes: int, image_size: int, groups: int, base_width: int, width: float = 1.0, depth: float = 1.0
) -> nn.Sequential:
    """ResNeXt-29 of section 5.2, for images of any size."""
    block = partial(bottleneck, groups=groups, base_width=base_width)
    stem = {"conv1": conv(max(1, round(64 * width)))}
    return network(stem, stages(block, STAGES[:3], (3, 3, 3), width, depth), {"fc": head(num_classes)})


def resnext29_of(groups: int, base_width: int, top1: float | None = None) -> Baseline:
    """ResNeXt-29 of any form, for names such as `resnext29_32x4d`."""
    if groups < 1 or base_width < 1:
        raise ValueError(f"resnext29 has at least one group of one channel, not {groups}x{base_width}d")
    return Baseline(
        partial(resnext29, groups=groups, base_width=base_width),
        year=2016,
        paper="Xie et al., arXiv:1611.05431",
        image_size=32,
        num_classes=10,
        data="CIFAR-10",
        top1=top1,
        errors="table 7" if top1 else "",
        scalable=True,
        deepens=True,
    )


def _imagenet(
    layers: int, groups: int, base_width: int, top1: float | None = None, top5: float | None = None, errors: str = ""
) -> Baseline:
    block = partial(bottleneck, groups=groups, base_width=base_width)
    return Baseline(
        partial(resnet.resnet, layers=layers, block=block),
        year=2016,
        paper="Xie et al., arXiv:1611.05431",
        top1=top1,
        top5=top5,
        errors=errors,
        cifar="3x3 stem without stride, no pooling",
        scalable=True,
        deepens=True,
    )


BASELINES = {
    "resnext50_32x4d": _imagenet(50, 32, 4, 22.2, None, "table 3, single crop"),
    "resnext101_32x4d": _imagenet(101, 32, 4, 21.2, None, "table 3, single crop"),
    "resnext101_64x4d": _imagenet(101, 64, 4, 20.4, 5.3, "table 4, single crop"),
    "resnext101_32x8d": _imagenet(101, 32, 8),
    "resnext29_8x64d": resnext29_of(8, 64, 3.65),
    "resnext29_16x64d": resnext29_of(16, 64, 3.58),
}
