"""Tukey's quantiles as printed tables have them, and intervals that cover as often as they say."""

from __future__ import annotations

import math
from dataclasses import astuple

import pytest
import torch

from nas.statistics.differences import Fit, studentized_range


@pytest.mark.parametrize(
    ("groups", "freedom", "quantile"),
    [(3, 10, 3.877), (10, 20, 5.008), (5, 2, 10.88), (20, 60, 5.241), (2, 4, 3.927), (8, 16, 4.90)],
)
def test_the_studentized_range_is_that_of_the_tables(groups: int, freedom: int, quantile: float) -> None:
    assert studentized_range(groups, freedom) == pytest.approx(quantile, rel=1e-3)


@pytest.mark.parametrize(("freedom", "t"), [(2, 4.303), (4, 2.776), (18, 2.101), (1000, 1.962)])
def test_of_two_groups_it_is_students_t(freedom: int, t: float) -> None:
    assert studentized_range(2, freedom) / math.sqrt(2) == pytest.approx(t, rel=1e-3)


def test_it_grows_with_confidence() -> None:
    assert studentized_range(3, 10, 0.99) == pytest.approx(5.27, rel=1e-3)


# Three treatments in four blocks
VALUES = {"a": (10.0, 11.0, 12.0, 11.0), "b": (12.0, 13.0, 14.0, 14.0), "c": (10.0, 10.0, 12.0, 10.0)}
OBSERVED = {(name, block): value for name, values in VALUES.items() for block, value in enumerate(values)}


def test_a_whole_table_is_the_textbook_s_randomized_block_design() -> None:
    fit = Fit.of(OBSERVED)
    residual = _residual_by_hand()
    assert fit.freedom == 6 and fit.variance == pytest.approx(residual / 6)
    assert [fit.level(name) for name in "abc"] == pytest.approx([11.0, 13.25, 10.5])
    interval = fit.difference("b", "a")
    assert interval and interval.estimate == pytest.approx(2.25)
    assert (interval.high - interval.low) / 2 == pytest.approx(4.339 * math.sqrt(residual / 6 / 4), rel=1e-3)
    assert interval.shows and not (fit.difference("a", "c") or interval).shows


def _residual_by_hand() -> float:
    table = torch.tensor(list(VALUES.values()))
    return float((table - table.mean(0) - table.mean(1, keepdim=True) + table.mean()).square().sum())


def test_what_all_blocks_share_takes_nothing_from_a_difference() -> None:
    shifted = {(name, block): value + 100 * block for (name, block), value in OBSERVED.items()}
    first, second = Fit.of(shifted).difference("b", "a"), Fit.of(OBSERVED).difference("b", "a")
    assert first and second and astuple(first) == pytest.approx(astuple(second))


def test_a_treatment_that_missed_a_bad_block_has_no_advantage() -> None:
    """Block 0 is 100 lower for all; b missed it. Its level is what it would have been."""
    observed = {(name, block): value - 100 * (block == 0) for (name, block), value in OBSERVED.items()}
    del observed["b", 0]
    fit = Fit.of(observed)
    assert fit.freedom == 5
    whole, missing = Fit.of(OBSERVED).difference("b", "a"), fit.difference("b", "a")
    assert whole and missing and missing.estimate == pytest.approx(whole.estimate, abs=0.5)
    assert missing.high - missing.low > whole.high - whole.low


def test_one_value_each_tells_nothing() -> None:
    fit = Fit.of({("a", 0): 1.0, ("b", 0): 2.0})
    assert fit.variance is None and fit.difference("a", "b") is None and fit.planned(["a"], ["b"]) is None
    assert fit.level("b") - fit.level("a") == pytest.approx(1.0)


def test_a_planned_comparison_is_of_means_and_narrower() -> None:
    fit = Fit.of(OBSERVED)
    planned, any_pair = fit.planned(["b"], ["a"]), fit.difference("b", "a")
    assert planned and any_pair and planned.high - planned.low < any_pair.high - any_pair.low
    of_means = fit.planned(["b"], ["a", "c"])
    assert of_means and of_means.estimate == pytest.approx(13.25 - (11 + 10.5) / 2)


def test_the_intervals_cover_as_often_as_they_say() -> None:
    """No treatment differs: in 5 % of experiments some pair of five seems to."""
    generator = torch.Generator().manual_seed(0)
    seen = 0
    for _ in range(300):
        values = torch.randn(5, 3, dtype=torch.float64, generator=generator) + torch.randn(3, generator=generator)
        fit = Fit.of({(i, j): float(values[i, j]) for i in range(5) for j in range(3)})
        best, worst = int(fit.levels.argmax()), int(fit.levels.argmin())
        interval = fit.difference(best, worst)
        seen += interval is not None and interval.shows
    assert 5 <= seen <= 27
