"""A folder of images as people keep them: `train/`, and where there are `val/` and `test/`; in each a folder a class.

Which of them plays which part is decided so that the same images are never validation and test at once:

    there is               validation is           the test split is
    train, val, test       val/                    test/
    train, test            a tenth of train/       test/
    train, val             a tenth of train/       val/, as the field reports ImageNet's
    train                  a tenth of the rest     a tenth of train/

What is held out is class-balanced, and the same each time as long as the files are.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from nas.data.decoded import File, decoded
from nas.data.download import Log
from nas.data.images import MIN_SIZE, VAL_SHARE, Dataset, Images

PREFIX = "folder:"  # of the name of such a data set: `folder:PATH`
SPLITS = ("train", "val", "test")
ENDINGS = (".jpg", ".jpeg", ".png")
TEST_SEED = 1  # of the images held out for the test
NAMED = 3  # so many files a message names

Listed = tuple[str, int, int]  # an image file that can be read: its name in its split, its bytes, its class


@dataclass(frozen=True)
class ImageFolder:
    """The images below `path`, at `image_size` pixels. Raises ValueError where the layout is another.

    With `skip_unreadable` images that cannot be decoded are left out; otherwise they are refused, by name.
    """

    path: Path
    image_size: int
    skip_unreadable: bool = False
    log: Log = print
    workers: int | None = None  # threads that decode; None: one a core

    def __post_init__(self) -> None:
        if self.image_size < MIN_SIZE:
            raise ValueError(f"--image-size must be at least {MIN_SIZE} pixels, not {self.image_size}")
        if not (self.path / "train").is_dir():
            there = "has no folder train/" if self.path.is_dir() else "is no folder"
            raise ValueError(f"{self.path} {there}: --data folder:PATH wants PATH/train/CLASS/*.jpg or .png")
        self._check_classes()

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the folders in `train/`, sorted."""
        return self._classes_of("train")

    @property
    def splits(self) -> tuple[str, ...]:
        """The folders of `SPLITS` that there are."""
        return tuple(split for split in SPLITS if (self.path / split).is_dir())

    def dataset(self, name: str) -> Dataset:
        """The training and validation images. Test images are not looked at, or parted with, see above."""
        self.log(f"{name}: {len(self.class_names)} classes; {self._parts()}")
        training, listed = self._read("train")
        if self.splits == SPLITS:
            validation, more = self._read("val")
            dataset = Dataset(name, self.class_names, training, validation, *training.channel_statistics())
            return replace(dataset, sha256=_sha256("val/", listed + more))
        if self._test_split is None:
            _, training = _test_and_rest(training)
        parts = "a tenth of train/" if self._test_split else "a tenth of the rest"
        return replace(Dataset.split(name, self.class_names, training), sha256=_sha256(parts, listed))

    def test(self) -> Images:
        """The test images, for the end of a comparison."""
        if self._test_split is None:
            return _test_and_rest(self._read("train")[0])[0]
        return self._read(self._test_split)[0]

    # ------------------------------------------------------------------ layout

    @property
    def _test_split(self) -> str | None:
        """The folder that is the test split, if one is."""
        return next((split for split in ("test", "val") if split in self.splits), None)

    def _parts(self) -> str:
        """What plays which part, for the log."""
        validation = "val/" if self.splits == SPLITS else "a tenth of train/"
        return f"validation is {validation}, test {self._test_split or 'another tenth of train'}/"

    def _classes_of(self, split: str) -> tuple[str, ...]:
        with os.scandir(self.path / split) as entries:
            return tuple(sorted(e.name for e in entries if e.is_dir() and not e.name.startswith(".")))

    def _check_classes(self) -> None:
        if len(self.class_names) < 2:
            raise ValueError(f"{self.path / 'train'} must have a folder for each of two or more classes")
        for split in self.splits[1:]:
            ours, theirs = set(self.class_names), set(self._classes_of(split))
            for these, those, where, missing in ((ours, theirs, "train", split), (theirs, ours, split, "train")):
                if only := sorted(these - those):
                    raise ValueError(
                        f"{self.path}: {where}/ has {_some(only)}, which {missing}/ has not: "
                        "every split needs the same classes"
                    )

    # ------------------------------------------------------------------ files

    def _read(self, split: str) -> tuple[Images, list[Listed]]:
        """All images of a split that can be read, class by class, and what files they are."""
        folder = self.path / split
        found = [_files(folder, name) for name in self.class_names]
        if others := sum(others for _, others in found):
            self.log(f"{folder}: files left out, as their names do not end in {', '.join(ENDINGS)}: {others:,}")
        listed = [(file, label) for label, (files, _) in enumerate(found) for file in files]
        files = [file for file, _ in listed]
        images = decoded(folder, files, self.image_size, self.log, self.workers)
        if images.unreadable:
            self._complain(folder, images.unreadable, len(files), images.report)
        readable = [(file.name, file.bytes, label) for file, label in listed if file.name not in images.unreadable]
        labels = torch.tensor([label for _, _, label in readable], dtype=torch.int64)
        counts = labels.bincount(minlength=len(self.class_names)).tolist()
        if empty := [name for name, count in zip(self.class_names, counts, strict=True) if not count]:
            raise ValueError(f"{folder}: no image of {_some(empty)} can be read")
        if split == "train" and len(labels) < VAL_SHARE:
            raise ValueError(f"{folder} has {len(labels)} images: give {VAL_SHARE} or more, since some are held out")
        return Images(images.pixels, labels), readable

    def _complain(self, folder: Path, unreadable: dict[str, str], total: int, report: Path) -> None:
        """Say which images cannot be read, to the log, or where they are not to be skipped as a ValueError."""
        named = _some([f"{name} ({reason})" for name, reason in unreadable.items()])
        said = f"{folder}: {len(unreadable):,} of {total:,} images cannot be read: {named}"
        where = f"; {report} has them all" if len(unreadable) > NAMED else ""
        if not self.skip_unreadable:
            raise ValueError(f"{said}{where}. Mend or remove them, or add --skip-unreadable to do without")
        self.log(f"{said}{where}; they are left out")


