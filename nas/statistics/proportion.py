"""How far a share of images is known: Wilson's score interval (1927).

Unlike the normal approximation it stays within 0 and 1, and is of use for few images and for shares near either.
"""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist


def wilson(share: float, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Between which shares, 0..1, that of other images like these lies, where it was `share` of `count` of them."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    scale = 1 + z**2 / count
    middle = (share + z**2 / (2 * count)) / scale
    half = z / scale * sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return max(0.0, middle - half), min(1.0, middle + half)
