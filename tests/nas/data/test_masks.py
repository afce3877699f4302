"""Folders of images and masks: layouts, classes, what is ignored, and masks that move with their images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nas.data import load, load_test, shapes2
from nas.data.augmentation import Augment
from nas.data.batches import TrainBatches
from nas.data.image_file import BARS
from nas.data.images import Dataset, Images
from nas.data.masks import CAMVID_NAMES, VOC_NAMES, has_masks, read_mask
from nas.data.overlay import overlaid, palette
from nas.data.targets import IGNORED, SEGMENTATION

Make = Callable[..., Path]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes images of 12 x 8 pixels and masks whose left half is class 0, right half class 1, lower rows `void`."""

    def made(name: str = "cells", splits: tuple[str, ...] = ("",), void: int = 255, count: int = 20) -> Path:
        for split in splits:
            for number in range(count):
                pixels = np.zeros((8, 12, 3), np.uint8)
                pixels[:, 6:] = 200 + number
                mask = np.zeros((8, 12), np.uint8)
                mask[:, 6:] = 1
                mask[6:] = void
                save(tmp_path / name / split, number, pixels, mask)
        return tmp_path / name

    def save(folder: Path, number: int, pixels: Any, mask: Any) -> None:
        for kind, values in (("images", pixels), ("masks", mask)):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(folder / kind / f"{number}.png")

    return made


def quiet(text: str) -> None:
    pass


def read(path: Path, **how: Any) -> Dataset:
    return load(f"folder:{path}", image_size=how.pop("image_size", 8), log=quiet, **({"fit": "crop"} | how))


def test_masks_go_the_way_of_their_images(make: Make) -> None:
    dataset = read(make())
    assert (dataset.kind, dataset.class_names) == (SEGMENTATION, ("0", "1"))
    assert (len(dataset.train), len(dataset.val)) == (17, 1)
    assert len(load_test(f"folder:{make()}", image_size=8, log=quiet)) == 2
    image, mask = dataset.train.pixels[0], dataset.train.labels[0]
    assert mask.shape == (8, 8) and mask.dtype == torch.uint8
    assert ((image[:6, :, 0] > 100) == (mask[:6] == 1)).all()
    assert (mask[6:] == IGNORED).all()
    small = dataset.train.resize(4)
    assert small.labels.shape == (17, 4, 4) and small.labels[0, 0].tolist() == [0, 0, 1, 1]


def test_the_whole_image_between_bars_where_nobody_says_otherwise(make: Make) -> None:
    path = make()
    dataset = load(f"folder:{path}", image_size=12, log=quiet)  # 12 x 8 pixels
    image, mask = dataset.train.pixels[0], dataset.train.labels[0]
    assert dataset.fit == "pad" and dataset.num_classes == 2
    assert (image[:2] == BARS).all() and (image[10:] == BARS).all()
    assert (mask[:2] == IGNORED).all() and (mask[8:] == IGNORED).all()  # of no class in its last rows, too
    assert (mask[2:8, :6] == 0).all() and (mask[2:8, 6:] == 1).all()
    assert ((image[2:8, :, 0] > 100) == (mask[2:8] == 1)).all()
    assert torch.equal(
        load(f"folder:{path}", image_size=8, fit="crop", log=quiet).train.labels, read(path).train.labels
    )


def test_splits_are_folders(make: Make) -> None:
    path = make(splits=("train", "val", "test"))
    dataset = read(path)
    assert (len(dataset.train), len(dataset.val)) == (20, 20)
    assert has_masks(path) and not has_masks(path / "train" / "images")
    assert dataset.sha256 != read(make("others", splits=("train", "val", "test"), count=19)).sha256


def test_classes_have_names(make: Make) -> None:
    path = make(void=7)
    assert read(path).num_classes == 8  # by the largest number
    assert read(path, labels="ground,cell").class_names == ("ground", "cell")
    (path / "classes.txt").write_text("ground\ncell\n")
    dataset = read(path)
    assert dataset.class_names == ("ground", "cell")
    assert set(dataset.train.labels.unique().tolist()) == {0, 1, IGNORED}  # 7 is beyond the names
    assert read(make("camvid-small", void=11)).class_names == CAMVID_NAMES


def test_0_and_255_are_two_classes(tmp_path: Path, make: Make) -> None:
    path = make()
    for file in (path / "masks").iterdir():
        with Image.open(file) as opened:
            values = np.asarray(opened)
        Image.fromarray(np.where(values == 1, 255, 0).astype(np.uint8)).save(file)
    dataset = read(path, image_size=12, fit="pad")  # whose bars are not of the class 255
    assert dataset.class_names == ("0", "255")
    assert dataset.train.labels[0, :2].unique().tolist() == [IGNORED]
    dataset = read(path)
    assert dataset.class_names == ("0", "255")
    assert dataset.train.labels.unique().tolist() == [0, 1]


