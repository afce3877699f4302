"""Which maps a convolution's filters are looked at by."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nas import baselines
from nas.seeing.activations import readied
from nas.seeing.layers import Maps, chosen, layers_of

IMAGE = torch.rand(1, 3, 32, 32)


def test_a_convolution_goes_with_its_norm_and_its_activation() -> None:
    """With a norm of negative scale the largest output of the convolution itself would be the least excited."""
    module = baselines.build("resnet8", 10, 32).eval()
    first = layers_of(module, IMAGE)[0]
    assert first.name == "conv1" and first.side == 32 and first.activated
    with Maps(module, [first]) as maps, torch.no_grad():
        assert maps.of(IMAGE)[0].min() == 0  # behind the ReLU


def test_a_module_that_runs_twice_has_two_maps() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.act = nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(inplace=True)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.act(self.conv(self.act(self.conv(x))))
            return out.mean((2, 3))

    module = Twice().eval()
    once, again = layers_of(module, IMAGE)
    assert (once.end, once.number, again.number) == ("act", 0, 1)
    copy = readied(module)
    with torch.no_grad(), Maps(copy, [once, again]) as maps:
        of_once, of_again = maps.of(IMAGE)
    assert torch.equal(of_once, copy.act(copy.conv(IMAGE)))  # type: ignore[operator]
    assert torch.equal(of_again.mean((2, 3)), module(IMAGE))


def test_stages_are_the_first_and_the_last_of_each_size() -> None:
    layers = layers_of(baselines.build("alexnet", 10, 32), IMAGE)
    assert [layer.name for layer in chosen(layers, "stages")] == ["conv1", "conv2", "conv5"]
    assert [layer.name for layer in chosen(layers, "all")] == ["conv1", "conv2", "conv3", "conv4", "conv5"]
    assert [layer.name for layer in chosen(layers, "conv4, conv2")] == ["conv2", "conv4"]
    with pytest.raises(ValueError, match=r"--layers: the network has no layer 'conv9'; it has conv1, conv2, .* or all"):
        chosen(layers, "conv9")


def test_projections_without_activation_are_for_no_stage() -> None:
    """MobileNetV2's blocks end in a linear convolution: the depthwise one before it has an activation."""
    layers = chosen(layers_of(baselines.build("mobilenet_v2@0.25", 10, 32), IMAGE), "stages")
    assert len(layers) > 2 and all(layer.activated for layer in layers)


def test_a_network_without_maps_has_nothing_to_look_at() -> None:
    with pytest.raises(ValueError, match="nothing to look at"):
        chosen(layers_of(nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)), IMAGE), "stages")
