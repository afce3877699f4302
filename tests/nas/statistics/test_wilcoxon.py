from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from nas.statistics import wilcoxon
from nas.statistics.wilcoxon import signed_rank_p

DARWIN = (6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75)  # crossed less self-fertilised maize


def test_darwins_plants() -> None:
    """By R's wilcox.test and SciPy: the sum of the negative ranks is 24, p 0.04126."""
    assert signed_rank_p(DARWIN, [0] * 15) == pytest.approx(0.041259765625)
    assert signed_rank_p([0] * 15, DARWIN) == pytest.approx(0.041259765625)


def test_few_differences_of_one_sign() -> None:
    assert signed_rank_p([1, 2, 3, 4, 5], [0] * 5) == pytest.approx(2 / 2**5)
    assert signed_rank_p([1, 2, 3], [1, 2, 3]) == 1.0
    assert signed_rank_p([2.0], [1.0]) == 1.0


@pytest.mark.parametrize("differences", [(1, 1, -1, 2, 2, -3, 0, 5), (3, -3, 3, 3), (-1, -2, 2, 4, 4, 4, 4, 9)])
def test_with_ties_it_is_the_share_of_all_signs_that_are_as_uneven(differences: tuple[int, ...]) -> None:
    sizes = sorted(abs(d) for d in differences if d)
    rank = {size: np.mean([i + 1 for i, other in enumerate(sizes) if other == size]) for size in sizes}
    total = sum(rank[size] for size in sizes)
    seen = sum(rank[d] for d in differences if d > 0)
    sums = [
        sum(rank[s] for s, sign in zip(sizes, signs, strict=True) if sign)
        for signs in product((0, 1), repeat=len(sizes))
    ]
    smaller = min(seen, total - seen)
    expected = min(1.0, 2 * np.mean([value <= smaller for value in sums]))
    assert signed_rank_p(differences, [0] * len(differences)) == pytest.approx(expected)


def test_many_differences_have_nearly_the_exact_p(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    for shift in (0.0, 0.1, 0.2):
        differences = np.round(rng.normal(shift, 1, wilcoxon.EXACT + 20), 1)
        approximate = signed_rank_p(differences, np.zeros_like(differences))
        monkeypatch.setattr(wilcoxon, "EXACT", 10_000)
        assert approximate == pytest.approx(signed_rank_p(differences, np.zeros_like(differences)), rel=0.05)
        monkeypatch.undo()
