"""Networks for images of any number of channels: their first layer alone differs, by just what it multiplies."""

from __future__ import annotations

import random

import pytest
import torch

from nas.checks.limits import CHANNELS
from nas.network import Designed, Found
from searchspaces import SPACES, Compact, get_space
from searchspaces.cost import cost_of
from searchspaces.images import MOST_CHANNELS, for_images_of, image_channels


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("channels", [1, 5])
def test_every_space_builds_for_them(name: str, channels: int) -> None:
    space = get_space(name)
    network = Found(space, space.sample(random.Random(0)))
    module = network.build(7, 32, channels).eval()
    with torch.no_grad():
        assert module(torch.randn(2, channels, 32, 32)).shape == (2, 7)
    rgb, other = (cost_of(lambda: network.build(7, 32), 32, of) for of in (3, channels))
    more = other.params - rgb.params
    assert more % (channels - 3) == 0 and more // (channels - 3) > 0 and rgb.activations == other.activations
    assert (other.macs - rgb.macs) % more == 0  # each weight once a pixel


@pytest.mark.parametrize(
    ("name", "pixels", "weights", "places"),
    [("resnet18", 224, 64 * 7 * 7, 112**2), ("resnet20", 32, 16 * 3 * 3, 32**2)],
)
@pytest.mark.parametrize("channels", [1, 2, 10])
def test_what_a_first_convolution_costs(name: str, pixels: int, weights: int, places: int, channels: int) -> None:
    rgb, other = (cost_of(lambda: Designed(name).build(10, pixels), pixels, of) for of in (3, channels))
    assert other.params - rgb.params == (channels - 3) * weights
    assert other.macs - rgb.macs == (channels - 3) * weights * places


def test_lenet5_has_the_published_form_on_grey_images() -> None:
    """61,706 parameters, as with C3 seeing all maps; what makes RGB images grey is of no cost."""
    costs = [cost_of(lambda n=name: Designed(n).build(10, 32), 32, 1) for name in ("lenet5", "lenet5+rgb")]
    assert costs[0].params == costs[1].params == 61_706 and costs[0].macs == costs[1].macs
    with pytest.raises(ValueError, match=r"not 4 channels: lenet5\+rgb sees them all"):
        Designed("lenet5").build(10, 32, 4)
    assert Designed("lenet5+rgb").build(10, 32, 4)(torch.zeros(1, 4, 32, 32)).shape == (1, 10)


def test_a_limit_counts_the_channels() -> None:
    space = Compact(max_macs=2_000_000, image_channels=64)
    arch = space.sample(random.Random(1))
    wide = Found(Compact(max_macs=2_000_000), arch)
    assert cost_of(lambda: Found(space, arch).build(10, 32), 32, 64).macs <= 2_000_000
    assert cost_of(lambda: wide.build(10, 32), 32, 64).macs > cost_of(lambda: wide.build(10, 32), 32).macs
    assert space.canonical(space.canonical(arch)) == space.canonical(arch) and space.simplified(arch)
    assert "image_channels=64" in Found(space, arch).text and "channels" not in wide.text
    with pytest.raises(ValueError, match="image_channels goes with max_macs"):
        Compact(image_channels=1)


def test_networks_are_for_rgb_outside() -> None:
    with for_images_of(1):
        with for_images_of(None):
            assert image_channels() == 1
        with for_images_of(4):
            assert image_channels() == 4
        assert image_channels() == 1
    assert image_channels() == 3 and CHANNELS.most == MOST_CHANNELS
    with pytest.raises(ValueError, match="images have 1 to 1,024 channels, not 0"), for_images_of(0):
        pass
