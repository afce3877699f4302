"""The modules that `searchspaces.layers` makes and PyTorch does not have. They take and give `[B, C, H, W]`."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from searchspaces.outlines import made


class SqueezeExcite(nn.Module):
    """`x * sigmoid(W2 act(W1 mean(x)))`."""

    def __init__(self, c: int, reduced: int, act: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.reduce = made(nn.Conv2d, c, reduced, 1)
        self.act = act()
        self.expand = made(nn.Conv2d, reduced, c, 1)

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
        self.drop = StochasticDepth(drop) if drop else made(nn.Identity)

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
        keep = 1.0 - self.probability()
        return x * (torch.rand(len(x), 1, 1, 1, device=x.device) < keep).to(x.dtype) / keep

    def probability(self) -> float | Tensor:
        return self.p

    def extra_repr(self) -> str:
        return f"p={self.p:g}"


class ScheduledDropPath(StochasticDepth):
    """`StochasticDepth` whose probability grows linearly with the training, from 0 to `p` (Zoph et al. 2017).

    A training loop fills `progress`, a number 0..1 on the device, before each step, see `share_progress`; without one
    that does, the probability is always `p`. A tensor, since a step that is recorded repeats what Python knew.
    """

    progress: Tensor

    def __init__(self, p: float) -> None:
        super().__init__(p)
        self.register_buffer("progress", torch.ones((), dtype=torch.float64), persistent=False)

    def probability(self) -> Tensor:
        return self.p * self.progress


def share_progress(network: nn.Module, device: torch.device) -> Tensor:
    """The one number on `device` that every `ScheduledDropPath` of `network` has for its progress from now on."""
    progress = torch.ones((), dtype=torch.float64, device=device)
    for module in network.modules():
        if isinstance(module, ScheduledDropPath):
            module.progress = progress
    return progress


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
        out: Tensor = super().forward(_pad_as_tensorflow(x, pair(self.kernel_size), pair(self.stride), -math.inf))
        return out


class TensorFlowAvgPool2d(nn.AvgPool2d):
    """As TensorFlow's, the mean is over a window's real pixels."""

    def forward(self, x: Tensor) -> Tensor:
        padded = _pad_as_tensorflow(x, pair(self.kernel_size), pair(self.stride))
        if padded.shape == x.shape:
            return super().forward(x)
        real = _pad_as_tensorflow(torch.ones_like(x[:1, :1]), pair(self.kernel_size), pair(self.stride))
        mean: Tensor = super().forward(padded) / super().forward(real)
        return mean


def _pad_as_tensorflow(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], value: float = 0.0) -> Tensor:
    """Rows and columns so that the output has ceil(size / stride); of an odd number the extra one is last."""
    pads: list[int] = []
    for size, k, s in zip(reversed(x.shape[2:]), reversed(kernel), reversed(stride), strict=True):
        extra = max(0, (math.ceil(size / s) - 1) * s + k - size)
        pads += [extra // 2, extra - extra // 2]
    return F.pad(x, pads, value=value) if any(pads) else x


def pair(size: int | tuple[int, ...]) -> tuple[int, ...]:
    """Height and width, as PyTorch takes them: one number is both."""
    return (size, size) if isinstance(size, int) else tuple(size)
