"""Dilation in the place of strides: larger maps from the same weights.

A layer that halved its map keeps its size, and what comes after looks twice as far apart (Holschneider et al. 1990, as
in Yu & Koltun 2016, arXiv:1511.07122, and DeepLab). At every second pixel the new map is the old one, exactly, border
included: a layer whose padding is not the same on all sides is padded as it would have been with its stride.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from searchspaces.cells import FactorizedReduction
from searchspaces.modules import (
    PadChannels,
    TensorFlowAvgPool2d,
    TensorFlowConv2d,
    TensorFlowMaxPool2d,
    pair,
)

POOLS = nn.MaxPool2d | nn.AvgPool2d
PADS_AS_TENSORFLOW = TensorFlowConv2d | TensorFlowMaxPool2d | TensorFlowAvgPool2d


class Layer(NamedTuple):
    """A layer by its name, and the strides of the maps that it is given and puts out."""

    name: str
    given: int
    out: int


def dilate(network: nn.Module, layers: Iterable[Layer], output_stride: int) -> None:
    """Change those of `layers` of `network` by which, or after which, a map's stride is above `output_stride`."""
    for layer in layers:
        module = network.get_submodule(layer.name)
        if layer.out <= output_stride:
            continue
        apart = max(1, layer.given // output_stride)
        if isinstance(module, PadChannels):
            module.subsample = 1
        elif isinstance(module, FactorizedReduction):
            module.shift = apart
        elif isinstance(module, nn.Conv2d | POOLS):
            parent, _, key = layer.name.rpartition(".")
            setattr(network.get_submodule(parent), key, _dilated(module, apart))


def _dilated(module: nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d, apart: int) -> nn.Module:
    """`module` for maps whose pixels are `apart` times as close together, without its stride; what takes its place."""
    if isinstance(module, nn.Conv2d):
        if _pads_alike(module):
            return _set_dilation(module, apart)
        return AtrousConv2d(module, apart)
    return AtrousPool2d(module, apart)


def _pads_alike(conv: nn.Conv2d) -> bool:
    """Whether it is padded by half of its reach on each side, so that without its stride it keeps a map's size."""
    if isinstance(conv, TensorFlowConv2d):
        return set(pair(conv.stride)) == {1}
    if isinstance(conv.padding, str) or conv.padding_mode != "zeros":
        return conv.padding == "same" and conv.padding_mode == "zeros"
    reach = [d * (k - 1) for d, k in zip(pair(conv.dilation), pair(conv.kernel_size), strict=True)]
    return all(2 * p == r for p, r in zip(pair(conv.padding), reach, strict=True))


def _set_dilation(conv: nn.Conv2d, apart: int) -> nn.Conv2d:
    conv.stride = 1, 1
    conv.dilation = tuple(d * apart for d in pair(conv.dilation))
    if not isinstance(conv.padding, str):
        conv.padding = tuple(p * apart for p in pair(conv.padding))
    reversed_ = [d * (k - 1) for d, k in zip(conv.dilation, conv.kernel_size, strict=True)][::-1]
    conv._reversed_padding_repeated_twice = [side for reach in reversed_ for side in (reach // 2, reach - reach // 2)]
    return conv


class _Frame:
    """By how many pixels a map is framed, so that a layer without its stride gives at every `stride` * `apart`-th pixel
    what the layer gave, and is as large as it can be without a further one."""

    def __init__(self, module: nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d, apart: int) -> None:
        dilation = 1 if isinstance(module, nn.AvgPool2d) else module.dilation
        self.apart, self.stride = apart, pair(module.stride)
        self.dilation = tuple(d * apart for d in pair(dilation))
        self.kernel = pair(module.kernel_size)
        self.reach = tuple(d * (k - 1) for d, k in zip(pair(dilation), self.kernel, strict=True))
        self.tensorflow = isinstance(module, PADS_AS_TENSORFLOW)
        padding = module.padding if not isinstance(module.padding, str) else 0
        self.padding = pair(padding)
        if module.padding == "same":
            self.padding = tuple(reach // 2 for reach in self.reach)
        self.ceil = not isinstance(module, nn.Conv2d) and module.ceil_mode

    def pads(self, x: Tensor) -> list[int]:
        """Pixels left, right, above and below, as `F.pad` takes them; negative where the map is cut."""
        height, width = x.shape[2:]
        return [*self._along(1, width), *self._along(0, height)]

    def _along(self, axis: int, size: int) -> tuple[int, int]:
        reach, stride, before = self.reach[axis], self.stride[axis], self.padding[axis]
        pixels = -(-size // self.apart)  # that the strided network has
        if self.tensorflow:
            out = -(-pixels // stride)
            before = max(0, (out - 1) * stride + reach + 1 - pixels) // 2
        else:
            left_over = pixels + 2 * before - reach - 1
            out = (-(-left_over // stride) if self.ceil else left_over // stride) + 1
            if self.ceil and (out - 1) * stride >= pixels + before:
                out -= 1
        step = stride * self.apart
        wanted = max(min(size, out * step), (out - 1) * step + 1)
        return before * self.apart, wanted + (reach - before) * self.apart - size


class AtrousConv2d(nn.Conv2d):
    """A convolution with the weights of `conv`, whose padding is not alike on all sides, without its stride."""

    def __init__(self, conv: nn.Conv2d, apart: int) -> None:
        if conv.padding_mode != "zeros":
            raise ValueError(f"a convolution that pads with {conv.padding_mode} cannot be dilated: give one with zeros")
        frame = _Frame(conv, apart)
        with torch.device("meta"):
            super().__init__(
                conv.in_channels,
                conv.out_channels,
                (frame.kernel[0], frame.kernel[1]),
                groups=conv.groups,
                bias=conv.bias is not None,
            )
        self.dilation = frame.dilation[0], frame.dilation[1]
        self.weight, self.bias, self.frame = conv.weight, conv.bias, frame

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = super().forward(F.pad(x, self.frame.pads(x)))
        return out


class AtrousPool2d(nn.Module):
    """The pooling `pool` without its stride."""

    def __init__(self, pool: nn.MaxPool2d | nn.AvgPool2d, apart: int) -> None:
        super().__init__()
        self.frame = _Frame(pool, apart)
        self.largest = isinstance(pool, nn.MaxPool2d)
        self.real = self.frame.tensorflow or (isinstance(pool, nn.AvgPool2d) and not pool.count_include_pad)

    def forward(self, x: Tensor) -> Tensor:
        frame = self.frame
        pads = frame.pads(x)
        if self.largest:
            framed = F.pad(x, pads, value=-math.inf)
            return F.max_pool2d(framed, frame.kernel, stride=1, dilation=frame.dilation)
        total = self._sum(F.pad(x, pads))
        if not self.real:
            return total / math.prod(frame.kernel)
        return total / self._sum(F.pad(torch.ones_like(x[:1, :1]), pads))

    def _sum(self, x: Tensor) -> Tensor:
        """Over the pixels of each window: PyTorch's means know no dilation."""
        height, width = (
            size - d * (k - 1) for size, d, k in zip(x.shape[2:], self.frame.dilation, self.frame.kernel, strict=True)
        )
        down, right = self.frame.dilation
        return sum(
            x[:, :, i * down : i * down + height, j * right : j * right + width]
            for i in range(self.frame.kernel[0])
            for j in range(self.frame.kernel[1])
        )  # type: ignore[return-value]
