"""ResNets whose units normalise and activate before their convolutions.

He, Zhang, Ren, Sun: "Identity Mappings in Deep Residual Networks" (2016, arXiv:1603.05027): figure 1(b), in the
tables of ResNet: for CIFAR 6n + 2 layers in basic units, or 9n + 2 in bottlenecks, for ImageNet those of table 5.

As in the authors' code (resnet-1k-layers), a unit that changes the shape has a 1x1 projection of its preactivated
input. Deviations: bottlenecks take their stride in the 3x3 convolution, not in the first 1x1. ImageNet's stem has a
norm and a ReLU of its own before the pooling. Where the first unit needs no projection (basic units), its shortcut
is its raw input, and not the preactivated one as in the appendix.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from nas.baselines import resnet
from nas.baselines.entry import Baseline
from nas.baselines.resnet import CIFAR_STAGES, STAGES, stages
from searchspaces.layers import (
    SMALL_IMAGE,
    Layer,
    bare_conv,
    chain,
    conv,
    dropout,
    head,
    max_pool,
    network,
    norm_act,
    preactivated,
    residual,
)

BLOCKS = {**resnet.BLOCKS, 200: (3, 24, 36, 3)}


def preact_resnet(
    num_classes: int,
    image_size: int,
    layers: int,
    unit: Callable[[int, int], Layer],
    width: float = 1.0,
    depth: float = 1.0,
) -> nn.Sequential:
    """ResNet's table 1 in preactivated units. Images of up to 64 pixels get a bare 3x3 stem and no pooling."""
    c = max(1, round(64 * width))
    large = {"conv1": conv(c, 7, stride=2), "pool1": max_pool(3, 2)}
    stem = {"conv1": bare_conv(c)} if image_size <= SMALL_IMAGE else large
    rows = stages(unit, STAGES, BLOCKS[layers], width, depth)
    return network(stem, rows, {"norm": norm_act(), "fc": head(num_classes)})


def cifar_preact_resnet(
    num_classes: int,
    image_size: int,
    n: int,
    unit: Callable[[int, int], Layer],
    width: float = 1.0,
    depth: float = 1.0,
) -> nn.Sequential:
    """Three stages of `n` units, for images of any size."""
    rows = stages(unit, CIFAR_STAGES, 3 * [n], width, depth)
    stem = {"conv1": bare_conv(max(1, round(16 * width)))}
    return network(stem, rows, {"norm": norm_act(), "fc": head(num_classes)})


def basic_unit(c: int, stride: int, drop: float = 0.0) -> Layer:
    """Two 3x3 convolutions, with dropout between them where wide ResNets have it."""
    second = chain(dropout(drop), bare_conv(c)) if drop else bare_conv(c)
    return _unit(chain(bare_conv(c, 3, stride), preactivated(second)), c, stride)


def bottleneck_unit(c: int, stride: int) -> Layer:
    """1x1 to `c` channels, 3x3, 1x1 to 4c."""
    rest = preactivated(bare_conv(c, 3, stride)), preactivated(bare_conv(4 * c, 1))
    return _unit(chain(bare_conv(c, 1), *rest), 4 * c, stride)


def _unit(body: Layer, c: int, stride: int) -> Layer:
    def layer(c_in: int) -> tuple[nn.Module, int]:
        if stride == 1 and c_in == c:
            return residual(preactivated(body))(c_in)
        return preactivated(residual(body, bare_conv(c, 1, stride)))(c_in)

    return layer


def cifar_of_depth(layers: int) -> Baseline:
    """The CIFAR network of so many `layers`: in bottlenecks from 164 on where 9n + 2 fits, else in basic units.

    So are the field's: 20, 56, 110 and 1202 layers in basic units, 164, 272, 542 and 1001 in bottlenecks.
    """
    if layers >= 164 and (layers - 2) % 9 == 0:
        return _cifar((layers - 2) // 9, bottleneck_unit)
    if layers >= 8 and (layers - 2) % 6 == 0:
        return _cifar((layers - 2) // 6, basic_unit)
    raise ValueError(
        "a CIFAR preact_resnet has 6n + 2 layers (8, 20, 56, 110, ...), or 9n + 2 in bottlenecks from 164 on "
        f"(164, 272, 1001, ...), not {layers}"
    )


def _cifar(n: int, unit: Callable[..., Layer], top1: float | None = None) -> Baseline:
    return Baseline(
        partial(cifar_preact_resnet, n=n, unit=unit),
        year=2016,
        paper="He et al., arXiv:1603.05027",
        image_size=32,
        num_classes=10,
        data="CIFAR-10",
        top1=top1,
        errors="table 2" if top1 else "",
        scalable=True,
        deepens=True,
    )


def _imagenet(
    layers: int, unit: Callable[..., Layer], top1: float | None = None, top5: float | None = None
) -> Baseline:
    return Baseline(
        partial(preact_resnet, layers=layers, unit=unit),
        year=2016,
        paper="He et al., arXiv:1603.05027",
        top1=top1,
        top5=top5,
        errors="table 5, single crop of 320 pixels" if top1 else "",
        cifar="bare 3x3 stem without stride, no pooling",
        scalable=True,
        deepens=True,
    )


BASELINES = {
    "preact_resnet110": _cifar(18, basic_unit, 6.37),
    "preact_resnet164": _cifar(18, bottleneck_unit, 5.46),
    "preact_resnet18": _imagenet(18, basic_unit),
    "preact_resnet34": _imagenet(34, basic_unit),
    "preact_resnet50": _imagenet(50, bottleneck_unit),
    "preact_resnet101": _imagenet(101, bottleneck_unit),
    "preact_resnet152": _imagenet(152, bottleneck_unit, 21.1, 5.5),
    "preact_resnet200": _imagenet(200, bottleneck_unit, 20.7, 5.3),
}
