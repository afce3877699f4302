"""Networks with squeeze-and-excitation.

Hu, Shen, Albanie, Sun, Wu: "Squeeze-and-Excitation Networks" (2017, arXiv:1709.01507): table 1 for SE-ResNet-50 and
SE-ResNeXt-50 (32x4d), figure 3 for where the squeeze-excitation stands, the appendix for SENet-154.

No deviations: as the authors' Caffe networks have it, SE-ResNets take their stride in the first 1x1 convolution
(SE-ResNeXts and SENet-154 in the 3x3), the first pooling has no padding and rounds up, and the two fully connected
layers of a squeeze-excitation have biases. SE-ResNet-18 and -34 follow from the same rules; the paper has neither.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from nas.baselines.entry import Baseline
from nas.baselines.resnet import BLOCKS, STAGES, basic_block, bottleneck, projection, stages
from searchspaces.layers import SMALL_IMAGE, Layer, chain, conv, head, max_pool, network, relu, residual, squeeze_excite

REDUCTION = 16


def se_resnet(
    num_classes: int,
    image_size: int,
    layers: int,
    block: Callable[..., Layer],
    width: float = 1.0,
    depth: float = 1.0,
) -> nn.Sequential:
    """Table 1. Images of up to 64 pixels get a 3x3 stem without stride and no pooling."""
    c = max(1, round(64 * width))
    large = {"conv1": conv(c, 7, stride=2), "pool1": max_pool(3, 2, padding=0, ceil=True)}
    stem = {"conv1": conv(c)} if image_size <= SMALL_IMAGE else large
    rows = stages(partial(block, reduction=REDUCTION), STAGES, BLOCKS[layers], width, depth)
    return network(stem, rows, {"fc": head(num_classes)})


def senet154(num_classes: int, image_size: int) -> nn.Sequential:
    """The appendix: the blocks of ResNet-152, three 3x3 convolutions as the stem, dropout before the classifier."""
    stem = {"conv1": chain(conv(64, 3, 2), conv(64), conv(128)), "pool1": max_pool(3, 2, padding=0, ceil=True)}
    return network(stem, stages(_senet_block, STAGES, BLOCKS[152]), {"fc": head(num_classes, dropout=0.2)})


def _senet_block(c: int, stride: int) -> Layer:
    """Half of ResNeXt's 64x4d channels in the first 1x1, and projections that are 3x3 where they have a stride."""
    convolutions = conv(2 * c, 1), conv(4 * c, 3, stride, groups=64), conv(4 * c, 1, act=None)
    shortcut = projection(4 * c, stride, kernel=3 if stride > 1 else 1)
    return residual(chain(*convolutions, squeeze_excite(4 * c // REDUCTION)), shortcut, relu)


def _se_resnet(
    layers: int, block: Callable[..., Layer], top1: float | None = None, top5: float | None = None
) -> Baseline:
    return Baseline(
        partial(se_resnet, layers=layers, block=block),
        year=2017,
        paper="Hu et al., arXiv:1709.01507",
        top1=top1,
        top5=top5,
        errors="table 2, single crop" if top1 else "",
        cifar="3x3 stem without stride, no pooling",
        scalable=True,
        deepens=True,
    )


SE_BOTTLENECK = partial(bottleneck, stride_1x1=True)
SE_RESNEXT_BOTTLENECK = partial(bottleneck, groups=32, base_width=4)

BASELINES = {
    "se_resnet18": _se_resnet(18, basic_block),
    "se_resnet34": _se_resnet(34, basic_block),
    "se_resnet50": _se_resnet(50, SE_BOTTLENECK, 23.29, 6.62),
    "se_resnet101": _se_resnet(101, SE_BOTTLENECK, 22.38, 6.07),
    "se_resnet152": _se_resnet(152, SE_BOTTLENECK, 21.57, 5.73),
    "se_resnext50_32x4d": _se_resnet(50, SE_RESNEXT_BOTTLENECK, 21.10, 5.49),
    "se_resnext101_32x4d": _se_resnet(101, SE_RESNEXT_BOTTLENECK, 20.70, 5.01),
    "senet154": Baseline(
        senet154,
        year=2017,
        paper="Hu et al., arXiv:1709.01507",
        top1=18.68,
        top5=4.47,
        errors="single crop",
        min_size=3,
    ),
}
