"""The layers that networks are written in: functions `c_in -> (module, c_out)`.

A network is then the rows that its paper prints, and the channel arithmetic is done here:

    network(conv(32, stride=2), *[stage(partial(mbconv, expand=t), c, n, s) for t, c, n, s in ROWS],
            conv(1280, kernel=1), head(num_classes))

Rows may have names, which their weights and `nas baselines show` carry: `network({"conv1": conv(64, 7, 2), ...})`.
Modules take and give `[B, C, H, W]`; only `head` and `linear` end in `[B, C]`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Literal

from torch import nn

from searchspaces.images import image_channels
from searchspaces.modules import (
    Concat,
    PadChannels,
    Residual,
    SqueezeExcite,
    TensorFlowAvgPool2d,
    TensorFlowConv2d,
    TensorFlowMaxPool2d,
)
from searchspaces.outlines import made
from searchspaces.weights import he_normal

Layer = Callable[[int], tuple[nn.Module, int]]
Activation = Callable[[], nn.Module]
Norm = Callable[[int], nn.Module]
Kernel = int | tuple[int, int]
Padding = int | tuple[int, int] | Literal["same", "tf"]

SMALL_IMAGE = 64  # pixels: up to here networks take their form for 32-pixel images, above it their paper's


def relu() -> nn.Module:
    return made(nn.ReLU, inplace=True)


def relu6() -> nn.Module:
    return made(nn.ReLU6, inplace=True)


def silu() -> nn.Module:
    """x sigmoid(x), which EfficientNet calls swish."""
    return made(nn.SiLU, inplace=True)


@lru_cache(maxsize=1 << 16)  # a search asks for the same few, tens of thousands of times for each trial
def round_channels(channels: float, divisor: int = 8) -> int:
    """`channels` rounded to a multiple of `divisor`, never below 90 % of it (MobileNet's and EfficientNet's rule)."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


@lru_cache(maxsize=1 << 12)
def round_repeats(layers: int, depth: float) -> int:
    """`layers` times `depth`, rounded up (EfficientNet's rule)."""
    return math.ceil(round(layers * depth, 6))  # 10 x 1.1 is 11, and no more


def repeats(layers: int, depth: float) -> list[int]:
    """How often each of so many different layers stands there, that they are `depth` times as many, rounded up.

    Those that come once more are the last: they see the fewest pixels. None ever gets fewer as the depth grows.
    """
    times, more = divmod(max(layers, round_repeats(layers, depth)), layers)
    return [times + (i >= layers - more) for i in range(layers)]


# ---------------------------------------------------------------------------- single layers


def conv(
    c: int,
    kernel: Kernel = 3,
    stride: int | tuple[int, int] = 1,
    groups: int = 1,
    act: Activation | None = relu,
    norm: Norm | None = nn.BatchNorm2d,
    padding: Padding = "same",
    bias: bool | None = None,
    dilation: int = 1,
) -> Layer:
    """Convolution, normalisation, activation; `act=None` leaves it linear, `norm=None` leaves out the normalisation.

    `padding` is in pixels on each side, or "same": half the kernel on each side, or "tf": what TensorFlow's
    SAME pads, the odd pixel at the right and the bottom. There is a `bias` by default where there is no norm.
    """

    def layer(c_in: int) -> tuple[nn.Module, int]:
        kind = TensorFlowConv2d if padding == "tf" else nn.Conv2d
        convolution = made(
            kind,
            c_in,
            c,
            kernel,
            stride,
            _pixels(padding, kernel, dilation),
            dilation=dilation,
            groups=groups,
            bias=norm is None if bias is None else bias,
        )
        return made(nn.Sequential, convolution, *([made(norm, c)] if norm else []), *([act()] if act else [])), c

    return layer


def bare_conv(c: int, kernel: Kernel = 3, stride: int = 1) -> Layer:
    """A convolution alone: no normalisation, activation or bias."""
    return conv(c, kernel, stride, act=None, norm=None, bias=False)


def depthwise(
    kernel: int = 3,
    stride: int = 1,
    act: Activation | None = relu,
    norm: Norm | None = nn.BatchNorm2d,
    padding: Padding = "same",
) -> Layer:
    """One filter a channel, normalisation, activation."""
    return lambda c_in: conv(c_in, kernel, stride, c_in, act, norm, padding)(c_in)


def separable(c: int, kernel: int = 3, stride: int = 1, norm: Norm | None = nn.BatchNorm2d) -> Layer:
    """One filter a channel, then 1x1 to `c` channels, nothing in between; normalisation (Xception, NASNet)."""

    def layer(c_in: int) -> tuple[nn.Module, int]:
        filters = conv(c_in, kernel, stride, groups=c_in, act=None, norm=None, bias=False)
        return chain(filters, conv(c, 1, act=None, norm=norm, bias=False))(c_in)

    return layer


