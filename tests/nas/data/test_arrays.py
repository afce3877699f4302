"""Arrays of images: what is known by which name, which split plays which part, and what is refused."""

from __future__ import annotations

import io
import os
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nas.data import Images, load, load_test, locate, own_channels, own_size, shape_of, short_name, streamed
from nas.data.streamed import LIMIT, Streamed

Values = dict[str, Any]
SIZE = 8
QUIET: list[str] = []


def images(n: int = 30, green: int = 0, classes: int = 3, size: int = SIZE) -> tuple[Any, Any]:
    """`n` images, no two the same: red is the class, green as it is given, blue the number."""
    labels = np.arange(n) % classes
    pixels = np.zeros((n, size, size, 3), np.uint8)
    pixels[..., 0], pixels[..., 1] = 10 * labels[:, None, None], green
    pixels[..., 2] = np.arange(n)[:, None, None]
    return pixels, labels


def values(*splits: str, n: int = 30) -> Values:
    found = {}
    for number, split in enumerate(splits):
        found[f"x_{split}"], found[f"y_{split}"] = images(n, green=10 * number)
    return found


def npz(path: Path, given: Values) -> str:
    np.savez(path, **given)
    return f"array:{path}"


def folder(path: Path, given: Values) -> str:
    path.mkdir()
    for name, array in given.items():
        np.save(path / f"{name}.npy", array)
    return f"array:{path}"


def read(tmp_path: Path, given: Values, said: list[str] | None = None) -> Any:
    path = tmp_path / "some.npz"
    return load(npz(path, given), log=(said if said is not None else []).append)


def colours(split: Images) -> set[tuple[int, ...]]:
    return {tuple(image[0, 0].tolist()) for image in split.pixels}


@pytest.mark.parametrize("write", [npz, folder])
@pytest.mark.parametrize(
    ("splits", "val_from", "test_from", "sizes", "said"),
    [
        (("train", "val", "test"), 1, 2, (60, 60, 60), "validation is x_val, test x_test"),
        (("train", "test"), 0, 1, (54, 6, 60), "validation is a tenth of x_train, test x_test"),
        (("train", "val"), 0, 1, (54, 6, 60), "validation is a tenth of x_train, test x_val"),
        (("train",), 0, 0, (49, 5, 6), "validation is a tenth of x_train, test another tenth of x_train"),
    ],
)
def test_no_image_plays_two_parts(
    tmp_path: Path, write: Callable[[Path, Values], str], splits: tuple[str, ...], val_from: int, test_from: int,
    sizes: tuple[int, int, int], said: str,
) -> None:  # fmt: skip
    name, log = write(tmp_path / "some.npz", values(*splits, n=60)), []
    dataset, test = load(name, log=log.append), load_test(name, log=log.append)
    parts = [colours(part) for part in (dataset.train, dataset.val, test)]
    assert tuple(map(len, parts)) == sizes
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
    assert {green for _, green, _ in parts[1]} == {10 * val_from}
    assert {green for _, green, _ in parts[2]} == {10 * test_from}
    for part in (dataset.train, dataset.val, test):
        assert [10 * label for label in part.labels.tolist()] == part.pixels[:, 0, 0, 0].tolist()
    assert log == [f"array:some.npz: 3 classes; {said}"]
    assert dataset.class_names == ("0", "1", "2") and dataset.image_size == own_size(name, None) == SIZE
    assert (dataset.mean, dataset.std) == dataset.train.channel_statistics()
    again = load(name, log=log.append)
    assert again.sha256 == dataset.sha256 and colours(again.val) == parts[1]


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ("x", "y"),
        ("X", "Y"),
        ("images", "labels"),
        ("data", "target"),
        ("train_images", "train_labels"),
        ("X_train", "y_train"),
    ],
)
def test_names(tmp_path: Path, x: str, y: str) -> None:
    pixels, labels = images(60)
    dataset = read(tmp_path, {x: pixels, y: labels})
    assert len(dataset.train) + len(dataset.val) == 54  # a tenth is for the test


def test_what_else_there_is_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    read(tmp_path, values("train", "valid") | {"mean": np.zeros(3), "meta": np.array([{}])}, said)
    assert said[0].endswith("validation is a tenth of x_train, test x_valid")
    assert said[1:] == [f"{tmp_path}/some.npz: passed over: mean, meta"]  # of which nothing is read


