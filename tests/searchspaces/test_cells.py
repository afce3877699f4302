"""Cells: whatever the sizes and channels of a cell's inputs, its states fit together."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from searchspaces.cells import Block, Cell, CellLayer, Inputs, cell, cell_network, factorized_reduction
from searchspaces.layers import conv, head
from searchspaces.modules import ScheduledDropPath
from searchspaces.operations import OPERATIONS
from searchspaces.weights import he_normal

# Joins both inputs, though it reads them; a sum, a concatenation and what was made of one; and has every operation.
BLOCKS = [Block(0, "sep3x3", 1, name) for name in OPERATIONS]
CONCATENATION = 2 + len(BLOCKS)
PLAN = Cell(
    (*BLOCKS, Block(2, "identity", 3, "avg3x3", "concat"), Block(CONCATENATION, "identity", CONCATENATION, "max3x3")),
    output=(0, 1, 4, CONCATENATION, CONCATENATION + 1),
)


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
    assert inputs == Inputs(4, 40, ratio=4)
    module, _ = cell(PLAN, 8)(inputs)
    _, out = module((torch.randn(2, 4, 17, 17), torch.randn(2, 40, 5, 5)))
    assert out.shape == (2, 40, 5, 5)


def test_factorized_reduction_sees_both_diagonals() -> None:
    module, _ = factorized_reduction(2, 2, lambda c: nn.Identity())(1)
    for path in (module.get_parameter("path1.weight"), module.get_parameter("path2.weight")):
        nn.init.ones_(path)
    image = torch.arange(9.0).view(1, 1, 3, 3)
    assert module(image).squeeze().tolist() == [[[0, 2], [6, 8]], [[4, 0], [0, 0]]]


def test_all_operations_but_the_identity_are_dropped() -> None:
    module, _ = cell(PLAN, 4, drop=0.5)(4)
    operations = [operation for block in PLAN.blocks for operation in (block.left_op, block.right_op)]
    dropped = sum(isinstance(part, ScheduledDropPath) for part in module.modules())
    assert dropped == len(operations) - operations.count("identity")


def test_concatenated_blocks_have_twice_the_channels_and_are_brought_back() -> None:
    plan = Cell((Block(0, "identity", 1, "identity", "concat"), Block(2, "identity", 2, "avg3x3")), output=(2, 3))
    module, inputs = cell(plan, 4)(Inputs(4, 4))
    assert inputs.current == 8
    shapes = [tuple(p.shape) for p in module.parameters() if p.ndim > 1]
    assert shapes == [(4, 4, 1, 1), (4, 8, 1, 1), (4, 8, 1, 1), (4, 8, 1, 1)]  # h_i; the two sides; what is joined
