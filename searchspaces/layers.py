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
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Layer = Callable[[int], tuple[nn.Module, int]]
Activation = Callable[[], nn.Module]
Norm = Callable[[int], nn.Module]
Kernel = int | tuple[int, int]
Padding = int | tuple[int, int] | Literal["same", "tf"]
Module = TypeVar("Module", bound=nn.Module)

SMALL_IMAGE = 64  # pixels: up to here networks take their form for 32-pixel images, above it their paper's


def relu() -> nn.Module:
    return nn.ReLU(inplace=True)


def relu6() -> nn.Module:
    return nn.ReLU6(inplace=True)


def silu() -> nn.Module:
    """x sigmoid(x), which EfficientNet calls swish."""
    return nn.SiLU(inplace=True)


def round_channels(channels: float, divisor: int = 8) -> int:
    """`channels` rounded to a multiple of `divisor`, never below 90 % of it (MobileNet's and EfficientNet's rule)."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


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
        convolution = kind(
            c_in,
            c,
            kernel,
            stride,
            _pixels(padding, kernel, dilation),
            dilation=dilation,
            groups=groups,
            bias=norm is None if bias is None else bias,
        )
        return nn.Sequential(convolution, *([norm(c)] if norm else []), *([act()] if act else [])), c

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
    return chain(lambda c_in: (nn.Sequential(norm(c_in), act()), c_in), layer)


def norm_act(act: Activation | None = relu, norm: Norm = nn.BatchNorm2d) -> Layer:
    """Normalisation and activation on their own."""
    return lambda c_in: (nn.Sequential(norm(c_in), *([act()] if act else [])), c_in)


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
    return lambda c_in: (nn.Identity(), c_in)


def dropout(p: float) -> Layer:
    return lambda c_in: (nn.Dropout(p), c_in)


def flatten(pixels: int = 1) -> Layer:
    """`[B, C, H, W]` -> `[B, C * pixels * pixels]`: average-pooled to `pixels` x `pixels`, whatever H and W are."""
    return lambda c_in: (nn.Sequential(nn.AdaptiveAvgPool2d(pixels), nn.Flatten()), c_in * pixels**2)


def linear(c: int, act: Activation | None = None, bias: bool = True) -> Layer:
    """Fully connected: `[B, C]` -> `[B, c]`."""
    return lambda c_in: (nn.Sequential(nn.Linear(c_in, c, bias), *([act()] if act else [])), c)


def head(num_classes: int, dropout: float = 0.0, bias: bool = True) -> Layer:
    """Global average pooling and the classifier."""

    def layer(c_in: int) -> tuple[nn.Module, int]:
        drop = [nn.Dropout(dropout)] if dropout else []
        classifier = nn.Linear(c_in, num_classes, bias)
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), *drop, classifier), num_classes

    return layer


# ---------------------------------------------------------------------------- how layers combine


def chain(*layers: Layer | Mapping[str, Layer]) -> Layer:
    """One layer after the other; those in a dict under its names."""

    def layer(c_in: int) -> tuple[nn.Module, int]:
        modules = nn.Sequential()
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
        shortcut_module, c_shortcut = shortcut(c_in) if shortcut else (nn.Identity(), c_in)
        assert c == c_shortcut, f"a residual adds {c} to {c_shortcut} channels"
        return Residual(body_module, shortcut_module, act() if act else nn.Identity(), drop), c

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
    *layers: Layer | Mapping[str, Layer], c_in: int = 3, init: Callable[[nn.Module], None] | None = None
) -> nn.Sequential:
    """The layers as a network of `c_in` input channels.

    `init` sets the weights of one module and is applied to all; by default as He et al. (2015), see `he_normal`.
    """
    module, _ = chain(*layers)(c_in)
    assert isinstance(module, nn.Sequential)
    return module.apply(init or he_normal())


def he_normal(mode: Literal["fan_in", "fan_out"] = "fan_out") -> Callable[[nn.Module], None]:
    """Kaiming-normal convolutions, classifier at N(0, 1/sqrt(fan in)), biases zero; norms stay at identity."""

    def init(module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=1 / math.sqrt(module.in_features))
        else:
            return
        if module.bias is not None:
            nn.init.zeros_(module.bias)

    return init


def he_normal_per_group(module: nn.Module) -> None:
    """As MnasNet's and EfficientNet's code: Kaiming-normal by one group's fan out, classifier uniform, biases zero."""
    if isinstance(module, nn.Conv2d):
        fan_out = module.out_channels // module.groups * math.prod(module.kernel_size)
        nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
    elif isinstance(module, nn.Linear):
        bound = 1 / math.sqrt(module.out_features)
        nn.init.uniform_(module.weight, -bound, bound)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)