def test_forms_are_one(tmp_path: Path) -> None:
    """Whether channels come first, in whatever file: the pixels are the same, and what a run knows them by."""
    pixels, labels = images(60)
    usual = read(tmp_path, {"x": pixels, "y": labels})
    floats = (pixels / 255).astype(np.float32)
    alike = (
        {"x": pixels.transpose(0, 3, 1, 2), "y": labels.astype(np.uint8)[:, None]},
        {"x": np.asfortranarray(pixels), "y": labels.astype(">i4")},
        {"x": floats, "y": labels},
        {"x": pixels.astype(np.float64).transpose(0, 3, 1, 2), "y": labels},
    )
    for number, given in enumerate(alike):
        dataset = load(folder(tmp_path / str(number), given), log=QUIET.append)
        assert torch.equal(dataset.train.pixels, usual.train.pixels)
        assert torch.equal(dataset.val.labels, usual.val.labels)
        assert dataset.sha256 == usual.sha256


@pytest.mark.parametrize(("largest", "white"), [(1.0, 1), (0.5, 1), (255.0, 255), (2.0, 255)])
def test_what_white_is_is_said(tmp_path: Path, largest: float, white: int) -> None:
    pixels, labels = images(60)
    floats = np.zeros(pixels.shape, np.float32)
    floats[:, 0, 0, 0] = largest
    said: list[str] = []
    dataset = read(tmp_path, {"x": floats, "y": labels}, said)
    assert dataset.train.pixels.max() == round(largest * 255 / white)
    assert f"x has values up to {largest:g}: {white} is taken as white" in said[-1]


@pytest.mark.parametrize("shape", [(60, 8, 10), (60, 8, 10, 1), (60, 1, 8, 10)])
def test_grey_images_and_such_as_are_not_square(tmp_path: Path, shape: tuple[int, ...]) -> None:
    grey = np.zeros((60, 8, 10), np.uint8) + np.arange(10, dtype=np.uint8)
    said: list[str] = []
    given = {"x": grey.reshape(shape), "y": images(60)[1]}
    dataset = load(npz(tmp_path / "some.npz", given), channels=3, log=said.append)
    assert dataset.train.pixels.shape == (49, 8, 8, 3)
    assert dataset.train.pixels[0, 0].tolist() == [[value] * 3 for value in range(1, 9)]
    assert "one channel, which is taken as red, green and blue" in said[1]
    assert "of 8 x 10 pixels the centre 8 x 8 are taken" in said[2]
    own = read(tmp_path, given)
    assert own.channels == 1 and torch.equal(own.train.pixels, dataset.train.pixels[..., :1])
    assert len(own.mean) == len(own.std) == 1


