"""The patch that excites a filter is the one that was put there for it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nas.seeing.activations import readied
from nas.seeing.layers import layers_of
from nas.seeing.patches import deconvolved, excited

SIDE = 16
PATTERN = torch.tensor([[1.0, -1.0, 1.0], [-1.0, 1.0, -1.0], [1.0, -1.0, 1.0]])


def network() -> nn.Sequential:
    """Filter 0 knows `PATTERN` at every second pixel, filter 1 is never above 0, filter 2 answers to bright pixels."""
    conv = nn.Conv2d(1, 3, 3, stride=2, padding=1, bias=False)
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[0, 0] = PATTERN
        conv.weight[1, 0] = -1
        conv.weight[2, 0, 1, 1] = 1
    return nn.Sequential(conv, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)).eval()


@pytest.fixture
def images() -> Tensor:
    """Five, not below 0, of which number 3 has the pattern around the pixel (6, 10), and number 1 half as strong."""
    generator = torch.Generator().manual_seed(0)
    x = 0.1 * torch.rand(5, 1, SIDE, SIDE, generator=generator)
    x[3, 0, 5:8, 9:12] = PATTERN.clamp(min=0)
    x[1, 0, 1:4, 3:6] = 0.5 * PATTERN.clamp(min=0)
    return x


def test_the_patch_that_excites_is_the_one(images: Tensor) -> None:
    module = network()
    layers = layers_of(module, images[:1])
    (found,) = excited(module, layers, lambda: iter(images.split(2)), 3, 2, SIDE, seed=0)
    first, second = found.excited[0]
    assert (first.image, first.row, first.column) == (3, 3, 5)
    assert first.value == pytest.approx(5.0) and tuple(first.box) == (5, 9, 8, 12)
    assert (second.image, second.row, second.column) == (1, 1, 2) and tuple(second.box) == (1, 3, 4, 6)
    assert found.silent == 1 and set(found.excited) == {0, 2}


def test_filters_are_drawn_by_the_seed(images: Tensor) -> None:
    module = network()
    layers = layers_of(module, images[:1])
    drawn = {
        next(iter(excited(module, layers, lambda: iter([images]), 1, 1, SIDE, seed)[0].excited)) for seed in range(8)
    }
    assert drawn == {0, 2}


def test_the_deconvnet_gives_the_filter_back_where_it_was_excited(images: Tensor) -> None:
    pytest.importorskip("captum")
    module = readied(network())
    (layer,) = layers_of(network(), images[:1])
    back = deconvolved(module, layer, images[[3, 1]], 0, [(3, 5), (1, 2)])
    for projection, (top, left) in zip(back, [(5, 9), (1, 3)], strict=True):
        assert torch.equal(projection[0, top : top + 3, left : left + 3], PATTERN)
        assert projection.abs().sum() == 9
