"""Where a network looks, of networks of which that is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nas import baselines
from nas.seeing.activations import readied, undefined
from nas.seeing.photographs import attributions, grad_cam
from searchspaces import get_space

pytest.importorskip("captum")
SIDE = 16


def counting(first: float = 1.0, second: float = -1.0) -> nn.Sequential:
    """Two maps, of red and of green; output 0 is `first` times the mean of the one and `second` of the other."""
    conv, classifier = nn.Conv2d(3, 2, 1, bias=False), nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[0, 0] = conv.weight[1, 1] = 1
        classifier.weight.copy_(torch.tensor([[first, second], [0.0, 0.0]]))
    pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(nn.Sequential(conv, nn.ReLU(inplace=True)), *pool, classifier).eval()


@pytest.fixture
def x() -> Tensor:
    """Red in the upper left corner, green in the lower right one."""
    images = torch.zeros(1, 3, SIDE, SIDE)
    images[0, 0, :4, :4] = 2.0
    images[0, 1, -4:, -4:] = 3.0
    return images


def test_grad_cam_is_what_it_is_by_hand(x: Tensor) -> None:
    """The mean gradient of red's map is 1 / 256, of green's -1 / 256: what is above 0 of the sum is red's corner."""
    cam, side = grad_cam(readied(counting()), x, torch.tensor([0]))
    assert cam is not None and side == SIDE
    expected = torch.zeros(SIDE, SIDE)
    expected[:4, :4] = 2.0 / SIDE**2
    assert torch.allclose(cam[0], expected, atol=1e-8)


@pytest.mark.parametrize(
    ("name", "pixels", "side"), [("alexnet", 64, 4), ("resnet8", 32, 8), ("densenet_bc_40_12", 32, 8)]
)
def test_grad_cam_is_of_the_last_convolution(name: str, pixels: int, side: int) -> None:
    """Of AlexNet that is before the last pooling; of others the output of the last block."""
    network = readied(baselines.build(name, 3, pixels))
    cam, found = grad_cam(network, torch.rand(1, 3, pixels, pixels), torch.tensor([0]))
    assert cam is not None and cam.shape == (1, pixels, pixels) and found == side


def test_of_layers_that_hand_on_what_was_before_them() -> None:
    """A chain's put out all maps so far, of which nothing may read the first: its last convolution's map is there."""
    space = get_space("chain", image_size=32)
    network = readied(space.build(space.sample(np.random.default_rng(3)), 4, 32))
    cam, side = grad_cam(network, torch.rand(1, 3, 32, 32), torch.tensor([1]))
    assert cam is not None and side == 8


def test_all_methods_of_a_network_that_is_known(x: Tensor) -> None:
    network = counting()
    assert undefined(network, x) == ""
    found = attributions(readied(network), x, torch.tensor([0]), guided=True)
    red, green = (slice(0, 4), slice(0, 4)), (slice(-4, None), slice(-4, None))
    assert found.saliency[0][red].min() == found.saliency[0][green].min() == 1 / SIDE**2
    assert found.guided is not None and found.guided[0, 0][red].min() == 1 / SIDE**2
    assert found.guided[0, 1].max() == 0  # green speaks against it, so nothing of it is let back
    assert torch.allclose(found.integrated[0, 0][red], torch.tensor(2.0 / SIDE**2))
    assert torch.allclose(found.integrated[0, 1][green], torch.tensor(-3.0 / SIDE**2))
    assert found.difference[0].item() == pytest.approx((2 - 3) * 16 / SIDE**2)
    assert found.occlusion[0][red].min() > 0 > found.occlusion[0][green].max()  # without green the output is larger
    assert found.occlusion[0, 6:10, 6:10].abs().max() == 0


@pytest.mark.parametrize("name", ["resnet8@0.5", "mobilenet_v2@0.25", "efficientnet_b0@0.25"])
def test_integrated_gradients_are_complete(name: str) -> None:
    """They sum to what the output has of the image more than of the beginning."""
    torch.manual_seed(0)
    network = readied(baselines.build(name, 4, 32))
    images = torch.randn(2, 3, 32, 32)
    found = attributions(network, images, torch.tensor([1, 3]), guided=False)
    sums = found.integrated.sum((1, 2, 3))
    assert torch.allclose(sums, found.difference, atol=0.02 * float(found.difference.abs().max()) + 1e-5)
    assert found.guided is None and found.saliency.shape == (2, 32, 32)


def test_nothing_is_left_behind(x: Tensor) -> None:
    network = readied(counting())
    before = network(x)
    attributions(network, x, torch.tensor([0]), guided=True)
    assert torch.equal(network(x), before) and not x.requires_grad
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in network.modules())


def test_a_network_without_maps_has_no_grad_cam(x: Tensor) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE**2, 2)).eval()
    assert grad_cam(network, x, torch.tensor([0])) == (None, 0)
