"""What a program gives: read once, kept in the cache, found by later commands, called only where a person names it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, Subset

from nas.data import load, load_test
from nas.data.objects import kept
from nas.data.source import DataSource, choose_source, given_again
from nas.data.streamed import LIMIT, Streamed
from nas.options.groups import DataOptions
from tests.nas.data.test_arrays import colours, images

X, Y = images(30)
MODULE = """
import numpy as np
called = []

def pets():
    called.append(1)
    x = np.zeros((30, 8, 8, 3), np.uint8)
    x[:, 0, 0, 0] = np.arange(30)
    return x, np.arange(30) % 3

def fails():
    return {}["x"]

def needs(path):
    return path

number = 3
"""


class Items(Dataset):  # type: ignore[type-arg]
    """Images one after the other, of whatever kind."""

    def __init__(self, *items: Any, classes: Any = None) -> None:
        self.items = items
        if classes is not None:
            self.classes = classes

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> Any:
        return self.items[number]


def items(make: Any = Image.fromarray, label: Any = int, green: int = 0, **more: Any) -> Items:
    return Items(*((make(x), label(y)) for x, y in zip(*images(30, green), strict=True)), **more)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "nas" / "arrays"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module in the current folder that was not imported."""
    (tmp_path / "mypets.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield "mypets"
    sys.modules.pop("mypets", None)


def keep(given: Any, image_size: int | None = None) -> tuple[str, Path]:
    return kept(given, image_size, lambda text: None)


def read(given: Any, image_size: int | None = None) -> Any:
    return load(*keep(given, image_size), log=lambda text: None)


def floats(x: Any) -> Any:
    """As torchvision's ToTensor has it."""
    return torch.from_numpy(x).permute(2, 0, 1).float() / 255


@pytest.mark.parametrize(
    "given",
    [
        (X, Y),
        [torch.from_numpy(X).permute(0, 3, 1, 2), torch.from_numpy(Y)],
        (X.tolist() and X / 255, Y.tolist()),
        {"x": X, "y": Y},
        {"images": X, "labels": Y},
        items(),
        items(torch.from_numpy, torch.tensor),
        items(floats, np.int64),
        items(lambda x: floats(x).numpy() * 255),
        items(lambda x: x, lambda y: torch.tensor([y])),
    ],
    ids=[
        "arrays",
        "tensors",
        "floats",
        "dict",
        "names",
        "pillow",
        "tensor items",
        "ToTensor",
        "0 to 255",
        "array items",
    ],
)
def test_what_is_given_is_the_same_data(given: Any, cache: Path) -> None:
    dataset, usual = read(given), read((X, Y))
    assert torch.equal(dataset.train.pixels, usual.train.pixels) and torch.equal(dataset.val.labels, usual.val.labels)
    assert dataset.sha256 == usual.sha256 and dataset.class_names == ("0", "1", "2")
    assert {path.name.rpartition("-")[2] for path in cache.iterdir()} == {dataset.name.rpartition("-")[2]}


@pytest.mark.parametrize("as_items", [False, True])
def test_splits(as_items: bool) -> None:
    parts = {"train": 0, "val": 10, "test": 20}
    given = {s: items(green=green) if as_items else images(30, green) for s, green in parts.items()}
    name, folder = keep(given)
    assert name.startswith("array:Items-" if as_items else "array:arrays-")
    dataset, test = load(name, folder), load_test(name, folder)
    for split, green in ((dataset.train, 0), (dataset.val, 10), (test, 20)):
        assert len(split) == 30 and {seen for _, seen, _ in colours(split)} == {green}


def test_names_of_classes() -> None:
    assert read(items(classes=["cat", "dog", "emu"])).class_names == ("cat", "dog", "emu")
    subset = Subset(items(classes=[("cat", "puss"), ("dog",), ("emu",)]), range(20))
    assert read(subset).class_names == ("cat, puss", "dog", "emu")
    assert read({"train": (X, Y), "class_names": ["a", "b", "c"]}).class_names == ("a", "b", "c")
    assert read(items(label=lambda y: "abc"[y])).class_names == ("a", "b", "c")
    assert read((X, np.array(["a", "b", "c"], object)[Y])).class_names == ("a", "b", "c")  # as pandas has texts


def test_images_of_several_sizes_need_one() -> None:
    given = Items(*((Image.new("RGB", (8 + n % 2, 12), (n, 0, 0)), n % 3) for n in range(30)))
    with pytest.raises(
        ValueError, match=r"Items: image 1 has 9 pixels a side, and those before have 8: .*--image-size 96"
    ):
        read(given)
    assert read(given, 10).train.pixels.shape[1:] == (10, 10, 3)
    assert read(items(), 10).train.pixels.shape[1:] == (8, 8, 3)  # they have one, and are resized later


def test_it_is_kept_once_and_mended(cache: Path) -> None:
    name, folder = keep((X, Y))
    place = folder / name.removeprefix("array:")
    before = place.stat().st_mtime_ns
    assert keep((X, Y)) == (name, folder) and place.stat().st_mtime_ns == before
    np.save(place / "x.npy", X[::-1])
    assert keep((X, Y)) == (name, folder) and (np.load(place / "x.npy") == X).all()
    assert [path.name for path in cache.iterdir()] == [place.name]  # nothing is left behind
    assert keep((X[::-1], Y))[0] != name


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((X, Y[:-1]), "the arrays: x has 30 images, y 29 labels"),
        ((X, 0 * Y), "y has one class, 0"),
        ((X[:9], Y[:9]), "has 9 training images: give 10 or more"),
        ((X, [None] * 30), "y is a list, and must be an array of numbers or texts"),
        (([[1], [1, 2]], Y), "x is no array: ValueError"),
        ((X, {}), "y is a dict, and must be an array"),
        ({}, "data are a torch Dataset, a pair"),
        ({1: (X, Y)}, "data are a torch Dataset, a pair"),
        ({"train": X}, "has a ndarray where data are a torch Dataset, a pair"),
        ({"val": (X, Y), "valid": (X, Y), "train": (X, Y)}, "the arrays has the split val twice"),
        ({"test": (X, Y)}, "what is wanted is x_train and y_train"),
        ({"a": X}, "has a, and what is wanted is x_train"),
        ((items(), items()), "of several data sets say which is which"),
        (Items(), "Items has no images"),
        (Items(3), "item 0 must be an image and its label, not a int"),
        (Items((X[0], None)), "image 0 has a label that is neither a whole number nor a text, but a NoneType"),
        (Items((X[0], 0), (X[1], "a")), "has labels that are texts and others that are numbers"),
        (Items((X[0], 10**30)), "no label|beyond all numbers|Python objects"),
        (Items((X[0].astype(int), 0)), "image 0 is int64, and images are uint8"),
        (Items((X[0] - 1.0, 0)), "image 0 has the value -1, .*leave out their normalisation"),
        (Items((X[0] * np.nan, 0)), "image 0 has NaN or infinite values"),
        (Items((np.zeros((8, 8, 8), np.uint8), 0)), "image 0 has the shape 8 x 8 x 8"),
        (Items(("cat.jpg", 0)), "image 0 has the shape none"),
    ],
)
def test_what_is_refused(given: Any, said: str, cache: Path) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        keep(given)
    assert "\n" not in str(caught.value) and not list(cache.iterdir())


