"""Tasks of a process: their covariances, the gradients of these, and that trust goes to whom it is due."""

from __future__ import annotations

import numpy as np
import pytest

from nas.samplers.surrogate import Array, GaussianProcess
from nas.samplers.tasks import OFFSET, Tasks

SIZES = (4,) * 6


def several(results: list[int], seed: int = 0) -> tuple[GaussianProcess, Array]:
    """A process, and codes of so many architectures of each task."""
    rng = np.random.default_rng(seed)
    process = GaussianProcess(SIZES, 2, trust=[0.6] * (len(results) - 1))
    lots = [
        process.codes([tuple(map(int, rng.integers(SIZES))) for _ in range(count)], rng.normal(size=(count, 2)), task)
        for task, count in enumerate(results)
    ]
    return process, np.concatenate(lots)


def log_evidence(process: GaussianProcess, codes: Array, y: Array) -> float:
    covariance = process.kernel(codes, codes) + np.diag(process.noises(codes))
    return float(-(y @ np.linalg.solve(covariance, y) + np.linalg.slogdet(covariance)[1]) / 2)


def test_gradients_are_those_of_the_evidence() -> None:
    process, codes = several([8, 7, 6])
    rng = np.random.default_rng(1)
    process.log += 0.3 * rng.normal(size=len(process.log))
    y = rng.normal(size=len(codes))
    for i, slope in enumerate(process.gradient(codes, y)):
        around = []
        for step in (1e-5, -2e-5):
            process.log[i] += step
            around.append(log_evidence(process, codes, y))
        process.log[i] += 1e-5
        assert (around[0] - around[1]) / 2e-5 == pytest.approx(slope, abs=1e-4)


def test_tasks_are_alike_by_their_trust() -> None:
    tasks = Tasks([0.6, 0.3], 0.1)
    log = np.array([np.log(2.0), 0.0, np.log(3.0), *np.log([0.1, 0.4])])
    np.testing.assert_allclose(tasks.trust(log), [0.5, 0.75])
    np.testing.assert_allclose(tasks.alike(log), [[4, 1, 1.5], [1, 1, 0.375], [1.5, 0.375, 1]])
    np.testing.assert_allclose(tasks.noises(log, 0.05), [0.2, 0.1, 0.4])


def test_covariances_are_positive_however_far_tasks_are_trusted() -> None:
    process, codes = several([9, 9, 9])
    for odds in (-9.0, 0.0, 9.0):
        process._of_tasks[1:3] = odds
        assert np.linalg.eigvalsh(process.kernel(codes, codes)).min() > -1e-9


def test_the_mean_of_the_first_task_is_its_own() -> None:
    process, codes = several([1, 1])
    (own, other), (other_too, _) = process.kernel(codes, codes)
    assert own == pytest.approx(process.variance) and other == other_too
    assert process.variance == pytest.approx(OFFSET + 1.0)


@pytest.mark.parametrize("agrees", [True, False])
def test_trust_goes_to_whom_it_is_due(agrees: bool) -> None:
    process, codes = several([30, 60], seed=2)
    worth = np.sin(codes[:, -3]) + (codes[:, 0] - codes[:, 1])
    y = worth / worth.std()
    if not agrees:
        y[30:] = np.random.default_rng(0).permutation(y[30:])
    process.learn(codes, y, steps=80)
    (trust,) = process.trust
    assert trust > 0.8 if agrees else trust < 0.5


def test_without_earlier_searches_there_is_no_column_of_tasks() -> None:
    alone = GaussianProcess(SIZES, 2)
    assert alone.columns == several([1, 1])[0].columns - 1
    assert alone.trust.shape == (0,)