def normal(std: float, bias: float = 0.0) -> Callable[[nn.Module], None]:
    """Every convolution and linear layer at N(0, std), its bias constant."""

    def init(module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.normal_(module.weight, std=std)
            if module.bias is not None:
                nn.init.constant_(module.bias, bias)

    return init


def truncated_normal(std: float) -> Callable[[nn.Module], None]:
    """Every convolution and linear layer at N(0, std) without what is beyond 2 std, biases zero (TensorFlow's)."""

    def init(module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    return init


def start_as_identity(module: Module) -> Module:
    """Residual bodies that give zero at the start (Goyal et al. 2017, section 5.1: the last norm's scale is zero).

    A body that ends in a convolution or linear layer, as preactivated ones do, has that at zero: after a norm at zero
    its activation would be dead.
    """
    for residual in (part for part in module.modules() if isinstance(part, Residual)):
        gates = [part for part in residual.body.modules() if isinstance(part, SqueezeExcite)]
        inside = {part for gate in gates for part in gate.modules()}
        layers = [
            part
            for part in residual.body.modules()
            if isinstance(part, nn.BatchNorm2d | nn.Conv2d | nn.Linear) and part not in inside
        ]
        nn.init.zeros_(layers[-1].weight)
        if layers[-1].bias is not None:
            nn.init.zeros_(layers[-1].bias)
    return module


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


class Concat(nn.ModuleList):
    """The outputs of all of its modules on one input, joined as channels."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self], dim=1)


class Residual(nn.Module):
    """`act(body(x) + shortcut(x))`; in training `body` is left out for an image with probability `drop`."""

    def __init__(self, body: nn.Module, shortcut: nn.Module, act: nn.Module, drop: float = 0.0) -> None:
        super().__init__()
        self.body, self.shortcut, self.act = body, shortcut, act
        self.drop = StochasticDepth(drop) if drop else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.act(self.drop(self.body(x)) + self.shortcut(x))
        return out


class StochasticDepth(nn.Module):
    """In training zero for an image with probability `p`, and 1 / (1 - p) times as large otherwise."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        keep = 1 - self.probability()
        return x * (torch.rand(len(x), 1, 1, 1, device=x.device) < keep).to(x.dtype) / keep

    def probability(self) -> float:
        return self.p

    def extra_repr(self) -> str:
        return f"p={self.p:g}"


class ScheduledDropPath(StochasticDepth):
    """`StochasticDepth` whose probability grows linearly with the training, from 0 to `p` (Zoph et al. 2017).

    A training loop sets `progress`, 0..1, before each step; without one that does, the probability is always `p`.
    """

    progress = 1.0

    def probability(self) -> float:
        return self.p * self.progress


class PadChannels(nn.Module):
    """The parameter-free shortcut of ResNet's option A (He et al. 2015, section 4.2)."""

    def __init__(self, extra: int, subsample: int) -> None:
        super().__init__()
        self.extra, self.subsample = extra, subsample

    def forward(self, x: Tensor) -> Tensor:
        before = max(self.extra, 0) // 2
        return F.pad(x[:, :, :: self.subsample, :: self.subsample], (0, 0, 0, 0, before, self.extra - before))


class TensorFlowConv2d(nn.Conv2d):
    """A convolution with TensorFlow's SAME padding, which depends on the input's size."""

    def forward(self, x: Tensor) -> Tensor:
        reach = tuple(d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel_size, strict=True))
        out: Tensor = super().forward(_pad_as_tensorflow(x, reach, self.stride))
        return out


class TensorFlowMaxPool2d(nn.MaxPool2d):
    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = super().forward(_pad_as_tensorflow(x, _pair(self.kernel_size), _pair(self.stride), -math.inf))
        return out


class TensorFlowAvgPool2d(nn.AvgPool2d):
    """As TensorFlow's, the mean is over a window's real pixels."""

    def forward(self, x: Tensor) -> Tensor:
        padded = _pad_as_tensorflow(x, _pair(self.kernel_size), _pair(self.stride))
        if padded.shape == x.shape:
            return super().forward(x)
        real = _pad_as_tensorflow(torch.ones_like(x[:1, :1]), _pair(self.kernel_size), _pair(self.stride))
        mean: Tensor = super().forward(padded) / super().forward(real)
        return mean


def _pad_as_tensorflow(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], value: float = 0.0) -> Tensor:
    """Rows and columns so that the output has ceil(size / stride); of an odd number the extra one is last."""
    pads: list[int] = []
    for size, k, s in zip(reversed(x.shape[2:]), reversed(kernel), reversed(stride), strict=True):
        extra = max(0, (math.ceil(size / s) - 1) * s + k - size)
        pads += [extra // 2, extra - extra // 2]
    return F.pad(x, pads, value=value) if any(pads) else x


def _pixels(padding: Padding, kernel: Kernel, dilation: int = 1) -> int | tuple[int, int]:
    """Padding on each side that a module does by itself."""
    if padding == "tf":
        return 0
    if padding == "same":
        if isinstance(kernel, int):
            return kernel // 2 * dilation
        return kernel[0] // 2 * dilation, kernel[1] // 2 * dilation
    return padding


def _pair(size: int | tuple[int, ...]) -> tuple[int, ...]:
    return (size, size) if isinstance(size, int) else size
