"""Inception-v3.

Szegedy, Vanhoucke, Ioffe, Shlens, Wojna: "Rethinking the Inception Architecture for Computer Vision" (2015,
arXiv:1512.00567), table 1 and figures 5 to 7, 10; label smoothing and the batch-normalised auxiliary classifier make
"v3" of its v2 (table 3). The figures leave out the filters; they and the row names are those of the authors' TF-slim
network. Initial weights are torchvision's, truncated normals of 0.1 (0.01 in the auxiliary classifier).

The network is what torchvision and timm have weights for. It differs from table 1: the 1x1 convolution to 80 filters
and the 3x3 to 192 are followed by a second pool, 35x35 modules have a 5x5 branch, and 17x17 ones are four.
Deviations: mean pooling counts padded pixels as zeros, as both libraries do, where TensorFlow's has the mean of the
others. torchvision's weights are TensorFlow's and expect images normalised to mean 0.5 and deviation 0.5 (its
`transform_input`). The auxiliary classifier takes images of any size: its pooled input is averaged to 5x5, which it
has by itself at 299 pixels.
"""

from __future__ import annotations

from functools import partial

from torch import nn

from nas.baselines.entry import Baseline
from searchspaces.auxiliary import WithAuxiliary
from searchspaces.layers import Layer, adaptive_avg_pool, avg_pool, chain, concat, conv, head, max_pool, network
from searchspaces.weights import truncated_normal

unit = partial(conv, norm=partial(nn.BatchNorm2d, eps=1e-3))
valid = partial(unit, padding=0)
pool = partial(max_pool, 3, 2, padding=0)

AUXILIARY = ("mixed_6e", 768)  # the row that the auxiliary classifier reads, and its channels


def inception_v3(num_classes: int, image_size: int, aux: bool = False) -> nn.Sequential:
    """Table 1, as the authors' TF-slim network has it."""
    stem = {
        "conv2d_1a_3x3": valid(32, 3, 2),
        "conv2d_2a_3x3": valid(32, 3),
        "conv2d_2b_3x3": unit(64, 3),
        "maxpool_3a_3x3": pool(),
        "conv2d_3b_1x1": valid(80, 1),
        "conv2d_4a_3x3": valid(192, 3),
        "maxpool_5a_3x3": pool(),
    }
    modules = {
        **{f"mixed_5{name}": factorized_5x5(c_pool) for name, c_pool in zip("bcd", (32, 64, 64), strict=True)},
        "mixed_6a": reduction_17(),
        **{f"mixed_6{name}": factorized_7x7(c) for name, c in zip("bcde", (128, 160, 160, 192), strict=True)},
        "mixed_7a": reduction_8(),
        **{f"mixed_7{name}": expanded() for name in "bc"},
    }
    module = network(stem, modules, {"fc": head(num_classes, dropout=0.5)}, init=truncated_normal(0.1))
    if not aux:
        return module
    row, c = AUXILIARY
    classifier = network(auxiliary_classifier(num_classes), c_in=c, init=truncated_normal(0.01))
    return WithAuxiliary(module, {row: classifier}, aux_weight=0.4)


def factorized_5x5(c_pool: int) -> Layer:
    """Figure 5, at 35x35: a 5x5 and two 3x3 convolutions."""
    return concat(
        unit(64, 1),
        chain(unit(48, 1), unit(64, 5)),
        chain(unit(64, 1), unit(96, 3), unit(96, 3)),
        pooled(c_pool),
    )


def factorized_7x7(c: int) -> Layer:
    """Figure 6, at 17x17: 7x7 convolutions as 1x7 and 7x1."""
    row, column = (1, 7), (7, 1)
    return concat(
        unit(192, 1),
        chain(unit(c, 1), unit(c, row), unit(192, column)),
        chain(unit(c, 1), unit(c, column), unit(c, row), unit(c, column), unit(192, row)),
        pooled(192),
    )


def expanded() -> Layer:
    """Figure 7, at 8x8: 1x3 and 3x1 side by side."""

    def both() -> Layer:
        return concat(unit(384, (1, 3)), unit(384, (3, 1)))

    return concat(
        unit(320, 1),
        chain(unit(384, 1), both()),
        chain(unit(448, 1), unit(384, 3), both()),
        pooled(192),
    )


def pooled(c: int) -> Layer:
    return chain(avg_pool(3, count_padding=True), unit(c, 1))


def reduction_17() -> Layer:
    """Figure 10, from 35x35 to 17x17."""
    return concat(valid(384, 3, 2), chain(unit(64, 1), unit(96, 3), valid(96, 3, 2)), pool())


def reduction_8() -> Layer:
    """Figure 10 with the 7x7 factorized, from 17x17 to 8x8."""
    return concat(
        chain(unit(192, 1), valid(320, 3, 2)),
        chain(unit(192, 1), unit(192, (1, 7)), unit(192, (7, 1)), valid(192, 3, 2)),
        pool(),
    )


def auxiliary_classifier(num_classes: int) -> dict[str, Layer]:
    """Figure 8, batch-normalised: 5x5/3 mean pooling (to 5x5 from 17x17), 1x1 and 5x5 convolution, classifier."""
    return {
        "pool": chain(avg_pool(5, 3, padding=0, ceil=True), adaptive_avg_pool(5)),
        "conv0": unit(128, 1),
        "conv1": valid(768, 5),
        "fc": head(num_classes),
    }


BASELINES = {
    "inception_v3": Baseline(
        inception_v3,
        year=2015,
        paper="Szegedy et al., arXiv:1512.00567",
        image_size=299,
        top1=21.2,
        top5=5.6,
        errors="table 3, single crop",
        min_size=75,
        options={"aux": "the auxiliary classifier, in training"},
    )
}
