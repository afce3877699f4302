"""How alike two networks err: what a vote of them can gain is where they do not.

Of which images either is right makes a table of four counts, of which Kuncheva & Whitaker (2003, "Measures of diversity
in classifier ensembles", section 2) give these figures. Numbers are never right or wrong: of them it is how their
differences from the truth correlate.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import sqrt

import torch
from torch import Tensor

from nas.data.targets import CLASSIFICATION
from nas.fusion.judging import VAL, Judging


@dataclass(frozen=True)
class Pair:
    """The networks of two numbers. Shares are 0..1 of the validation images, or of all their labels.

    `correlation` is phi, of their being right; of numbers Pearson's, of their differences from the truth. `by_chance`
    is what `both_wrong` would be if their errors had nothing to do with each other. `alike` is of those that both have
    wrong the share for which they say the same class, None where there is none.
    """

    first: int
    second: int
    correlation: float
    both_wrong: float | None = None
    by_chance: float | None = None
    q: float | None = None  # Yule's statistic
    kappa: float | None = None  # Cohen's, of their agreement on which are right
    alike: float | None = None


def pairs(of_each: Tensor, judging: Judging) -> list[Pair]:
    """All pairs of networks that said `of_each` `[M, N, K]` of the validation images, the most alike in errors last."""
    found = [_pair(first, second, of_each, judging) for first, second in combinations(range(len(of_each)), 2)]
    return sorted(found, key=lambda pair: pair.correlation)


def _pair(first: int, second: int, of_each: Tensor, judging: Judging) -> Pair:
    a, b = of_each[first], of_each[second]
    right, other = judging.right(a, VAL), judging.right(b, VAL)
    if right is None or other is None:
        wrong = torch.stack([(said - judging.labels[VAL]).T.double() for said in (a, b)])  # [2, K, N]
        each = [_correlation(x, y) for x, y in zip(wrong[0], wrong[1], strict=True)]
        return Pair(first, second, sum(each) / len(each))
    wrong_both = ~right & ~other
    alike = None
    if judging.kind == CLASSIFICATION and wrong_both.any():
        alike = (a.argmax(1) == b.argmax(1))[wrong_both].double().mean().item()
    both, only_first, only_second = (some.sum().item() for some in (right & other, right & ~other, ~right & other))
    return _of_counts(first, second, both, only_first, only_second, wrong_both.sum().item(), alike)


def _of_counts(
    first: int, second: int, both: float, only_first: float, only_second: float, neither: float, alike: float | None
) -> Pair:
    """From how many are right by both, by one alone, and by neither. A figure that is 0 / 0 is 0."""
    n = both + only_first + only_second + neither
    wrong, wrong_too = only_second + neither, only_first + neither
    product, cross = both * neither, only_first * only_second
    spread = sqrt((n - wrong) * wrong * (n - wrong_too) * wrong_too)
    agreement = (n - wrong) * wrong_too + wrong * (n - wrong_too)
    return Pair(
        first, second,
        correlation=_ratio(product - cross, spread),
        both_wrong=neither / n,
        by_chance=wrong / n * wrong_too / n,
        q=_ratio(product - cross, product + cross),
        kappa=_ratio(2 * (product - cross), agreement),
        alike=alike,
    )  # fmt: skip


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _correlation(x: Tensor, y: Tensor) -> float:
    """Pearson's of `[N]` and `[N]`; 0 where one of both does not vary."""
    x, y = x - x.mean(), y - y.mean()
    return _ratio((x @ y).item(), sqrt((x @ x).item() * (y @ y).item()))


def oracle(of_each: Tensor, judging: Judging) -> float | None:
    """The share of the validation images that at least one network has right: a choice that knew which would reach it.

    Of labels all of an image by one network. None of numbers.
    """
    right = [judging.right(said, VAL) for said in of_each]
    whole = [each if each.ndim == 1 else each.all(1) for each in right if each is not None]
    return torch.stack(whole).any(0).double().mean().item() if whole else None
