"""DenseNets: every layer reads what all layers before it in its block put out.

Huang, Liu, van der Maaten, Weinberger: "Densely Connected Convolutional Networks" (2016, arXiv:1608.06993): table 1
for ImageNet; for CIFAR section 3: three dense blocks at 32, 16 and 8 pixels. `densenet_L_k` has L = 3n + 4 layers,
growth rate k, a stem of 16 filters, and transitions that keep their channels; `densenet_bc_L_k` has bottlenecks
(L = 6n + 4), a stem of 2k filters, and transitions that halve the channels.

No deviations; the dropout that the paper trains with where it does not augment its data is left out. Table 1 has
k = 32; densenet161, k = 48, is in the authors' code.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import nn

from nas.baselines.entry import Baseline
from searchspaces.layers import (
    SMALL_IMAGE,
    Layer,
    avg_pool,
    bare_conv,
    chain,
    concat,
    conv,
    head,
    identity,
    max_pool,
    network,
    norm_act,
    preactivated,
    round_repeats,
)

# Table 1: the layers of each dense block, two convolutions each
BLOCKS = {121: (6, 12, 24, 16), 161: (6, 12, 36, 24), 169: (6, 12, 32, 32), 201: (6, 12, 48, 32), 264: (6, 12, 64, 48)}


def densenet(
    num_classes: int,
    image_size: int,
    blocks: Sequence[int],
    growth: int,
    bc: bool = True,
    width: float = 1.0,
    depth: float = 1.0,
) -> nn.Sequential:
    """Table 1 for four blocks; for three, or images of up to 64 pixels, a bare 3x3 stem and no pooling.

    `width` is of the growth rate and the stem's channels, `depth` of the layers of every block, rounded up.
    """
    k = max(1, round(growth * width))
    c = 2 * k if bc else max(1, round(16 * width))
    small = len(blocks) == 3 or image_size <= SMALL_IMAGE
    large = {"convolution": conv(c, 7, stride=2), "pooling": max_pool(3, 2)}
    rows: dict[str, Layer] = {"convolution": bare_conv(c)} if small else large
    for i, n in enumerate(blocks, start=1):
        if i > 1:
            rows[f"transition{i - 1}"] = _transition(0.5 if bc else 1.0)
        rows[f"dense_block{i}"] = chain(*[_dense_layer(k, bc) for _ in range(round_repeats(n, depth))])
    return network(rows, {"classification": chain({"norm": norm_act(), "fc": head(num_classes)})})


def _dense_layer(k: int, bc: bool) -> Layer:
    """The input, and `k` channels that a 3x3 convolution makes of it, behind a 1x1 to 4k with `bc`."""
    bottleneck = [preactivated(bare_conv(4 * k, 1))] if bc else []
    return concat(identity(), chain(*bottleneck, preactivated(bare_conv(k))))


def _transition(compression: float) -> Layer:
    return lambda c: chain(preactivated(bare_conv(int(c * compression), 1)), avg_pool(2, 2, padding=0))(c)


def plain(depth: int, k: int, top1: float | None = None) -> Baseline:
    """DenseNet for CIFAR, for names such as `densenet_40_12`."""
    return _cifar(depth, k, 3, False, top1)


def bc(depth: int, k: int, top1: float | None = None) -> Baseline:
    """DenseNet-BC for CIFAR, for names such as `densenet_bc_100_12`."""
    return _cifar(depth, k, 6, True, top1)


def _cifar(depth: int, k: int, step: int, bc: bool, top1: float | None) -> Baseline:
    if depth < step + 4 or (depth - 4) % step or k < 1:
        name = "densenet_bc_L_k" if bc else "densenet_L_k"
        raise ValueError(f"{name} has L = {step}n + 4 layers (such as 40 and 100) and k >= 1, not {depth} and {k}")
    return Baseline(
        partial(densenet, blocks=3 * [(depth - 4) // step], growth=k, bc=bc),
        year=2016,
        paper="Huang et al., arXiv:1608.06993",
        image_size=32,
        num_classes=10,
        data="CIFAR-10",
        min_size=4,
        top1=top1,
        errors="table 2, with augmentation" if top1 else "",
        scalable=True,
        deepens=True,
    )


def _imagenet(depth: int, top1: float | None = None, top5: float | None = None, growth: int = 32) -> Baseline:
    return Baseline(
        partial(densenet, blocks=BLOCKS[depth], growth=growth),
        year=2016,
        paper="Huang et al., arXiv:1608.06993",
        min_size=8,
        top1=top1,
        top5=top5,
        errors="table 3, single crop" if top1 else "",
        cifar="bare 3x3 stem without stride, no pooling",
        scalable=True,
        deepens=True,
    )


BASELINES = {
    "densenet121": _imagenet(121, 25.02, 7.71),
    "densenet169": _imagenet(169, 23.80, 6.85),
    "densenet201": _imagenet(201, 22.58, 6.34),
    "densenet264": _imagenet(264, 22.15, 6.12),
    "densenet161": _imagenet(161, growth=48),
    "densenet_40_12": plain(40, 12, 5.24),
    "densenet_100_12": plain(100, 12, 4.10),
    "densenet_100_24": plain(100, 24, 3.74),
    "densenet_bc_100_12": bc(100, 12, 4.51),
    "densenet_bc_250_24": bc(250, 24, 3.62),
    "densenet_bc_190_40": bc(190, 40, 3.46),
}
