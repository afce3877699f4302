"""Classes at their most."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nas import baselines
from nas.seeing.classes import PENALTY, blurred, maximised, maximised_for_people

SHAPE = (3, 16, 16)
ENDS = torch.full((3, 1, 1), -2.0), torch.full((3, 1, 1), 2.0)


def test_of_a_linear_network_it_is_known() -> None:
    """S = w I / unit - lambda mean(I^2) is at its most where I = w P / (2 lambda unit), P the numbers of an image."""
    linear = nn.Linear(12, 2, bias=False)
    module = nn.Sequential(nn.Flatten(), linear)
    with torch.no_grad():
        linear.weight.copy_(torch.linspace(-0.1, 0.1, 24).reshape(2, 12))
    found = maximised(module, [1], torch.tensor([2.0]), (3, 2, 2), seed=0, steps=600)
    expected = linear.weight[1] * 12 / (2 * PENALTY * 2.0)
    assert torch.allclose(found.images.flatten(), expected, atol=0.01)


@pytest.mark.parametrize("name", ["resnet8@0.5", "mobilenet_v2@0.25"])
def test_the_score_rises(name: str) -> None:
    torch.manual_seed(0)
    module = baselines.build(name, 4, 16).eval()
    with torch.no_grad():
        units = module(torch.randn(20, *SHAPE)).std(0)[[0, 3]]
    found = maximised(module, [0, 3], units, SHAPE, seed=0, steps=40)
    assert found.images.shape == (2, *SHAPE)
    assert (found.scores[1] > found.scores[0] + 2 * units).all()


def test_what_a_person_sees_is_what_the_class_is() -> None:
    """Of red less green, which does not depend on where it is: moved and blurred, an image becomes red all over."""
    linear = nn.Linear(3, 2, bias=False)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[1.0, -1.0, 0.0], [0.0, 0.0, 1.0]]))
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear)
    found = maximised_for_people(module, [0], torch.full((1,), 0.01), SHAPE, 0, *ENDS, steps=80)
    red, green, blue = found.images[0].mean((1, 2))
    assert red > 1.9 and green < -1.9 and abs(blue) < 0.1
    assert found.scores[1] > 3.8 > found.scores[0] and found.probabilities[1] > 0.95


def test_the_same_seed_gives_the_same_image() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    one, again, other = (
        maximised_for_people(module, [0], torch.ones(1), SHAPE, seed, *ENDS, steps=5).images for seed in (1, 1, 2)
    )
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_a_blur_keeps_what_is_even_and_spreads_what_is_not() -> None:
    assert torch.allclose(blurred(torch.ones(1, 3, 8, 8), 1.0), torch.ones(1, 3, 8, 8))
    dot = torch.zeros(1, 1, 9, 9)
    dot[0, 0, 4, 4] = 1
    spread = blurred(dot, 1.0)[0, 0]
    assert spread.sum().item() == pytest.approx(1, abs=1e-5) and 0.1 < spread[4, 4] < 0.2
    assert torch.allclose(spread, spread.T) and torch.allclose(spread, spread.flip(0))
