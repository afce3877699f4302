"""From a file to a network's input: as training has it, and as JSON."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nas.data import Preprocessing, eval_batches, load


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two classes: noise, oblong, some of it transparent, some to be turned."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "pets" / "train" / name).mkdir(parents=True)
        for i in range(10):
            exif = Image.Exif()
            exif[0x0112] = i % 8 + 1
            noise = rng.integers(0, 256, (40, 30, 4 if i % 2 else 3), dtype=np.uint8)
            Image.fromarray(noise).save(tmp_path / "pets" / "train" / name / f"{i}.png", exif=exif)
    return tmp_path / "pets"


def test_a_file_is_what_training_and_validation_have_of_it(photos: Path) -> None:
    dataset = load(f"folder:{photos}", image_size=24, log=lambda text: None)
    preprocessing = Preprocessing.of(dataset)
    ours = torch.stack([preprocessing.pixels(path) for path in sorted(photos.rglob("*.png"))])
    assert ours.dtype == torch.uint8 and ours.shape == (20, 24, 24, 3)
    known = {image.numpy().tobytes() for image in (*dataset.train.pixels, *dataset.val.pixels)}
    assert known < {image.numpy().tobytes() for image in ours}  # which has the test images too
    (x, _) = next(eval_batches(dataset.train, dataset.mean, dataset.std, batch_size=99))
    assert torch.equal(preprocessing.normalise(dataset.train.pixels), x)
    assert x.dtype == torch.float32 and x.is_contiguous(memory_format=torch.channels_last)


def test_normalised_values() -> None:
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8).expand(2, 8, 8, 3)
    x = Preprocessing(8, (0.5, 0.2, 0.0), (0.5, 0.1, 0.25)).normalise(pixels)
    assert x.shape == (2, 3, 8, 8)
    torch.testing.assert_close(x[1, :, 4, 4], torch.tensor([-1.0, 0.0, 4.0]))


def test_as_json() -> None:
    one = Preprocessing(96, (0.1, 0.2, 1 / 3), (0.25, 0.5, 1 / 7))
    assert Preprocessing.from_dict(json.loads(json.dumps(one.to_dict()))) == one
    assert one.to_dict() == {"image_size": 96, "mean": [0.1, 0.2, 1 / 3], "std": [0.25, 0.5, 1 / 7], "fit": "crop"}


GOOD = {"image_size": 32, "mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2]}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (None, "this is none: None"),
        ([32, 0.5, 0.2], "this is none: [32"),
        ({}, "image_size is a whole number of pixels, not None"),
        (GOOD | {"image_size": "32"}, "not '32'"),
        (GOOD | {"image_size": 32.0}, "not 32.0"),
        (GOOD | {"image_size": True}, "not True"),
        (GOOD | {"image_size": 7}, "at least 8 pixels, not 7"),
        (GOOD | {"mean": 0.5}, "mean is numbers, one a channel, not 0.5"),
        (GOOD | {"mean": [0.5, 0.5]}, "one a channel, as many of the one as the other"),
        (GOOD | {"mean": [0.5, 0.5, "0.5"]}, "mean is numbers"),
        (GOOD | {"mean": [0.5, 0.5, True]}, "mean is numbers"),
        (GOOD | {"mean": [123.7, 116.3, 103.5]}, "mean is of pixels in 0..1, not 123.7, 116.3, 103.5"),
        (GOOD | {"mean": [0.5, math.nan, 0.5]}, "mean is of pixels in 0..1"),
        (GOOD | {"std": None}, "std is numbers"),
        (GOOD | {"std": [0.2, 0.0, 0.2]}, "std must be above 0, not 0.2, 0, 0.2"),
        (GOOD | {"std": [0.2, -1, 0.2]}, "std must be above 0"),
        (GOOD | {"std": [0.2, math.nan, 0.2]}, "std must be above 0"),
        (GOOD | {"std": [0.2, math.inf, 0.2]}, "std must be above 0"),
    ],
)
def test_what_is_no_preprocessing_is_refused(values: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Preprocessing.from_dict(values)


def test_a_file_that_is_no_image_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "notes.jpg"
    path.write_text("no image")
    preprocessing = Preprocessing.from_dict(GOOD)
    with pytest.raises(ValueError, match=r"notes\.jpg cannot be read as an image: cannot identify image file$"):
        preprocessing.pixels(path)
    with pytest.raises(ValueError, match=r"absent\.jpg cannot be read as an image: No such file or directory"):
        preprocessing.pixels(tmp_path / "absent.jpg")
