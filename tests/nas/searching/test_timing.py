"""How long trainings will take, and that finding it out takes no longer than it may."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator
from functools import partial
from statistics import fmean
from typing import Any

import pytest
import torch

from nas.data import Dataset
from nas.ledger.config import Budget
from nas.searching.timing import (
    LONGEST,
    Allowance,
    Build,
    Estimate,
    estimate_trial_seconds,
    mean_training_seconds,
    training_seconds,
)
from nas.training.recipe import Recipe
from nas.training.train import Epoch, Moment
from searchspaces import Chain, Compact, Mnas, Space
from searchspaces.cost import cost_of

SMALL = partial(Mnas(width=0.1, image_size=16).build, Mnas(width=0.1, image_size=16).sample(random.Random(0)), 4, 16)


def test_the_estimate_is_of_the_order_of_what_a_trial_takes(tiny: Dataset) -> None:
    """How close it is on a quiet machine is for a benchmark; this holds that nothing is counted twice or forgotten."""
    space, recipe = Mnas(width=0.1, image_size=16), Recipe(epochs=3, batch_size=20)
    began = time.perf_counter()
    estimate = estimate_trial_seconds(space, tiny, recipe)
    timed = time.perf_counter() - began  # of four networks, two epochs each: as much as three trials
    assert estimate is not None and timed / 20 < estimate.seconds < timed * 5


@pytest.mark.parametrize("space", [Mnas(width=0.25), Compact(max_macs=8_000_000), Chain()])
def test_four_networks_stand_for_all_of_a_space(space: Space, tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the time of a training known exactly, the estimate would be within a fifth of the mean of all trials."""

    def known_seconds(build: Build, dataset: Dataset, recipe: Recipe, limit: float = math.inf) -> float:
        size = cost_of(build, dataset.image_size)
        return 1 + 2e-5 * size.activations + 2e-7 * size.macs

    monkeypatch.setattr("nas.searching.timing.training_seconds", known_seconds)
    rng = random.Random(7)
    archs = [space.sample(rng) for _ in range(40)]
    builds = [partial(space.build, arch, tiny.num_classes, tiny.image_size) for arch in archs]
    truth = fmean(known_seconds(build, tiny, Recipe()) for build in builds)
    estimate = estimate_trial_seconds(space, tiny, Recipe())
    assert estimate is not None and estimate.seconds == pytest.approx(truth, rel=0.2) and not estimate.basis


def test_networks_that_cannot_be_trained_leave_it_unknown(tiny: Dataset) -> None:
    recipe = Recipe(batch_size=20, lr=1e3, weight_decay=1e3, warmup=0.0)
    assert estimate_trial_seconds(Mnas(width=0.1, image_size=16), tiny, recipe) is None


def test_a_training_by_the_clock_takes_what_it_is_given(tiny: Dataset) -> None:
    assert estimate_trial_seconds(Mnas(), tiny, Recipe(seconds=7.0)) == Estimate(7.0, 1, 1)


# ------------------------------------------------------------------ how long it may take


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_timing_may_take_a_tenth_of_the_budget_and_a_minute_at_most() -> None:
    assert Allowance.of(Budget(seconds=180)).seconds == pytest.approx(18)
    assert Allowance.of(Budget(seconds=24 * 3600)).seconds == Allowance.of(Budget(trials=3)).seconds == LONGEST


def test_what_a_network_leaves_is_for_the_others() -> None:
    clock = Clock()
    allowance = Allowance(18.0, clock)
    assert allowance.share(4) == 4.5
    clock.now += 3.0
    assert allowance.share(3) == 5.0
    clock.now += 100.0
    assert allowance.share(2) == 0.0 and allowance.spent == 103.0


