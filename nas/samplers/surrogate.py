"""What an untried architecture might be worth: a Gaussian process over choices and over features of the network.

Rasmussen & Williams, Gaussian Processes for Machine Learning, 2006, chapters 2, 4.2 and 5. An architecture a, of which
the network has the features phi(a), has the reward

    y = f(a) + noise        noise ~ N(0, v)
    f ~ GP(0, k)            k(a, b) = s exp(-sum_l lambda_l [a_l != b_l]) + t m(|(phi(a) - phi(b)) / rho|)

The first kernel is a product over choices: two architectures are the more alike the fewer choices they differ in, and a
choice that matters little has a small lambda_l. The second, a Matern kernel with nu = 5/2 and a length rho_d for each
feature (automatic relevance determination), says that networks of like shape are alike, however they were chosen. With
it alone the process could not tell networks apart that have the same features; a sum of both trusts either.

As s, t, v, lambda and rho are unknown, they are learned: gradient ascent on

    log p(y) + log prior    log p(y) = -1/2 y' C^-1 y - 1/2 log |C| + const,    C = K + v I

whose gradient by C is G = 1/2 (C^-1 y y' C^-1 - C^-1). Priors are log-normal. That of lambda_l has its median at
2 / number of choices: random architectures of a space of any size are then correlated by exp(-2) or more, so that with
40 choices, too, what is learned of one says something of others (as Hvarfner et al. 2024, arXiv 2402.02229, do for real
parameters); that of rho has it at twice the root of the number of features, which have the variance 1. The features'
share of the variance is the larger one at first: after ten results they say more. See docs/controller.md.

With Z `[n, R]` the one-hot codes of architectures (R options in all choices together), sum_l lambda_l [a_l = b_l] is
Z diag(lambda) Z', and the sum of a matrix H over the pairs that agree in choice l is that of Z * (H Z) over the columns
of that choice: everything is a few products of matrices. So it is with distances.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nas.samplers.tasks import OFFSET, Tasks
from searchspaces.space import Arch

Array = NDArray[np.float64]

NOISE = 0.05  # the median of v's prior
SHARES = (0.1, 0.9)  # of s and t, where there are features; else s is 1
RATES, LENGTH = 2.0, 2.0  # of the sum of all lambda, and of rho by the root of the number of features
SPREAD = 1.0  # standard deviation of the logarithm of each
STEP, DECAYS = 0.1, np.array([[0.9], [0.99]])  # Adam's, on logarithms


class Kernel(Protocol):
    """A part of k, of some columns of what architectures are coded by. Its parameters are logarithms, the variance's
    first."""

    columns: slice
    prior: Array  # their medians

    def __call__(self, log: Array, a: Array, b: Array) -> Array:
        """k of each pair of two lots of codes, `[n, C]` and `[m, C]` -> `[n, m]`."""

    def gradient(self, log: Array, codes: Array, weights: Array) -> Array:
        """Of the sum of `weights` times k of all pairs of `codes`, by each parameter."""


class OfChoices:
    """Of one-hot codes of choices with `sizes` options each."""

    def __init__(self, sizes: Sequence[int], variance: float) -> None:
        self._first = np.cumsum([0, *sizes[:-1]])  # the column of each choice's first option
        self._sizes = np.array(sizes)
        self.columns = slice(0, sum(sizes))
        self.prior = np.log([variance, *[RATES / len(sizes)] * len(sizes)])

    def codes(self, archs: Sequence[Arch]) -> Array:
        """`[n, R]`."""
        codes = np.zeros((len(archs), self.columns.stop))
        options = np.asarray(archs, dtype=int).reshape(len(archs), len(self._first)) + self._first
        np.put_along_axis(codes, options, 1.0, axis=1)
        return codes

    def __call__(self, log: Array, a: Array, b: Array) -> Array:
        rates = np.exp(log[1:])
        agree: Array = a * np.repeat(rates, self._sizes) @ b.T
        kernel: Array = np.exp(log[0] + agree - rates.sum())
        return kernel

    def gradient(self, log: Array, codes: Array, weights: Array) -> Array:
        by_log_kernel = weights * self(log, codes, codes)
        total = by_log_kernel.sum()
        agreeing = np.add.reduceat((codes * (by_log_kernel @ codes)).sum(0), self._first)
        return np.array([total, *(np.exp(log[1:]) * (agreeing - total))])


class OfFeatures:
    """Of `count` features with the variance 1, in the columns from `first` on."""

    def __init__(self, first: int, count: int, variance: float) -> None:
        self.columns = slice(first, first + count)
        self.prior = np.log([variance, *[LENGTH * math.sqrt(count)] * count])

    def __call__(self, log: Array, a: Array, b: Array) -> Array:
        r = math.sqrt(5) * self._distances(log, a, b)
        kernel: Array = np.exp(log[0] - r) * (1 + r + r * r / 3)
        return kernel

    def gradient(self, log: Array, codes: Array, weights: Array) -> Array:
        r = math.sqrt(5) * self._distances(log, codes, codes)
        decay = weights * np.exp(log[0] - r)
        total = (decay * (1 + r + r * r / 3)).sum()
        by_square = decay * (5 / 3) * (1 + r)  # of k by half the squared distance, with its sign turned
        scaled = codes / np.exp(log[1:])
        apart = 2 * ((scaled**2 * by_square.sum(1)[:, None]).sum(0) - (scaled * (by_square @ scaled)).sum(0))
        return np.array([total, *apart])

    def _distances(self, log: Array, a: Array, b: Array) -> Array:
        a, b = a / np.exp(log[1:]), b / np.exp(log[1:])
        squared: Array = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
        distances: Array = np.sqrt(squared.clip(0))
        return distances


class GaussianProcess:
    """A process over architectures of choices with `sizes` options each, whose networks have so many `features`.

    `shares` are what the choices and the features have of the variance at first. Targets should have mean 0 and
    variance 1. With results of earlier searches, each of which is given some `trust` before anything is known, the last
    column of the codes says whose a result is, 0 or 1, 2, ...; see `nas.samplers.tasks`. `learn` takes gradient steps
    on the parameters from where they are; `condition` sets what is known.
    """

    def __init__(
        self, sizes: Sequence[int], features: int = 0, shares: tuple[float, float] = SHARES, trust: Sequence[float] = ()
    ) -> None:
        of_choices = OfChoices(sizes, shares[0] if features else 1.0)
        self._of_choices = of_choices
        self.kernels: list[Kernel] = [of_choices]
        if features:
            self.kernels.append(OfFeatures(of_choices.columns.stop, features, shares[1]))
        self._tasks = Tasks(trust, NOISE) if trust else None
        of_tasks = [self._tasks.prior] if self._tasks else []
        self._prior = np.concatenate([[math.log(NOISE)], *[kernel.prior for kernel in self.kernels], *of_tasks])
        self._spread = np.full(len(self._prior), SPREAD)
        if self._tasks:
            self._spread[-len(self._tasks.spread) :] = self._tasks.spread
        self.log = self._prior.copy()  # of v, then of each kernel, then of tasks
        self._moments = np.zeros((2, len(self.log)))  # Adam's
        self._steps = 0
        self._codes, self._known_by = np.zeros((0, self.columns)), self.log.copy()
        self._lower = self._whiten = np.zeros((0, 0))
        self.kept = 0  # rows of what was known before that `condition` found the same

    @property
    def columns(self) -> int:
        """C, of what architectures are coded by."""
        return int(self.kernels[-1].columns.stop) + (self._tasks is not None)

    @property
    def noise(self) -> float:
        """v, the variance of what is seen of one architecture."""
        return float(np.exp(self.log[0]))

    @property
    def variance(self) -> float:
        """Of f, of any architecture."""
        variance = float(sum(np.exp(log[0]) for _, log in self._parts()))
        return variance if self._tasks is None else variance * self._tasks.alike(self._of_tasks)[0, 0] + OFFSET

    @property
    def trust(self) -> Array:
        """How far each earlier search is trusted, 0..1: how much one of its results, with its noise, goes along with
        what the same network is worth here."""
        if self._tasks is None:
            return np.zeros(0)
        variance = sum(np.exp(log[0]) for _, log in self._parts())
        noises = self._tasks.noises(self._of_tasks, self.noise)[1:]
        trust: Array = self._tasks.trust(self._of_tasks) * np.sqrt(variance / (variance + noises))
        return trust

    def codes(self, archs: Sequence[Arch], features: Array | None = None, task: int = 0) -> Array:
        """`[n, C]`: the one-hot codes of the choices, then the networks' `features` `[n, F]`."""
        return self.joined(self._of_choices.codes(archs), features, task)

    def joined(self, choices: Array, features: Array | None, task: int) -> Array:
        """`[n, C]` of one-hot codes of `choices` `[n, R]` and of `features` `[n, F]`."""
        parts = [choices] if features is None else [choices, features.reshape(len(choices), -1)]
        return np.concatenate(parts if self._tasks is None else [*parts, np.full((len(choices), 1), task)], axis=1)

    def kernel(self, a: Array, b: Array) -> Array:
        """Covariances of f of each pair of two lots of codes, `[n, C]` and `[m, C]` -> `[n, m]`."""
        kernel = self._shared(a, b)
        if self._tasks is None:
            return kernel
        of_a, of_b = self._whose(a), self._whose(b)
        kernel *= self._tasks.alike(self._of_tasks)[of_a[:, None], of_b]
        kernel[np.ix_(of_a == 0, of_b == 0)] += OFFSET
        return kernel

    def noises(self, codes: Array) -> Array:
        """Variances of what is seen of each, `[n]`."""
        if self._tasks is None:
            return np.full(len(codes), self.noise)
        noises: Array = self._tasks.noises(self._of_tasks, self.noise)[self._whose(codes)]
        return noises

    def _shared(self, a: Array, b: Array) -> Array:
        """k of each pair, whosever they are."""
        kernel = np.zeros((len(a), len(b)))
        for part, log in self._parts():
            kernel += part(log, a[:, part.columns], b[:, part.columns])
        return kernel

    def _parts(self) -> list[tuple[Kernel, Array]]:
        """Each kernel with its parameters."""
        ends = np.cumsum([1, *[len(kernel.prior) for kernel in self.kernels]])
        return [
            (kernel, self.log[end - len(kernel.prior) : end])
            for kernel, end in zip(self.kernels, ends[1:], strict=True)
        ]

    @property
    def _of_tasks(self) -> Array:
        assert self._tasks is not None
        return self.log[-len(self._tasks.prior) :]

    def _whose(self, codes: Array) -> NDArray[np.intp]:
        return codes[:, -1].astype(np.intp)

    def learn(self, codes: Array, y: Array, steps: int) -> None:
        """`steps` of Adam on the log-posterior of the parameters, given targets `y` `[n]` of `codes` `[n, C]`."""
        for _ in range(steps):
            gradient = self.gradient(codes, y) - (self.log - self._prior) / self._spread**2
            self._steps += 1
            self._moments += (1 - DECAYS) * (np.array([gradient, gradient**2]) - self._moments)
            mean, square = self._moments / (1 - DECAYS**self._steps)
            self.log += STEP * mean / (np.sqrt(square) + 1e-8)

    def gradient(self, codes: Array, y: Array) -> Array:
        """Of log p(y) by the logarithms of v and of the kernels' parameters, then by those of tasks."""
        inverse = np.linalg.inv(self.kernel(codes, codes) + np.diag(self.noises(codes)))
        alpha = inverse @ y
        by_covariance = (np.outer(alpha, alpha) - inverse) / 2
        if self._tasks is None:
            return np.concatenate([[self.noise * np.trace(by_covariance)], *self._by_kernels(codes, by_covariance)])
        whose = self._whose(codes)
        by_noise = (np.diag(by_covariance) * self.noises(codes))[whose == 0].sum()
        by_shared = by_covariance * self._tasks.alike(self._of_tasks)[whose[:, None], whose]
        by_tasks = self._tasks.gradient(self._of_tasks, self.noise, whose, self._shared(codes, codes), by_covariance)
        return np.concatenate([[by_noise], *self._by_kernels(codes, by_shared), by_tasks])

    def _by_kernels(self, codes: Array, weights: Array) -> list[Array]:
        return [kernel.gradient(log, codes[:, kernel.columns], weights) for kernel, log in self._parts()]

    def condition(self, codes: Array, y: Array, running: Array) -> None:
        """What is known: targets `y` of `codes`, and that `running` will be known when a new result comes.

        Running architectures lower the variance around them, as if they had come out as expected, and leave the mean
        (Desautels et al. 2014, arXiv 1206.6402).
        """
        told = np.concatenate([codes, running])
        self.kept = kept = self._as_before(told)
        self._lower, self._whiten = self._factors(told, kept)
        self._codes, self._known_by = told, self.log.copy()
        known = self._whiten[: len(y), : len(y)]  # the told architectures come first, so theirs is the corner
        self._whitened_targets = known @ y
        self._alpha = known.T @ self._whitened_targets

    def _as_before(self, told: Array) -> int:
        """How many rows `told` begins with that the process was conditioned on before, with the same parameters."""
        if not np.array_equal(self._known_by, self.log):
            return 0
        both = min(len(told), len(self._codes))
        differ = (told[:both] != self._codes[:both]).any(axis=1)
        return int(differ.argmax()) if differ.any() else both

    def _factors(self, told: Array, kept: int) -> tuple[Array, Array]:
        """L and W, lower triangular, of the covariance C of what is told: L L' = C, W L = I.

        The first `kept` rows are known, since a row of L depends on none below: a new result costs one more row, where
        all of L would cost the cube of their number.
        """
        lower, whiten = np.zeros((2, len(told), len(told)))
        above, new = self._whiten[:kept, :kept], told[kept:]
        beside = (above @ self.kernel(told[:kept], new)).T
        own = np.linalg.cholesky(self.kernel(new, new) + np.diag(self.noises(new)) - beside @ beside.T)
        lower[:kept, :kept], lower[kept:, :kept], lower[kept:, kept:] = self._lower[:kept, :kept], beside, own
        inverse = np.linalg.inv(own)
        whiten[:kept, :kept], whiten[kept:, :kept], whiten[kept:, kept:] = above, -inverse @ beside @ above, inverse
        return lower, whiten

    def mean(self, codes: Array) -> Array:
        """Of f, `[m]`: what `predict` says first, without the deviation, which takes most of its time."""
        known = self._codes[: len(self._alpha)]
        mean: Array = self._alpha @ self.kernel(known, codes)
        return mean

    def predict(self, codes: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of f, `[m]` each."""
        return self.predict_whitened(self.whitened(codes, np.zeros((0, len(codes)))))

    def whitened(self, codes: Array, above: Array) -> Array:
        """W k(told, `codes`), `[n, m]`, of which the first rows are known to be `above`.

        Where the same `codes` are looked at again after a new result, that is all but the last row.
        """
        kept = len(above)
        left = self.kernel(self._codes[kept:], codes) - self._lower[kept:, :kept] @ above
        return np.concatenate([above, self._whiten[kept:, kept:] @ left])

    def predict_whitened(self, whitened: Array) -> tuple[Array, Array]:
        """As `predict`, of what is `whitened` `[n, m]`."""
        mean = self._whitened_targets @ whitened[: len(self._whitened_targets)]
        variance = self.variance - np.einsum("nm,nm->m", whitened, whitened)
        return mean, np.sqrt(variance.clip(1e-12))
