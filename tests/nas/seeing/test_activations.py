"""Guided backpropagation and the deconvnet as captum has them, against what their definitions give by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas import baselines
from nas.seeing.activations import readied, undefined
from nas.seeing.quiet import quiet

pytest.importorskip("captum")
IMAGE = torch.zeros(1, 3, 32, 32)


def guided(network: nn.Module, x: Tensor) -> list[float]:
    from captum.attr import GuidedBackprop

    with quiet():
        return list(GuidedBackprop(readied(network)).attribute(x.clone().requires_grad_(), target=0)[0].flatten())


def deconvolved(network: nn.Module, x: Tensor) -> list[float]:
    from captum.attr import Deconvolution

    with quiet():
        return list(Deconvolution(readied(network)).attribute(x.clone().requires_grad_(), target=0)[0].flatten())


class Of(nn.Module):
    """A forward as it is written, with these modules."""

    def __init__(self, forward: Any, **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self.written = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.written(self, x)


def weighed(*weights: float) -> nn.Linear:
    """One output of that many numbers."""
    layer = nn.Linear(len(weights), 1, bias=False)
    with torch.no_grad():
        layer.weight[:] = torch.tensor(weights)
    return layer


@pytest.mark.parametrize("inplace", [False, True])
def test_a_relu(inplace: bool) -> None:
    """Back come (2, -3, 4, 5) at inputs (1, 1, -1, 1): guided drops what is negative and what was off, the deconvnet
    what is negative alone."""
    network = nn.Sequential(nn.Identity(), nn.ReLU(inplace), weighed(2.0, -3.0, 4.0, 5.0))
    x = torch.tensor([[1.0, 1.0, -1.0, 1.0]])
    assert guided(network, x) == [2.0, 0.0, 0.0, 5.0]
    assert deconvolved(network, x) == [2.0, 0.0, 4.0, 5.0]


def test_relu6_is_a_relu_cut_at_six() -> None:
    network = nn.Sequential(nn.ReLU6(inplace=True), weighed(2.0, -3.0, 4.0, 5.0))
    x = torch.tensor([[1.0, 1.0, -1.0, 7.0]])
    assert guided(network, x) == [2.0, 0.0, 0.0, 0.0]
    assert deconvolved(network, x) == [2.0, 0.0, 4.0, 0.0]
    assert torch.equal(readied(network)(x), network(x))


def test_what_else_reads_the_input_of_a_relu_is_left_alone() -> None:
    """A preactivated residual, x + w relu(x): the shortcut's part is the gradient's, whatever its sign.

    At x = (1, -1) outputs weigh (-1, 3). Along the shortcut come (-1, 3); through the branch, of weights (2, 2),
    come (-2, 6), of which guided lets (0, 0) through, and the deconvnet (0, 6).
    """
    network = Of(lambda self, x: self.out(x + 2 * self.act(x)), act=nn.ReLU(), out=weighed(-1.0, 3.0))
    x = torch.tensor([[1.0, -1.0]])
    assert guided(network, x) == [-1.0, 3.0]
    assert deconvolved(network, x) == [-1.0, 9.0]


def test_two_branches_that_read_one_tensor() -> None:
    """As in cells: what comes back is the sum of both, each by its own rule."""
    network = Of(
        lambda self, x: self.out(self.one(x) + 3 * self.other(x)),
        one=nn.ReLU(), other=nn.ReLU(), out=weighed(1.0, 2.0, -1.0),
    )  # fmt: skip
    x = torch.tensor([[1.0, -1.0, 1.0]])
    assert guided(network, x) == [4.0, 0.0, 0.0]
    assert deconvolved(network, x) == [4.0, 8.0, 0.0]


def test_a_module_that_is_called_twice() -> None:
    """One after the other, as in torchvision's blocks, and side by side: relu(relu(x) w) + 5 relu(-x), w = (1, -1)."""
    scale = torch.tensor([1.0, -1.0])
    network = Of(
        lambda self, x: self.out(self.act(self.act(x) * scale) + 5 * self.act(-x)), act=nn.ReLU(), out=weighed(2.0, 3.0)
    )
    x = torch.tensor([[1.0, -2.0]])
    # the first branch: back come (2, 3), (2, 0) where it was on, times w; the second: (10, 15) at -x = (-1, 2)
    assert guided(network, x) == [2.0, -15.0]
    # the first: (2, 3), times w (2, -3), the second ReLU drops -3; the second: (10, 15) whatever was on
    assert deconvolved(network, x) == [2.0 - 10.0, -15.0]


def test_where_they_are_not_defined() -> None:
    image = torch.zeros(1, 2)
    assert undefined(nn.Sequential(nn.ReLU(inplace=True), nn.ReLU6()), image) == ""
    assert "SiLU" in undefined(nn.Sequential(nn.ReLU(), nn.SiLU(inplace=True)), image)
    assert "SiLU" in undefined(Of(lambda self, x: F.silu(x)), image)
    assert "as a function" in undefined(Of(lambda self, x: F.relu(self.act(x)), act=nn.ReLU()), image)
    assert "as a function" in undefined(Of(lambda self, x: x.relu()), image)
    assert "no ReLU" in undefined(nn.Sequential(nn.Sigmoid()), image)


@pytest.mark.parametrize(
    ("name", "said"),
    [("alexnet", ""), ("mobilenet_v2@0.25", ""), ("se_resnet18", ""), ("efficientnet_b0", "SiLU"), ("lenet5", "tanh")],
)
def test_of_the_zoo(name: str, said: str) -> None:
    network = baselines.build(name, 10, 32).eval()
    found = undefined(network, IMAGE)
    assert (said in found) if said else (found == "")


def test_a_readied_network_gives_the_same_and_the_first_is_as_it_was() -> None:
    network = baselines.build("mobilenet_v2@0.25", 10, 32).eval()
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        before = network(x)
        assert torch.equal(readied(network)(x), before) and torch.equal(network(x), before)
    assert any(isinstance(module, nn.ReLU6) for module in network.modules())
