"""Wilcoxon's signed-rank test (1945): is one of two strategies better, given both on the same seeds?

The differences are ranked by size, those of 0 left out, equal ones sharing the mean of their ranks. Were the strategies
alike, each difference would be as likely to have the other sign. So the sum of the ranks of the positive ones is
compared with its distribution over all signs: exactly, ties included, for up to `EXACT` differences; with the normal
distribution of the same variance, and half a rank of continuity correction, for more.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

EXACT = 200


def signed_rank_p(first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray) -> float:
    """The two-sided p of there being no difference; 1 where there is none at all."""
    differences = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    differences = differences[differences != 0]
    if not len(differences):
        return 1.0
    doubled = _doubled_ranks(np.abs(differences))
    total, positive = int(doubled.sum()), int(doubled[differences > 0].sum())
    smaller = min(positive, total - positive)
    if len(doubled) <= EXACT:
        return min(1.0, 2 * float(_distribution(doubled)[: smaller + 1].sum()))
    deviation = float(np.sqrt((doubled**2).sum())) / 2
    return min(1.0, 2 * NormalDist().cdf((smaller + 1 - total / 2) / deviation))


def _doubled_ranks(sizes: np.ndarray) -> np.ndarray:
    """Twice the ranks, which are whole numbers even where ranks are shared."""
    _, inverse, counts = np.unique(sizes, return_inverse=True, return_counts=True)
    last = counts.cumsum()
    return (2 * last - counts + 1)[inverse]


def _distribution(doubled: np.ndarray) -> np.ndarray:
    """The probability of each sum of the ranks of positive differences: `[total + 1]`."""
    probability = np.zeros(int(doubled.sum()) + 1)
    probability[0] = 1.0
    for rank in doubled:
        probability[rank:] = (probability[rank:] + probability[: len(probability) - rank]) / 2
        probability[:rank] /= 2
    return probability
