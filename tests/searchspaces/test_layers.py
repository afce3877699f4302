"""Layers and how they combine."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from searchspaces.layers import (
    chain,
    conv,
    head,
    inverted_bottleneck,
    mbconv,
    network,
    pad_channels,
    residual,
    round_channels,
    stage,
)


@pytest.mark.parametrize(
    ("channels", "rounded"), [(32, 32), (12, 16), (18, 24), (20, 24), (19.2, 24), (3, 8), (35.2, 32), (44.8, 48)]
)
def test_round_channels_is_never_below_90_percent(channels: float, rounded: int) -> None:
    assert round_channels(channels) == rounded
    assert round_channels(channels) >= 0.9 * channels


def test_channels_flow_through_a_chain() -> None:
    module, c = chain(conv(8), conv(12, stride=2), mbconv(12))(3)
    assert c == 12
    assert module(torch.zeros(1, 3, 8, 8)).shape == (1, 12, 4, 4)


def test_a_residual_adds_its_input() -> None:
    module, _ = residual(lambda c: (nn.Identity(), c))(4)
    x = torch.randn(2, 4, 3, 3)
    assert torch.equal(module(x), 2 * x)


def test_mbconv_adds_its_input_just_where_the_shape_is_kept() -> None:
    kept = [type(mbconv(c, stride)(16)[0]).__name__ == "Residual" for c, stride in ((16, 1), (16, 2), (24, 1))]
    assert kept == [True, False, False]


def test_expansion_one_has_no_expansion() -> None:
    convolutions = [m for m in inverted_bottleneck(8, expand=1)(4)[0].modules() if isinstance(m, nn.Conv2d)]
    assert [(m.in_channels, m.out_channels, m.groups) for m in convolutions] == [(4, 4, 4), (4, 8, 1)]


def test_pad_channels_adds_zeros_on_both_sides_or_drops() -> None:
    x = torch.arange(4.0).reshape(1, 4, 1, 1).expand(1, 4, 4, 4)
    wider = pad_channels(8, subsample=2)(4)[0](x)
    assert wider[0, :, 0, 0].tolist() == [0, 0, 0, 1, 2, 3, 0, 0] and wider.shape == (1, 8, 2, 2)
    narrower = pad_channels(2)(4)[0](x)
    assert narrower.shape == (1, 2, 4, 4)


def test_a_stage_strides_once() -> None:
    strides: list[int] = []
    stage(lambda c, s: strides.append(s) or conv(c, stride=s), 8, 3, 2)(3)  # type: ignore[func-returns-value]
    assert strides == [2, 1, 1]


def test_networks_begin_with_sane_logits() -> None:
    """He initialisation keeps the scale from layer to layer: logits of a deep network are neither 0 nor huge."""
    torch.manual_seed(0)
    deep = network(conv(16), *[conv(16) for _ in range(30)], head(10))
    assert 0.01 < deep(torch.randn(64, 3, 16, 16)).std() < 10
