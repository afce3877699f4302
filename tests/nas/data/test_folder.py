"""Folders of images: classes, which split plays which part, and what is refused."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.data import Images, load, load_test, locate, shape_of
from nas.data.folder import ImageFolder
from nas.data.streamed import LIMIT, Streamed

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
    assert f"{tmp_path}/pets/train: passed over: 1 hidden or system file, 1 file that is no image (.txt 1)" in said


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
    with pytest.raises(ValueError, match="has 9 images: give 10 or more"):
        opened(make(tmp_path / "few", n=3)).dataset("few")


# ---------------------------------------------------------------------------- layouts


def flat(root: Path, n: int = 10, classes: Sequence[str] = CLASSES) -> Path:
    """The classes alone, in no folder `train/`."""
    shutil.move(make(root.parent / "whole", ["train"], n, classes) / "train", root)
    return root


def test_classes_alone_are_split_as_train_alone_is(tmp_path: Path) -> None:
    said: list[str] = []
    root = flat(tmp_path / "pets", n=20)
    folder = ImageFolder(root, 8, log=said.append)
    dataset, test = folder.dataset("folder:pets"), folder.test()
    assert said[0] == ("folder:pets: 3 classes; validation is a tenth of the images, test another tenth of the images")
    reference = opened(make(tmp_path / "reference", ["train"], n=20))
    same = reference.dataset("folder:pets")
    assert dataset.sha256 == same.sha256 and dataset.class_names == same.class_names
    assert dataset.train.pixels.equal(same.train.pixels) and dataset.val.pixels.equal(same.val.pixels)
    assert test.pixels.equal(reference.test().pixels)
    assert [len(images) for images in (dataset.train, dataset.val, test)] == [49, 5, 6]


@pytest.mark.parametrize(
    "names", [("Train", "valid", "TEST"), ("TRAIN", "Validation", "Test"), ("train", "val", "test")]
)
def test_splits_by_other_names(tmp_path: Path, names: tuple[str, ...]) -> None:
    said: list[str] = []
    folder = ImageFolder(make(tmp_path / "pets", names), 8, log=said.append)
    dataset = folder.dataset("folder:pets")
    assert f"validation is {names[1]}/, test {names[2]}/" in said[0]
    assert {green for _, green, _ in colours(dataset.val)} == {10}
    assert {green for _, green, _ in colours(folder.test())} == {20}
    assert dataset.sha256 == opened(make(tmp_path / "usual", ("train", "val", "test"))).dataset("usual").sha256


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    root = flat(tmp_path / "vehicles", classes=["bus", "car", "train"])
    assert opened(root).dataset("vehicles").class_names == ("bus", "car", "train")


def test_folders_and_images_beside_are_said(tmp_path: Path) -> None:
    root = make(tmp_path / "pets")
    (root / "annotations").mkdir()
    Image.new("RGB", (9, 9)).save(root / "train" / "loose.png")
    (root / "train" / ".ipynb_checkpoints").mkdir()
    Image.new("RGB", (9, 9)).save(root / "train" / ".ipynb_checkpoints" / "copy.png")
    said: list[str] = []
    dataset = ImageFolder(root, 8, log=said.append).dataset("pets")
    assert dataset.class_names == CLASSES and len(dataset.train) + len(dataset.val) == 30
    assert f"{root}: left out, beside the splits: annotations/" in said
    assert f"{root}/train: passed over: 1 hidden or system folder, 1 image in no class's folder" in said


def test_copies_in_hidden_folders_are_not_trained_on(tmp_path: Path) -> None:
    """And leave no trace in what a run knows its images by."""
    root = make(tmp_path / "pets")
    began = opened(root).dataset("pets").sha256
    shutil.copytree(root / "train" / "cat", root / "train" / "cat" / ".ipynb_checkpoints")
    shutil.copytree(root / "train" / "dog", root / "train" / "__MACOSX" / "dog")
    dataset = opened(root).dataset("pets")
    assert dataset.sha256 == began and len(dataset.train) + len(dataset.val) == 30


def test_what_runs_know_folders_by_stays(tmp_path: Path) -> None:
    """Or none that began before could be resumed."""
    root = make(tmp_path / "pets", ["train"], classes=["cat", "dog"], n=5)
    for number, path in enumerate(sorted(root.rglob("*.png"))):
        path.write_bytes(path.read_bytes() + b"\0" * (100 + number - path.stat().st_size))
    assert opened(root).dataset("pets").sha256 == "5d154b9238d818ae16ae4240035f1670a565663753926ee5db2b4787167cccc8"
    shutil.copytree(root / "train", root / "val")
    assert opened(root).dataset("pets").sha256 == "98159d2f04e84592b072a1b173988d48c3d63eb9a4516c97d48f314daec2ffed"
    shutil.copytree(root / "train", root / "test")
    assert opened(root).dataset("pets").sha256 == "f24b4346dbae9fb5b60f286cf3f6ff8adcddc475f3c96bb709b02e6cf3e3a483"


def rename(old: str, new: str) -> Callable[[Path], object]:
    return lambda root: (root / old).rename(root / new)


def bury(*folders: str) -> Callable[[Path], object]:
    """Move all into a folder in a folder."""

    def move(root: Path) -> None:
        inner = root.joinpath(*folders)
        shutil.move(root, root.parent / "moved")
        inner.parent.mkdir(parents=True)
        shutil.move(root.parent / "moved", inner)

    return move


def only_loose(root: Path) -> None:
    for path in list(root.rglob("*.png")):
        path.rename(root / f"{path.parent.name}-{path.name}")
    for name in CLASSES:
        (root / name).rmdir()


def packed(root: Path) -> None:
    shutil.rmtree(root)
    root.write_bytes(b"PK")


WANTED = (
    r"--data folder:PATH wants PATH/CLASS/\*\.jpg, or PATH/train/CLASS/\*\.jpg with or without val/ and test/, "
    "or a CSV file with columns file and label"
)


@pytest.mark.parametrize(
    ("layout", "spoil", "message"),
    [
        (make, rename("train", "training"), f"has no folder train/: {WANTED}. training, val look like splits"),
        (
            make,
            rename("train", "pictures"),
            f"has no folder train/: {WANTED}. val looks like a split: call",
        ),
        (flat, shutil.rmtree, f"is no folder: {WANTED}"),
        (flat, packed, "is no folder: unpack it first"),
        (flat, only_loose, f"has images in no class's folder: {WANTED}"),
        (flat, lambda root: [shutil.rmtree(root / name) for name in CLASSES], "has neither folders nor images"),
        (
            flat,
            lambda root: [remove(root / name) for name in CLASSES],
            "pets has no images: their names must end in .jpg",
        ),
        (flat, lambda root: remove(root / "dog"), "pets/dog has no images: .*Put some there, or move the folder away$"),
        (flat, lambda root: [shutil.rmtree(root / n) for n in CLASSES[1:]], "two or more classes: it has one, cat$"),
        (
            make,
            lambda root: [shutil.rmtree(root / "train" / n) for n in CLASSES[1:]],
            "train must have .*it has one, cat$",
        ),
        (make, lambda root: [shutil.rmtree(root / "train" / n) for n in CLASSES], "train must have .*it has none$"),
        (flat, bury("a"), r"of two or more classes: it has one, a\. Did you mean folder:.*/pets/a\?$"),
        (flat, bury("a", "b"), r"it has one, a\. Did you mean folder:.*/pets/a/b\?$"),
        (make, bury("a", "b"), r"it has one, a\. Did you mean folder:.*/pets/a/b\?$"),
    ],
)
def test_odd_layouts_are_refused_with_what_to_do(tmp_path: Path, layout, spoil, message: str) -> None:
    root = layout(tmp_path / "pets")
    spoil(root)
    with pytest.raises(ValueError, match=message):
        opened(root)


def test_folders_beside_the_one_that_is_meant(tmp_path: Path) -> None:
    root = flat(tmp_path / "download" / "pets").parent
    (root / "documents").mkdir()
    with pytest.raises(ValueError, match=r"documents has no images.*Did you mean folder:.*/download/pets\?$"):
        opened(root)
    (root / "around").symlink_to(".")
    (root / "and around").symlink_to(".")
    with pytest.raises(ValueError, match=r"documents has no images"):
        opened(root)


def test_two_folders_of_one_split(tmp_path: Path) -> None:
    root = make(tmp_path / "pets", ("train", "valid", "Validation"))
    with pytest.raises(ValueError, match="has Validation/ and valid/: name the one to take val/"):
        opened(root)
    (root / "valid").rename(root / "val")
    said: list[str] = []
    ImageFolder(root, 8, log=said.append).dataset("pets")
    assert f"{root}: left out, beside the splits: Validation/" in said


def test_a_split_of_images_alone(tmp_path: Path) -> None:
    root = make(tmp_path / "pets", ["train"])
    (root / "test").mkdir()
    Image.new("RGB", (9, 9)).save(root / "test" / "0.png")
    with pytest.raises(ValueError, match=r"test has images in no class's folder: sort them as test/CLASS/\*\.jpg"):
        opened(root)


# ---------------------------------------------------------------------------- names in Unicode, links

NFC, NFD = "caf\u00e9", "cafe\u0301"


def test_a_class_is_one_in_every_unicode_form(tmp_path: Path) -> None:
    root = make(tmp_path / "places", ["train"], classes=["bar", NFC])
    make(root, ["val"], classes=["bar", NFD])
    folder = opened(root)
    assert folder.dataset("places").class_names == ("bar", NFC) and len(folder.test()) == 20


def test_folders_of_one_name_in_two_unicode_forms_are_one_class(tmp_path: Path) -> None:
    root = make(tmp_path / "places", ["train"], classes=["bar", NFC])
    (root / "train" / NFD).mkdir()
    Image.new("RGB", (9, 9), (10, 0, 99)).save(root / "train" / NFD / "0.png")
    said: list[str] = []
    folder = ImageFolder(root, 8, log=said.append)
    dataset, test = folder.dataset("places"), folder.test()
    assert dataset.class_names == ("bar", NFC) and len(dataset.train) + len(dataset.val) + len(test) == 21
    assert f"{root}/train/{NFC}: 2 folders whose names differ in Unicode: one class" in said


def test_linked_splits_classes_and_folders_in_classes(tmp_path: Path) -> None:
    root, real = tmp_path / "pets", make(tmp_path / "real", ("training", "val", "more"), classes=["cat", "dog"])
    (root / "train").mkdir(parents=True)
    (root / "train" / "cat").symlink_to(real / "training" / "cat")
    (root / "train" / "dog").symlink_to(real / "training" / "dog")
    (real / "training" / "dog" / "more").symlink_to(real / "more" / "dog")
    (real / "training" / "dog" / "once more").symlink_to(real / "more" / "dog")
    (root / "val").symlink_to(real / "val")
    said: list[str] = []
    folder = ImageFolder(root, 8, log=said.append)
    dataset = folder.dataset("pets")
    assert sorted(dataset.train.labels.tolist() + dataset.val.labels.tolist()) == [0] * 10 + [1] * 20
    assert len(folder.test()) == 20
    assert f"{root}/train: passed over: 1 link to a folder that is read already" in said


@pytest.mark.parametrize(
    ("link", "target", "both"),
    [
        ("train/cat/more", "../dog", "train/cat and .*train/dog"),
        ("train/fox", "dog", "train/dog and .*train/fox"),
        ("test", "val", "val/cat and .*test/cat"),
        ("val/cat/more", "../../train/cat", "train/cat and .*val/cat"),
    ],
)
def test_a_folder_is_of_one_class_and_in_one_split(tmp_path: Path, link: str, target: str, both: str) -> None:
    root = make(tmp_path / "pets", ["train"] if link == "train/fox" else ["train", "val"])
    (root / link).symlink_to(target)
    with pytest.raises(ValueError, match=f"is linked into .*{both}: an image has one class, and is in one split"):
        opened(root).dataset("pets")


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


def test_a_folder_that_is_too_large_is_left_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its splits, fingerprint, statistics and copies are the same."""
    root = make(tmp_path / "some", ("train",), n=20)
    name, said = f"folder:{root}", []
    held, tested = load(name, image_size=16, log=said.append), load_test(name, image_size=16, log=said.append)
    monkeypatch.setenv(LIMIT, "0")
    found = load(name, image_size=16, log=said.append)
    assert isinstance(found.train.pixels, Streamed) and "stay on disk and are read as they are needed" in said[-1]
    pairs = (
        (found.train, held.train),
        (found.val, held.val),
        (load_test(name, image_size=16, log=said.append), tested),
    )
    for one, other in pairs:
        assert one.pixels[:].equal(other.pixels[:]) and one.labels.equal(other.labels)
    assert (found.sha256, found.mean, found.std, found.notes) == (held.sha256, held.mean, held.std, held.notes)
