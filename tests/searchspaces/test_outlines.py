"""A row that is followed as outlines is what it is when it is built, to the last figure."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import torch
from torch import nn

from searchspaces import get_space
from searchspaces.cost import shapes_only
from searchspaces.kernels import followed, followed_outline
from searchspaces.layers import (
    Layer,
    avg_pool,
    chain,
    concat,
    conv,
    depthwise,
    dropout,
    flatten,
    head,
    identity,
    linear,
    max_pool,
    mbconv,
    norm_act,
    pad_channels,
    preactivated,
    relu6,
    residual,
    separable,
    silu,
)
from searchspaces.scaled import RowSpace, flat

LAYERS = {
    "conv": conv(8, (3, 5), (2, 1), dilation=2),
    "conv without norm": conv(8, act=relu6, norm=None, groups=2),
    "depthwise": depthwise(5, 2, silu),
    "separable": separable(12),
    "mbconv": mbconv(6, expand=3, se=0.25, drop=0.2),
    "preactivated": preactivated(conv(8, 1)),
    "norm": norm_act(),
    "pools": concat(max_pool(3, 2), avg_pool(3, 2), conv(4, 1, 2)),
    "ceil": max_pool(2, 2, 0, ceil=True),
    "shortcut": residual(conv(12, 3, 2), pad_channels(12, 2)),
    "cropped": residual(conv(4), pad_channels(4)),
    "identity": identity(),
    "classifier": chain(flatten(2), dropout(0.5), linear(16, silu, bias=False), linear(5)),
    "head": head(7, dropout=0.2),
}


def building(layer: Layer, channels: int) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        with shapes_only():
            return layer(channels)[0]

    return build


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("side", [7, 16])
def test_layers(name: str, side: int) -> None:
    build = building(LAYERS[name], 6)
    assert followed_outline(build, 6, side) == followed(build(), 6, side)


@pytest.mark.parametrize("name", ["compact", "mnas", "nasbench_macro"])
def test_rows_of_spaces(name: str) -> None:
    space, rng = get_space(name), random.Random(0)
    assert isinstance(space, RowSpace)
    for size in (16, 96):
        channels, side = 3, size
        for row in flat(space.rows(space.sample(rng), rng.uniform(0.3, 1.5), 10, size)):
            build = building(row.layer(), channels)
            part, cost = followed(build(), channels, side)
            assert followed_outline(build, channels, side) == (part, cost)
            channels, side = part.c_out, part.side_out


class Own(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cumsum(x, 1)


def test_what_else_a_module_does_is_not_guessed() -> None:
    for layer in (lambda c: (Own(), c), conv(6, padding="tf"), chain(conv(6), lambda c: (nn.Sequential(Own()), c))):
        assert followed_outline(building(layer, 6), 6, 8) is None


FLAT = chain(flatten(), norm_act())  # a norm of maps is given none


def test_what_is_wrong_is_said_by_what_is_built() -> None:
    for layer in (
        conv(6, 9, padding=0),
        lambda _: conv(6)(5),
        lambda _: mbconv(4)(4),
        conv(6, groups=4),
        conv(6, groups=0),
        FLAT,
    ):
        assert followed_outline(building(layer, 6), 6, 8) is None


def test_outlines_are_made_nowhere_else() -> None:
    assert followed_outline(building(conv(6), 3), 3, 8) is not None
    (convolution, _, _) = conv(6)(3)[0].children()
    assert type(convolution) is nn.Conv2d and convolution.weight.shape == (6, 3, 3, 3)
