"""The sheet of training images: as they are, as the network sees them, and small as a file."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from nas.data import Dataset, Images
from nas.training.recipe import Recipe
from nas.training.sheet import GAP, MOST_BYTES, VERSIONS, examples, sheet_png

PLAIN = Recipe(flip=False)
ALL = Recipe(policy="trivialaugment", rotation=20, color_jitter=0.4, mixup=0.2, cutmix=1.0, cutout=4)


def noise(side: int, count: int = 60) -> Dataset:
    """What no file format can make smaller."""
    pixels = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    return Dataset.split("noise", ("a", "b"), Images(torch.from_numpy(pixels), torch.arange(count) % 2))


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


def test_the_first_column_is_the_images_and_the_others_are_changed(tiny: Dataset) -> None:
    for recipe in (Recipe(), ALL):
        shown = examples(tiny, recipe)
        assert shown.shape == (8, 1 + VERSIONS, 16, 16, 3) and shown.dtype == torch.uint8
        assert shown[:, 0].equal(tiny.train.take(8, seed=0).pixels)
        assert all(not shown[:, 0].equal(shown[:, version]) for version in range(1, 1 + VERSIONS))


def test_a_row_is_of_one_image() -> None:
    """Of one colour each, which shifts leave as it is."""
    pixels = torch.arange(60, dtype=torch.uint8).mul(4).view(60, 1, 1, 1).expand(60, 16, 16, 3).contiguous()
    dataset = Dataset.split("plain", ("a", "b"), Images(pixels, torch.arange(60) % 2))
    shown = examples(dataset, PLAIN)
    assert shown.equal(shown[:, :1].expand_as(shown)) and len(shown[:, 0, 0, 0, 0].unique()) == 8


def test_mixed_images_are_shown_mixed(tiny: Dataset) -> None:
    shown, plain = (examples(tiny, replace(PLAIN, cutmix=a)) for a in (1.0, 0.0))
    assert not shown[:, 1:].equal(plain[:, 1:]) and shown[:, 0].equal(plain[:, 0])


def test_a_seed_gives_one_sheet(tiny: Dataset) -> None:
    one, again, other = (sheet_png(tiny, ALL, seed) for seed in (0, 0, 1))
    assert one == again != other
    image = opened(one)
    assert image.size == (8 * 16 + 7 * GAP + 3 * GAP, 8 * 16 + 7 * GAP)


def test_images_have_the_recipe_s_size(tiny: Dataset) -> None:
    assert examples(tiny, replace(ALL, image_size=24)).shape == (8, 8, 24, 24, 3)
    assert len(examples(noise(8, 6), Recipe())) == 5  # all that there are but for one to validate


@pytest.mark.parametrize("side", [16, 32, 64, 300])
def test_the_file_is_small_and_its_images_as_large_as_that_allows(side: int) -> None:
    png = sheet_png(noise(side, 20), ALL)
    assert len(png) <= MOST_BYTES
    assert opened(png).height >= 8 * (min(side, 24) + GAP) - GAP


def test_the_data_are_left_as_they_were(tiny: Dataset) -> None:
    before = tiny.train.pixels.clone()
    sheet_png(tiny, ALL)
    assert tiny.train.pixels.equal(before)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_images_of_other_channels(channels: int) -> None:
    """Grey ones are grey on the sheet; of more channels than three the first three are shown."""
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (60, 16, 16, channels), dtype=np.uint8))
    dataset = Dataset.split("noise", ("a", "b"), Images(pixels, torch.arange(60) % 2))
    assert examples(dataset, PLAIN).shape[2:] == (16, 16, channels)
    sheet = np.asarray(opened(sheet_png(dataset, PLAIN)).convert("RGB"))
    first = dataset.train.take(8, seed=0).pixels[0].numpy()
    assert (sheet[:16, :16] == first[..., : 1 if channels < 3 else 3]).all()
