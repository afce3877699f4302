"""Rewards by their ranks."""

from __future__ import annotations

import bisect
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray


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
        ranks = [bisect.bisect_left(self._sorted, r) + bisect.bisect_right(self._sorted, r) for r in rewards]
        quantiles = torch.tensor(ranks, dtype=torch.float64) / (2 * len(self._sorted))
        scores: NDArray[np.float64] = torch.special.ndtri(quantiles).numpy()
        return scores
