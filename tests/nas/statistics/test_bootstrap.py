"""Intervals by drawing images anew: of shares as their known spread, of differences of pairs narrower."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from nas.statistics.bootstrap import draws, interval


def shares(right: Tensor) -> Tensor:
    return draws(lambda places: right[:, places].double().mean(1).tolist(), right.shape[1])


def test_a_share_is_known_as_the_binomial_says() -> None:
    right = (torch.arange(400) % 4 > 0)[None]
    drawn = shares(right)
    assert drawn.shape == (1000, 1)
    found = interval(0.75, drawn[:, 0])
    half = 1.96 * math.sqrt(0.75 * 0.25 / 400)
    assert found.estimate == 0.75
    assert found.low == pytest.approx(0.75 - half, abs=0.01) and found.high == pytest.approx(0.75 + half, abs=0.01)


def test_what_two_have_in_common_is_no_part_of_their_difference() -> None:
    one = torch.arange(400) % 4 > 0
    other = one.clone()
    other[:8] = True
    drawn = shares(torch.stack([one, other]))
    gain = interval(0.005, drawn[:, 1] - drawn[:, 0])
    assert 0 <= gain.low < 0.005 < gain.high < 0.02
    same = shares(torch.stack([one, one]))
    assert not interval(0.0, same[:, 1] - same[:, 0]).shows


def test_the_same_seed_draws_the_same() -> None:
    right = (torch.arange(50) % 3 > 0)[None]
    assert torch.equal(shares(right), shares(right))
