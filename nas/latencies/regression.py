"""Curves through few measurements: a ridge regression, and one with a Gaussian process on what it leaves.

Both are of figures that are brought to mean 0 and variance 1 first; those that do not differ are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nas.latencies.figures import Array
from nas.samplers.surrogate import GaussianProcess

LEARNING = 100  # gradient steps of the process


@dataclass(frozen=True)
class Scaled:
    """Of figures `[n, F]`: how those that differ are brought to mean 0 and variance 1."""

    mean: Array
    deviation: Array

    @classmethod
    def of(cls, figures: Array) -> Scaled:
        return cls(figures.mean(0), figures.std(0))

    def __call__(self, figures: Array) -> Array:
        """`[n, F]` -> `[n, K]`."""
        differs = self.deviation > 1e-9
        scaled: Array = ((figures - self.mean) / np.where(differs, self.deviation, 1.0))[:, differs]
        return scaled


class Ridge:
    """y = a + b . x, where |b|^2 costs `strength`."""

    def __init__(self, figures: Array, y: Array, strength: float) -> None:
        self.scaled = Scaled.of(figures)
        x = self.scaled(figures)
        self._level = float(y.mean())
        self._slopes = np.linalg.solve(x.T @ x + strength * np.eye(x.shape[1]), x.T @ (y - self._level))

    def __call__(self, figures: Array) -> Array:
        y: Array = self._level + self.scaled(figures) @ self._slopes
        return y


class Smooth:
    """A ridge, and a Gaussian process (`nas.samplers.surrogate`) over the same figures of what that leaves."""

    def __init__(self, figures: Array, y: Array, strength: float) -> None:
        self._ridge = Ridge(figures, y, strength)
        left = y - self._ridge(figures)
        self._deviation = max(float(left.std()), 1e-9)
        x = self._ridge.scaled(figures)
        self._process = GaussianProcess((1,), x.shape[1])  # of one choice, in which all are alike
        codes = self._codes(x)
        self._process.learn(codes, left / self._deviation, LEARNING)
        self._process.condition(codes, left / self._deviation, codes[:0])

    def __call__(self, figures: Array) -> Array:
        mean = self._process.mean(self._codes(self._ridge.scaled(figures)))
        y: Array = self._ridge(figures) + self._deviation * mean
        return y

    def _codes(self, x: Array) -> Array:
        return self._process.codes([(0,)] * len(x), x)
