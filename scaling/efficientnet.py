"""EfficientNet: one network at any width, depth and image size.

Tan, Le: "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (2019, arXiv:1905.11946): B0 is
table 1. B1 to B7 are its multiples as the authors' code lists them (github.com/tensorflow/tpu,
models/official/efficientnet): the paper's alpha, beta and gamma to a power, rounded by hand. L2: Xie, Luong, Hovy, Le:
"Self-training with Noisy Student improves ImageNet classification" (2019, arXiv:1911.04252), table 7. Lite0 to Lite4,
for phones: the same code, efficientnet/lite.

What depth is: every stage's layers times the depth, rounded up. Width: all channels, as multiples of 8.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from torch import nn

from scaling.compound import round_filters
from searchspaces.layers import (
    SMALL_IMAGE,
    Layer,
    Norm,
    Padding,
    chain,
    conv,
    head,
    mbconv,
    network,
    relu6,
    round_repeats,
    silu,
)
from searchspaces.weights import he_normal_per_group

# Table 1, stages 2 to 8: MBConv's expansion and kernel, channels, layers, and the stride that the resolutions come to.
# At 32 pixels the first two strides (the stem and stage 3) drop out, so 4x4 pixels remain.
#    t  k    c  n  s  s at 32 pixels
B0 = [
    (1, 3, 16, 1, 1, 1),
    (6, 3, 24, 2, 2, 1),
    (6, 5, 40, 2, 2, 2),
    (6, 3, 80, 3, 2, 2),
    (6, 5, 112, 3, 1, 1),
    (6, 5, 192, 4, 2, 2),
    (6, 3, 320, 1, 1, 1),
]
STEM, LAST = 32, 1280
SQUEEZE = 0.25  # of a block's input channels
STOCHASTIC_DEPTH = 0.2  # times the share of blocks that stand above ("survival probability 0.8")


class Coefficients(NamedTuple):
    """How a member of the family differs from B0."""

    width: float
    depth: float
    image_size: int
    dropout: float


B = {
    "b0": Coefficients(1.0, 1.0, 224, 0.2),
    "b1": Coefficients(1.0, 1.1, 240, 0.2),
    "b2": Coefficients(1.1, 1.2, 260, 0.3),
    "b3": Coefficients(1.2, 1.4, 300, 0.3),
    "b4": Coefficients(1.4, 1.8, 380, 0.4),
    "b5": Coefficients(1.6, 2.2, 456, 0.4),
    "b6": Coefficients(1.8, 2.6, 528, 0.5),
    "b7": Coefficients(2.0, 3.1, 600, 0.5),
    "l2": Coefficients(4.3, 5.3, 800, 0.5),  # trained at 475 pixels, tested at 800
}
LITE = {
    "lite0": Coefficients(1.0, 1.0, 224, 0.2),
    "lite1": Coefficients(1.0, 1.1, 240, 0.2),
    "lite2": Coefficients(1.1, 1.2, 260, 0.3),
    "lite3": Coefficients(1.2, 1.4, 280, 0.3),
    "lite4": Coefficients(1.4, 1.8, 300, 0.3),
}


def dropout_at(depth: float, lite: bool = False) -> float:
    """Before the classifier: that of the deepest published member that is no deeper; the first one's below it.

    So every published network has its own, and any other at hand the one of its likes.
    """
    members = (LITE if lite else B).values()
    return max((m.depth, m.dropout) for m in members if m.depth <= max(1.0, depth))[1]


def layers_at(depth: float, lite: bool = False) -> list[int]:
    """Of stages 2 to 8, at `depth` times B0's; Lite has no more in the first and the last."""
    fixed = (0, len(B0) - 1) if lite else ()
    return [n if i in fixed else round_repeats(n, depth) for i, (_, _, _, n, _, _) in enumerate(B0)]


def efficientnet(
    num_classes: int,
    image_size: int,
    width: float = 1.0,
    depth: float = 1.0,
    norm: Norm = nn.BatchNorm2d,
    padding: Padding = "same",
    lite: bool = False,
) -> nn.Sequential:
    """B0 with `width` times the channels and `depth` times the layers.

    The rows are table 1's; stage 9 is the last convolution, pooling and the classifier. `image_size` only chooses
    the strides: images of up to 64 pixels have none in the stem and in stage 3. `lite` has no squeeze-excitation, ReLU6
    for swish, a stem and a last convolution of one width, and no more layers in the first and the last stage.
    """
    small = image_size <= SMALL_IMAGE
    act = relu6 if lite else silu
    make = partial(mbconv, se=0.0 if lite else SQUEEZE, act=act, norm=norm, padding=padding)
    layers = layers_at(depth, lite)
    c_stem, c_last = (c if lite else round_filters(c, width) for c in (STEM, LAST))
    stages: dict[str, Layer] = {}
    for i, (t, k, c, _, s, s_small) in enumerate(B0):
        first = s_small if small else s
        stages[f"stage{i + 2}"] = chain(
            *[
                make(round_filters(c, width), first if j == 0 else 1, k, t, drop=STOCHASTIC_DEPTH * above / sum(layers))
                for j, above in enumerate(range(sum(layers[:i]), sum(layers[: i + 1])))
            ]
        )
    return network(
        {"stage1": conv(c_stem, 3, 1 if small else 2, act=act, norm=norm, padding=padding)},
        stages,
        {"stage9": chain(conv(c_last, 1, act=act, norm=norm), head(num_classes, dropout_at(depth, lite)))},
        init=he_normal_per_group,
    )
