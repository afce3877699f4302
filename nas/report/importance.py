"""Which choices set the best networks apart: PED-ANOVA, of choices among options.

Watanabe, Bansal, Hutter 2023, arXiv 2304.10255, as Optuna's `PedAnovaImportanceEvaluator` computes it, and with the
same result. That one walks through all trials for each choice, which takes minutes for the many shuffles of many
trials; what it comes to is a matter of how often each option was chosen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PRIOR = 1.0  # the weight of the uniform distribution among the trials
SMALL = 1e-12  # added to every probability

Array = NDArray[np.float64]
Archs = NDArray[np.int64]  # [n, T] option indices


def importances(archs: Archs, sizes: Sequence[int], rewards: Sequence[float], best: float) -> list[float]:
    """For each of T choices of `sizes` options, by how much the `best` share of n networks differs from all in it."""
    losses = -np.asarray(rewards, dtype=float)
    place = math.ceil(best * len(losses)) - 1
    above = losses <= np.partition(losses, place)[place]
    share = above.mean()
    return [
        float(share**2 * divergence(np.bincount(chosen[above], minlength=n), np.bincount(chosen, minlength=n)))
        if n > 1
        else 0.0
        for chosen, n in zip(archs.T, sizes, strict=True)
    ]


def divergence(some: NDArray[np.int64], every: NDArray[np.int64]) -> float:
    """Pearson's, of the distributions that two lots of counts of the same options let expect."""
    p, q = _smoothed(some) + SMALL, _smoothed(every) + SMALL
    return float(q @ (p / q - 1) ** 2)


def _smoothed(counts: NDArray[np.int64]) -> Array:
    """Probabilities by a Parzen estimator: each option seen, and the prior, spread a little of theirs over all."""
    kernels, options = np.count_nonzero(counts) + 1, len(counts)
    spread = PRIOR / kernels
    seen = (counts + spread * counts.sum()) / (1 + options * spread)
    probabilities: Array = (seen + PRIOR / options) / (counts.sum() + PRIOR)
    return probabilities
