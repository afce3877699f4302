"""What differences between a few repeated measurements show: least squares with pooled variance, Tukey's intervals.

The measurements are a table of treatments (networks) by blocks (seeds), as in a randomized block design: each is its
treatment's level plus its block's plus an error of one variance for all (Fisher 1935). What is left over after both
estimates that variance from all treatments together, which a few seeds of one network alone could not.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Generic, TypeVar

import torch
from torch import Tensor

T = TypeVar("T", bound=Hashable)

LEARNED = 1.5  # times the share that guessing gets right: a network below that is about at chance


@dataclass(frozen=True)
class Interval:
    """A difference, and the interval around it."""

    estimate: float
    low: float
    high: float

    @property
    def shows(self) -> bool:
        """Whether it leaves no room for there being no difference."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Fit(Generic[T]):
    """The levels of treatments, as the values of an average block would be, and how sure they are.

    `covariance` is of `levels` for a variance of 1. `variance` is None where there are too few values to tell.
    """

    treatments: tuple[T, ...]
    levels: Tensor  # [treatments]
    covariance: Tensor  # [treatments, treatments]
    variance: float | None  # of a value, within a treatment and a block
    freedom: int  # degrees of it

    @classmethod
    def of(cls, observed: Mapping[tuple[T, int], float]) -> Fit[T]:
        """From the values by treatment and block, at least one, of which some may be missing."""
        treatments = tuple(dict.fromkeys(treatment for treatment, _ in observed))
        blocks = list(dict.fromkeys(block for _, block in observed))
        design = torch.zeros(len(observed), len(treatments) + len(blocks), dtype=torch.float64)
        for row, (treatment, block) in enumerate(observed):
            design[row, treatments.index(treatment)] = design[row, len(treatments) + blocks.index(block)] = 1
        values = torch.tensor(list(observed.values()), dtype=torch.float64)
        inverse = torch.linalg.pinv(design.T @ design, hermitian=True)
        effects = inverse @ design.T @ values
        freedom = len(values) - int(torch.linalg.matrix_rank(design))
        variance = float((values - design @ effects).square().sum() / freedom) if freedom else None
        average = torch.full((len(treatments), len(blocks)), 1 / len(blocks), dtype=torch.float64)
        means = torch.cat([torch.eye(len(treatments), dtype=torch.float64), average], dim=1)
        return cls(treatments, means @ effects, means @ inverse @ means.T, variance, freedom)

    def level(self, treatment: T) -> float:
        return float(self.levels[self.treatments.index(treatment)])

    def difference(self, first: T, second: T, confidence: float = 0.95) -> Interval | None:
        """`first` minus `second`; None where there are too few values for an interval.

        The intervals are Tukey's (1953; Kramer's where values are missing): with the probability `confidence` those of
        all pairs of treatments hold together, so one holds for a pair that was chosen because it differs the most, too.
        """
        return None if first == second else self._between([first], [second], len(self.treatments), confidence)

    def planned(self, first: Sequence[T], second: Sequence[T], confidence: float = 0.95) -> Interval | None:
        """The mean of some minus the mean of others, with Student's interval: for the one comparison that was planned
        before there were values. None where there are too few of them."""
        return self._between(first, second, 2, confidence)

    def _between(self, first: Sequence[T], second: Sequence[T], groups: int, confidence: float) -> Interval | None:
        if self.variance is None:
            return None
        contrast = torch.zeros_like(self.levels)
        for some, sign in ((first, 1), (second, -1)):
            contrast[[self.treatments.index(treatment) for treatment in some]] += sign / len(some)
        error = math.sqrt(self.variance * float(contrast @ self.covariance @ contrast))
        margin = studentized_range(groups, self.freedom, confidence) / math.sqrt(2) * error
        estimate = float(contrast @ self.levels)
        return Interval(estimate, estimate - margin, estimate + margin)


@cache
def studentized_range(groups: int, freedom: int, confidence: float = 0.95) -> float:
    """The quantile of the range of `groups` standard normals over an independent deviation of `freedom` degrees.

    That of two groups is sqrt(2) times Student's t.
    """
    from scipy.stats import studentized_range as distribution  # takes a second to import, and few commands need it

    return float(distribution.ppf(confidence, groups, freedom))
