from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from nas.data.images import Dataset, Images


@pytest.fixture
def noise() -> Callable[[int], Dataset]:
    """Makes 40 images to train on and 20 to validate, of so many pixels a side, of three classes by chance."""

    def made(side: int) -> Dataset:
        generator = torch.Generator().manual_seed(0)

        def images(n: int) -> Images:
            labels = torch.randint(3, (n,), generator=generator)
            pixels = torch.randint(0, 256, (n, side, side, 3), dtype=torch.uint8, generator=generator)
            return Images(pixels, labels)

        return Dataset("noise", ("a", "b", "c"), images(40), images(20), (0.5,) * 3, (0.25,) * 3)

    return made
