from __future__ import annotations

import math

import numpy as np
import pytest

from nas.samplers.surrogate import Array, GaussianProcess
from searchspaces.space import Arch

SIZES = (3, 4, 2, 1)


def archs(number: int, seed: int = 0, sizes: tuple[int, ...] = SIZES) -> list[Arch]:
    rng = np.random.default_rng(seed)
    drawn = {tuple(int(rng.integers(size)) for size in sizes): None for _ in range(10 * number)}
    return list(drawn)[:number]


def targets(number: int, seed: int = 1) -> Array:
    return np.random.default_rng(seed).standard_normal(number)


def log_evidence(process: GaussianProcess, codes: Array, y: Array) -> float:
    covariance = process.kernel(codes, codes) + process.noise * np.eye(len(y))
    return float(-y @ np.linalg.solve(covariance, y) / 2 - np.linalg.slogdet(covariance)[1] / 2)


def coded(process: GaussianProcess, drawn: list[Arch], features: int, seed: int = 2) -> Array:
    """With so many features, which are random."""
    return process.codes(drawn, np.random.default_rng(seed).standard_normal((len(drawn), features)))


def test_the_kernel_counts_the_choices_that_differ() -> None:
    process = GaussianProcess(SIZES)
    process.log[:] = np.log([0.1, 2.0, 0.5, 0.3, 0.2, 0.7])  # noise, signal, lambda
    kernel = process.kernel(process.codes([(0, 0, 0, 0)]), process.codes([(0, 0, 0, 0), (2, 0, 1, 0), (1, 3, 1, 0)]))
    np.testing.assert_allclose(kernel, [[2.0, 2 * math.exp(-0.7), 2 * math.exp(-1.0)]])


@pytest.mark.parametrize("features", [0, 3])
def test_the_gradient_is_that_of_the_evidence(features: int) -> None:
    process = GaussianProcess(SIZES, features)
    codes, y = coded(process, archs(12), features), targets(12)
    found = process.gradient(codes, y)
    for index, value in enumerate(found):
        sides = []
        for step in (1e-5, -1e-5):
            process.log[index] += step
            sides.append(log_evidence(process, codes, y))
            process.log[index] -= step
        assert value == pytest.approx((sides[0] - sides[1]) / 2e-5, abs=1e-4)


def test_it_goes_through_what_it_knows_and_back_to_the_prior_far_away() -> None:
    process = GaussianProcess((5,) * 6)
    process.log[:] = np.log([1e-6, 1.0, *[2.0] * 6])
    known = process.codes([(0,) * 6, (1,) * 6])
    process.condition(known, np.array([1.5, -0.5]), known[:0])
    mean, deviation = process.predict(process.codes([(0,) * 6, (1,) * 6, (2,) * 6]))
    np.testing.assert_allclose(mean, [1.5, -0.5, 0.0], atol=1e-3)
    np.testing.assert_allclose(deviation, [0.0, 0.0, 1.0], atol=2e-3)


def test_predictions_are_those_of_the_textbook() -> None:
    process = GaussianProcess(SIZES)
    codes, y = process.codes(archs(15)), targets(10)
    known, running, asked = codes[:10], codes[10:12], codes[12:]
    process.condition(known, y, running)
    mean, deviation = process.predict(asked)
    covariance = process.kernel(known, known) + process.noise * np.eye(10)
    np.testing.assert_allclose(mean, process.kernel(asked, known) @ np.linalg.solve(covariance, y))
    both = codes[:12]
    covariance = process.kernel(both, both) + process.noise * np.eye(12)
    cross = process.kernel(asked, both)
    variance = process.kernel(asked, asked) - cross @ np.linalg.solve(covariance, cross.T)
    np.testing.assert_allclose(deviation**2, np.diag(variance))


def test_running_architectures_lower_the_deviation_and_leave_the_mean() -> None:
    process = GaussianProcess(SIZES)
    codes, y = process.codes(archs(15)), targets(10)
    process.condition(codes[:10], y, codes[:0])
    mean, deviation = process.predict(codes[10:])
    process.condition(codes[:10], y, codes[10:12])
    mean_too, lower = process.predict(codes[10:])
    np.testing.assert_allclose(mean_too, mean)
    assert (lower[:2] < 0.7 * deviation[:2]).all() and (lower <= deviation + 1e-12).all()


def test_it_learns_which_choices_matter_and_how_noisy_results_are() -> None:
    drawn = archs(80, sizes=(4,) * 6)
    effect = {0: 1.5, 1: 0.5, 2: -0.5, 3: -1.5}
    noises = {}
    for noise in (0.05, 0.8):
        process = GaussianProcess((4,) * 6)
        y = np.array([effect[arch[0]] for arch in drawn]) + noise * targets(80)
        codes = process.codes(drawn)
        before = log_evidence(process, codes, y)
        process.learn(codes, y, steps=60)
        assert log_evidence(process, codes, y) > before + 5
        assert process.log[2] > process.log[3:].max() + 1, "the first choice's lambda"
        noises[noise] = process.noise
    assert noises[0.8] > 3 * noises[0.05]


def test_random_architectures_of_a_large_space_are_not_strangers() -> None:
    process = GaussianProcess((4,) * 60)
    a, b = process.codes(archs(2, sizes=(4,) * 60))
    assert process.kernel(a[None], b[None])[0, 0] > math.exp(-2)


def test_features_have_a_kernel_of_their_own_that_is_added() -> None:
    process = GaussianProcess(SIZES, features=2)
    process.log[:] = np.log([0.1, 2.0, 0.5, 0.3, 0.2, 0.7, 3.0, 1.0, 2.0])  # ..., t, rho
    same, other = process.codes([(0, 0, 0, 0)] * 2, np.array([[0.0, 0.0], [0.6, 1.6]]))
    r = math.sqrt(5)  # the distance is (0.6 / 1, 1.6 / 2): 1
    expected = 2.0 + 3.0 * (1 + r + 5 / 3) * math.exp(-r)
    np.testing.assert_allclose(process.kernel(same[None], np.array([same, other])), [[5.0, expected]])
    assert process.variance == pytest.approx(5.0)


def test_it_learns_whether_features_or_choices_are_to_be_trusted() -> None:
    drawn = archs(60, sizes=(4,) * 6)
    process = GaussianProcess((4,) * 6, features=3)
    codes = coded(process, drawn, 3)
    by_features, by_choices = np.sin(codes[:, -3]), np.array([2.0 * (arch[0] % 2) - 1 for arch in drawn])
    shares = []
    for y in (by_features, by_choices):
        process = GaussianProcess((4,) * 6, features=3)
        process.learn(codes, y / y.std(), steps=80)
        (_, of_choices), (_, of_features) = process._parts()
        shares.append(float(of_features[0] - of_choices[0]))
    assert shares[0] > shares[1] + 1
