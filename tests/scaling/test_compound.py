"""Compound scaling: the formula, its grid, the rounding, and what a network really costs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import pytest
from torch import nn

from scaling.compound import (
    PAPER,
    Compound,
    Multipliers,
    grid,
    image_size_at,
    largest,
    measured,
    measured_ratio,
    round_filters,
    round_image_size,
)
from scaling.efficientnet import efficientnet
from searchspaces.layers import repeats, round_repeats


@dataclass(frozen=True)
class Grown:
    """EfficientNet-B0, grown."""

    width: float = 1.0
    depth: float = 1.0
    image_size: int = 224

    def scaled(self, width: float, depth: float, image_size: int) -> Grown:
        return Grown(width, depth, image_size)

    def build(self, num_classes: int, image_size: int) -> nn.Module:
        return efficientnet(num_classes, image_size, self.width, self.depth)


def test_the_papers_triple_about_doubles() -> None:
    assert PAPER.ratio == pytest.approx(1.2 * 1.1**2 * 1.15**2) and 1.9 < PAPER.ratio < 2.1
    assert PAPER.at(0) == (1, 1, 1)
    assert PAPER.at(1) == Multipliers(width=1.1, depth=1.2, resolution=1.15)
    assert PAPER.at(2).depth == 1.44


@pytest.mark.parametrize("factors", [(0.9, 1, 1), (1, float("nan"), 1), (1, 1, float("inf"))])
def test_nothing_shrinks(factors: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Compound(*factors)


def test_the_grid_is_what_is_near_the_target() -> None:
    found = grid(step=0.05, target=2.0, tolerance=0.1)
    assert PAPER in found and Compound(2.0, 1.0, 1.0) in found
    assert all(abs(c.ratio - 2) <= 0.1 + 1e-9 for c in found) and len(set(found)) == len(found)
    steps = [round(20 * factor, 6) for c in found for factor in (c.alpha, c.beta, c.gamma)]
    assert all(step == int(step) for step in steps)
    assert set(grid(0.05, 2.0, 0.1, alphas=(1.2, 1.2))) == {c for c in found if c.alpha == 1.2}
    assert len(grid(0.1, 2.0, 0.3)) > len(grid(0.1, 2.0, 0.1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"step": 0}, "a step above 0"),
        ({"target": 1.0}, "a target above 1"),
        ({"tolerance": -1}, "a tolerance"),
        ({"alphas": (0.5, 2)}, "from 1 on"),
        ({"betas": (1.2, 1.1)}, "the lower end first"),
        ({"target": 90.0}, "no alpha, beta and gamma in steps of 0.05"),
    ],
)
def test_a_grid_that_cannot_be_is_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        grid(**arguments)  # type: ignore[arg-type]


def test_rounding() -> None:
    assert [round_filters(c, 1.1) for c in (16, 24, 112, 1280)] == [16, 24, 120, 1408]
    assert all(round_filters(c, w / 10) >= 0.9 * c * w / 10 for c in range(8, 200) for w in range(5, 30))
    assert [round_repeats(n, 1.2) for n in (1, 2, 3, 4)] == [2, 3, 4, 5]
    assert round_repeats(10, 1.1) == 11, "10 x 1.1 is a little more than 11 in floating point"
    assert [round_image_size(p) for p in (1, 36.8, 257.6, 257)] == [2, 36, 258, 258]
    assert image_size_at(Grown(image_size=33), Multipliers(2, 2, 1)) == 33, "the base's own, odd or not"


def test_layers_that_differ_are_repeated_from_the_last_on() -> None:
    assert repeats(4, 1.0) == [1, 1, 1, 1]
    assert repeats(4, 1.3) == [1, 1, 2, 2]
    assert repeats(3, 2.4) == [2, 3, 3]
    assert repeats(3, 0.4) == [1, 1, 1], "none is lost"
    counts = [repeats(5, depth / 10) for depth in range(10, 40)]
    assert all(a <= b for few, many in pairwise(counts) for a, b in zip(few, many, strict=True))


def test_what_is_measured_is_not_what_the_formula_says() -> None:
    base = Grown()
    assert measured(base, Multipliers(1, 1, 1), 1000).macs == 385_814_752
    assert measured(base, Multipliers(1.2, 1.4, 300 / 224), 1000).params == 12_233_232  # B3
    assert measured_ratio(base, PAPER.at(1), 1000) == pytest.approx(992_629_472 / 385_814_752)


@pytest.mark.parametrize("limit", [0.0, 0.004, 0.37, 1.0, 7.77, 19.999])
def test_the_largest_that_fits(limit: float) -> None:
    asked = []

    def fits(phi: float) -> bool:
        asked.append(phi)
        return phi <= limit

    assert largest(fits, most=20.0) == pytest.approx(int(limit * 100 + 1e-9) / 100)
    assert max(asked) <= 2 * limit + 0.02, "much larger ones are slow to look at"


def test_the_ends_of_what_fits() -> None:
    assert largest(lambda phi: True, most=20.0) == 20.0
    assert largest(lambda phi: False, most=20.0) is None