def _files(folder: Path, class_name: str) -> tuple[list[File], int]:
    """The image files of a class, at any depth, sorted; and how many others there are. ValueError without images."""
    paths = [Path(parent, name) for parent, _, names in os.walk(folder / class_name) for name in names]
    visible = [path for path in paths if not path.name.startswith(".")]
    images = [path for path in visible if path.name.lower().endswith(ENDINGS)]
    if not images:
        raise ValueError(f"{folder / class_name} has no images: their names must end in {', '.join(ENDINGS)}")
    return sorted(_file(path, folder) for path in images), len(visible) - len(images)


def _file(path: Path, folder: Path) -> File:
    name = str(path.relative_to(folder))
    try:
        status = path.stat()
    except OSError:  # a link to nothing, say: that it cannot be read is found out when it is
        return File(name, -1, 0)
    return File(name, status.st_size, status.st_mtime_ns)


def _sha256(validation: str, files: Sequence[Listed]) -> str:
    """By what a search knows its images again: a copy elsewhere, with other times, has the same."""
    return hashlib.sha256(repr((validation, files)).encode(errors="backslashreplace")).hexdigest()


def _test_and_rest(training: Images) -> tuple[Images, Images]:
    """A class-balanced tenth of `training` and all the rest."""
    return training.divide(max(1, len(training) // VAL_SHARE), TEST_SEED)


def _some(texts: Sequence[str]) -> str:
    """The first few of `texts`, and how many more there are; bytes that are no text show as such."""
    more = f" and {len(texts) - NAMED:,} more" if len(texts) > NAMED else ""
    return (", ".join(texts[:NAMED]) + more).encode(errors="backslashreplace").decode()