def test_voc_is_known(tmp_path: Path) -> None:
    for name in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (tmp_path / "VOC2012" / name).mkdir(parents=True)
    for number in range(14):
        Image.new("RGB", (8, 8)).save(tmp_path / "VOC2012" / "JPEGImages" / f"{number}.jpg")
        if number < 12:
            mask = Image.fromarray(np.full((8, 8), 15 if number % 2 else 255, np.uint8), "P")
            mask.putpalette(palette(256).flatten().tolist())
            mask.save(tmp_path / "VOC2012" / "SegmentationClass" / f"{number}.png")
    for split, names in (("train", range(10)), ("val", (10, 11)), ("test", (12, 13))):
        text = "\n".join(map(str, names))
        (tmp_path / "VOC2012" / "ImageSets" / "Segmentation" / f"{split}.txt").write_text(text)
    dataset = read(tmp_path / "VOC2012")
    assert dataset.class_names == VOC_NAMES
    assert len(dataset.train) + len(dataset.val) == 10
    assert dataset.train.labels.unique().tolist() == [15, IGNORED]
    assert len(load_test(f"folder:{tmp_path / 'VOC2012'}", image_size=8, log=quiet)) == 2  # val/, as its test has none


def test_mistakes_are_named(make: Make, tmp_path: Path) -> None:
    path = make()
    (path / "masks" / "3.png").unlink()
    with pytest.raises(ValueError, match=r"masks has no mask of 3.png: its name is the image's"):
        read(path)
    path = make("coloured")
    Image.new("RGB", (12, 8)).save(path / "masks" / "3.png")
    with pytest.raises(ValueError, match=r"3.png is a picture in colours \(RGB\)"):
        read(path)
    path = make("other")
    Image.new("L", (8, 8)).save(path / "masks" / "3.png")
    with pytest.raises(ValueError, match=r"3.png has 8 x 8 pixels and its image, .*, 12 x 8: give them as many"):
        read(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="has no images with masks: --task segmentation wants PATH/images"):
        read(tmp_path / "empty", task=SEGMENTATION)
    with pytest.raises(ValueError, match="those of cifar10 have classes"):
        load("cifar10", task=SEGMENTATION)


def test_shapes_have_masks() -> None:
    with_masks, classes = shapes2.read("test", "segmentation"), shapes2.read("test")
    assert with_masks.pixels.equal(classes.pixels)
    for label, mask in zip(classes.labels[:50].tolist(), with_masks.labels[:50], strict=True):
        assert set(mask.unique().tolist()) <= {0, label + 1}
        assert 0.02 < (mask > 0).float().mean() < 0.9


# ---------------------------------------------------------------------------- augmentation

CHANGES = (
    Augment(), Augment(pad=2, flip=False, vertical_flip=True, quarter_turns=True), Augment(color_jitter=0.4),
    Augment(rotation=20), Augment(min_area=0.3, rotation=10), Augment(cutout=6),
)  # fmt: skip


@pytest.mark.parametrize("augment", CHANGES, ids=lambda augment: augment.words())
def test_what_moves_an_image_moves_its_mask(augment: Augment) -> None:
    """The image is its mask, in brightness: they stay alike, but at edges, which bilinear interpolation softens."""
    masks = torch.zeros(16, 32, 32, dtype=torch.uint8)
    masks[:, 4:14, 6:24] = 1
    masks[:, 20:, 10:14] = 1
    images = Images((masks[..., None] * 250).expand(-1, -1, -1, 3).contiguous(), masks)
    batches = TrainBatches(images, (0.0,) * 3, (1.0,) * 3, batch_size=16, augment=augment)
    x, y = batches.batch(next(batches.draw(torch.Generator().manual_seed(0))))
    assert y.shape == (16, 32, 32) and y.dtype == torch.uint8
    assert not y.equal(masks[: len(y)]) or augment.color_jitter
    known = y != IGNORED
    assert (~known).any() == bool(augment.cutout)
    alike = ((x.mean(1) > 0.49) == (y == 1))[known].float().mean()
    assert alike > (0.97 if augment.rotation or augment.min_area else 0.9999)


@pytest.mark.parametrize("name", ["mixup", "cutmix", "policy"])
def test_what_would_leave_masks_behind_is_refused(name: str) -> None:
    augment = Augment(**{name: "randaugment" if name == "policy" else 0.2})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"{name} does not change masks along with their images: leave out {name}"):
        augment.check_masks()


# ---------------------------------------------------------------------------- pictures


def test_the_palette_is_voc_s() -> None:
    assert palette(4).tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    assert len(np.unique(palette(256), axis=0)) == 256


def test_what_is_of_no_class_shows_through(tmp_path: Path) -> None:
    pixels = np.full((2, 2, 1), 100, np.uint8)
    classes = np.array([[0, 1], [IGNORED, 1]], np.uint8)
    shown = overlaid(pixels, classes, palette(2))
    assert shown[1, 0].tolist() == [100, 100, 100]
    assert shown[0, 1].tolist() == [round(0.45 * 100 + 0.55 * 128), 45, 45]
    Image.fromarray(classes).save(tmp_path / "mask.png")
    assert read_mask(tmp_path / "mask.png", 2).tolist() == classes.tolist()
