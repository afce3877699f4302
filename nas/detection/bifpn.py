"""The bidirectional feature pyramid: maps of five strides, each of which sees all others.

Tan, Pang, Le: "EfficientDet: Scalable and Efficient Object Detection" (2020, arXiv:1911.09070), section 3.2 and 3.3,
figure 2 (d) and figure 3. P3, P4 and P5 are a network's maps of the strides 8, 16 and 32; P6 and P7 are made of P5. A
layer goes from the smallest map to the largest and back. What meets is weighted, "fast normalised fusion": weights that
are learned, none below zero, over their sum.

As in the authors' code (github.com/google/automl, efficientdet): the first layer brings the network's maps to the
pyramid's width by convolutions of 1x1 with a norm, one wherever a map is taken, so P4 and P5 have two; a fused map goes
through swish and a separable convolution whose 1x1 has a bias, and a norm; maps are halved by max pooling of 3x3, and
doubled by the nearest pixel. Deviation: poolings are padded on both sides, where TensorFlow pads at the end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from searchspaces.layers import Layer, Norm, chain, conv, max_pool, network

STRIDES = (8, 16, 32, 64, 128)  # P3 to P7
OF_THE_NETWORK = STRIDES[:3]
NORM = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)
EPSILON = 1e-4  # of the fusion, section 3.3


class BiFPN(nn.Module):
    """`layers` of the pyramid, with `width` channels; `channels` are those of the network's maps, by strides."""

    def __init__(self, channels: Mapping[int, int], width: int, layers: int) -> None:
        super().__init__()
        c = [channels[stride] for stride in OF_THE_NETWORK]
        self.p6 = network(resampled(width), halved(), c_in=c[-1], init=scaled_by_fan_in)
        self.p7 = network(halved(), c_in=width)
        of_first = [*c, width, width]
        self.layers = nn.ModuleList(PyramidLayer(of_first if i == 0 else None, width) for i in range(layers))

    def forward(self, maps: Mapping[int, Tensor]) -> list[Tensor]:
        """Maps `{stride: [B, C, H, W]}` of a network to those of `STRIDES`, `[B, width, H, W]` each."""
        levels = [maps[stride] for stride in OF_THE_NETWORK]
        levels.append(self.p6(levels[-1]))
        levels.append(self.p7(levels[-1]))
        for layer in self.layers:
            levels = layer(levels)
        return levels


class PyramidLayer(nn.Module):
    """Down from the smallest map, and up again. `channels` are those of the maps that it is given, if not `width`."""

    def __init__(self, channels: Sequence[int] | None, width: int) -> None:
        super().__init__()
        given = channels or [width] * len(STRIDES)
        inner = given[:-1]
        self.given_down = nn.ModuleList(_as_wide(c, width) for c in inner)
        self.given_up = nn.ModuleList(_as_wide(c, width) for c in given[1:])
        self.down = nn.ModuleList(Fusion(2, width) for _ in inner)
        self.up = nn.ModuleList(Fusion(3 if i < len(given) - 1 else 2, width) for i in range(1, len(given)))
        self.smaller = network(halved(), c_in=width)

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Maps `[B, C, H, W]` from the largest on, to as many of `[B, width, H, W]`."""
        downward = [levels[-1]]
        for given, project, fuse in reversed(list(zip(levels[:-1], self.given_down, self.down, strict=True))):
            finer = project(given)
            downward.insert(0, fuse([finer, F.interpolate(downward[0], size=finer.shape[2:], mode="nearest")]))
        upward = downward[:1]
        for i, (given, project, fuse) in enumerate(zip(levels[1:], self.given_up, self.up, strict=True), start=1):
            inner = downward[i : i + 1] if i < len(levels) - 1 else []
            upward.append(fuse([project(given), *inner, self.smaller(upward[-1])]))
        return upward


class Fusion(nn.Module):
    """Maps of one shape, weighted and added, swish, and a separable convolution with a norm."""

    def __init__(self, maps: int, width: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.ones(maps))
        self.filters = network(separable(width, NORM), c_in=width, init=scaled_by_fan_in)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        weights = self.weights.relu()
        weights = weights / (weights.sum() + EPSILON)
        fused = maps[0] * weights[0]
        for i, further in enumerate(maps[1:], start=1):
            fused = fused + further * weights[i]
        out: Tensor = self.filters(F.silu(fused))
        return out


def separable(c: int, norm: Norm | None = None) -> Layer:
    """One filter a channel, then 1x1 with a bias to `c` channels, as Keras has it; a norm if there is one."""

    def layer(c_in: int) -> tuple[nn.Module, int]:
        filters = conv(c_in, 3, groups=c_in, act=None, norm=None, bias=False)
        return chain(filters, conv(c, 1, act=None, norm=norm, bias=True))(c_in)

    return layer


def resampled(c: int) -> Layer:
    """A map with `c` channels."""
    return conv(c, 1, act=None, norm=NORM, bias=True)


def halved() -> Layer:
    return max_pool(3, 2)


def scaled_by_fan_in(module: nn.Module) -> None:
    """Convolutions at N(0, 1 / sqrt(fan in)), biases zero: TensorFlow's variance scaling, as the authors' code."""
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, std=1 / math.sqrt(module.weight[0].numel()))
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _as_wide(c: int, width: int) -> nn.Module:
    return nn.Identity() if c == width else network(resampled(width), c_in=c, init=scaled_by_fan_in)
