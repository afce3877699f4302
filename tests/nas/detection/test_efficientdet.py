"""EfficientDet: parameters and anchors by the authors' and others' code, and a pyramid in which each map sees all."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from nas.baselines.zoo import build
from nas.detection.bifpn import STRIDES, BiFPN, Fusion
from nas.detection.efficientdet import ANCHORS, TABLE_1, EfficientDet, anchors, efficientdet, with_pyramid
from searchspaces.cost import cost, shapes_only

COCO = 90  # classes, as the authors' code numbers them

# The authors' test (google/automl, efficientdet/efficientdet_arch_test.py) has these of D0 to D5. For D6 and D7 it has
# 51,871,782: their code fuses by a plain sum there, and has no weights; see below. PAZ and effdet count as it does.
PARAMS = {
    "d0": 3_880_067,
    "d1": 6_625_898,
    "d2": 8_097_039,
    "d3": 12_032_296,
    "d4": 20_723_675,
    "d5": 33_653_315,
    "d6": 51_871_782,
}
# Table 2 of the paper, in millions
PAPER = {"d0": 3.9, "d1": 6.6, "d2": 8.1, "d3": 12, "d4": 21, "d5": 34, "d6": 52, "d7": 52}
# The boxes of a square image: PAZ's test of its prior boxes
BOXES = {512: 49_104, 640: 76_725, 768: 110_484, 896: 150_381, 1024: 196_416, 1280: 306_900, 1536: 441_936}


def meta(name: str) -> EfficientDet:
    with shapes_only():
        return efficientdet(name, COCO)


def params(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("name", PARAMS)
def test_parameters_are_the_published_code_s(name: str) -> None:
    network = meta(name)
    weights = sum(part.weights.numel() for part in network.modules() if isinstance(part, Fusion))
    assert weights == TABLE_1[name].layers * (4 * 2 + 3 * 3 + 2)
    assert params(network) - (weights if name == "d6" else 0) == PARAMS[name]
    assert round(params(network) / 1e6, 1 if params(network) < 1e7 else None) == PAPER[name]


def test_d7_is_d6_for_larger_images() -> None:
    assert TABLE_1["d7"]._replace(image_size=1280, box=4.0) == TABLE_1["d6"]


def test_d0_multiplies_as_often_as_the_paper_says() -> None:
    """Table 2: 2.5 billion."""
    assert round(cost(meta("d0"), 512).macs / 1e9, 1) == 2.5


@pytest.mark.parametrize(("pixels", "expected"), BOXES.items())
def test_anchors_are_as_many(pixels: int, expected: int) -> None:
    assert sum(ANCHORS * (pixels // stride) ** 2 for stride in STRIDES) == expected
    assert len(anchors(pixels // 128, pixels // 128, 128, 4.0)) == ANCHORS * (pixels // 128) ** 2


def test_anchors_are_of_three_sizes_and_shapes_about_each_pixel() -> None:
    boxes = anchors(2, 3, stride=16, box=4.0)
    sides = boxes[:, 2:] - boxes[:, :2]
    middles = (boxes[:, 2:] + boxes[:, :2]) / 2
    expected = torch.tensor([40.0, 24.0]).expand(ANCHORS, 2)
    torch.testing.assert_close(middles.view(2, 3, ANCHORS, 2)[1, 2], expected)
    areas = sides.prod(1).view(-1, 3, 3)
    expected = torch.tensor([(64 * 2 ** (i / 3)) ** 2 for i in range(3)])
    torch.testing.assert_close(areas, expected[:, None].expand_as(areas))
    shapes = (sides[:, 0] / sides[:, 1]).view(-1, 3)
    torch.testing.assert_close(shapes, torch.tensor([1.0, 2.0, 0.5]).expand_as(shapes))


def test_every_map_of_a_layer_sees_all_others() -> None:
    torch.manual_seed(0)
    pyramid = BiFPN({8: 4, 16: 6, 32: 8}, width=8, layers=1).eval()
    maps = {stride: torch.randn(1, c, 128 // stride, 128 // stride) for stride, c in ((8, 4), (16, 6), (32, 8))}
    for given in maps.values():
        given.requires_grad_()
    levels = pyramid(maps)
    assert [tuple(level.shape) for level in levels] == [(1, 8, 128 // stride, 128 // stride) for stride in STRIDES]
    for level in levels:
        gradients = torch.autograd.grad(level.square().sum(), list(maps.values()), retain_graph=True)
        assert all(gradient.abs().sum() > 0 for gradient in gradients)


def test_fusion_is_normalised_and_never_negative() -> None:
    fusion = Fusion(2, 4).eval()
    fusion.filters = nn.Identity()
    one, other = torch.ones(1, 4, 2, 2), torch.full((1, 4, 2, 2), 3.0)
    torch.testing.assert_close(fusion([one, other]), nn.functional.silu(2 * one), rtol=1e-4, atol=0)
    with torch.no_grad():
        fusion.weights.copy_(torch.tensor([-1.0, 5.0]))
    torch.testing.assert_close(fusion([one, other]), nn.functional.silu(other), rtol=1e-4, atol=0)


def test_it_stands_on_other_networks_and_images_of_any_shape() -> None:
    torch.manual_seed(0)
    row = TABLE_1["d0"]._replace(image_size=128, width=16, layers=2, head_layers=1)
    network = with_pyramid(build("mobilenet_v2@0.35", 10, 128), 3, row)
    said = network.said(torch.randn(2, 3, 128, 200))
    assert said.logits.shape == (2, len(said.boxes), 3)
    assert said.offsets.shape == (2, len(said.boxes), 4)
    assert len(said.boxes) == ANCHORS * sum(math.ceil(128 / s) * math.ceil(200 / s) for s in STRIDES)
    assert abs(said.logits.sigmoid().mean().item() - 0.01) < 0.01  # every class is rare at the start
    assert said.boxes[:, 2].max() > 1 and said.boxes.mean().item() == pytest.approx(0.5, abs=0.1)  # shares of sides
    (said.logits.square().mean() + said.offsets.square().mean()).backward()
    assert all(p.grad is not None for p in network.parameters())


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="no EfficientDet 'd8': choose one of d0, d1"):
        efficientdet("d8", 2)
    with pytest.raises(ValueError, match="has no map of stride 8 at 512 pixels"):
        with_pyramid(build("resnet8", 10, 32), 2)
