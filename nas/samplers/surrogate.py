"""What an untried architecture might be worth: a Gaussian process over categorical choices.

Rasmussen & Williams, Gaussian Processes for Machine Learning, 2006, chapters 2 and 5. An architecture a has the reward

    y = f(a) + noise        noise ~ N(0, v)
    f ~ GP(0, k)            k(a, b) = s exp(-sum_l lambda_l [a_l != b_l])

The kernel is a product over choices: two architectures are the more alike the fewer choices they differ in, and a
choice that matters little has a small lambda_l. As s, v and lambda are unknown, they are learned: gradient ascent on

    log p(y) + log prior    log p(y) = -1/2 y' C^-1 y - 1/2 log |C| + const,    C = K + v I

whose gradient by C is G = 1/2 (C^-1 y y' C^-1 - C^-1). Priors are log-normal. That of lambda_l has its median at
2 / number of choices: random architectures of a space of any size are then correlated by exp(-2) or more, so that with
40 choices, too, what is learned of one says something of others (as Hvarfner et al. 2024, arXiv 2402.02229, do for real
parameters).

With Z `[n, R]` the one-hot codes of architectures (R options in all choices together), sum_l lambda_l [a_l = b_l] is
Z diag(lambda) Z', and the sum of a matrix H over the pairs that agree in choice l is that of Z * (H Z) over the columns
of that choice: everything is a few products of matrices.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from searchspaces.space import Arch

Array = NDArray[np.float64]

MEDIANS = (1.0, 0.05, 2.0)  # of the priors of s, of v, and of the sum of all lambda
SPREADS = (0.5, 1.0, 1.0)  # standard deviations of the logarithms of s, v and each lambda
STEP, DECAYS = 0.1, np.array([[0.9], [0.99]])  # Adam's, on logarithms


class GaussianProcess:
    """A process over architectures of choices with `sizes` options each. Its targets should have mean 0 and variance 1.

    `learn` takes gradient steps on lambda, s and v from where they are; `condition` sets what is known.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        choices = len(sizes)
        self._first = np.cumsum([0, *sizes[:-1]])  # the column of each choice's first option
        self._columns = sum(sizes)
        signal, noise, rates = MEDIANS
        self._prior = np.log([signal, noise, *[rates / choices] * choices])
        self._spread = np.array([*SPREADS[:2], *SPREADS[2:] * choices])
        self.log = self._prior.copy()  # of s, v, lambda_1, lambda_2, ...
        self._moments = np.zeros((2, choices + 2))  # Adam's
        self._steps = 0

    @property
    def noise(self) -> float:
        """v, the variance of what is seen of one architecture."""
        return float(np.exp(self.log[1]))

    def codes(self, archs: Sequence[Arch]) -> Array:
        """One-hot codes `[n, R]`."""
        codes = np.zeros((len(archs), self._columns))
        np.put_along_axis(
            codes, np.asarray(archs, dtype=int).reshape(len(archs), len(self._first)) + self._first, 1.0, axis=1
        )
        return codes

    def kernel(self, a: Array, b: Array) -> Array:
        """k of each pair of two lots of codes, `[n, R]` and `[m, R]` -> `[n, m]`."""
        rates = np.exp(self.log[2:])
        agree: Array = a * np.repeat(rates, np.diff([*self._first, self._columns])) @ b.T
        kernel: Array = np.exp(self.log[0] + agree - rates.sum())
        return kernel

    def learn(self, codes: Array, y: Array, steps: int) -> None:
        """`steps` of Adam on the log-posterior of lambda, s and v, given targets `y` `[n]` of `codes` `[n, R]`."""
        for _ in range(steps):
            gradient = self.gradient(codes, y) - (self.log - self._prior) / self._spread**2
            self._steps += 1
            self._moments += (1 - DECAYS) * (np.array([gradient, gradient**2]) - self._moments)
            mean, square = self._moments / (1 - DECAYS**self._steps)
            self.log += STEP * mean / (np.sqrt(square) + 1e-8)

    def gradient(self, codes: Array, y: Array) -> Array:
        """Of log p(y) by log s, log v and log lambda."""
        kernel = self.kernel(codes, codes)
        inverse = np.linalg.inv(kernel + self.noise * np.eye(len(y)))
        alpha = inverse @ y
        by_covariance = (np.outer(alpha, alpha) - inverse) / 2
        by_log_kernel = by_covariance * kernel
        total = by_log_kernel.sum()
        agreeing = np.add.reduceat((codes * (by_log_kernel @ codes)).sum(0), self._first)
        return np.array([total, self.noise * np.trace(by_covariance), *(np.exp(self.log[2:]) * (agreeing - total))])

    def condition(self, codes: Array, y: Array, running: Array) -> None:
        """What is known: targets `y` of `codes`, and that `running` will be known when a new result comes.

        Running architectures lower the variance around them, as if they had come out as expected, and leave the mean
        (Desautels et al. 2014, arXiv 1206.6402).
        """
        self._codes = np.concatenate([codes, running])
        covariance = self.kernel(self._codes, self._codes) + self.noise * np.eye(len(self._codes))
        self._whiten = np.linalg.inv(np.linalg.cholesky(covariance))  # lower triangular, W C W' = I
        known = self._whiten[: len(y), : len(y)]  # the told architectures come first, so theirs is the corner
        self._alpha = known.T @ (known @ y)

    def predict(self, codes: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of f, `[m]` each."""
        cross = self.kernel(self._codes, codes)
        mean = self._alpha @ cross[: len(self._alpha)]
        variance = np.exp(self.log[0]) - ((self._whiten @ cross) ** 2).sum(0)
        return mean, np.sqrt(variance.clip(1e-12))
