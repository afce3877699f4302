"""What is found out before a search starts."""

from __future__ import annotations

import dataclasses
import time

import pytest

from nas.data import Dataset
from nas.plan import estimate_trial_seconds, fit_width, typical_macs
from nas.recipe import Recipe
from searchspaces import Mnas


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


def test_networks_that_cannot_be_trained_leave_it_unknown(tiny: Dataset) -> None:
    recipe = Recipe(batch_size=20, lr=1e30, warmup=0.0)
    assert estimate_trial_seconds(Mnas(width=0.1, image_size=16), tiny, recipe) is None


def test_a_training_by_the_clock_takes_what_it_is_given(tiny: Dataset) -> None:
    assert estimate_trial_seconds(Mnas(), tiny, Recipe(seconds=7.0)) == 7.0
