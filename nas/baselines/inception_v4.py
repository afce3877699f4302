"""Inception-v4 and Inception-ResNet-v2.

Szegedy, Ioffe, Vanhoucke, Alemi: "Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning"
(2016, arXiv:1602.07261), figures 9 and 15 (the rows), 3 to 8 and 16 to 19, table 1.

Inception-ResNet-v2 is the authors' TF-slim network, to which all public weights belong. It differs from the figures:
the stem is Inception-v3's with a module of four branches behind it, the modules number 10, 20 and 10 rather than
5, 10 and 5 and put out 320, 1088 and 2080 channels rather than 384, 1154 and 2048, the last of them adds its
residual unscaled and has no activation, and a 1x1 convolution to 1536 filters stands before the pooling.
Residuals are scaled (section 3.3) by 0.17, 0.1 and 0.2.

BN has TensorFlow's epsilon of 0.001, as timm's networks; the authors' decay of its averages is 0.9997, ours 0.9.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from nas.baselines.entry import Baseline
from searchspaces.layers import Kernel, Layer, avg_pool, chain, concat, conv, head, max_pool, network, relu, residual
from searchspaces.weights import he_normal

unit = partial(conv, norm=partial(nn.BatchNorm2d, eps=1e-3))
valid = partial(unit, padding=0)
pool = partial(max_pool, 3, 2, padding=0)
ROW_3, COLUMN_3, ROW_7, COLUMN_7 = (1, 3), (3, 1), (1, 7), (7, 1)


def inception_v4(num_classes: int, image_size: int) -> nn.Sequential:
    """Figure 9."""
    rows = {
        "stem": stem(),
        "inception_a": chain(*[inception_a()] * 4),
        "reduction_a": reduction_a(192, 224, 256, 384),
        "inception_b": chain(*[inception_b()] * 7),
        "reduction_b": reduction_b(),
        "inception_c": chain(*[inception_c()] * 3),
        "fc": head(num_classes, dropout=0.2),
    }
    return network(rows, init=he_normal("fan_in"))


def inception_resnet_v2(num_classes: int, image_size: int) -> nn.Sequential:
    """Figure 15, as the authors' TF-slim network has it."""
    c_modules = [
        *[residual_module(0.2, unit(192, 1), branch((192, 1), (224, ROW_3), (256, COLUMN_3)))] * 9,
        residual_module(1.0, unit(192, 1), branch((192, 1), (224, ROW_3), (256, COLUMN_3)), last=True),
    ]
    rows = {
        "stem": resnet_stem(),
        "inception_resnet_a": chain(
            *[residual_module(0.17, unit(32, 1), branch((32, 1), (32, 3)), branch((32, 1), (48, 3), (64, 3)))] * 10
        ),
        "reduction_a": reduction_a(256, 256, 384, 384),
        "inception_resnet_b": chain(
            *[residual_module(0.1, unit(192, 1), branch((128, 1), (160, ROW_7), (192, COLUMN_7)))] * 20
        ),
        "reduction_b": concat(
            chain(unit(256, 1), valid(384, 3, 2)),
            chain(unit(256, 1), valid(288, 3, 2)),
            chain(unit(256, 1), unit(288, 3), valid(320, 3, 2)),
            pool(),
        ),
        "inception_resnet_c": chain(*c_modules),
        "conv2d_7b": unit(1536, 1),
        "fc": head(num_classes, dropout=0.2),
    }
    return network(rows, init=he_normal("fan_in"))


def branch(*convs: tuple[int, Kernel]) -> Layer:
    """Padded convolutions of so many filters and such kernels, one after the other."""
    return chain(*[unit(c, kernel) for c, kernel in convs])


def pooled(c: int) -> Layer:
    return chain(avg_pool(3), unit(c, 1))


def stem() -> Layer:
    """Figure 3."""
    return chain(
        valid(32, 3, 2),
        valid(32, 3),
        unit(64, 3),
        concat(pool(), valid(96, 3, 2)),
        concat(
            chain(unit(64, 1), valid(96, 3)),
            chain(unit(64, 1), unit(64, ROW_7), unit(64, COLUMN_7), valid(96, 3)),
        ),
        concat(valid(192, 3, 2), pool()),
    )


def inception_a() -> Layer:
    """Figure 4, at 35x35."""
    return concat(unit(96, 1), branch((64, 1), (96, 3)), branch((64, 1), (96, 3), (96, 3)), pooled(96))


def inception_b() -> Layer:
    """Figure 5, at 17x17."""
    return concat(
        unit(384, 1),
        branch((192, 1), (224, ROW_7), (256, COLUMN_7)),
        branch((192, 1), (192, COLUMN_7), (224, ROW_7), (224, COLUMN_7), (256, ROW_7)),
        pooled(128),
    )


def inception_c() -> Layer:
    """Figure 6, at 8x8."""
    both = concat(unit(256, ROW_3), unit(256, COLUMN_3))
    return concat(
        unit(256, 1),
        chain(unit(384, 1), both),
        chain(unit(384, 1), unit(448, COLUMN_3), unit(512, ROW_3), both),
        pooled(256),
    )


def reduction_a(k: int, l: int, m: int, n: int) -> Layer:  # noqa: E741
    """Figure 7 with the letters of table 1, from 35x35 to 17x17."""
    return concat(valid(n, 3, 2), chain(unit(k, 1), unit(l, 3), valid(m, 3, 2)), pool())


def reduction_b() -> Layer:
    """Figure 8, from 17x17 to 8x8."""
    return concat(
        chain(unit(192, 1), valid(192, 3, 2)),
        chain(unit(256, 1), unit(256, ROW_7), unit(320, COLUMN_7), valid(320, 3, 2)),
        pool(),
    )


def resnet_stem() -> Layer:
    mixed_5b = concat(unit(96, 1), branch((48, 1), (64, 5)), branch((64, 1), (96, 3), (96, 3)), pooled(64))
    return chain(valid(32, 3, 2), valid(32, 3), unit(64, 3), pool(), unit(80, 1), valid(192, 3), pool(), mixed_5b)


def residual_module(scale: float, *branches: Layer, last: bool = False) -> Layer:
    """Figures 16, 17 and 19: the branches, a linear 1x1 convolution back to the input's channels, scaled and added."""

    def layer(c_in: int) -> tuple[nn.Module, int]:
        body = chain(concat(*branches), conv(c_in, 1, act=None, norm=None), lambda c: (Scale(scale), c))
        return residual(body, act=None if last else relu)(c_in)

    return layer


class Scale(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor

    def extra_repr(self) -> str:
        return f"{self.factor:g}"


_inception = partial(
    Baseline,
    year=2016,
    paper="Szegedy et al., arXiv:1602.07261",
    image_size=299,
    errors="table 2, single crop",
    min_size=75,
)

BASELINES = {
    "inception_v4": _inception(inception_v4, top1=20.0, top5=5.0),
    "inception_resnet_v2": _inception(inception_resnet_v2, top1=19.9, top5=4.9),
}
