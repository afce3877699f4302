"""What is found out before a search starts."""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable
from functools import partial
from statistics import fmean

import pytest
from torch import nn

from nas.data import Dataset
from nas.plan import estimate_trial_seconds, fit_width, typical_macs
from nas.recipe import Recipe
from searchspaces import Chain, Compact, Mnas, Space
from searchspaces.cost import cost_of


@pytest.mark.parametrize("target", [10e6, 60e6])
def test_the_fitted_width_brings_a_random_network_to_the_target(target: float) -> None:
    space = fit_width(Mnas(), target, 32)
    assert typical_macs(space, 32) == pytest.approx(target, rel=0.35)
    assert dataclasses.replace(space, width=1.0) == Mnas()


def test_the_estimate_is_of_the_order_of_what_a_trial_takes(tiny: Dataset) -> None:
    """How close it is on a quiet machine is for a benchmark; this holds that nothing is counted twice or forgotten."""
    space, recipe = Mnas(width=0.1, image_size=16), Recipe(epochs=3, batch_size=20)
    began = time.perf_counter()
    estimate = estimate_trial_seconds(space, tiny, recipe)
    timed = time.perf_counter() - began  # of four networks, two epochs each: as much as three trials
    assert estimate is not None and timed / 20 < estimate < timed * 5


@pytest.mark.parametrize("space", [Mnas(width=0.25), Compact(max_macs=8_000_000), Chain()])
def test_four_networks_stand_for_all_of_a_space(space: Space, tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the time of a training known exactly, the estimate would be within a fifth of the mean of all trials."""

    def known_seconds(build: Callable[[], nn.Module], dataset: Dataset, recipe: Recipe) -> float:
        size = cost_of(build, dataset.image_size)
        return 1 + 2e-5 * size.activations + 2e-7 * size.macs

    monkeypatch.setattr("nas.plan.training_seconds", known_seconds)
    rng = random.Random(7)
    archs = [space.sample(rng) for _ in range(40)]
    builds = [partial(space.build, arch, tiny.num_classes, tiny.image_size) for arch in archs]
    truth = fmean(known_seconds(build, tiny, Recipe()) for build in builds)
    assert estimate_trial_seconds(space, tiny, Recipe()) == pytest.approx(truth, rel=0.2)


def test_networks_that_cannot_be_trained_leave_it_unknown(tiny: Dataset) -> None:
    recipe = Recipe(batch_size=20, lr=1e30, warmup=0.0)
    assert estimate_trial_seconds(Mnas(width=0.1, image_size=16), tiny, recipe) is None


def test_a_training_by_the_clock_takes_what_it_is_given(tiny: Dataset) -> None:
    assert estimate_trial_seconds(Mnas(), tiny, Recipe(seconds=7.0)) == 7.0