def test_any_number_of_channels_first_or_last(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(256, size=(60, 5, 9, 9), dtype=np.uint8)
    labels = images(60)[1]
    first = read(tmp_path, {"x": pixels, "y": labels})
    last = read(tmp_path, {"x": pixels.transpose(0, 2, 3, 1) / 255, "y": labels})
    assert first.channels == last.channels == 5 and torch.equal(first.train.pixels, last.train.pixels)
    assert first.sha256 == last.sha256 and len(first.mean) == 5
    assert own_channels(f"array:{tmp_path / 'some.npz'}", None) == 5


def test_channels_that_nothing_tells_apart_are_asked_for(tmp_path: Path) -> None:
    given = {"x": np.zeros((60, 9, 9, 9), np.uint8), "y": images(60)[1]}
    with pytest.raises(ValueError, match="the last or the second number: --channels says how many"):
        read(tmp_path, given)
    assert load(npz(tmp_path / "some.npz", given), channels=9, log=QUIET.append).channels == 9


def test_rgb_is_made_grey_and_other_channels_are_not(tmp_path: Path) -> None:
    pixels, labels = images(60)
    name = npz(tmp_path / "some.npz", {"x": pixels, "y": labels})
    grey, test = (read_so(name, channels=1, log=QUIET.append) for read_so in (load, load_test))
    assert grey.channels == test.channels == 1
    with pytest.raises(ValueError, match="--channels 4: the images have 3, and 3 channels can be taken as 1, grey"):
        load(name, channels=4, log=QUIET.append)
    name = npz(tmp_path / "other.npz", {"x": np.zeros((60, 9, 9, 5), np.uint8), "y": labels})
    with pytest.raises(ValueError, match="--channels 1: the images have 5, and they are taken as they are"):
        load(name, channels=1, log=QUIET.append)


def test_names_of_classes(tmp_path: Path) -> None:
    pixels, labels = images(60)
    names = np.array(["cat", "dog", "emu"])
    assert read(tmp_path, {"x": pixels, "y": labels, "class_names": names}).class_names == ("cat", "dog", "emu")
    texts = read(tmp_path, {"x": pixels, "y": names[::-1][labels]})
    assert texts.class_names == ("cat", "dog", "emu") and texts.train.pixels[0, 0, 0, 0] == 10 * (
        2 - texts.train.labels[0]
    )
    coded = read(tmp_path, {"x": pixels, "y": np.char.encode(names)[labels], "classes": names[::-1]})
    assert coded.class_names == ("emu", "dog", "cat")


def test_a_folder_is_read_as_it_is_used(tmp_path: Path) -> None:
    name = folder(tmp_path / "some", values("train", "val", "test"))
    dataset = load(name, log=QUIET.append)
    dataset.train.pixels[:] = 0  # which the file does not get
    assert load(name, log=QUIET.append).train.pixels.max() > 0
    (tmp_path / "some" / "x_test.npy").write_bytes((tmp_path / "some" / "x_test.npy").read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"x_test.npy: x_test is damaged: an array has more or fewer bytes"):
        load(name)


def test_a_search_reads_no_test_image(tmp_path: Path) -> None:
    given = values("train", "test")
    given["x_test"] = given["x_test"].astype(np.float32) * np.nan
    name = npz(tmp_path / "some.npz", given)
    assert len(load(name, log=QUIET.append).train) == 27
    with pytest.raises(ValueError, match="x_test has NaN"):
        load_test(name, log=QUIET.append)


def test_a_change_of_content_is_noticed(tmp_path: Path) -> None:
    given = values("train", "val", "test")
    before = read(tmp_path, given)
    for change in ("x_train", "y_train", "x_val", "x_test"):
        changed = {name: array.copy() for name, array in given.items()}
        changed[change].reshape(-1)[:1] = 1
        assert (read(tmp_path, changed).sha256 == before.sha256) == (change == "x_test")
    assert read(tmp_path, given | {"class_names": np.array(["a", "b", "c"])}).sha256 != before.sha256


def test_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npz(tmp_path / "some.npz", values("train"))
    monkeypatch.chdir(tmp_path)
    assert locate("array:some.npz", None) == locate("array:some.npz", tmp_path) == ("array:some.npz", tmp_path)
    assert short_name("array:some.npz") == "some" and short_name("folder:a.npz") == "a.npz"
    assert short_name("array:mine.pets-0123456789ab") == "mine.pets"
    assert len(load("array:some.npz", tmp_path, log=QUIET.append).train) > 0
    with pytest.raises(ValueError, match=r"the size of array:some.npz is not known before it is read"):
        shape_of("array:some.npz")


def without(given: Values, *names: str) -> Values:
    return {name: array for name, array in given.items() if name not in names}


TRAIN = values("train")
X, Y = TRAIN["x_train"], TRAIN["y_train"]
REFUSED = {
    "nothing": ({}, "has no arrays, and what is wanted is x_train and y_train"),
    "other names": ({"a": X, "b": Y}, "has a, b, and what is wanted is x_train"),
    "no labels": ({"x_train": X}, "has the images x_train and no labels y_train"),
    "no labels of the test": (TRAIN | {"x_test": X}, "has the images x_test and no labels y_test"),
    "two pairs": (TRAIN | {"train_x": X, "train_y": Y}, "has x_train, y_train and train_x, train_y: leave"),
    "two cases": (TRAIN | {"X_train": X}, "_train, [xX]_train, which differ by their case alone"),
    "objects": ({"x": X, "y": Y.astype(object)}, "y has Python objects, which would have to be unpickled"),
    "objects as images": ({"x": X.astype(object), "y": Y}, "x has Python objects"),
    "lengths": ({"x": X, "y": Y[:-1]}, "x has 30 images, y 29 labels"),
    "one label": ({"x": X, "y": np.array(3)}, "x has 30 images, y none labels"),
    "gap": ({"x": X, "y": Y + 1}, "y has no label 0, but 1: labels are 0, 1, 2"),
    "negative": ({"x": X, "y": Y - 1}, "y has no label 0, but -1"),
    "too high": ({"x": X, "y": Y, "class_names": np.array(["a", "b"])}, "y has the label 2, and with 2 classes"),
    "below": ({"x": X, "y": Y - 1, "class_names": np.array(["a", "b"])}, "y has the label -1, and with 2 classes"),
    "of no training image": (TRAIN | {"x_test": X, "y_test": Y + 1}, "y_test has the label 3, and with 3 classes"),
    "no image of a name": ({"x": X, "y": Y, "class_names": np.array(list("abcd"))}, "no training image is of d"),
    "names twice": ({"x": X, "y": Y, "class_names": np.array(list("aba"))}, "class_names has a twice"),
    "names of numbers": ({"x": X, "y": Y, "class_names": np.arange(3)}, "class_names must be a list of texts"),
    "floats": ({"x": X, "y": Y.astype(float)}, r"y is float64, and labels are whole numbers or texts"),
    "one-hot": ({"x": X, "y": np.eye(3, dtype=int)[Y]}, r"y has the shape 30 x 3, .* take .argmax\(1\)"),
    "bytes": ({"x": X, "y": np.array([b"\xff", b"a"])[Y % 2]}, "y has bytes that are no text in UTF-8"),
    "mixed": (TRAIN | {"x_test": X, "y_test": Y.astype(str)}, "some labels are texts and some are numbers"),
    "one class": ({"x": X, "y": 0 * Y}, "y has one class, 0: give two or more"),
    "NaN": ({"x": X.astype(float) * np.nan, "y": Y}, "x has NaN or infinite values"),
    "infinite": ({"x": X.astype(float) + np.inf, "y": Y}, "x has NaN or infinite values"),
    "normalised": ({"x": X / 100.0 - 1, "y": Y}, "x has the value -1, and images are 0 to 1 or 0 to 255"),
    "too bright": ({"x": X * 100.0, "y": Y}, "x has the value 2900, and images are 0 to 1"),
    "whole": ({"x": X.astype(int), "y": Y}, "x is int64, and images are uint8, or floating-point"),
    "none": ({"x": X[:0], "y": Y[:0]}, "x has no images"),
    "few": ({"x": X[:9], "y": Y[:9]}, "has 9 training images: give 10 or more"),
    "many channels": ({"x": np.zeros((30, 8, 8, 8), np.uint8), "y": Y}, "x has the shape 30 x 8 x 8 x 8, in which"),
    "others": (TRAIN | {"x_test": X[..., :2], "y_test": Y}, "as many channels.*x_train 3, x_test 2"),
    "flat": ({"x": X.reshape(30, -1), "y": Y}, "x has the shape 30 x 192: images are N x H x W x C"),
    "small": ({"x": X[:, :7], "y": Y}, "x has images of 7 x 8 pixels: the least are of 8"),
    "sizes": (TRAIN | {"x_test": images(size=9)[0], "y_test": Y}, "all images must have one size.*x_train 8, x_test 9"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("write", [npz, folder])
def test_what_is_refused(case: str, write: Callable[[Path, Values], str], tmp_path: Path) -> None:
    given, said = REFUSED[case]
    with pytest.raises(ValueError, match=said) as caught:
        load(write(tmp_path / "some.npz", given), log=QUIET.append)
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


def _zip(path: Path, **members: bytes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)


def _npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def test_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "some.npz"

    def refused(said: str) -> None:
        with pytest.raises(ValueError, match=said) as caught:
            load(f"array:{path}", log=QUIET.append)
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)

    refused("cannot read .*: No such file")
    for content in (b"", b"nothing", pickle.dumps([1])):
        path.write_bytes(content)
        refused("is no .npz file, or a damaged one")
    path.write_bytes(_npy(X))
    refused("is a single array: put it in a folder")
    npz(path, TRAIN)
    path.write_bytes(path.read_bytes()[:-100])
    refused("is no .npz file, or a damaged one")
    _zip(path, x=_npy(X)[:-1], y=_npy(Y))
    refused("is damaged: an array has more or fewer bytes than its shape says")
    _zip(path, x=b"\x93NUMPY\x01\x00\x10\x00{'descr': exit()}", y=_npy(Y))
    refused("is damaged: ")
    _zip(path, x=_npy(X), y=_npy(Y))
    content = bytearray(path.read_bytes())
    content[60:300] = bytes(240)
    path.write_bytes(content)
    refused("is damaged: ")
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(2):
            archive.writestr("x.npy", _npy(X))
    refused("is damaged: it has x twice")


def test_what_does_not_fit_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = npz(tmp_path / "some.npz", TRAIN)
    monkeypatch.setattr("nas.data.array_files.memory_here", lambda: 1000)
    with pytest.raises(ValueError, match=r"x_train does not fit into memory: a folder of .npy files"):
        load(name, log=QUIET.append)


def test_pipes(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe is a device or a pipe"):
        load(f"array:{tmp_path}/pipe")
    folder(tmp_path / "some", {"x": X})
    os.mkfifo(tmp_path / "some" / "y.npy")
    with pytest.raises(ValueError, match=r"some: y.npy is no file"):
        load(f"array:{tmp_path}/some")


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    evil = np.array([Evil()] * 30, object)
    for write in (npz, folder):
        for given in ({"x": X, "y": evil}, {"x": X, "y": Y, "class_names": evil}, {"x": evil, "y": Y}):
            name = write(tmp_path / f"{write.__name__}{len(given)}{given['x'].dtype}", given)
            name = name if write is folder else f"{name}.npz"
            with pytest.raises(ValueError, match="has Python objects"):
                load(name, log=QUIET.append)
    assert not (tmp_path / "ran").exists()


def test_large_arrays_are_taken_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read(tmp_path, {"x": X / 255, "y": Y})
    monkeypatch.setattr(streamed, "CHUNK", 7)
    assert torch.equal(read(tmp_path, {"x": X / 255, "y": Y}).train.pixels, whole.train.pixels)


# ------------------------------------------------------------------ more than is held


def grey(given: Values) -> Values:
    return {name: array[..., 0] if name.startswith("x") else array for name, array in given.items()}


def first(given: Values) -> Values:
    return {name: array.transpose(0, 3, 1, 2) if name.startswith("x") else array for name, array in given.items()}


def fortran(given: Values) -> Values:
    return {name: np.asfortranarray(array) for name, array in given.items()}


def floating(given: Values) -> Values:
    return {name: (array / 255).astype(np.float32) if name.startswith("x") else array for name, array in given.items()}


@pytest.mark.parametrize("write", [npz, folder])
@pytest.mark.parametrize("form", [dict, grey, first, fortran, floating])
def test_images_that_are_too_many_are_left_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path, Values], str],
    form: Callable[[Values], Values],
) -> None:  # fmt: skip
    """They are the same, whatever they had to be converted from; that is done once.

    Nothing has to be where a .npy file has them as they are wanted, which are grey ones, too: these stay grey.
    """
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    name = write(tmp_path / "some.npz", form(values("train", "val", "test", n=40)))
    held, tested = load(name, log=QUIET.append), load_test(name)
    monkeypatch.setenv(LIMIT, "0")
    for once in (True, False):
        said: list[str] = []
        found = load(name, log=said.append)
        assert isinstance(found.train.pixels, Streamed) and isinstance(found.val.pixels, Streamed)
        for one, other in ((found.train, held.train), (found.val, held.val), (load_test(name), tested)):
            assert one.pixels[:].equal(other.pixels[:]) and one.labels.equal(other.labels)
        assert (found.mean, found.std, found.sha256) == (held.mean, held.std, held.sha256)
        assert any("stay on disk and are read as they are needed" in line for line in said)
        work = [line for line in said if "which is done once" in line]
        assert bool(work) == (once and (write is npz or form not in (dict, grey))), said


