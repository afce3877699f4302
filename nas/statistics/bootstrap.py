"""How far figures by the same images are known: the bootstrap (Efron 1979), in which images are drawn anew.

Figures that are taken from the same images are drawn together, so their differences are of pairs: what makes an image
hard for both is no part of their uncertainty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nas.statistics.differences import Interval

DRAWS = 1_000

Figures = Callable[[Tensor], Sequence[float]]
"""What is computed of some images: of their places, int64 `[N]`, which may have one several times."""


def draws(figures: Figures, images: int, seed: int = 0, count: int = DRAWS) -> Tensor:
    """The `figures` of as many `images` drawn with replacement, `count` times: float64 `[count, figures]`."""
    generator = torch.Generator().manual_seed(seed)
    found = [figures(torch.randint(images, (images,), generator=generator)) for _ in range(count)]
    return torch.tensor(found, dtype=torch.float64)


def interval(estimate: float, drawn: Tensor, confidence: float = 0.95) -> Interval:
    """Around `estimate`, between the percentiles of what was `drawn`, `[count]`."""
    rest = (1 - confidence) / 2
    low, high = drawn.quantile(torch.tensor([rest, 1 - rest], dtype=drawn.dtype)).tolist()
    return Interval(estimate, low, high)
