"""What every test has: one torch thread (the suite runs on every core), quiet Optuna, tiny images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch

from nas.data import Dataset, Images
from searchspaces import Arch, Space
from searchspaces.testing import network_text

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


@pytest.fixture(scope="session")
def published_table() -> Callable[[str], Path]:
    """Gives the file of a space's published results, by its name; the test is skipped where that is not there."""
    data = Path(__file__).parents[2] / "shared" / "data"
    files = {
        "nasbench201": "nasbench201-cifar10.csv",
        "nasbench201 on cifar100": "nasbench201-cifar100.csv",
        "nasbench_macro": "nas-bench-macro_cifar10.json",
    }

    def find(space: str) -> Path:
        if not (data / files[space]).exists():
            pytest.skip(f"the published table {files[space]} is not in ../shared/data")
        return data / files[space]

    return find


@pytest.fixture(scope="session")
def structure() -> Callable[[Space, Arch], str]:
    """Gives the network that a space builds as text: two are equal where the networks are."""
    return network_text
