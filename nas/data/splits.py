"""How people lay out a folder of images: a folder a class, in `train/`, `val/` and `test/` or without them.

    PATH/CLASS/*.jpg            all images together: what is held out is chosen here
    PATH/train/CLASS/*.jpg      so too, or with val/ or test/ or both, of the same classes

`val/` may be called `valid/` or `validation/`, and all of them be written in capitals. Names of classes that differ by
nothing but their Unicode form (a Mac's é is an e and an accent) are one class.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nas.data.image_file import is_image
from nas.data.listing import Listing, Passed, entries, holds_an_image, images_below, is_folder, is_hidden
from nas.text.visible import visible_in_line

if TYPE_CHECKING:
    from nas.data.csv_list import CsvFile

SPLITS = ("train", "val", "test")
SPELLINGS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}
NO_CLASSES = frozenset({
    "training", "trainset", "train_set", "training_set", "train_data", "training_data", "dev", "eval", "evaluation",
    "val_set", "validation_set", "testing", "testset", "test_set", "testing_set", "test_data",
})  # fmt: skip
"""Names of folders, in lower case, that are some split and no class; which, we do not guess."""

WANTED = (
    "--data folder:PATH wants PATH/CLASS/*.jpg, or PATH/train/CLASS/*.jpg with or without val/ and test/, "
    "or a CSV file with columns file and label"
)
NAMED = 3  # so many names a message has


@dataclass(frozen=True)
class Split:
    """The folder of a split. `classes` has the folders of each class, by its name and sorted.

    A class has several where their names are the same but for their Unicode form. `passed`: what else lies there.
    """

    folder: Path
    classes: dict[str, list[str]] = field(default_factory=dict)
    passed: Passed = field(default_factory=Passed)

    @classmethod
    def of(cls, folder: Path) -> Split:
        """Raises ValueError where the folder cannot be read."""
        classes: dict[str, list[str]] = {}
        passed = Passed()
        for entry in entries(folder):
            if is_hidden(entry.name):
                passed.hidden_folders += is_folder(entry)
                passed.hidden_files += not is_folder(entry)
            elif is_folder(entry):
                classes.setdefault(unicodedata.normalize("NFC", entry.name), []).append(entry.name)
            else:
                passed.loose += is_image(entry.name)
        return cls(folder, dict(sorted(classes.items())), passed)

    @property
    def name(self) -> str:
        """As messages have it: `train/`."""
        return f"{self.folder.name}/"

    @property
    def kept_as(self) -> str:
        """What the cache adds to the folder's name, where several splits have the same folder; "" where none has."""
        return ""

    def listings(self) -> dict[str, Listing]:
        """The files of each class, by its name. Raises ValueError where one has none."""
        found = {name: images_below(self.folder, folders) for name, folders in self.classes.items()}
        for name, listing in found.items():
            if not listing.files:
                raise ValueError(no_images(self.folder / name))
        return found


@dataclass(frozen=True)
class FolderLayout:
    """The splits that there are, by their names in `SPLITS`, of the same two or more classes.

    Where the images lie `together`, `train` is the whole folder. `beside` are folders beside the splits, `left_out`
    lists of images beside folders. Where a `csv` says what there is, a split may lack classes that `train` has.
    """

    splits: dict[str, Split]
    together: bool = False
    beside: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    csv: CsvFile | None = None

    @classmethod
    def of(cls, path: Path) -> FolderLayout:
        """How the images in `path` are laid out. Raises ValueError, with what to do, where it is in no way we know."""
        try:
            return _layout(path)
        except _NoClasses as error:
            meant = _within(path)
            hint = f". Did you mean folder:{some([str(meant[0])])}?" if len(meant) == 1 else ""
            raise ValueError(f"{error}{hint}") from None


def some(texts: Sequence[str]) -> str:
    """The first few of `texts`, and how many more there are; line ends, and bytes that are no text, show as such."""
    more = f" and {len(texts) - NAMED:,} more" if len(texts) > NAMED else ""
    return ", ".join(map(visible_in_line, texts[:NAMED])) + more


def no_images(folder: Path) -> str:
    """What is said of a folder without an image."""
    return f"{folder} has no images: their names must end in .jpg, .png, .webp, .tif or another of docs/data.md"


