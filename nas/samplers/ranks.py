"""Rewards as scores that a policy learns from: by their ranks, or to a power."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

LIMIT = 1e15  # of a power: the squares of such a score, of which Adam keeps the mean, are numbers in single precision


class Ranks:
    """All rewards so far, on any scale, and how good one is among them.

    The score of a reward is the quantile of the normal distribution at its rank, the middle one of equals: over all
    rewards scores have mean 0 and variance 1, nearly. One disastrous network doesn't drown the differences between good
    ones, and an infinite reward is simply the best or worst.
    """

    def __init__(self) -> None:
        self._sorted: list[float] = []

    def add(self, reward: float) -> None:
        bisect.insort(self._sorted, reward)

    def scores(self, rewards: Sequence[float]) -> NDArray[np.float64]:
        """Normal scores `[n]` of `rewards`, which were added before."""
        known, given = np.array(self._sorted, dtype=float), np.array(rewards, dtype=float)
        ranks = np.searchsorted(known, given, "left") + np.searchsorted(known, given, "right")
        quantiles = torch.from_numpy(ranks.astype(float)) / (2 * len(known))
        scores: NDArray[np.float64] = torch.special.ndtri(quantiles).numpy()
        return scores


def normal_scores(values: Sequence[float]) -> NDArray[np.float64]:
    """Of each among all `values`, `[n]`."""
    ranks = Ranks()
    for value in values:
        ranks.add(value)
    return ranks.scores(values)


class Powers:
    """Rewards to a power, their signs kept, so that of two the better one has the better score.

    What is beyond ±`LIMIT` then (an infinite reward, one that would overflow) counts as the best or the worst of the
    others so far, and as 0 without others: it would leave a policy without numbers.
    """

    def __init__(self, power: float) -> None:
        self.power = power
        self._least, self._most = math.inf, -math.inf  # of the scores within the limit

    def add(self, reward: float) -> None:
        if abs(score := self._score(reward)) <= LIMIT:
            self._least, self._most = min(self._least, score), max(self._most, score)

    def scores(self, rewards: Sequence[float]) -> NDArray[np.float64]:
        """Powers `[n]` of `rewards`, which were added before."""
        if self._least > self._most:
            return np.zeros(len(rewards))
        return np.clip([self._score(reward) for reward in rewards], self._least, self._most)

    def _score(self, reward: float) -> float:
        try:
            return math.copysign(abs(reward) ** self.power, reward)
        except OverflowError:
            return math.copysign(math.inf, reward)
