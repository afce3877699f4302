"""Summaries of networks: paths, and what lies on them."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
import torch

from searchspaces import SPACES, get_space
from searchspaces.summary import DEAD, FIGURES, SKIP, Part, Summary, operation, series, through


def figures_of(summary: Summary) -> dict[str, float]:
    return dict(zip(FIGURES, summary.figures().tolist(), strict=True))


def conv(kernel: int = 3, macs: float = 10.0) -> Summary:
    return operation("conv", (1.0, float(kernel > 1), kernel - 1.0), macs=macs, params=5.0, activations=2.0)


def test_parts_one_after_the_other_add_up() -> None:
    both = conv() + conv(1)
    assert both.most.tolist() == both.least.tolist() == [2, 1, 2] and both.paths == 1
    assert figures_of(both)["log macs"] == pytest.approx(math.log1p(20))
    repeated, summed = conv().times(3), series([conv()] * 3)
    np.testing.assert_allclose(repeated.figures(), summed.figures())


def test_paths_are_followed_and_what_lies_on_none_is_not_counted() -> None:
    """Of a shortcut, a long and a dead branch; and a convolution that nobody reads."""
    parts = [
        Part(conv(5), (-1,)),
        Part(conv(3), (0,)),
        Part(SKIP, (-1,)),
        Part(DEAD, (-1,)),
        Part(conv(3), (3,)),
        Part(conv(3), (-1,)),
    ]
    found = figures_of(through(parts, (1, 2, 4)))
    assert (found["conv"], found["skip"], found["log paths"]) == (2, 1, pytest.approx(math.log(2)))
    assert (found["most layers"], found["least layers"], found["most reach"], found["least reach"]) == (2, 0, 6, 0)
    assert found["log macs"] == pytest.approx(math.log1p(20))


def test_nothing_gets_through_zeros() -> None:
    dead = through([Part(conv(), (-1,)), Part(DEAD, (0,))], (1,))
    assert not dead.paths and not dead.figures().any()
    assert not (conv() + DEAD + conv()).figures().any()


def test_a_number_of_paths_that_no_float_holds_is_a_large_one() -> None:
    parts = [part for i in range(0, 2000, 2) for part in (Part(conv(), (i - 1,)), Part(SKIP, (i - 1, i)))]
    assert math.isfinite(figures_of(through(parts, (len(parts) - 1,)))["log paths"])


def test_cells_that_compute_the_same_have_the_same_features() -> None:
    """In NAS-Bench-201 an edge into a node that nobody reads makes no difference."""
    space = get_space("nasbench201")
    one, other = (
        space.parse(f"|{op}~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|")
        for op in ("nor_conv_1x1", "avg_pool_3x3")
    )
    assert space.features(one) == space.features(other)
    dead = space.parse("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    assert not any(space.features(dead))


@pytest.mark.parametrize("name", SPACES)
def test_features_are_as_many_finite_numbers_for_every_architecture(name: str) -> None:
    space, rng = get_space(name), random.Random(1)
    rows = [list(space.features(space.sample(rng))) for _ in range(20)]
    assert torch.tensor(rows).isfinite().all() and len({len(row) for row in rows}) == 1
