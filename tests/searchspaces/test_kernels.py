"""What a module runs is listed with its shapes, in the forward that counts it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from searchspaces.cost import cost
from searchspaces.kernels import Kernel, followed, part_of


def test_kinds() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 5, padding=2, groups=8, bias=False),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 6, 1, bias=False),
        nn.AdaptiveAvgPool2d(1),
        nn.Conv2d(6, 4, 1, bias=False),
        nn.Flatten(),
        nn.Linear(4, 10, bias=False),
    )
    module.train()
    part = part_of(module, 3, 16)
    assert part.kernels == (
        Kernel("conv", 3, 3, 8, 16, 8, 216, 216 * 64),
        Kernel("depthwise", 5, 8, 8, 8, 8, 200, 200 * 64),
        Kernel("pool", 2, 8, 8, 8, 4, 0, 0),
        Kernel("pointwise", 1, 8, 6, 4, 4, 48, 48 * 16),
        Kernel("linear", 1, 6, 4, 1, 1, 24, 24),
        Kernel("linear", 1, 4, 10, 1, 1, 40, 40),
    )
    assert (part.c_in, part.side_in, part.c_out, part.side_out) == (3, 16, 10, 1)
    assert part.kernels[0].moved == 3 * 256 + 8 * 64
    assert all(inner.training for inner in module.modules())
    assert followed(module, 3, 16) == (part, cost(module, 16)) and part.macs == cost(module, 16).macs


def test_a_broadcast_has_the_shape_of_the_larger() -> None:
    class Gated(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean((2, 3), keepdim=True) * x

    assert part_of(Gated(), 4, 8).side_out == 8


def test_what_needs_numbers_says_so() -> None:
    class Branches(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x if x.sum().item() > 0 else -x

    with pytest.raises(ValueError, match="the Branches cannot be followed without numbers"):
        part_of(Branches(), 3, 8)
    with pytest.raises(ValueError, match="cannot be followed"):
        part_of(nn.Conv2d(4, 4, 3), 3, 8)
