"""The operations of cells: each brings any state to the cell's channels, and is what its paper calls so."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from searchspaces.cost import cost
from searchspaces.operations import OPERATIONS

PARAMETERS = {  # of convolutions without norms, from 4 to 8 channels
    "identity": 4 * 8,
    "1x3-3x1": 3 * 4 * 8 + 3 * 8 * 8,
    "1x7-7x1": 7 * 4 * 8 + 7 * 8 * 8,
    "dil3x3": 9 * 4 * 8,
    "avg3x3": 4 * 8,
    "max3x3": 4 * 8,
    "max5x5": 4 * 8,
    "max7x7": 4 * 8,
    "conv1x1": 4 * 8,
    "conv3x3": 9 * 4 * 8,
    **{f"sep{k}x{k}": k * k * 4 + 4 * 8 + k * k * 8 + 8 * 8 for k in (3, 5, 7)},
    **{f"dilsep{k}x{k}": k * k * 4 + 4 * 8 for k in (3, 5)},
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [1, 7, 8])
def test_they_bring_channels_and_stride(operation: str, stride: int, size: int) -> None:
    for c_in in (6, 4):
        module, c = OPERATIONS[operation](6, stride, nn.BatchNorm2d)(c_in)
        assert c == 6
        assert module.eval()(torch.randn(2, c_in, size, size)).shape == (2, 6, *[-(-size // stride)] * 2)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("stride", [1, 2])
def test_they_have_the_weights_that_their_names_say(operation: str, stride: int) -> None:
    module, _ = OPERATIONS[operation](8, stride, nn.BatchNorm2d)(4)
    assert sum(p.numel() for p in module.parameters() if p.ndim > 1) == PARAMETERS[operation]


# How far from its centre a result sees, down and across; separable convolutions come twice
REACHES = {
    "1x3-3x1": 1,
    "1x7-7x1": 3,
    "dil3x3": 2,
    "conv1x1": 0,
    "conv3x3": 1,
    "max7x7": 3,
    "sep5x5": 4,
    "dilsep5x5": 4,
}


@pytest.mark.parametrize(("operation", "reach"), REACHES.items())
def test_they_see_as_far_as_their_kernels_reach(operation: str, reach: int) -> None:
    module, _ = OPERATIONS[operation](4, 1, lambda c: nn.Identity())(4)
    for parameter in module.parameters():
        nn.init.ones_(parameter)
    spots = torch.eye(11)[:, None, :, None] * torch.eye(11)[:, None, None, :]  # one on the diagonal of each image
    seen = module(spots.expand(11, 4, 11, 11))[:, 0, 5, 5].nonzero().flatten().tolist()
    assert (min(seen), max(seen)) == (5 - reach, 5 + reach)


def test_only_the_dilated_ones_skip_pixels() -> None:
    for operation, skips in (("dil3x3", True), ("conv3x3", False), ("dilsep3x3", True)):
        module, _ = OPERATIONS[operation](4, 1, lambda c: nn.Identity())(4)
        for parameter in module.parameters():
            nn.init.ones_(parameter)
        beside = torch.zeros(1, 4, 9, 9)
        beside[:, :, 4, 5] = 1
        assert bool(module(beside)[0, :, 4, 4].sum() == 0) == skips


def test_the_stride_of_1x7_then_7x1_is_across_and_then_down() -> None:
    module, _ = OPERATIONS["1x7-7x1"](8, 2, nn.BatchNorm2d)(8)
    strides = [part.stride for part in module.modules() if isinstance(part, nn.Conv2d)]
    assert strides == [(1, 2), (2, 1)]
    assert cost(module, 8, channels=8).activations == 8 * (8 * 4 + 4 * 4)
