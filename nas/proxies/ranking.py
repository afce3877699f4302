"""How well one order of networks agrees with another, and how sure that is.

Spearman's and Kendall's coefficients are both Kendall's general one (1948, chapter 2), of the signs of all differences:
Kendall's takes them as they are, Spearman's sums them to ranks first. Ties are signs of 0, which gives Spearman's mean
ranks and Kendall's tau-b. A resample of the bootstrap is how often it drew each network, so that all resamples are a
few products of matrices.

Values are `[N]`, one a network, more being better; those that are NaN, and their networks, are left out.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from nas.statistics.differences import Interval

Values = NDArray[np.float64]

LEAST = 5  # networks for an interval
CONFIDENCE = 0.95


def resamples(networks: int, count: int = 2000, seed: int = 0) -> Values:
    """How often each of `count` resamples of `networks` has each: `[count, N]`, each row of the sum N."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(networks, np.full(networks, 1 / networks), count).astype(np.float64)


def spearman(x: Values, y: Values, drawn: Values) -> Values:
    """Spearman's rank correlation in each resample `drawn`: `[B, N]` -> `[B]`; NaN where one of the two is constant."""
    drawn = _known(x, y, drawn)
    ranks_x, ranks_y = drawn @ _signs(x).T, drawn @ _signs(y).T  # twice the ranks, less their mean
    return _ratio((drawn * ranks_x * ranks_y).sum(1), (drawn * ranks_x**2).sum(1), (drawn * ranks_y**2).sum(1))


def kendall(x: Values, y: Values, drawn: Values) -> Values:
    """Kendall's tau-b in each resample `drawn`: `[B, N]` -> `[B]`; NaN where one of the two is constant."""
    drawn = _known(x, y, drawn)
    in_pairs = [((drawn @ signs) * drawn).sum(1) for signs in _products(_signs(x), _signs(y))]
    return _ratio(*in_pairs)


def interval(estimate: float, resampled: Values, networks: int, confidence: float = CONFIDENCE) -> Interval:
    """The percentile interval; of fewer than `LEAST` networks, all that a correlation can be."""
    known = resampled[~np.isnan(resampled)]
    if networks < LEAST or not len(known):
        return Interval(estimate, -1.0, 1.0)
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(estimate, float(low), float(high))


def best_kept(x: Values, y: Values) -> float:
    """The share of `y`'s best third (rounded, at least one) that is in `x`'s best third. Ties are drawn by lot."""
    known = ~np.isnan(x + y)
    third = best_third(int(known.sum()))
    return float(_in_best(x[known], third) @ _in_best(y[known], third)) / third


def best_third(networks: int) -> int:
    return max(1, round(networks / 3))


def regret(x: Values, y: Values) -> float:
    """By how much the best of `y` is above the `y` of the network that is best by `x`; the mean of those tied."""
    known = ~np.isnan(x + y)
    x, y = x[known], y[known]
    return float(y.max() - y[x == x.max()].mean())


def expected_best(draws: float) -> float:
    """The mean of the largest of so many standard normal values, at least one of them (Blom 1958), within 0.02."""
    assert draws >= 1
    return NormalDist().inv_cdf((draws - 0.375) / (draws + 0.25))


def _signs(values: Values) -> Values:
    filled = np.nan_to_num(values)
    return np.sign(filled[:, None] - filled[None, :])


def _products(x: Values, y: Values) -> tuple[Values, Values, Values]:
    return x * y, x * x, y * y


def _known(x: Values, y: Values, drawn: Values) -> Values:
    return drawn * ~np.isnan(x + y)


def _ratio(both: Values, first: Values, second: Values) -> Values:
    scale = np.sqrt(first * second)
    return np.divide(both, scale, out=np.full_like(both, math.nan), where=scale > 0)


def _in_best(values: Values, count: int) -> Values:
    """How likely each is among the best `count`, where lots decide between those tied at the border."""
    border = np.sort(values)[-count]
    above, tied = values > border, values == border
    share: Values = above + tied * ((count - above.sum()) / tied.sum())
    return share