class _NoClasses(ValueError):
    """The folders in a folder are no classes; perhaps those in one of them are."""


def _layout(path: Path) -> FolderLayout:
    if not path.is_dir():
        raise ValueError(f"{path} is no folder: {'unpack it first' if path.is_file() else WANTED}")
    root = Split.of(path)
    names = [name for several in root.classes.values() for name in several]
    parts = _parts(path, names)
    splits = {part: Split.of(path / name) for part, name in parts.items()}
    if "train" in splits and not (len(parts) == 1 and _is_a_class(splits["train"], names)):
        _check_splits(path, splits)
        return FolderLayout(splits, beside=tuple(name for name in names if name not in parts.values()))
    strange = [name for name in names if name.lower() in NO_CLASSES]
    _check_together(root, strange + [name for part, name in parts.items() if part != "train"])
    return FolderLayout({"train": root}, together=True)


def _within(path: Path, depth: int = 3) -> list[Path]:
    """The folders in `path` that are laid out in a way we know; below folders that have one folder, also deeper."""
    found = []
    for several in Split.of(path).classes.values():
        for folder in (path / name for name in several):
            try:
                _layout(folder)
                found.append(folder)
            except _NoClasses:
                found += _within(folder, depth - 1) if depth > 1 and len(Split.of(folder).classes) == 1 else []
            except ValueError:
                continue
    return found


def _parts(path: Path, names: Sequence[str]) -> dict[str, str]:
    """Which of the folders `names` is which split. ValueError where two could be the same one."""
    parts: dict[str, str] = {}
    for part, spellings in SPELLINGS.items():
        like = [part] if part in names else [name for name in names if name.lower() in spellings]
        if len(like) > 1:
            both = " and ".join(f"{name}/" for name in like)
            raise ValueError(f"{path} has {both}: name the one to take {part}/")
        if like:
            parts[part] = like[0]
    return parts


def _is_a_class(train: Split, names: Sequence[str]) -> bool:
    """Whether `train/` is a class as cars and buses are: it has images and no folders, and others are beside it."""
    return not train.classes and train.passed.loose > 0 and len(names) > 1


# ---------------------------------------------------------------------------- what is refused


def _check_splits(path: Path, splits: dict[str, Split]) -> None:
    """Raises ValueError unless all have the same two or more classes."""
    for split in splits.values():
        if split.passed.loose and not split.classes:
            raise ValueError(
                f"{split.folder} has images in no class's folder: sort them as {split.name}CLASS/*.jpg, "
                "or move the folder away"
            )
    train = splits["train"]
    if len(train.classes) < 2:
        has = f"it has one, {some([*train.classes])}" if train.classes else "it has none"
        raise ValueError(f"{train.folder} must have a folder for each of two or more classes: {has}")
    for split in [split for split in splits.values() if split is not train]:
        for one, other in ((train, split), (split, train)):
            if only := sorted(one.classes.keys() - other.classes.keys()):
                raise ValueError(
                    f"{path}: {one.name} has {some(only)}, which {other.name} has not: "
                    "every split needs the same classes"
                )


def _check_together(root: Split, strange: Sequence[str]) -> None:
    """Raises ValueError unless the folders in `root` are two or more classes, each with images, and none `strange`."""
    path, classes = root.folder, root.classes
    if strange:
        like = "looks like a split" if len(strange) == 1 else "look like splits"
        raise ValueError(f"{path} has no folder train/: {WANTED}. {some(strange)} {like}: call train/ what to train on")
    if not classes:
        has = "has images in no class's folder" if root.passed.loose else "has neither folders nor images"
        raise ValueError(f"{path} {has}: {WANTED}")
    empty = [name for name, several in classes.items() if not any(holds_an_image(path / each) for each in several)]
    if len(empty) == len(classes):
        raise _NoClasses(no_images(path))
    if len(classes) < 2:
        raise _NoClasses(f"{path} must have a folder for each of two or more classes: it has one, {some([*classes])}")
    if empty:
        raise _NoClasses(f"{no_images(path / empty[0])}. Put some there, or move the folder away")
