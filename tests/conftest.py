"""What every test has: one torch thread (the suite runs on every core), quiet Optuna, tiny images."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
import torch

from nas.data import Dataset, Images

torch.set_num_threads(1)
optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.fixture(scope="session")
def tiny() -> Dataset:
    """200 images of 16 pixels in 4 classes that even a small network tells apart: so many of the rows are brighter."""
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 4
    pixels = rng.integers(0, 120, (200, 16, 16, 3), dtype=np.uint8)
    for image, label in zip(pixels, labels, strict=True):
        image[: 4 * label] += 120
    images = Images(torch.from_numpy(pixels), torch.from_numpy(labels))
    return Dataset.split("tiny", ("a", "b", "c", "d"), images)
