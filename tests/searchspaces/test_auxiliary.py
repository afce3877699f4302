"""Auxiliary classifiers: in training mode alone, at any size, and no rows of the table."""

from __future__ import annotations

import pytest
import torch

from nas.baselines import build
from searchspaces.auxiliary import Tapped
from searchspaces.cost import cost, shapes_only

CASES = [
    ("googlenet", 2, 32),
    ("googlenet", 2, 65),
    ("googlenet+torchvision", 2, 65),
    ("inception_v3", 1, 75),
    ("nasnet_a_mobile", 1, 65),
]


@pytest.mark.parametrize(("name", "heads", "size"), CASES)
def test_training_gives_their_logits_too(name: str, heads: int, size: int) -> None:
    network = build(f"{name}+aux", 7, size)
    x = torch.randn(2, 3, size, size)
    outputs = network(x)
    assert [out.shape for out in outputs] == [(2, 7)] * (1 + heads)
    sum(out.sum() for out in outputs).backward()
    assert all(p.grad is not None for p in network.parameters())
    assert network.eval()(x).shape == (2, 7)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3", "nasnet_a_mobile"])
def test_they_add_parameters_but_no_rows(name: str) -> None:
    with shapes_only():
        plain, tapped = build(name, 10, 224), build(f"{name}+aux", 10, 224)
    assert [row for row, _ in plain.named_children()] == [row for row, _ in tapped.named_children()]
    without, with_heads = cost(plain, 224), cost(tapped, 224)
    heads = [row.head for row in tapped if isinstance(row, Tapped)]
    assert with_heads.params - without.params == sum(p.numel() for head in heads for p in head.parameters()) > 0
    assert (with_heads.macs, with_heads.activations) == (without.macs, without.activations)
