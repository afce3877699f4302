from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from nas.samplers.ranks import LIMIT, Powers, Ranks


def ranks_of(rewards: list[float]) -> Ranks:
    ranks = Ranks()
    for reward in rewards:
        ranks.add(reward)
    return ranks


def test_scores_are_normal_and_independent_of_the_scale() -> None:
    rewards = np.random.default_rng(0).exponential(size=500).tolist()
    scores = ranks_of(rewards).scores(rewards)
    assert abs(scores.mean()) < 0.01 and scores.var() == pytest.approx(1.0, abs=0.03)
    assert (np.argsort(scores) == np.argsort(rewards)).all()
    cubes = [reward**3 for reward in rewards]
    assert (ranks_of(cubes).scores(cubes) == scores).all()


def test_equals_share_the_middle_rank() -> None:
    assert ranks_of([5.0, 5.0, 5.0]).scores([5.0]) == [0.0]
    low, high = ranks_of([1.0, 1.0, 2.0, 2.0]).scores([1.0, 2.0])
    assert low == -high == pytest.approx(-0.6745, abs=1e-4)


def test_an_infinite_reward_is_the_worst() -> None:
    scores = ranks_of([-math.inf, 0.0, 1.0]).scores([-math.inf, 0.0, 1.0])
    assert np.isfinite(scores).all() and (np.diff(scores) > 0).all()


def powers_of(rewards: list[float], power: float = 3) -> Powers:
    powers = Powers(power)
    for reward in rewards:
        powers.add(reward)
    return powers


def test_powers_keep_signs_and_order() -> None:
    rewards = [-2.0, -0.5, 0.0, 0.5, 2.0]
    assert powers_of(rewards).scores(rewards).tolist() == [-8.0, -0.125, 0.0, 0.125, 8.0]
    assert (np.diff(powers_of(rewards, 0.5).scores(rewards)) > 0).all(), "of negative rewards, too"


@pytest.mark.parametrize("huge", [math.inf, sys.float_info.max, 2 * LIMIT])
def test_what_would_overflow_counts_as_the_best_or_the_worst_of_the_others(huge: float) -> None:
    rewards = [-huge, 0.5, 1.0, huge]
    for power in (1, 3):
        assert powers_of(rewards, power).scores(rewards).tolist() == [0.5**power, 0.5**power, 1.0, 1.0]
        assert powers_of([huge, -huge], power).scores([huge, -huge]).tolist() == [0.0, 0.0]
