"""What both built-in sets promise: the same images each time and for good, balanced, and none in two splits."""

from __future__ import annotations

from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from nas.data import Dataset, Images, load, load_test, shapes, shapes2


class Promised(NamedTuple):
    made_by: ModuleType
    each: tuple[int, int, int]  # images of each class in the splits to train, to validate and to test
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    labels: list[int]  # the first twelve of the test images
    levels: list[float]  # of every 400th test image
    colour_and_place: tuple[float, float]  # between what accuracies these alone tell the classes apart


SETS = {
    "shapes": Promised(
        shapes, (900, 100, 200), (0.50019, 0.50251, 0.49541), (0.20998, 0.21052, 0.20879),
        [2, 0, 5, 0, 1, 2, 1, 8, 2, 4, 4, 0], [], (0, 0.2),
    ),
    "shapes2": Promised(
        shapes2, (1800, 200, 400), (0.49918, 0.49731, 0.50036), (0.25184, 0.24825, 0.24808),
        [9, 2, 5, 6, 4, 6, 0, 0, 2, 1, 9, 8],
        [136.503, 122.308, 129.517, 136.101, 120.184, 117.259, 123.787, 110.386, 157.635, 126.569], (0.5, 0.75),
    ),
}  # fmt: skip


@pytest.fixture(scope="module", params=SETS)
def name(request: pytest.FixtureRequest) -> str:
    called: str = request.param
    return called


@pytest.fixture(scope="module")
def dataset(name: str) -> Dataset:
    return load(name)


@pytest.fixture(scope="module")
def unseen(name: str) -> Images:
    return load_test(name)


def test_sizes_and_balance(name: str, dataset: Dataset, unseen: Images):
    assert (dataset.name, dataset.num_classes, dataset.image_size) == (name, 10, 32)
    splits = dataset.train, dataset.val, unseen
    for split, each in zip(splits, SETS[name].each, strict=True):
        assert split.labels.bincount().tolist() == [each] * 10


def test_the_same_each_time(name: str, unseen: Images):
    again = SETS[name].made_by.read("test")
    assert torch.equal(again.pixels, unseen.pixels)
    assert torch.equal(again.labels, unseen.labels)


def test_the_images_are_frozen(name: str, unseen: Images):
    """Another NumPy or another edit must not change what `--data` means; sines may differ in their last bits."""
    promised = SETS[name]
    mean, std = unseen.channel_statistics()
    np.testing.assert_allclose(mean, promised.mean, atol=1e-4)
    np.testing.assert_allclose(std, promised.std, atol=1e-4)
    assert unseen.labels[:12].tolist() == promised.labels
    if promised.levels:
        some = unseen.pixels[::400].double().mean(dim=(1, 2, 3))
        np.testing.assert_allclose(some, promised.levels, atol=0.05)


def test_no_image_is_in_two_splits(name: str, dataset: Dataset, unseen: Images):
    rows = [image.numpy().tobytes() for split in (dataset.train, dataset.val, unseen) for image in split.pixels]
    assert len(set(rows)) == len(rows) == 10 * sum(SETS[name].each)


def test_what_a_linear_model_of_the_pixels_tells(name: str, dataset: Dataset, unseen: Images):
    """Least squares on 8 x 8 images, so by colour and place, without patterns. In `shapes` these tell little."""

    def features(images: Images) -> torch.Tensor:
        flat = images.resize(8).pixels.flatten(1).float() / 255 - 0.5
        return torch.cat([flat, torch.ones(len(flat), 1)], dim=1)

    targets = F.one_hot(dataset.train.labels).float()
    weights = torch.linalg.lstsq(features(dataset.train), targets).solution
    accuracy = ((features(unseen) @ weights).argmax(1) == unseen.labels).float().mean().item()
    low, high = SETS[name].colour_and_place
    assert low < accuracy < high
