from __future__ import annotations

import math

import numpy as np
import pytest

from nas.samplers.ranks import Ranks


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
