"""Earlier searches as other tasks of the surrogate, each trusted as far as the new results bear it out.

An earlier search judged networks by other images, another recipe, at another size. What it found is a task of the same
Gaussian process, whose functions are alike by a matrix B (the intrinsic model of coregionalization: Bonilla, Chai &
Williams 2008, Multi-task Gaussian Process Prediction):

    cov(f_i(a), f_j(b)) = B_ij k(a, b)      B_00 = 1    B_0e = w_e    B_ee = 1    B_de = w_d w_e

Task 0 is the search at hand, and w_e, in 0..1, is how far earlier search e is trusted: the correlation of what networks
are worth there with what they are worth here. Of each other, earlier searches know what they have in common with task 0
alone. All w_e are learned with the rest of the process, from a prior with its median at `TRUST`, or at `LESS_TRUST` for
another space: where the new results contradict an earlier search, or that search contradicts itself (its noise is its
own), its trust goes and its results weigh nothing.

The losses of the trainings of the search at hand may be one task more: a second signal of the same networks, with a
noise of its own. Its trust begins at `LOSS_TRUST`.

What is the mean of the rewards here, and how far apart they lie, no earlier search says. So the first task has a
constant of its own, of a wide prior, and a scale that is learned, too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

TRUST, LESS_TRUST, LOSS_TRUST = 0.6, 0.3, 0.9  # medians of w_e
TRUST_SPREAD = 2.5  # standard deviation of its log-odds
SCALE_SPREAD = 0.5  # standard deviation of the logarithm of the first task's scale
OFFSET = 4.0  # variance of the first task's mean, where rewards have 1


class Tasks:
    """B, of the first task and earlier ones, which have these medians of their `trust`, and their noises.

    Its parameters are the logarithm of the first task's scale, then the log-odds of each w_e, then the logarithm of the
    variance of each earlier task's noise.
    """

    def __init__(self, trust: Sequence[float], noise: float) -> None:
        self.earlier = earlier = len(trust)
        odds = [math.log(median / (1 - median)) for median in trust]
        self.prior = np.array([0.0, *odds, *[math.log(noise)] * earlier])
        self.spread = np.array([SCALE_SPREAD, *[TRUST_SPREAD] * earlier, *[1.0] * earlier])

    def trust(self, log: Array) -> Array:
        """w_e of each, `[earlier]`."""
        trust: Array = 1 / (1 + np.exp(-log[1 : 1 + self.earlier]))
        return trust

    def alike(self, log: Array) -> Array:
        """B `[1 + earlier, 1 + earlier]`, the first task scaled."""
        weights = np.concatenate([[1.0], self.trust(log)])
        alike = np.outer(weights, weights)
        np.fill_diagonal(alike, 1.0)
        alike[0] *= math.exp(log[0])
        alike[:, 0] *= math.exp(log[0])
        return alike

    def noises(self, log: Array, own: float) -> Array:
        """Variances `[1 + earlier]`; `own` is the first task's before it is scaled."""
        return np.concatenate([[own * math.exp(2 * log[0])], np.exp(log[1 + self.earlier :])])

    def gradient(self, log: Array, own: float, tasks: NDArray[np.intp], kernel: Array, weights: Array) -> Array:
        """By each parameter of the sum of `weights` times the covariance of all pairs, of which `kernel` is k.

        `tasks` `[n]` says whose results these are.
        """
        one_hot = np.eye(1 + self.earlier)[tasks]
        totals = one_hot.T @ (weights * kernel) @ one_hot
        traces = one_hot.T @ np.diag(weights)
        alike, noises = self.alike(log), self.noises(log, own)
        by_scale = 2 * (totals[0] * alike[0]).sum() + 2 * traces[0] * noises[0]
        shared = totals * alike
        np.fill_diagonal(shared, 0.0)
        by_trust = 2 * shared.sum(axis=1)[1:] * (1 - self.trust(log))  # w dB/dw = B off the diagonal
        return np.array([by_scale, *by_trust, *(traces[1:] * noises[1:])])
