"""ResNets and the plain networks they were measured against.

He, Zhang, Ren, Sun: "Deep Residual Learning for Image Recognition" (2015, arXiv:1512.03385): table 1 for
ImageNet; for CIFAR section 4.2: a 3x3 stem, 6n layers in three stages of 16, 32 and 64 filters at 32, 16 and 8
pixels, global pooling and a classifier: 6n + 2 layers, with option A shortcuts everywhere (no parameters).

Width multiplies all channels, depth the blocks of every stage (n of a CIFAR network's 6n + 2), rounded up.

Deviation: bottlenecks take their stride in the 3x3 convolution, as torchvision's and every later network's do;
`+stride_1x1` puts it in the first 1x1 as the paper does (the parameters are the same).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from torch import nn

from nas.baselines.entry import Baseline
from searchspaces.layers import (
    SMALL_IMAGE,
    Layer,
    chain,
    conv,
    head,
    max_pool,
    network,
    pad_channels,
    relu,
    residual,
    round_repeats,
    squeeze_excite,
    stage,
)

# Table 1: filters and stride of the stages conv2_x to conv5_x, and each network's blocks a stage
STAGES = [(64, 1), (128, 2), (256, 2), (512, 2)]
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
# Section 4.2:    c  s
CIFAR_STAGES = [(16, 1), (32, 2), (64, 2)]


def resnet(
    num_classes: int,
    image_size: int,
    layers: int,
    block: Callable[..., Layer],
    width: float = 1.0,
    depth: float = 1.0,
    stride_1x1: bool = False,
) -> nn.Sequential:
    """Table 1. Images of up to 64 pixels get a 3x3 stem without stride and no pooling."""
    small = image_size <= SMALL_IMAGE
    c_stem = max(1, round(64 * width))
    stem = {"conv1": conv(c_stem, 3)} if small else {"conv1": conv(c_stem, 7, stride=2), "pool1": max_pool(3, 2)}
    make = partial(block, stride_1x1=True) if stride_1x1 else block
    return network(stem, stages(make, STAGES, BLOCKS[layers], width, depth), {"fc": head(num_classes)})


def cifar_resnet(
    num_classes: int, image_size: int, layers: int, width: float = 1.0, depth: float = 1.0
) -> nn.Sequential:
    """ResNet-`layers` of section 4.2, for images of any size."""
    rows = stages(option_a_block, CIFAR_STAGES, 3 * [blocks_a_stage(layers)], width, depth)
    return network({"conv1": conv(max(1, round(16 * width)))}, rows, {"fc": head(num_classes)})


def stages(
    block: Callable[[int, int], Layer],
    rows: Sequence[tuple[int, int]],
    blocks: Sequence[int],
    width: float = 1.0,
    depth: float = 1.0,
    name: str = "conv{}_x",
) -> dict[str, Layer]:
    """The rows conv2_x, conv3_x, ...: `rows` has each one's filters and first stride, `blocks` how many it has."""
    return {
        name.format(i): stage(block, max(1, round(c * width)), round_repeats(n, depth), s)
        for i, ((c, s), n) in enumerate(zip(rows, blocks, strict=True), start=2)
    }


def projection(c: int, stride: int, kernel: int = 1) -> Layer:
    """Option B: the input itself where the shape is kept, a 1x1 convolution elsewhere."""

    def layer(c_in: int) -> tuple[nn.Module, int]:
        return (nn.Identity(), c_in) if stride == 1 and c_in == c else conv(c, kernel, stride, act=None)(c_in)

    return layer


def option_a(c: int, stride: int) -> Layer:
    """The input itself where the shape is kept, subsampled and with zero channels added elsewhere."""
    return lambda c_in: (nn.Identity(), c) if stride == 1 and c_in == c else pad_channels(c, stride)(c_in)


def basic_block(c: int, stride: int, reduction: int = 0) -> Layer:
    """Two 3x3 convolutions (figure 5, left); `reduction` as in `bottleneck`."""
    body = chain(conv(c, 3, stride), conv(c, 3, act=None), *_excite(c, reduction))
    return residual(body, projection(c, stride), relu)