class Broken(Items):
    def __getitem__(self, number: int) -> Any:
        raise KeyError("gone\nfor good")


class Endless(IterableDataset):  # type: ignore[type-arg]
    def __iter__(self) -> Iterator[Any]:
        return iter(())


def test_what_fails_in_a_data_set_is_said_in_one_line() -> None:
    with pytest.raises(ValueError, match=r"Broken: item 0 cannot be read: KeyError: 'gone\\nfor good'$"):
        keep(Broken(1))
    for nothing in (Endless(), X, 3, 0.5, [1], b"ab", Path("pictures")):
        with pytest.raises(ValueError, match="--data must be a data set's name, a torch Dataset that has a length"):
            DataOptions(data=nothing)


def test_a_function_that_a_person_names(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    source = choose_source(None, DataOptions(data="mypets:pets"))
    assert source.name.startswith("array:mypets.pets-") and source.image_size == 8
    assert "mypets:pets: kept as" in capsys.readouterr().out
    assert len(source.load().train) == 25
    assert choose_source(source, DataOptions()) == source and len(sys.modules["mypets"].called) == 1
    assert choose_source(None, DataOptions(data="mypets:pets")) == source


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mypets:fails", "--data mypets:fails fails: KeyError: 'x'"),
        ("mypets:needs", r"--data mypets:needs must be a function that needs no arguments: missing .*'path'"),
        ("mypets:number", "mypets has no function 'number'"),
        ("mypets:nothing", "mypets has no function 'nothing'"),
        (
            "nothing.at.all:x",
            r"cannot import nothing.at.all of --data .*: ModuleNotFoundError: No module named 'nothing'",
        ),
    ],
)
def test_functions_that_give_nothing(name: str, said: str, module: str) -> None:
    with pytest.raises(ValueError, match=said):
        choose_source(None, DataOptions(data=name))


def test_what_a_file_names_is_not_imported(module: str) -> None:
    for source in (
        DataSource("mypets:pets"),
        DataSource("array:mypets:pets"),
        DataSource("array:mypets.pets-" + 12 * "0"),
    ):
        for attempt in (source.load, source.load_test, lambda: choose_source(source, DataOptions(image_size=8)).load()):  # noqa: B023
            with pytest.raises(ValueError):
                attempt()
    assert "mypets" not in sys.modules


def test_what_is_gone_can_be_made_again(module: str) -> None:
    source = choose_source(None, DataOptions(data="mypets:pets"))
    assert source.folder is not None
    shutil.rmtree(source.folder)
    with pytest.raises(ValueError, match=r"is gone: to make it again, add --data mypets:pets$"):
        source.load()
    assert given_again("mypets:pets", source, "run") == source and len(source.load().train) == 25
    with pytest.raises(ValueError, match=r"--data gives array:arrays-.*, and the run began with array:mypets.pets-"):
        given_again((X, Y), source, "run")
    with pytest.raises(ValueError, match=r"--data is module:function here"):
        given_again("folder:pets", source, "run")
    name, folder = keep((X, Y))
    shutil.rmtree(folder)
    with pytest.raises(ValueError, match=r"is gone: .* give the same data, in Python as nas.open\(RUN\)"):
        load(name, folder)


def test_data_dir_is_for_files(module: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--data-dir is where files are"):
        choose_source(None, DataOptions(data="mypets:pets", data_dir=tmp_path))


def test_a_part_of_a_mapped_array_is_that_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy says of it that it begins in the file where the whole does."""
    monkeypatch.setenv(LIMIT, "0")
    x, y = images(60)
    np.save(tmp_path / "x.npy", x)
    part = np.load(tmp_path / "x.npy", mmap_mode="c")[20:50]
    name, place = kept((part, y[20:50]), None, log=lambda text: None)
    found = load(name, place, log=lambda text: None)
    assert isinstance(found.train.pixels, Streamed)
    blues = {int(image[0, 0, 2]) for split in (found.train, found.val) for image in split.pixels[:]}
    assert blues <= set(range(20, 50)) and len(blues) == 27