class SlowSteps:
    """Stands for `train`: steps of 64 images that take a second each, an epoch of 10, by the clock that it sets."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def __call__(self, network: Any, dataset: Dataset, recipe: Recipe, seed: int, on_step: Any) -> Iterator[Epoch]:
        began, images = self.clock.now, 0
        for epoch in range(1, recipe.epochs + 1):
            for step in range(1, 11):
                self.clock.now += 1.0
                images += 64
                seconds = self.clock.now - began
                on_step(Moment(epoch, step, 10, images, seconds, 0.0, torch.zeros(())))
            self.clock.now += 5.0
            yield Epoch(epoch, 1.0, 0.5, images, self.clock.now - began)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """By which trainings are timed: those of `SlowSteps`."""
    clock = Clock()
    monkeypatch.setattr("nas.searching.timing.train", SlowSteps(clock))
    monkeypatch.setattr("nas.searching.timing.time.perf_counter", clock)
    return clock


@pytest.mark.parametrize("limit", [3.5, 8.0, 18.5])
def test_a_miniature_stops_when_its_time_is_up_and_its_steps_tell(limit: float, clock: Clock, tiny: Dataset) -> None:
    began = clock.now
    seconds = training_seconds(SMALL, tiny, Recipe(batch_size=20, epochs=3), limit)
    assert limit < clock.now - began <= limit + 1
    assert seconds == pytest.approx(3 * (len(tiny.train) + len(tiny.val) / 3) / 64)  # a second for 64 images


def test_with_time_enough_the_second_epoch_is_timed(clock: Clock, tiny: Dataset) -> None:
    scale = len(tiny.train) / min(len(tiny.train), 10 * 5)
    assert training_seconds(SMALL, tiny, Recipe(batch_size=5, epochs=3), 100.0) == pytest.approx(15 * scale * 3)


def test_one_step_alone_says_nothing(clock: Clock, tiny: Dataset) -> None:
    assert training_seconds(SMALL, tiny, Recipe(batch_size=20), 0.5) is None


def test_an_estimate_says_what_it_rests_on(clock: Clock, tiny: Dataset) -> None:
    """Two take two steps, of a second each; then half a second is left for each of the others."""
    some = mean_training_seconds([SMALL] * 4, tiny, Recipe(batch_size=20), Allowance(5.0, clock))
    assert some is not None and some.basis == " (only 2 of 4 networks could be timed)"
    assert mean_training_seconds([SMALL], tiny, Recipe(batch_size=20), Allowance(0.5, clock)) is None


def test_quarters_that_are_not_timed_go_by_the_pace_of_the_others(
    tiny: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    space, paces = Mnas(width=0.25), iter([1e-5, None, None, 1e-5])

    def some(build: Build, dataset: Dataset, recipe: Recipe, limit: float) -> float | None:
        size = cost_of(build, dataset.image_size)
        pace = next(paces)
        return None if pace is None else pace * (size.activations + size.macs / 60)

    monkeypatch.setattr("nas.searching.timing.training_seconds", some)
    half = estimate_trial_seconds(space, tiny, Recipe())
    paces = iter([1e-5] * 4)
    whole = estimate_trial_seconds(space, tiny, Recipe())
    assert half is not None and whole is not None and (half.timed, half.chosen) == (2, 4)
    assert half.seconds == pytest.approx(whole.seconds)


def test_drawing_networks_takes_a_quarter_of_the_time_at_most(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, drawn = Clock(), []

    def count(build: Build, image_size: int, channels: int) -> Any:
        clock.now += 1.0
        drawn.append(build)
        return cost_of(build, image_size, channels)

    monkeypatch.setattr("nas.searching.timing.cost_of", count)
    monkeypatch.setattr("nas.searching.timing.training_seconds", lambda *how: 1.0)
    assert estimate_trial_seconds(Mnas(width=0.25), tiny, Recipe(), Allowance(40.0, clock)) is not None
    assert len(drawn) == 10
    drawn.clear()
    assert estimate_trial_seconds(Mnas(width=0.25), tiny, Recipe(), Allowance(0.0, clock)) is not None
    assert len(drawn) == 4