def test_a_copy_is_made_again_where_its_array_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(LIMIT, "0")
    before = read(tmp_path, values("train"))
    (tmp_path / "some.npz").unlink()
    given = values("train")
    given["x_train"] = given["x_train"] + np.uint8(1)
    after = read(tmp_path, given)
    assert after.train.pixels[:].equal(before.train.pixels[:] + 1) and after.sha256 != before.sha256
    assert len(list((tmp_path / "cache" / "nas" / "mapped").rglob("*.npy"))) == 1


def test_a_copy_for_which_there_is_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(LIMIT, "0")
    full = type("Usage", (), {"free": 100})
    monkeypatch.setattr("nas.data.array_files.shutil.disk_usage", lambda path: full)
    with pytest.raises(ValueError, match=r"cannot keep x_train of .*No space left.*XDG_CACHE_HOME name a folder with"):
        read(tmp_path, values("train"))
    assert not list((tmp_path / "cache").rglob("*.npy"))


def test_a_damaged_zip_leaves_no_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(LIMIT, "0")
    name = npz(tmp_path / "some.npz", values("train"))
    content = bytearray((tmp_path / "some.npz").read_bytes())
    content[1000] ^= 255  # a pixel
    (tmp_path / "some.npz").write_bytes(content)
    with pytest.raises(ValueError, match="x_train is damaged: Bad CRC-32"):
        load(name, log=QUIET.append)
    assert not list((tmp_path / "cache").rglob("*.npy"))
