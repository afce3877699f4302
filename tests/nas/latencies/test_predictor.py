"""On a device whose times are known: what is learned of it, from rows and networks, and how sure it says it is."""

from __future__ import annotations

import random
from functools import lru_cache

import numpy as np
import pytest

from nas.latencies import figures
from nas.latencies.predictor import Error, Predictor, Timed, error_of
from nas.latencies.regression import Ridge, Smooth
from searchspaces import get_space
from searchspaces.kernels import Kernel, Part
from searchspaces.parts import parts_of

OVERHEAD = 20e-6


def seconds_of(part: Part) -> float:
    """Of a device to which channels that are no multiple of four are three times as dear."""

    def of(kernel: Kernel) -> float:
        slow = 3.0 if kernel.c_in % 4 or kernel.c_out % 4 else 1.0
        return slow * (kernel.macs / 2e10 + kernel.moved / 4e9)

    return sum(map(of, part.kernels)) + 2e-6 * len(part.kernels)


@lru_cache
def measured(count: int, seed: int) -> list[Timed]:
    space, rng = get_space("compact", max_macs=1_000_000), random.Random(seed)
    found = []
    for _ in range(count):
        parts = tuple(built.part for built in parts_of(space, space.sample(rng)))
        found.append(Timed(parts, sum(map(seconds_of, parts)) + OVERHEAD))
    return found


def rows(count: int) -> list[Timed]:
    parts = list(dict.fromkeys(part for timed in measured(40, 1) for part in timed.parts))
    return [Timed((part,), seconds_of(part) + OVERHEAD) for part in random.Random(0).sample(parts, count)]


def test_rows_and_a_few_networks_predict_others() -> None:
    unseen = measured(20, 2)
    truth = np.array([timed.seconds for timed in unseen])
    learned = Predictor(rows(80), measured(40, 1)[:24])
    predicted = np.array([learned.seconds(timed.parts) for timed in unseen])
    sums = learned.sums([timed.parts for timed in unseen])
    macs = np.array([float(sum(part.macs for part in timed.parts)) for timed in unseen])
    assert sums is not None
    error = error_of(predicted, truth)
    assert error.mape < 0.15 and error.spearman > 0.9
    assert error.mape < error_of(sums, truth).mape  # each row alone has the overhead of a whole network
    assert error_of(macs, truth).spearman < 0.5  # all of them have as many as the limit allows


def test_without_rows_it_goes_by_whole_networks() -> None:
    unseen = measured(20, 2)
    learned = Predictor([], measured(40, 1))
    assert learned.sums([unseen[0].parts]) is None
    predicted = np.array([learned.seconds(timed.parts) for timed in unseen])
    assert error_of(predicted, np.array([timed.seconds for timed in unseen])).spearman > 0.7


def test_its_error_is_of_networks_that_it_has_not_seen() -> None:
    networks = list(measured(40, 1)[:24])
    before = Predictor(rows(40), networks).unseen(networks)
    networks[3] = networks[3]._replace(seconds=100.0)
    after = Predictor(rows(40), networks).unseen(networks)
    assert after[3] == before[3]  # it was left out
    assert after[4] != before[4]
    assert after[13] == before[13]  # with it


def test_error() -> None:
    assert error_of(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0])) == Error(0.0, pytest.approx(1.0))
    assert error_of(np.array([2.0, 2.0, 3.0]), np.array([1.0, 2.0, 6.0])).mape == pytest.approx(0.5)
    assert error_of(np.array([2.0, 2.0]), np.array([1.0, 2.0])).spearman == 0.0


def test_channels_that_fill_no_block_are_seen() -> None:
    def part(c: int) -> Part:
        return Part((Kernel("depthwise", 3, c, c, 8, 8, 9 * c, 9 * c * 64),), 3, c, 8, c, 8)

    even, odd = figures.of_part(part(64)), figures.of_part(part(66))
    assert np.count_nonzero((odd - even) == 1.0) >= 3  # for blocks of 4, of 8 and of 16
    assert len(figures.of_network([part(64), part(66)])) == len(figures.of_network([part(64)]))
    share = figures.of_network([part(64), part(66)]) - figures.of_network([part(64), part(64)])
    assert (np.abs(share - 66 / 130) < 1e-9).sum() == 3


def test_a_line_is_found_and_what_is_on_none() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4))
    x[:, 3] = 7.0  # says nothing
    line = 3.0 + 2.0 * x[:, 0] - x[:, 1]
    assert np.allclose(Ridge(x, line, 1e-6)(x), line, atol=1e-4)
    bent = line + np.abs(x[:, 2])
    new = rng.normal(size=(40, 4)) * 0.8
    new[:, 3] = 7.0
    truth = 3.0 + 2.0 * new[:, 0] - new[:, 1] + np.abs(new[:, 2])

    def off(made: Ridge | Smooth) -> float:
        return float(np.abs(made(new) - truth).mean())

    assert off(Smooth(x, bent, 1.0)) < 0.6 * off(Ridge(x, bent, 1.0))