def plain_block(c: int, stride: int) -> Layer:
    return chain(conv(c, 3, stride), conv(c, 3))


def option_a_block(c: int, stride: int) -> Layer:
    """Two 3x3 convolutions, and a shortcut without parameters."""
    return residual(chain(conv(c, 3, stride), conv(c, 3, act=None)), option_a(c, stride), relu)


def bottleneck(
    c: int, stride: int, stride_1x1: bool = False, groups: int = 1, base_width: int = 64, reduction: int = 0
) -> Layer:
    """1x1 to `c` channels, 3x3, 1x1 to 4c (figure 5, right).

    What came of it: the 3x3 in `groups` of `base_width` channels, where c = 64 and in proportion elsewhere (ResNeXt;
    wide ResNets), and squeeze-excitation to 1 / `reduction` of the block's channels at the end (SE-ResNet).
    """
    first, second = (stride, 1) if stride_1x1 else (1, stride)
    c_3x3 = groups * max(1, round(c * base_width / 64))
    convolutions = conv(c_3x3, 1, first), conv(c_3x3, 3, second, groups), conv(4 * c, 1, act=None)
    return residual(chain(*convolutions, *_excite(4 * c, reduction)), projection(4 * c, stride), relu)


def _excite(c: int, reduction: int) -> list[Layer]:
    return [squeeze_excite(max(1, c // reduction))] if reduction else []


def blocks_a_stage(layers: int) -> int:
    """n of the 6n + 2 layers of a CIFAR network. Raises ValueError for a number that is none."""
    if layers < 8 or (layers - 2) % 6:
        raise ValueError(f"a CIFAR ResNet has 6n + 2 layers (8, 20, 32, 44, 56, 110, ...), not {layers}")
    return (layers - 2) // 6


def cifar_of_depth(layers: int, top1: float | None = None) -> Baseline:
    """The CIFAR network of any 6n + 2 `layers`, for names such as `resnet14`."""
    blocks_a_stage(layers)
    return Baseline(
        partial(cifar_resnet, layers=layers),
        year=2015,
        paper="He et al., arXiv:1512.03385",
        image_size=32,
        num_classes=10,
        data="CIFAR-10",
        top1=top1,
        errors="table 6" if top1 else "",
        scalable=True,
        deepens=True,
    )


def _imagenet(layers: int, block: Callable[..., Layer], top1: float, top5: float | None, errors: str) -> Baseline:
    return Baseline(
        partial(resnet, layers=layers, block=block),
        year=2015,
        paper="He et al., arXiv:1512.03385",
        top1=top1,
        top5=top5,
        errors=errors,
        cifar="3x3 stem without stride, no pooling",
        options={"stride_1x1": "the stride in the first 1x1 convolution, as printed"} if block is bottleneck else {},
        scalable=True,
        deepens=True,
    )


BASELINES = {
    # Errors of the plain and the 18-layer networks: table 2, 10 crops; of the others: table 3, 10 crops
    "plain18": _imagenet(18, plain_block, 27.94, None, "table 2, 10 crops"),
    "plain34": _imagenet(34, plain_block, 28.54, 10.02, "table 3, 10 crops"),
    "resnet18": _imagenet(18, basic_block, 27.88, None, "table 2, 10 crops"),
    "resnet34": _imagenet(34, basic_block, 24.52, 7.46, "table 3 (B), 10 crops"),
    "resnet50": _imagenet(50, bottleneck, 22.85, 6.71, "table 3, 10 crops"),
    "resnet101": _imagenet(101, bottleneck, 21.75, 6.05, "table 3, 10 crops"),
    "resnet152": _imagenet(152, bottleneck, 21.43, 5.71, "table 3, 10 crops"),
    "resnet8": cifar_of_depth(8),
    "resnet20": cifar_of_depth(20, 8.75),
    "resnet32": cifar_of_depth(32, 7.51),
    "resnet44": cifar_of_depth(44, 7.17),
    "resnet56": cifar_of_depth(56, 6.97),
    "resnet110": cifar_of_depth(110, 6.43),
    "resnet1202": cifar_of_depth(1202, 7.93),
}
