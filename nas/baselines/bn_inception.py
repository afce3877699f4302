"""BN-Inception, and with squeeze-and-excitation.

Ioffe, Szegedy: "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift"
(2015, arXiv:1502.03167), figure 5. SE-Inception: Hu, Shen, Albanie, Sun, Wu: "Squeeze-and-Excitation Networks"
(2017, arXiv:1709.01507), figure 2: excitation (reduction 16) after every inception module, of both kinds.

4c and 4d project to 128 filters after pooling and so put out 608 channels, as in the SENet authors' Caffe network and
in the ports; TF-slim's inception_v2 has 96 filters and 576 channels there.

Deviations: the first convolution is an ordinary one, as in the SENet authors' and every port; `+separable` makes it
separable with depth multiplier 8 (appendix). Maximum pooling pads as TensorFlow does: the same as Caffe's rounding up
where sizes are even, as at 224 pixels, and defined where they are odd. `+bias` gives the convolutions the biases that
the ported Caffe weights carry, which batch norm cancels (section 3.2).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from nas.baselines.entry import Baseline
from searchspaces.layers import (
    Layer,
    avg_pool,
    chain,
    concat,
    conv,
    head,
    max_pool,
    network,
    squeeze_excite,
)

# Figure 5: 1x1, 3x3 reduce, 3x3, double 3x3 reduce, double 3x3, pool proj. Without 1x1 and projection: stride 2
# in the last 3x3s, and the pooled input passes through.
INCEPTIONS = {
    "inception_3a": (64, 64, 64, 64, 96, 32),
    "inception_3b": (64, 64, 96, 64, 96, 64),
    "inception_3c": (0, 128, 160, 64, 96, 0),
    "inception_4a": (224, 64, 96, 96, 128, 128),
    "inception_4b": (192, 96, 128, 96, 128, 128),
    "inception_4c": (160, 128, 160, 128, 160, 128),
    "inception_4d": (96, 128, 192, 160, 192, 128),
    "inception_4e": (0, 128, 192, 192, 256, 0),
    "inception_5a": (352, 192, 320, 160, 224, 128),
    "inception_5b": (352, 192, 320, 192, 224, 128),
}
MAX_POOLED = "inception_5b"  # pools the maximum before its projection, the others the mean

mean_pool = partial(avg_pool, count_padding=True)
half = partial(max_pool, 3, 2, padding="tf")


def bn_inception(
    num_classes: int, image_size: int, reduction: int | None = None, separable: bool = False, bias: bool = False
) -> nn.Sequential:
    """Figure 5, for images of any size; `reduction` is that of squeeze-and-excitation."""
    unit = partial(conv, bias=bias)
    stem = unit(64, 7, 2)
    if separable:
        stem = chain(conv(24, 7, 2, groups=3, act=None, norm=None, bias=False), unit(64, 1))
    modules = {}
    for name, filters in INCEPTIONS.items():
        module = inception(*filters, pool=max_pool if name == MAX_POOLED else mean_pool, unit=unit)
        modules[name] = excited(module, reduction) if reduction else module
    return network(
        {"conv1": stem, "pool1": half(), "conv2": chain(unit(64, 1), unit(192, 3)), "pool2": half()},
        modules,
        {"fc": head(num_classes)},
    )


def inception(
    c1: int,
    c3_reduce: int,
    c3: int,
    double_reduce: int,
    double: int,
    c_pool: int,
    pool: Callable[[int], Layer],
    unit: Callable[..., Layer],
) -> Layer:
    """GoogLeNet's module with two 3x3 convolutions in place of the 5x5; stride 2 where it has no 1x1 branch."""
    stride = 1 if c1 else 2
    return concat(
        *([unit(c1, 1)] if c1 else []),
        chain(unit(c3_reduce, 1), unit(c3, 3, stride)),
        chain(unit(double_reduce, 1), unit(double, 3), unit(double, 3, stride)),
        chain(pool(3), unit(c_pool, 1)) if c_pool else half(),
    )


def excited(layer: Layer, reduction: int) -> Layer:
    return chain(layer, lambda c: squeeze_excite(c // reduction)(c))


OPTIONS = {
    "separable": "the first convolution separable with depth multiplier 8, as printed",
    "bias": "biases in the convolutions, as in the ported Caffe weights",
}

BASELINES = {
    "bn_inception": Baseline(
        bn_inception,
        year=2015,
        paper="Ioffe and Szegedy, arXiv:1502.03167",
        top1=25.2,
        top5=7.82,
        errors="figure 4, single crop",
        options=OPTIONS,
    ),
    "se_inception": Baseline(
        partial(bn_inception, reduction=16),
        year=2017,
        paper="Hu et al., arXiv:1709.01507",
        top1=24.23,
        top5=7.14,
        errors="table 2, single crop",
        options=OPTIONS,
    ),
}
