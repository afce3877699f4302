"""Wilson's interval, against published figures."""

from __future__ import annotations

import pytest

from nas.statistics.proportion import wilson


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_of_newcombe_s_table(right: int, count: int, low: float, high: float) -> None:
    """R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3."""
    assert wilson(right / count, count) == pytest.approx((low, high), abs=5e-5)


def test_of_more_images_it_is_narrower() -> None:
    low, high = wilson(0.5, 10_000)
    assert high - low == pytest.approx(2 * 1.96 * 0.5 / 100, rel=1e-3)
