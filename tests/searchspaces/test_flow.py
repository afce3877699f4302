"""The summary of a module by its forward; and that the spaces' quick ways say the same."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from torch import Tensor, nn

from nas import baselines
from searchspaces import SPACES, get_space
from searchspaces.cost import cost, shapes_only
from searchspaces.flow import traced
from searchspaces.summary import FIGURES, SUMS, Summary


def figures_of(summary: Summary) -> dict[str, float]:
    return dict(zip(FIGURES, summary.figures().tolist(), strict=True))


@pytest.mark.parametrize(
    "name", ["resnet20", "mobilenet_v2", "shufflenet_v2_x1_0", "densenet_40_12", "efficientnet_b0"]
)
def test_a_networks_multiply_adds_are_those_of_its_cost(name: str) -> None:
    with shapes_only():
        module = baselines.build(name, 10, 32)
    summary, _, _ = traced(module, 3, 32)
    assert summary.sums[SUMS.index("macs")] == cost(module, 32).macs
    assert figures_of(summary)["least layers"] <= figures_of(summary)["most layers"]


def test_a_residual_network_has_a_path_around_each_block_and_a_gate_is_on_none() -> None:
    with shapes_only():
        resnet, senet = baselines.build("resnet20", 10, 32), baselines.build("efficientnet_b0", 10, 32)
    found = figures_of(traced(resnet, 3, 32)[0])
    assert found["log paths"] == pytest.approx(9 * math.log(2))  # of nine blocks
    assert (found["most layers"], found["conv"], found["linear"]) == (20, 19, 1)
    assert figures_of(traced(senet, 3, 32)[0])["gate"] == 16


class Doubled(nn.Module):
    """Of two branches one is multiplied by zero."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 5, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.used(x) + self.unused(x) * 0.0


def test_a_branch_times_zero_is_dead_and_the_module_is_left_as_it_was() -> None:
    module = Doubled().train()
    found = figures_of(traced(module, 3, 8)[0])
    assert (found["conv"], found["most reach"]) == (1, 2) and module.training


def test_a_forward_that_needs_numbers_has_no_summary() -> None:
    class Asks(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if float(x.sum()) > 0 else -x

    with pytest.raises(ValueError, match="the Asks has no summary"):
        traced(Asks(), 3, 8)


SETTINGS: list[tuple[str, dict[str, object]]] = [
    *((name, {}) for name in SPACES),
    ("chain", {"layers": 8, "strides": True}),
    ("chain", {"bn": False, "pooling": 1}),
    ("nasnet", {"blocks": 4, "n": 2}),
    ("nasbench201", {"cells": 2, "width": 0.5}),
    ("compact", {"width": 0.5, "image_size": 96}),
]


@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=str)
def test_a_spaces_own_way_says_what_the_networks_forward_says(name: str, settings: dict[str, object]) -> None:
    """All but identities, which a forward does not show."""
    space, rng = get_space(name, **settings), random.Random(0)
    size: int = getattr(space, "image_size")  # noqa: B009
    shown = [i for i, figure in enumerate(FIGURES) if figure != "skip"]
    for _ in range(5):
        arch = space.sample(rng)
        with shapes_only():
            module = space.build(arch)
        np.testing.assert_allclose(space.summary(arch).figures()[shown], traced(module, 3, size)[0].figures()[shown])


def test_with_a_limit_features_are_about_those_of_the_network_that_is_built() -> None:
    space, rng = get_space("compact", max_macs=8_000_000), random.Random(0)
    for _ in range(10):
        arch = space.sample(rng)
        with shapes_only():
            module = space.build(arch)
        about, exact = (figures_of(summary) for summary in (space.summary(arch), traced(module, 3, 32)[0]))
        for figure in ("log macs", "log params", "log activations", "most layers", "gate"):
            assert about[figure] == pytest.approx(exact[figure], abs=0.3), figure
