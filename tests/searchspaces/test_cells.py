"""Cells: whatever the sizes and channels of a cell's inputs, its states fit together."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from searchspaces.cells import OPERATIONS, Cell, CellLayer, Inputs, cell, cell_network, factorized_reduction
from searchspaces.layers import StochasticDepth, conv, he_normal, head

# Reads every input, has an unused h_i-1 and an unused h_i in its output, and every operation.
PLAN = Cell([(0, "sep3x3", 1, name) for name in OPERATIONS] + [(2, "identity", 3, "avg3x3")], output=[0, 1, 7, 8])


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [1, 7, 8])
def test_operations_bring_channels_and_stride(operation: str, stride: int, size: int) -> None:
    for c_in in (6, 4):
        module, c = OPERATIONS[operation](6, stride, nn.BatchNorm2d)(c_in)
        assert c == 6
        assert module.eval()(torch.randn(2, c_in, size, size)).shape == (2, 6, *[-(-size // stride)] * 2)


@pytest.mark.parametrize("size", [9, 16])
@pytest.mark.parametrize("hide_input", [False, True])
def test_cells_fit_whatever_came_before(size: int, hide_input: bool) -> None:
    cells: dict[str, CellLayer] = {
        "first": cell(PLAN, 4),
        "reduction": cell(PLAN, 8, stride=2, hide_input=hide_input),
        "after": cell(PLAN, 8),
        "last": cell(PLAN, 8),
    }
    network = cell_network(("stem", conv(5)), cells, ("head", head(3)), he_normal())
    assert network(torch.randn(2, 3, size, size)).shape == (2, 3)


def test_two_reductions_with_hidden_input_leave_the_earlier_input_four_times_as_large() -> None:
    _, inputs = cell(PLAN, 8, stride=2)(4)
    _, inputs = cell(PLAN, 8, stride=2, hide_input=True)(inputs)
    assert inputs == Inputs(4, 32, ratio=4)
    module, _ = cell(PLAN, 8)(inputs)
    _, out = module((torch.randn(2, 4, 17, 17), torch.randn(2, 32, 5, 5)))
    assert out.shape == (2, 32, 5, 5)


def test_factorized_reduction_sees_both_diagonals() -> None:
    module, _ = factorized_reduction(2, 2, lambda c: nn.Identity())(1)
    for path in (module.get_parameter("path1.weight"), module.get_parameter("path2.weight")):
        nn.init.ones_(path)
    image = torch.arange(9.0).view(1, 1, 3, 3)
    assert module(image).squeeze().tolist() == [[[0, 2], [6, 8]], [[4, 0], [0, 0]]]


def test_all_operations_but_the_identity_are_dropped() -> None:
    module, _ = cell(PLAN, 4, drop=0.5)(4)
    operations = [operation for block in PLAN.blocks for operation in block[1::2]]
    dropped = sum(isinstance(part, StochasticDepth) for part in module.modules())
    assert dropped == len(operations) - operations.count("identity")
