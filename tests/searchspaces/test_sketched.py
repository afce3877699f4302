"""What is summarised of outlines is what `traced` finds in the module, to the last figure."""

from __future__ import annotations

import random

import pytest
import torch
from torch import nn

from searchspaces import get_space
from searchspaces.cost import shapes_only
from searchspaces.flow import traced
from searchspaces.layers import Layer, avg_pool, chain, concat, conv, head, max_pool, mbconv, pad_channels, residual
from searchspaces.scaled import RowSpace, flat
from searchspaces.sketched import summary_of


def check(layer: Layer, channels: int, side: int, image_side: int) -> tuple[int, int]:
    def build() -> nn.Module:
        with shapes_only():
            return layer(channels)[0]

    summary, c, out = summary_of(build, channels, side, image_side)
    expected, *shape = traced(build(), channels, side, image_side)
    assert [c, out] == shape
    assert summary.sums.tolist() == expected.sums.tolist()
    assert (summary.most.tolist(), summary.least.tolist()) == (expected.most.tolist(), expected.least.tolist())
    assert summary.paths == expected.paths
    return c, out


class Own(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cumsum(x, 1)


@pytest.mark.parametrize(
    "layer",
    [
        conv(8, (3, 5), (2, 1), dilation=2),
        mbconv(6, expand=3, se=0.25, drop=0.2),
        concat(max_pool(3, 2), avg_pool(3, 2), conv(4, 1, 2)),
        residual(conv(12, 3, 2), pad_channels(12, 2)),
        residual(chain(conv(6), conv(6, act=None)), None),
        head(7),
        lambda c: (Own(), c),  # no outline of that is known
    ],
)
def test_layers(layer: Layer) -> None:
    check(layer, 6, 16, 64)


@pytest.mark.parametrize("name", ["compact", "mnas", "nasbench_macro"])
def test_rows_of_spaces(name: str) -> None:
    space, rng = get_space(name), random.Random(0)
    assert isinstance(space, RowSpace)
    channels, side = 3, 32
    for row in flat(space.rows(space.sample(rng), rng.uniform(0.3, 1.5), 10, 32)):
        channels, side = check(row.layer(), channels, side, 32)
