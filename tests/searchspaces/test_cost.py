"""Costs are fvcore's, to the last multiply-add."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nas import baselines
from searchspaces import Mnas
from searchspaces.cost import Cost, cost, costs_by_row, shapes_only

fvcore = pytest.importorskip("fvcore.nn", reason="fvcore is the reference: pip install fvcore")
logging.getLogger("fvcore.nn.jit_analysis").setLevel(logging.ERROR)


def by_fvcore(module: nn.Module, image_size: int) -> Cost:
    image = torch.zeros(1, 3, image_size, image_size)
    macs = fvcore.FlopCountAnalysis(module.eval(), image).by_operator()
    activations = fvcore.ActivationCountAnalysis(module, image).total()
    params = sum(p.numel() for p in module.parameters())
    return Cost(params, int(macs["conv"] + macs["linear"]), int(activations))


@pytest.mark.filterwarnings("ignore")  # of torch's tracer, which fvcore uses
@pytest.mark.parametrize("image_size", [32, 96])
def test_random_networks_cost_what_fvcore_says(image_size: int) -> None:
    space, rng = Mnas(image_size=image_size, width=0.5), np.random.default_rng(0)
    for _ in range(4):
        network = space.build(space.sample(rng))
        assert cost(network, image_size) == by_fvcore(network, image_size)


class Odd(nn.Module):
    """Layers called as functions, by keyword, transposed, grouped, one-dimensional; sums that broadcast both ways; a
    parameter that no layer has."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(3, 8, 3, stride=2, groups=1)
        self.grouped = nn.Conv2d(8, 12, 3, groups=4, dilation=2)
        self.more = nn.Parameter(torch.randn(1, 1, 1, 1))
        self.weight = nn.Parameter(torch.randn(5, 13, 1, 1))
        self.line = nn.Conv1d(5, 6, 3)
        self.table = nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.grouped(self.up(x))
        x = torch.cat([x, self.more.expand(1, 1, *x.shape[2:])], 1)
        x = F.conv2d(input=x, weight=self.weight) + torch.ones(5, 1, 1)
        x = x.mean((2, 3), keepdim=True) + x  # broadcasts the first to the second
        return F.linear(self.line(x.flatten(2)).transpose(1, 2), weight=self.table.weight, bias=None)


@pytest.mark.filterwarnings("ignore")
def test_functions_count_like_modules() -> None:
    odd = Odd()
    assert cost(odd, 16) == by_fvcore(odd, 16)


@pytest.mark.parametrize(("word", "padding"), [("same", 2), ("valid", 0)])
def test_paddings_by_word(word: str, padding: int) -> None:  # which fvcore does not see
    assert cost(nn.Conv2d(3, 4, 5, padding=word), 8) == cost(nn.Conv2d(3, 4, 5, padding=padding), 8)


@pytest.mark.parametrize("name", ["resnet20", "mobilenet_v2"])
def test_costing_leaves_the_network_as_it_was(name: str) -> None:
    network = baselines.build(name, 10, 32).train()
    frozen = next(m for m in network.modules() if isinstance(m, nn.BatchNorm2d)).eval()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    cost(network, 32)
    assert network.training and not frozen.training
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert all(not p.is_meta for p in network.parameters())


def test_shapes_only_allocates_nothing_and_ends() -> None:
    with shapes_only():
        assert all(p.is_meta for p in baselines.build("resnet20", 10, 32).parameters())
    weights = next(baselines.build("resnet20", 10, 32).parameters())
    assert not weights.is_meta and weights.std() > 0


def test_too_small_an_image_is_named() -> None:
    with pytest.raises(ValueError, match="does not take 3x2x2 images"):
        cost(nn.Conv2d(3, 4, 5), image_size=2)


@pytest.mark.parametrize("layers", [(nn.Conv2d(4, 4, 1),), (nn.Conv2d(3, 4, 1), nn.Linear(16, 4))])
def test_layers_that_do_not_fit_together_are_named(layers: tuple[nn.Module, ...]) -> None:
    with pytest.raises(ValueError, match=r"does not take 3x8x8 images: a .* of .* is given"):
        cost(nn.Sequential(*layers), image_size=8)


class Attentive(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches, self.attention = nn.Conv2d(3, 8, 4, 4), nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        return self.attention(x, x, x, need_weights=False)[0]


def test_attention_counts_its_projections() -> None:
    tokens, patch = 4 * 4, 3 * 4 * 4
    assert cost(Attentive(), 16).macs == tokens * 8 * patch + 4 * tokens * 8 * 8
    assert cost(Attentive(), 16).activations == tokens * 8 + 4 * tokens * 8


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["googlenet", "shufflenet_v2_x0_5", "densenet_40_12", "nasnet_a_cifar", "nfnet_f0"])
def test_baselines_cost_what_fvcore_says(name: str) -> None:
    network = baselines.build(name, 10, 32)
    assert cost(network, 32) == by_fvcore(network, 32)


def test_rows_are_a_networks_children() -> None:
    rows = costs_by_row(baselines.build("resnet8", 10, 32), 32)
    assert [row.name for row in rows] == ["conv1", "conv2_x", "conv3_x", "conv4_x", "fc"]
    assert [row.output for row in rows] == [(16, 32, 32), (16, 32, 32), (32, 16, 16), (64, 8, 8), (10,)]
    assert (rows[0].cost, rows[-1].cost) == (Cost(16 * 27 + 32, 32 * 32 * 16 * 27, 32 * 32 * 16), Cost(650, 640, 10))
