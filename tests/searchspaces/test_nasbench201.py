"""NAS-Bench-201's space: what its paper and its authors' tables say of it."""

from __future__ import annotations

import pytest
import torch

from searchspaces import NASBench201
from searchspaces.cost import cost, shapes_only

BEST = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|"


def test_the_space_is_the_papers() -> None:
    space = NASBench201()
    assert space.size == 15_625
    assert {choice.kind for choice in space.choices} == {"op"}
    assert space.parse(BEST) == (3, 3, 3, 1, 3, 2) and space.format((3, 3, 3, 1, 3, 2)) == BEST


@pytest.mark.parametrize(
    ("cell", "params", "flops"),
    [  # FLOPs in millions as the authors publish them, for the first two with all digits (NATS-Bench, issues 24 and 36)
        (
            "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|",
            0.129306,
            15.64737,
        ),
        (
            "|skip_connect~0|+|none~0|nor_conv_3x3~1|+|avg_pool_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
            0.802426,
            113.95137,
        ),
        (BEST, 1.073, 153.27),
    ],
)
def test_networks_cost_what_was_published(cell: str, params: float, flops: float) -> None:
    space = NASBench201()
    with shapes_only():
        network = space.build(space.parse(cell))
    found = cost(network, 32)
    digits = len(str(flops).partition(".")[2])
    assert round(found.params / 1e6, len(str(params).partition(".")[2])) == params
    assert round((found.macs + 10) / 1e6, digits) == flops  # they count the classifier's 10 biases too


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("|skip_connect~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|", 1.0),  # the input itself
        ("|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|", 4.0),
        ("|avg_pool_3x3~0|+|none~0|avg_pool_3x3~1|+|none~0|none~1|avg_pool_3x3~2|", 1.0),  # padding does not count
        ("|skip_connect~0|+|skip_connect~0|none~1|+|none~0|none~1|none~2|", 0.0),
    ],
)
def test_a_node_is_the_sum_of_its_edges(cell: str, expected: float) -> None:
    space = NASBench201(cells=1)
    network = space.build(space.parse(cell))
    assert torch.equal(network[1](torch.ones(1, 16, 8, 8)), torch.full((1, 16, 8, 8), expected))


def test_a_convolution_does_not_change_the_node_that_others_read() -> None:
    space = NASBench201(cells=1)
    cell = space.build(space.parse("|nor_conv_1x1~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"))[1]
    image = torch.randn(2, 16, 8, 8)
    assert torch.equal(cell(image), image)


def test_an_edge_that_nobody_uses_has_weights_and_a_gradient_of_zero() -> None:
    space = NASBench201(cells=1)
    cell = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
    other = cell.replace("nor_conv_3x3", "skip_connect")
    archs = [space.parse(text) for text in (cell, other)]
    assert space.canonical(archs[0]) != space.canonical(archs[1])
    network = space.build(archs[0])
    network(torch.randn(2, 3, 8, 8)).sum().backward()
    edge = network[1][0][0]
    assert all(not p.grad.any() for p in edge.parameters())


@pytest.mark.parametrize("text", ["", "|none~0|", BEST.replace("~2", "~1"), BEST.replace("skip_connect", "jump")])
def test_what_is_no_cell_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=r"nasbench201: .*(a cell is written|should be one of)"):
        NASBench201().parse(text)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="cells must be 1 to 50, not 0"):
        NASBench201(cells=0)
    with pytest.raises(ValueError, match="width must be above 0"):
        NASBench201(width=0)
