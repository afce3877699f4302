"""The layers that networks are written in: functions `c_in -> (module, c_out)`.

A network is then the rows that its paper prints, and the channel arithmetic is done here:

    network(conv(32, stride=2), *[stage(partial(mbconv, expand=t), c, n, s) for t, c, n, s in ROWS],
            conv(1280, kernel=1), head(num_classes))

Modules take and give `[B, C, H, W]`; only `head` ends in `[B, num_classes]`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

from torch import Tensor, nn
from torch.nn import functional as F

Layer = Callable[[int], tuple[nn.Module, int]]
Activation = Callable[[], nn.Module]
Module = TypeVar("Module", bound=nn.Module)


def relu() -> nn.Module:
    return nn.ReLU(inplace=True)


def relu6() -> nn.Module:
    return nn.ReLU6(inplace=True)


def round_channels(channels: float, divisor: int = 8) -> int:
    """`channels` rounded to a multiple of `divisor`, never below 90 % of it (MobileNet's and EfficientNet's rule)."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


# ---------------------------------------------------------------------------- single layers


def conv(
    c: int, kernel: int = 3, stride: int = 1, groups: int = 1, act: Activation | None = relu, bias: bool = False
) -> Layer:
    """Convolution ("same" padding), batch norm, activation; `act=None` leaves it linear."""

    def layer(c_in: int) -> tuple[nn.Module, int]:
        convolution = nn.Conv2d(c_in, c, kernel, stride, kernel // 2, groups=groups, bias=bias)
        return nn.Sequential(convolution, nn.BatchNorm2d(c), *([act()] if act else [])), c

    return layer


def depthwise(kernel: int = 3, stride: int = 1, act: Activation | None = relu) -> Layer:
    """One filter a channel, batch norm, activation."""
    return lambda c_in: conv(c_in, kernel, stride, groups=c_in, act=act)(c_in)


def max_pool(kernel: int = 3, stride: int = 1) -> Layer:
    return lambda c_in: (nn.MaxPool2d(kernel, stride, kernel // 2), c_in)


def squeeze_excite(reduced: int, act: Activation = relu) -> Layer:
    """Channels reweighted by what the whole image shows (Hu et al. 2018); `reduced` is the bottleneck's width."""
    return lambda c_in: (SqueezeExcite(c_in, reduced, act), c_in)


def head(num_classes: int, dropout: float = 0.0) -> Layer:
    """Global average pooling and the classifier."""

    def layer(c_in: int) -> tuple[nn.Module, int]:
        drop = [nn.Dropout(dropout)] if dropout else []
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), *drop, nn.Linear(c_in, num_classes)), num_classes

    return layer


# ---------------------------------------------------------------------------- how layers combine


def chain(*layers: Layer) -> Layer:
    """One layer after the other."""

    def layer(c_in: int) -> tuple[nn.Module, int]:
        modules = []
        for make in layers:
            module, c_in = make(c_in)
            modules.append(module)
        return nn.Sequential(*modules), c_in

    return layer


def residual(body: Layer, shortcut: Layer | None = None, act: Activation | None = None) -> Layer:
    """`body(x) + shortcut(x)`, then `act`; without a shortcut the input itself is added."""

    def layer(c_in: int) -> tuple[nn.Module, int]:
        body_module, c = body(c_in)
        shortcut_module, c_shortcut = shortcut(c_in) if shortcut else (nn.Identity(), c_in)
        assert c == c_shortcut, f"a residual adds {c} to {c_shortcut} channels"
        return Residual(body_module, shortcut_module, act() if act else nn.Identity()), c

    return layer


def skip_where_shape_kept(body: Layer, c: int, stride: int) -> Layer:
    """`residual` where `body` keeps its input's shape, `body` alone elsewhere (MobileNetV2's rule)."""
    return lambda c_in: (residual(body) if stride == 1 and c == c_in else body)(c_in)


def pad_channels(c: int, subsample: int = 1) -> Layer:
    """The input at every `subsample`-th pixel, with zero channels added on both sides, or outer ones dropped."""
    return lambda c_in: (PadChannels(c - c_in, subsample), c)


def stage(block: Callable[[int, int], Layer], c: int, n: int, s: int) -> Layer:
    """`n` blocks of `c` channels, the first with stride `s`; `block` is a function of channels and stride."""
    return chain(*[block(c, s if i == 0 else 1) for i in range(n)])


def network(*layers: Layer, c_in: int = 3) -> nn.Sequential:
    """The layers as a network of `c_in` input channels, initialised as He et al. (2015)."""
    module, _ = chain(*layers)(c_in)
    assert isinstance(module, nn.Sequential)
    return initialise(module)


# ---------------------------------------------------------------------------- blocks


def inverted_bottleneck(
    c: int, kernel: int = 3, stride: int = 1, expand: int = 6, se: float = 0.0, act: Activation = relu
) -> Layer:
    """MBConv without its skip: 1x1 expansion, depthwise, squeeze-excite, linear 1x1 (Sandler et al. 2018; MnasNet).

    `expand=1` has no expansion: the depthwise-separable convolution. `se` is the ratio of the squeeze's
    width to the block's *input* channels, as in the code of MnasNet and EfficientNet; 0 leaves it out.
    """

    def layer(c_in: int) -> tuple[nn.Module, int]:
        expansion = [conv(c_in * expand, kernel=1, act=act)] if expand != 1 else []
        excite = [squeeze_excite(max(1, int(c_in * se)), act)] if se else []
        return chain(*expansion, depthwise(kernel, stride, act), *excite, conv(c, kernel=1, act=None))(c_in)

    return layer


def mbconv(c: int, stride: int = 1, kernel: int = 3, expand: int = 6, se: float = 0.0, act: Activation = relu) -> Layer:
    """The mobile inverted bottleneck, its input added where the shape is kept."""
    return skip_where_shape_kept(inverted_bottleneck(c, kernel, stride, expand, se, act), c, stride)


# ---------------------------------------------------------------------------- modules


class SqueezeExcite(nn.Module):
    """`x * sigmoid(W2 act(W1 mean(x)))`."""

    def __init__(self, c: int, reduced: int, act: Activation) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(c, reduced, 1)
        self.act = act()
        self.expand = nn.Conv2d(reduced, c, 1)

    def forward(self, x: Tensor) -> Tensor:
        squeezed = x.mean((2, 3), keepdim=True)
        weights: Tensor = self.expand(self.act(self.reduce(squeezed))).sigmoid()
        return x * weights


class Residual(nn.Module):
    """`act(body(x) + shortcut(x))`."""

    def __init__(self, body: nn.Module, shortcut: nn.Module, act: nn.Module) -> None:
        super().__init__()
        self.body, self.shortcut, self.act = body, shortcut, act

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.act(self.body(x) + self.shortcut(x))
        return out


class PadChannels(nn.Module):
    """The parameter-free shortcut of ResNet's option A (He et al. 2015, section 4.2)."""

    def __init__(self, extra: int, subsample: int) -> None:
        super().__init__()
        self.extra, self.subsample = extra, subsample

    def forward(self, x: Tensor) -> Tensor:
        before = max(self.extra, 0) // 2
        return F.pad(x[:, :, :: self.subsample, :: self.subsample], (0, 0, 0, 0, before, self.extra - before))


def initialise(module: Module) -> Module:
    """Kaiming-normal convolutions (fan out), batch norms at identity, classifier at N(0, 1/sqrt(fan in)); in place."""
    for m in module.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(m, nn.Linear):
            nn.init.normal_(m.weight, std=1 / math.sqrt(m.in_features))
        else:
            continue
        if m.bias is not None:
            nn.init.zeros_(m.bias)
    return module
