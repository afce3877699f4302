"""Layers and how they combine."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from searchspaces.layers import (
    avg_pool,
    bare_conv,
    chain,
    concat,
    conv,
    head,
    inverted_bottleneck,
    max_pool,
    mbconv,
    network,
    pad_channels,
    preactivated,
    residual,
    round_channels,
    squeeze_excite,
    stage,
)
from searchspaces.modules import ScheduledDropPath
from searchspaces.weights import start_as_identity


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


def test_layers_may_have_names() -> None:
    module, c = chain({"stem": conv(4), "wide": conv(6)}, {"last": conv(2)})(3)
    assert c == 2 and [name for name, _ in module.named_children()] == ["stem", "wide", "last"]


def test_branches_stand_side_by_side() -> None:
    module, c = concat(conv(4), chain(max_pool(3, 1), conv(2, 1)))(3)
    assert c == 6 and module(torch.randn(2, 3, 5, 5)).shape == (2, 6, 5, 5)


@pytest.mark.parametrize(
    ("size", "kernel", "stride"), [(8, 3, 2), (7, 3, 2), (8, 5, 2), (9, 7, 3), (6, 2, 2), (5, 1, 2)]
)
def test_tensorflow_pads_at_the_end_first(size: int, kernel: int, stride: int) -> None:
    """SAME: ceil(size / stride) outputs, and of the padding the smaller half before the image."""
    x = torch.randn(1, 1, size, size)
    out, extra = -(-size // stride), max(0, (-(-size // stride) - 1) * stride + kernel - size)
    padded = F.pad(x, (extra // 2, extra - extra // 2, extra // 2, extra - extra // 2))
    module = conv(1, kernel, stride, act=None, norm=None, padding="tf")(1)[0]
    assert module(x).shape[2:] == (out, out)
    torch.testing.assert_close(module(x), F.conv2d(padded, module[0].weight, module[0].bias, stride))
    negative = max_pool(kernel, stride, "tf")(1)[0](-1 - x.abs())
    assert negative.shape[2:] == (out, out) and negative.max() <= -1, "no padding is taken for a pixel"


def test_tensorflow_averages_real_pixels_only() -> None:
    ones = torch.ones(1, 2, 6, 6)
    assert torch.equal(avg_pool(3, 2, "tf")(2)[0](ones), torch.ones(1, 2, 3, 3))


def test_a_residual_without_a_norm_at_its_end_starts_as_the_identity_too() -> None:
    excited = residual(chain(conv(4, act=None), squeeze_excite(2)))
    ends_in_conv = residual(preactivated(bare_conv(4)))
    for layer in (excited, ends_in_conv):
        module = start_as_identity(layer(4)[0])
        x = torch.randn(2, 4, 3, 3)
        assert torch.equal(module(x), x)
        module(x).sum().backward()


def test_stochastic_depth_leaves_images_out_in_training_only() -> None:
    torch.manual_seed(0)
    module = residual(lambda c: (nn.Identity(), c), drop=0.5)(1)[0]
    x = torch.ones(1000, 1, 1, 1)
    assert torch.equal(module.eval()(x), 2 * x)
    out = module.train()(x)
    assert set(out.flatten().tolist()) == {1.0, 3.0} and out.mean().item() == pytest.approx(2, abs=0.1)


def test_a_scheduled_path_is_dropped_in_proportion_to_the_progress() -> None:
    torch.manual_seed(0)
    module, x = ScheduledDropPath(0.5), torch.ones(1000, 1, 1, 1)
    for progress, left in ((0.0, 1.0), (0.5, 0.75), (1.0, 0.5)):
        module.progress.fill_(progress)
        out = module(x)
        assert out.count_nonzero().item() / 1000 == pytest.approx(left, abs=0.05)
        assert out.max().item() == pytest.approx(1 / left)
    assert torch.equal(module.eval()(x), x)


@pytest.mark.parametrize(("stride", "padding"), [(1, "same"), (2, "tf")])
def test_a_dilated_convolution_keeps_the_image(stride: int, padding: str) -> None:
    module, _ = conv(2, 3, stride, act=None, norm=None, padding=padding, dilation=2)(1)  # type: ignore[arg-type]
    for size in (5, 8):
        assert module(torch.randn(1, 1, size, size)).shape == (1, 2, -(-size // stride), -(-size // stride))