def preactivated(layer: Layer, act: Activation = relu, norm: Norm = nn.BatchNorm2d) -> Layer:
    """Normalisation and activation before `layer` rather than after it (He et al. 2016, DenseNet)."""
    return chain(lambda c_in: (made(nn.Sequential, made(norm, c_in), act()), c_in), layer)


def norm_act(act: Activation | None = relu, norm: Norm = nn.BatchNorm2d) -> Layer:
    """Normalisation and activation on their own."""
    return lambda c_in: (made(nn.Sequential, made(norm, c_in), *([act()] if act else [])), c_in)


def response_norm(size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0) -> Layer:
    """x / (k + alpha * sum of x^2 over `size` adjacent channels)^beta (Krizhevsky et al. 2012, section 3.3).

    Caffe and PyTorch take the squares' mean: `alpha` here is a `size`-th of theirs.
    """
    return lambda c_in: (nn.LocalResponseNorm(size, alpha * size, beta, k), c_in)


def max_pool(kernel: int = 3, stride: int = 1, padding: Padding = "same", ceil: bool = False) -> Layer:
    """`ceil` lets a last window hang over the edge (Caffe's rounding)."""
    kind = TensorFlowMaxPool2d if padding == "tf" else nn.MaxPool2d
    return lambda c_in: (kind(kernel, stride, _pixels(padding, kernel), ceil_mode=ceil), c_in)


def avg_pool(
    kernel: int = 3, stride: int = 1, padding: Padding = "same", ceil: bool = False, count_padding: bool = False
) -> Layer:
    """Means over windows; padded pixels count as zeros only with `count_padding`."""
    kind = TensorFlowAvgPool2d if padding == "tf" else nn.AvgPool2d
    return lambda c_in: (kind(kernel, stride, _pixels(padding, kernel), ceil, count_padding), c_in)


def adaptive_avg_pool(pixels: int) -> Layer:
    """Means over `pixels` x `pixels` windows that cover the image, whatever its size."""
    return lambda c_in: (nn.AdaptiveAvgPool2d(pixels), c_in)


def squeeze_excite(reduced: int, act: Activation = relu) -> Layer:
    """Channels reweighted by what the whole image shows (Hu et al. 2018); `reduced` is the bottleneck's width."""
    return lambda c_in: (SqueezeExcite(c_in, reduced, act), c_in)


def channel_shuffle(groups: int) -> Layer:
    """Channels dealt out so that each group sees all groups (ShuffleNet, figure 1)."""
    return lambda c_in: (nn.ChannelShuffle(groups), c_in)


def identity() -> Layer:
    return lambda c_in: (made(nn.Identity), c_in)


def dropout(p: float) -> Layer:
    return lambda c_in: (nn.Dropout(p), c_in)


def flatten(pixels: int = 1) -> Layer:
    """`[B, C, H, W]` -> `[B, C * pixels * pixels]`: average-pooled to `pixels` x `pixels`, whatever H and W are."""
    return lambda c_in: (made(nn.Sequential, nn.AdaptiveAvgPool2d(pixels), nn.Flatten()), c_in * pixels**2)


def linear(c: int, act: Activation | None = None, bias: bool = True) -> Layer:
    """Fully connected: `[B, C]` -> `[B, c]`."""
    return lambda c_in: (made(nn.Sequential, made(nn.Linear, c_in, c, bias), *([act()] if act else [])), c)


def head(num_classes: int, dropout: float = 0.0, bias: bool = True) -> Layer:
    """Global average pooling and the classifier."""

    def layer(c_in: int) -> tuple[nn.Module, int]:
        drop = [nn.Dropout(dropout)] if dropout else []
        classifier = made(nn.Linear, c_in, num_classes, bias)
        return made(nn.Sequential, nn.AdaptiveAvgPool2d(1), nn.Flatten(), *drop, classifier), num_classes

    return layer


# ---------------------------------------------------------------------------- how layers combine


def chain(*layers: Layer | Mapping[str, Layer]) -> Layer:
    """One layer after the other; those in a dict under its names."""

    def layer(c_in: int) -> tuple[nn.Module, int]:
        modules = made(nn.Sequential)
        for name, make in _named(layers):
            module, c_in = make(c_in)
            modules.add_module(name, module)
        return modules, c_in

    return layer


