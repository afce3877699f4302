"""Folders of images: classes, which split plays which part, and what is refused."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.data import Images, load, load_test, locate, shape_of
from nas.data.folder import ImageFolder

CLASSES = ("cat", "dog", "emu")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def make(root: Path, splits: Sequence[str] = ("train", "val"), n: int = 10, classes: Sequence[str] = CLASSES) -> Path:
    """`n` images of each class in each split, no two the same; red is the class, green the split."""
    for green, split in enumerate(splits):
        for red, name in enumerate(classes):
            folder = root / split / name
            folder.mkdir(parents=True)
            for blue in range(n):
                Image.new("RGB", (10, 12), (10 * red, 10 * green, blue)).save(folder / f"{blue}.png")
    return root


def opened(root: Path, skip_unreadable: bool = False) -> ImageFolder:
    return ImageFolder(root, 8, skip_unreadable, log=lambda text: None)


def colours(images: Images) -> set[tuple[int, ...]]:
    return {tuple(image[0, 0].tolist()) for image in images.pixels}


def test_classes_are_the_names_of_folders_sorted(tmp_path: Path) -> None:
    dataset = opened(make(tmp_path / "pets")).dataset("pets")
    assert dataset.class_names == CLASSES and (dataset.num_classes, dataset.image_size) == (3, 8)
    for images in (dataset.train, dataset.val):
        assert [10 * label for label in images.labels.tolist()] == images.pixels[:, 0, 0, 0].tolist()
    assert (dataset.mean, dataset.std) == dataset.train.channel_statistics()


@pytest.mark.parametrize(
    ("splits", "val_from", "test_from", "sizes"),
    [
        (("train", "val", "test"), 1, 2, (60, 60, 60)),
        (("train", "test"), 0, 1, (54, 6, 60)),
        (("train", "val"), 0, 1, (54, 6, 60)),
        (("train",), 0, 0, (49, 5, 6)),
    ],
)
def test_no_image_plays_two_parts(
    tmp_path: Path, splits: tuple[str, ...], val_from: int, test_from: int, sizes: tuple[int, int, int]
) -> None:
    folder = opened(make(tmp_path / "pets", splits, n=20))
    dataset, test = folder.dataset("pets"), folder.test()
    parts = [colours(images) for images in (dataset.train, dataset.val, test)]
    assert tuple(map(len, parts)) == sizes
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
    assert {green for _, green, _ in parts[1]} == {10 * val_from}
    assert {green for _, green, _ in parts[2]} == {10 * test_from}
    again = opened(tmp_path / "pets")
    assert colours(again.dataset("pets").val) == parts[1] and colours(again.test()) == parts[2]


def test_a_search_does_not_read_test_images(tmp_path: Path) -> None:
    make(tmp_path / "pets", ("train", "val"))
    for path in (tmp_path / "pets" / "val").rglob("*.png"):
        path.write_text("damaged")
    assert len(opened(tmp_path / "pets").dataset("pets").train) == 27


def test_what_plays_which_part_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    for splits, expected in (
        (("train", "val"), "folder: 3 classes; validation is a tenth of train/, test val/"),
        (("train", "val", "test"), "folder: 3 classes; validation is val/, test test/"),
        (("train",), "folder: 3 classes; validation is a tenth of train/, test another tenth of train/"),
    ):
        folder = ImageFolder(make(tmp_path / str(len(splits)), splits), 8, log=said.append)
        folder.dataset("folder")
        assert expected in said


def test_files_at_any_depth_and_of_other_kinds(tmp_path: Path) -> None:
    make(tmp_path / "pets")
    cats = tmp_path / "pets" / "train" / "cat"
    (cats / "images").mkdir()
    Image.new("RGB", (8, 8), (0, 99, 99)).save(cats / "images" / "one.JPEG")
    (cats / "notes.txt").write_text("")
    (cats / ".DS_Store").write_text("")
    said: list[str] = []
    dataset = ImageFolder(tmp_path / "pets", 8, log=said.append).dataset("pets")
    assert len(dataset.train) + len(dataset.val) == 31
    assert any("files left out, as their names do not end in .jpg, .jpeg, .png: 1" in text for text in said)


def test_unreadable_images_are_refused_by_name_or_skipped(tmp_path: Path) -> None:
    root = make(tmp_path / "pets")
    for name in ("3", "4", "5", "7"):
        (root / "train" / "dog" / f"{name}.png").write_text("damaged")
    with pytest.raises(ValueError, match=r"4 of 30 images cannot be read: dog/3.png .*and 1 more.*--skip-unreadable"):
        opened(root).dataset("pets")
    said: list[str] = []
    skipping = dataclasses.replace(opened(root, skip_unreadable=True), log=said.append)
    dataset = skipping.dataset("pets")
    assert len(dataset.train) + len(dataset.val) == 26 and "they are left out" in said[-1]
    missing = {(10, 0, blue) for blue in (3, 4, 5, 7)}
    assert not missing & (colours(dataset.train) | colours(dataset.val))
    assert (dataset.train.labels * 10).tolist() == dataset.train.pixels[:, 0, 0, 0].tolist()


def test_a_folder_is_known_by_its_files(tmp_path: Path) -> None:
    """A copy of it is the same; whatever else is trained or validated on is not. Test images are not looked at."""
    root = make(tmp_path / "pets")
    began = opened(root).dataset("pets").sha256
    copy = Path(shutil.copytree(root, tmp_path / "copy", copy_function=shutil.copyfile))
    Image.new("RGB", (99, 99)).save(copy / "val" / "cat" / "new.png")
    assert began and opened(copy).dataset("copy").sha256 == began

    def fingerprint() -> str | None:
        return opened(copy, skip_unreadable=True).dataset("copy").sha256

    cat = copy / "train" / "cat"
    seen = [began]
    Image.new("RGB", (99, 99)).save(cat / "1.png")
    seen.append(fingerprint())
    (cat / "2.png").write_text("damaged")
    seen.append(fingerprint())
    (cat / "3.png").rename(copy / "train" / "dog" / "33.png")
    seen.append(fingerprint())
    shutil.copytree(copy / "val", copy / "test")  # val/ is now the validation
    seen.append(fingerprint())
    assert len(set(seen)) == len(seen)


def test_a_class_without_a_readable_image(tmp_path: Path) -> None:
    root = make(tmp_path / "pets")
    for path in (root / "train" / "dog").iterdir():
        path.write_text("damaged")
    with pytest.raises(ValueError, match="no image of dog can be read"):
        opened(root, skip_unreadable=True).dataset("pets")


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    root = make(tmp_path / "pets")
    (root / "train" / "cat" / "b\udcff.png").write_text("damaged")
    with pytest.raises(ValueError, match=r"cat/b\\udcff.png") as caught:
        opened(root).dataset("pets")
    str(caught.value).encode()


def remove(path: Path) -> None:
    for child in path.iterdir():
        child.unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: (root / "train").rename(root / "training"), r"has no folder train/: --data folder:PATH wants"),
        (lambda root: (root / "val" / "dog").rename(root / "val" / "dug"), "train/ has dog, which val/ has not"),
        (lambda root: (root / "val" / "fox").mkdir(), "val/ has fox, which train/ has not"),
        (lambda root: remove(root / "train" / "dog"), "dog has no images: their names must end in .jpg"),
    ],
)
def test_other_layouts_are_refused(tmp_path: Path, spoil, message: str) -> None:
    root = make(tmp_path / "pets")
    spoil(root)
    with pytest.raises(ValueError, match=message):
        opened(root).dataset("pets")


def test_too_little_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no folder"):
        opened(tmp_path / "nothing")
    with pytest.raises(ValueError, match="a folder for each of two or more classes"):
        opened(make(tmp_path / "one", classes=["cat"]))
    with pytest.raises(ValueError, match="has 9 images: give 10 or more"):
        opened(make(tmp_path / "few", n=3)).dataset("few")


# ---------------------------------------------------------------------------- as a data set by its name


def test_a_folder_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "pets")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, data_dir in (("folder:pets", None), (f"folder:{tmp_path}/pets/", "/elsewhere"), ("folder:~/pets", None)):
        dataset = load(name, data_dir, image_size=8, log=lambda text: None)
        assert dataset.name == "folder:pets" and dataset.image_size == 8
        assert len(load_test(name, data_dir, image_size=8, log=lambda text: None)) == 30
        assert locate(name, data_dir) == ("folder:pets", tmp_path)
    assert load("folder:pets", tmp_path, image_size=9, log=lambda text: None).image_size == 9


def test_where_a_run_finds_its_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert locate("folder:../some/pets", None) == ("folder:pets", tmp_path.parent / "some")
    assert locate("folder:pets", "sets") == ("folder:pets", tmp_path / "sets")
    assert locate("cifar10", None) == ("cifar10", None)
    assert locate("cifar10", "sets") == ("cifar10", tmp_path / "sets")


def test_a_folder_needs_a_size(tmp_path: Path) -> None:
    make(tmp_path / "pets")
    with pytest.raises(ValueError, match="have any size: say at which to train, as in --image-size 96"):
        load(f"folder:{tmp_path}/pets")
    with pytest.raises(ValueError, match="--image-size must be at least 8 pixels, not 4"):
        load(f"folder:{tmp_path}/pets", image_size=4)
    with pytest.raises(ValueError, match="folder:pets has no size of its own"):
        shape_of("folder:pets")


def test_images_are_where_they_were_in_the_file(tmp_path: Path) -> None:
    """Rows and columns are not exchanged."""
    root = make(tmp_path / "pets")
    top = np.zeros((16, 16, 3), np.uint8)
    top[:8] = 255
    Image.fromarray(top).save(root / "val" / "cat" / "0.png")
    first = opened(root).test().pixels[0]
    assert first[0].min() == 255 and first[-1].max() == 0
