"""Rank correlations against known answers, and intervals that hold what they promise."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest

from nas.proxies.ranking import (
    Values,
    best_kept,
    best_third,
    expected_best,
    interval,
    kendall,
    regret,
    resamples,
    spearman,
)

ONCE = np.ones((1, 5))
X = np.array([1.0, 2.0, 3.0, 4.0, 5.0])


def ranks(values: Values) -> Values:
    """The mean rank of each, by counting."""
    return np.array([(values < v).sum() + ((values == v).sum() + 1) / 2 for v in values])


@pytest.mark.parametrize(
    ("y", "rho", "tau"),
    [
        ([1.0, 2.0, 3.0, 4.0, 5.0], 1.0, 1.0),
        ([50.0, 4.0, 0.3, 0.2, -1.0], -1.0, -1.0),
        ([2.0, 1.0, 4.0, 3.0, 5.0], 1 - 6 * 4 / (5 * 24), 0.6),  # two pairs exchanged: the textbook formulas
        ([1.0, 1.0, 1.0, 1.0, 1.0], math.nan, math.nan),
        ([1.0, 1.0, 2.0, 2.0, 3.0], 9.0 / math.sqrt(10 * 9.0), 8 / math.sqrt(10 * 8)),  # ties
    ],
)
def test_known_coefficients(y: list[float], rho: float, tau: float) -> None:
    assert spearman(X, np.array(y), ONCE)[0] == pytest.approx(rho, nan_ok=True)
    assert kendall(X, np.array(y), ONCE)[0] == pytest.approx(tau, nan_ok=True)


def test_a_resample_is_the_coefficients_of_what_was_drawn() -> None:
    """With ties, as every resample has them: against ranks counted, and pairs looked at one by one."""
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 6, 8).astype(float), rng.normal(size=8)
    for drawn in resamples(8, 20):
        index = np.repeat(np.arange(8), drawn.astype(int))
        rx, ry = ranks(x[index]), ranks(y[index])
        assert spearman(x, y, drawn[None])[0] == pytest.approx(np.corrcoef(rx, ry)[0, 1])
        signs = [(np.sign(rx[i] - rx[j]), np.sign(ry[i] - ry[j])) for i, j in combinations(range(8), 2)]
        products = [sum(a * b for a, b in signs), sum(a * a for a, _ in signs), sum(b * b for _, b in signs)]
        assert kendall(x, y, drawn[None])[0] == pytest.approx(products[0] / math.sqrt(products[1] * products[2]))


def test_what_is_unknown_is_left_out() -> None:
    y = np.array([1.0, math.nan, 3.0, 2.0, 5.0])
    known = ~np.isnan(y)
    once = np.ones((1, 4))
    assert spearman(X, y, ONCE) == spearman(X[known], y[known], once)
    assert kendall(X, y, ONCE) == kendall(X[known], y[known], once)
    assert best_kept(X, y) == 1.0 and regret(y, X) == 0.0


def test_every_resample_draws_as_many() -> None:
    drawn = resamples(24, 100, seed=3)
    assert drawn.shape == (100, 24) and (drawn.sum(1) == 24).all()
    assert (drawn == resamples(24, 100, seed=3)).all() and (drawn != resamples(24, 100, seed=4)).any()


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """Of 24 networks from a population whose rank correlation is known: normal, with r = 0.7."""
    rng, r, studies = np.random.default_rng(0), 0.7, 300
    truth = 6 / math.pi * math.asin(r / 2)
    held = 0
    for _ in range(studies):
        x = rng.normal(size=24)
        y = r * x + math.sqrt(1 - r * r) * rng.normal(size=24)
        estimate = float(spearman(x, y, np.ones((1, 24)))[0])
        found = interval(estimate, spearman(x, y, resamples(24, 400, seed=int(rng.integers(1 << 30)))), 24)
        held += found.low <= truth <= found.high
    assert 0.90 <= held / studies <= 0.98


def test_few_networks_say_nothing() -> None:
    found = interval(0.8, np.array([0.7, 0.9]), networks=4)
    assert (found.estimate, found.low, found.high) == (0.8, -1.0, 1.0)


def test_the_best_third() -> None:
    assert [best_third(n) for n in (3, 4, 6, 8, 24)] == [1, 1, 2, 3, 8]
    truth = np.arange(6.0)
    assert best_kept(truth, truth) == 1.0 and best_kept(-truth, truth) == 0.0
    assert best_kept(np.array([0.0, 9.0, 2.0, 3.0, 4.0, 8.0]), truth) == 0.5
    assert best_kept(np.zeros(6), truth) == pytest.approx(1 / 3), "a proxy that says nothing keeps what chance does"
    assert best_kept(np.array([0.0, 0.0, 0.0, 1.0, 1.0, 2.0]), truth) == pytest.approx(0.75), "lots for the second"


def test_regret_is_of_what_was_picked() -> None:
    truth = np.array([0.5, 0.6, 0.7])
    assert regret(truth, truth) == 0.0 and regret(-truth, truth) == pytest.approx(0.2)
    assert regret(np.zeros(3), truth) == pytest.approx(0.1), "the mean of those tied"


@pytest.mark.parametrize(("draws", "largest"), [(1, 0.0), (2, 1 / math.sqrt(math.pi)), (10, 1.5388), (100, 2.5076)])
def test_the_largest_of_some_normal_values(draws: float, largest: float) -> None:
    assert expected_best(draws) == pytest.approx(largest, abs=0.03)