def _named(layers: Sequence[Layer | Mapping[str, Layer]]) -> Iterator[tuple[str, Layer]]:
    for i, layer in enumerate(layers):
        if isinstance(layer, Mapping):
            yield from layer.items()
        else:
            yield str(i), layer


def concat(*branches: Layer) -> Layer:
    """Every branch on the same input, their outputs side by side as channels."""

    def layer(c_in: int) -> tuple[nn.Module, int]:
        modules, channels = zip(*(branch(c_in) for branch in branches), strict=True)
        return Concat(*modules), sum(channels)

    return layer


def residual(body: Layer, shortcut: Layer | None = None, act: Activation | None = None, drop: float = 0.0) -> Layer:
    """`body(x) + shortcut(x)`, then `act`; without a shortcut the input itself is added.

    `drop` is the probability that an image's training step leaves `body` out (Huang et al. 2016).
    """

    def layer(c_in: int) -> tuple[nn.Module, int]:
        body_module, c = body(c_in)
        shortcut_module, c_shortcut = shortcut(c_in) if shortcut else (made(nn.Identity), c_in)
        assert c == c_shortcut, f"a residual adds {c} to {c_shortcut} channels"
        return Residual(body_module, shortcut_module, act() if act else made(nn.Identity), drop), c

    return layer


def skip_where_shape_kept(body: Layer, c: int, stride: int, drop: float = 0.0) -> Layer:
    """`residual` where `body` keeps its input's shape, `body` alone elsewhere (MobileNetV2's rule)."""
    return lambda c_in: (residual(body, drop=drop) if stride == 1 and c == c_in else body)(c_in)


def pad_channels(c: int, subsample: int = 1) -> Layer:
    """The input at every `subsample`-th pixel, with zero channels added on both sides, or outer ones dropped."""
    return lambda c_in: (PadChannels(c - c_in, subsample), c)


def stage(block: Callable[[int, int], Layer], c: int, n: int, s: int) -> Layer:
    """`n` blocks of `c` channels, the first with stride `s`; `block` is a function of channels and stride."""
    return chain(*[block(c, s if i == 0 else 1) for i in range(n)])


# ---------------------------------------------------------------------------- networks


def network(
    *layers: Layer | Mapping[str, Layer], c_in: int | None = None, init: Callable[[nn.Module], None] | None = None
) -> nn.Sequential:
    """The layers as a network of `c_in` input channels, by default those of the images: `searchspaces.images`.

    `init` sets the weights of one module and is applied to all, by default as He et al. (2015): `searchspaces.weights`.
    """
    module, _ = chain(*layers)(image_channels() if c_in is None else c_in)
    assert isinstance(module, nn.Sequential)
    return module.apply(init or he_normal())


# ---------------------------------------------------------------------------- blocks


def inverted_bottleneck(
    c: int,
    kernel: int = 3,
    stride: int = 1,
    expand: int = 6,
    se: float = 0.0,
    act: Activation = relu,
    norm: Norm = nn.BatchNorm2d,
    padding: Padding = "same",
) -> Layer:
    """MBConv without its skip: 1x1 expansion, depthwise, squeeze-excite, linear 1x1 (Sandler et al. 2018; MnasNet).

    `expand=1` has no expansion: the depthwise-separable convolution. `se` is the ratio of the squeeze's
    width to the block's *input* channels, as in the code of MnasNet and EfficientNet; 0 leaves it out.
    """

    def layer(c_in: int) -> tuple[nn.Module, int]:
        expansion = [conv(c_in * expand, 1, act=act, norm=norm)] if expand != 1 else []
        excite = [squeeze_excite(max(1, int(c_in * se)), act)] if se else []
        filters = depthwise(kernel, stride, act, norm, padding)
        return chain(*expansion, filters, *excite, conv(c, 1, act=None, norm=norm))(c_in)

    return layer


def mbconv(
    c: int,
    stride: int = 1,
    kernel: int = 3,
    expand: int = 6,
    se: float = 0.0,
    act: Activation = relu,
    norm: Norm = nn.BatchNorm2d,
    padding: Padding = "same",
    drop: float = 0.0,
) -> Layer:
    """The mobile inverted bottleneck, its input added where the shape is kept."""
    return skip_where_shape_kept(
        inverted_bottleneck(c, kernel, stride, expand, se, act, norm, padding), c, stride, drop
    )


def _pixels(padding: Padding, kernel: Kernel, dilation: int = 1) -> int | tuple[int, int]:
    """Padding on each side that a module does by itself."""
    if padding == "tf":
        return 0
    if padding == "same":
        if isinstance(kernel, int):
            return kernel // 2 * dilation
        return kernel[0] // 2 * dilation, kernel[1] // 2 * dilation
    return padding
