"""A folder of images as people keep them, see `FolderLayout`, or a CSV that lists them: which play which part.

That is decided so that the same images are never validation and test at once:

    there is               validation is           the test split is
    train, val, test       val/                    test/
    train, test            a tenth of train/       test/
    train, val             a tenth of train/       val/, as the field reports ImageNet's
    train                  a tenth of the rest     a tenth of train/
    classes alone          a tenth of the rest     a tenth of all

A CSV's column `split` is as the folders are; a CSV without one is as classes alone.

What is held out is class-balanced, and the same each time as long as the files are; of labels and numbers
`nas.data.targets.strata` are in the place of classes. Groups of images are held out whole, and class-balanced as far as
they allow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from nas.checks.schemas import SIDE
from nas.data.csv_list import layout_of
from nas.data.decoded import Decoded, File, decoded, decoded_before
from nas.data.download import Log
from nas.data.duplicates import Hashes, twins, warning
from nas.data.groups import Groups, hold_out, typed
from nas.data.held_out import TEST_SEED
from nas.data.image_file import CROP
from nas.data.images import GREY, RGB, VAL_SEED, VAL_SHARE, Dataset, Images, stratified
from nas.data.listing import Listing
from nas.data.splits import NAMED, SPLITS, FolderLayout, Split, some
from nas.data.streamed import said
from nas.data.targets import CLASSIFICATION, Targets, strata, stratified_by
from nas.text.visible import visible_in_line

PREFIX = "folder:"  # of the name of such a data set: `folder:PATH`

Listed = tuple[str, int, int]  # an image file that can be read: its name in its split, its bytes, its class
Places = npt.NDArray[np.int64]  # of images in their split, sorted


@dataclass(frozen=True)
class Read:
    """A split that was read: its images, from which files they are, their hashes, and of which group each is, `[N]`."""

    split: Split
    images: Images
    files: list[Listed]
    hashes: Hashes
    groups: Places | None = None

    def divide(self, places: Places, seed: int) -> tuple[Places, Places]:
        """A tenth of the images at `places`, with its share of each of their `strata`, and all the rest."""
        labels = strata(self.images.labels.numpy())[places]
        n = max(1, len(places) // VAL_SHARE)
        if self.groups is None:
            held, rest = stratified(labels, n, seed)
        else:
            held, rest = hold_out(labels, self.groups[places], n, seed)
        return places[held], places[rest]


@dataclass(frozen=True)
class ImageFolder:
    """The images below `path`, or of the CSV `path`, at `image_size` pixels. ValueError where the layout is another.

    They have 3 `channels`, or are grey ones of 1.

    With `skip_unreadable` images that cannot be decoded are left out; otherwise they are refused, by name.
    """

    path: Path
    image_size: int
    skip_unreadable: bool = False
    log: Log = print
    workers: int | None = None  # threads that decode; None: one a core
    group_by: str | None = None  # a regular expression or a column: images of one group are in one split
    channels: int = RGB  # or GREY
    task: str | None = None  # what the labels are, where a person says so, see `nas.data.targets`
    labels: str | None = None  # in which columns of a CSV, likewise
    fit: str = CROP  # how images that are no squares are made such

    def __post_init__(self) -> None:
        if self.channels not in (RGB, GREY):
            raise ValueError(
                f"--channels {self.channels}: images of a folder are read with 3 channels, or as grey ones with 1 "
                "(what is transparent is laid on white); those of more are given as arrays, --data array:PATH"
            )
        SIDE.checked("--image-size", self.image_size)
        _ = self.layout  # which raises where it is another

    @cached_property
    def layout(self) -> FolderLayout:
        """Which folders are splits, and which are classes."""
        return layout_of(self.path, self.task, self.labels)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes' folders, or the labels of a CSV, sorted; of its numbers the columns, in order."""
        if self.layout.csv and self.layout.csv.meaning.targets:
            return self.layout.csv.meaning.names
        return tuple(self.layout.splits["train"].classes)

    @property
    def kind(self) -> str:
        """The task, one of `TASKS`."""
        return self.layout.csv.meaning.kind if self.layout.csv else CLASSIFICATION

    def dataset(self, name: str) -> Dataset:
        """The training and validation images. Test images are not decoded, or parted with, see above."""
        self.log(f"{name}: {self._labels_in_words()}; {self._parts()}")
        self._say_what_is_taken()
        notes = [self._groups.words()] if self._groups else []
        train = self._read("train")
        if stay := said(train.images.pixels):
            self.log(f"{self.path}: {stay}; the first time all are read, for their mean")
        if self._has_all:
            val = self._read("val")
            fitted, judged = train.images, val.images
            notes += self._copies(train, np.arange(len(fitted)), val, np.arange(len(judged)), "validation")
            sha256 = self._sha256("val/", train, val)
        else:
            test, held_out, rest = self._parts_of(train)
            part = "validation" if self._test_split else "validation or test"
            notes += self._copies(train, rest, train, np.concatenate([held_out, test]), part)
            fitted, judged = train.images.at(rest), train.images.at(held_out)
            if self._groups:
                self._check_classes(self._groups, fitted)
            sha256 = self._sha256("a tenth of train/" if self._test_split else "a tenth of the rest", train)
        statistics = fitted.channel_statistics()
        targets = Targets.of(self.kind, fitted.labels, self.class_names)
        return Dataset(
            name, self.class_names, fitted, judged, *statistics, sha256=sha256, notes=tuple(notes), targets=targets,
            fit=self.fit,
        )  # fmt: skip

    def test(self) -> Images:
        """The test images, for the end of a comparison."""
        if self._test_split is None:
            train = self._read("train")
            return train.images.at(self._parts_of(train)[0])
        test, split = self._read(self._test_split), self.layout.splits["train"]
        if (known := self._decoded_before(split)) is not None:
            train = self._labelled("train", known)
            rest = np.arange(len(train.images)) if self._has_all else self._parts_of(train)[2]
            for said in self._copies(train, rest, test, np.arange(len(test.images)), "test"):
                self.log(f"{self.path}: {said}")
        return test.images

    def _parts_of(self, train: Read) -> tuple[Places, Places, Places]:
        """Which images of the training split are the test, if it has that, the validation, and the training itself."""
        test, rest = np.empty(0, np.int64), np.arange(len(train.images))
        if self._test_split is None:
            test, rest = train.divide(rest, TEST_SEED)
        return test, *train.divide(rest, VAL_SEED)

    # ------------------------------------------------------------------ which part

    @property
    def _has_all(self) -> bool:
        return all(split in self.layout.splits for split in SPLITS)

    @property
    def _test_split(self) -> str | None:
        """The split that is the test's, if one is."""
        return next((split for split in ("test", "val") if split in self.layout.splits), None)

    def _parts(self) -> str:
        """What plays which part, for the log."""
        splits = self.layout.splits
        whole = "the images" if self.layout.together else splits["train"].name
        validation = splits["val"].name if self._has_all else f"a tenth of {whole}"
        test = splits[self._test_split].name if self._test_split else f"another tenth of {whole}"
        return f"validation is {validation}, test {test}"

    def _labels_in_words(self) -> str:
        """What an image's label is, for the log, and where the splits are made here by what they are drawn."""
        if self.kind == CLASSIFICATION:
            return f"{len(self.class_names)} classes"
        assert self.layout.csv is not None
        drawn = "" if self._has_all else f"; {stratified_by(self.kind, self.class_names)}"
        return f"{self.kind}, by {self.layout.csv.meaning.read}{drawn}"

    def _sha256(self, validation: str, train: Read, val: Read | None = None) -> str:
        """By what a search knows its images again: a copy elsewhere, with other times, has the same.

        `val` is the split that is the validation. A CSV, and groups, can change a class or a split where no file has
        moved, so what they say is a part.
        """
        more = val.files if val else []
        said: list[object] = [validation, [*train.files, *more]]
        if self.layout.csv:
            said += [self.class_names, len(more)]
        if self.layout.csv and self.kind != CLASSIFICATION:
            said += [self.kind, sorted(self.layout.csv.targets.items())]
        if self._groups and not val:
            said += [self.group_by, [self._groups.of["train"][name] for name, _, _ in train.files]]
        return hashlib.sha256(repr(tuple(said)).encode(errors="backslashreplace")).hexdigest()

    # ------------------------------------------------------------------ groups and copies

    def _copies(self, train: Read, of_train: Places, held_out: Read, of_held_out: Places, part: str) -> list[str]:
        """What is said where training images have copies among the held-out ones `part`; mostly nothing."""
        found = twins(train.hashes[of_train], held_out.hashes[of_held_out])
        if found is None:
            return []
        names = [
            str((read.split.folder / read.files[places[place]][0]).relative_to(self._root))
            for read, places, place in ((train, of_train, found.train), (held_out, of_held_out, found.held_out))
        ]
        given = train is not held_out or self.group_by is not None
        advice = "Remove the copies" if given else "Remove the copies, or keep them in one split with --group-by"
        return [warning(found, len(of_train), part, (names[0], names[1]), advice)]

    @property
    def _root(self) -> Path:
        """The folder that all images are below."""
        return self.layout.csv.path.parent if self.layout.csv else self.path

    @cached_property
    def _groups(self) -> Groups | None:
        """Of what group each image is. Raises ValueError where it is of none, or there are too few to split."""
        if self.group_by is None:
            return None
        names = {
            split: [file.name for listing in classes.values() for file in listing.files]
            for split, classes in self._listings.items()
        }
        groups = Groups.of_files(self.group_by, self.layout, self._root, names)
        groups.check(self._made, names["train"])
        return groups

    @property
    def _made(self) -> int:
        """How many splits are made here, of the training images."""
        return 0 if self._has_all else 1 if self._test_split else 2

    def _groups_of(self, split: str, names: list[str]) -> Places | None:
        """The groups of files that can be read, `[N]`, if there are groups. ValueError where these are too few."""
        if self._groups is None:
            return None
        if split == "train":
            self._groups.check(self._made, names)
        return self._groups.numbers(split, names)

    def _check_classes(self, groups: Groups, fitted: Images) -> None:
        """Raises ValueError where groups have left a class no training image."""
        if self.kind != CLASSIFICATION:  # what no image has is warned of
            return
        found = set(fitted.labels.tolist())
        if none := [name for label, name in enumerate(self.class_names) if label not in found]:
            raise ValueError(
                f"{typed(groups.by)} leaves no training image of {some(none)}: all that there are fell, with "
                "their groups, to other splits. Give more groups, or smaller ones"
            )

    # ------------------------------------------------------------------ files

    @cached_property
    def _listings(self) -> dict[str, dict[str, Listing]]:
        """The files of every split and class. Raises ValueError as these, or where two have a folder in common."""
        listings = {name: split.listings() for name, split in self.layout.splits.items()}
        seen: dict[str, Path] = {}
        for name, classes in listings.items():
            for class_name, listing in classes.items():
                here = self.layout.splits[name].folder / class_name
                for folder in listing.folders:
                    if (there := seen.setdefault(folder, here)) != here:
                        raise ValueError(
                            f"{folder} is linked into {there} and {here}: an image has one class, and is in one split"
                        )
        return listings

    def _read(self, name: str) -> Read:
        """All images of a split that can be read, class by class. What is not read is said."""
        split, files = self.layout.splits[name], self._files(name)
        self._say_what_is_passed_over(split, self._listings[name].values())
        form = split.kept_as, self.channels, self.fit
        images = decoded(split.folder, files, self.image_size, self.log, self.workers, *form)
        if images.unreadable:
            self._complain(split.folder, images.unreadable, len(files), images.report)
        return self._labelled(name, images)

    def _decoded_before(self, train: Split) -> Decoded | None:
        form = train.kept_as, self.channels, self.fit
        return decoded_before(train.folder, self._files("train"), self.image_size, *form)

    def _files(self, name: str) -> list[File]:
        return [file for listing in self._listings[name].values() for file in listing.files]

    def _labelled(self, name: str, images: Decoded) -> Read:
        """The `images` of a split with their classes. Raises ValueError where there are too few, or none of a class."""
        split, classes = self.layout.splits[name], self._listings[name]
        targets = self.layout.csv.targets if self.layout.csv else {}
        names = [""] if targets else self.class_names
        label_of = {class_name: label for label, class_name in enumerate(names)}
        readable = [
            (file.name, file.bytes, label_of[class_name])
            for class_name, listing in classes.items()
            for file in listing.files
            if file.name not in images.unreadable
        ]
        labels = torch.tensor([label for _, _, label in readable], dtype=torch.int64)
        found = set(labels.tolist())
        if empty := [class_name for class_name in classes if label_of[class_name] not in found]:
            raise ValueError(f"{split.folder}: no image of {some(empty)} can be read")
        if name == "train" and len(labels) < VAL_SHARE:
            raise ValueError(
                f"{split.folder} has {len(labels)} images: give {VAL_SHARE} or more, since some are held out"
            )
        if targets:
            labels = torch.tensor([targets[file] for file, _, _ in readable], dtype=torch.float32)
        groups = self._groups_of(name, [file for file, _, _ in readable])
        return Read(split, Images(images.pixels, labels), readable, images.hashes, groups)

    def _say_what_is_passed_over(self, split: Split, listings: Iterable[Listing]) -> None:
        if said := str(sum((listing.passed for listing in listings), split.passed)):
            self.log(f"{split.folder}: passed over: {said}")
        for class_name, folders in split.classes.items():
            if len(folders) > 1:
                self.log(
                    f"{split.folder / class_name}: {len(folders)} folders whose names differ in Unicode: one class"
                )

    def _say_what_is_taken(self) -> None:
        """Say which of several lists and folders the images are from, where a person may have meant another."""
        layout = self.layout
        if layout.beside:
            self.log(f"{self.path}: left out, beside the splits: {some([f'{name}/' for name in layout.beside])}")
        if layout.left_out:
            first = visible_in_line(layout.left_out[0])
            self.log(
                f"{self.path}: its folders say which images there are; left out: {some(layout.left_out)} "
                f"(--data folder:{self.path}/{first} takes the images that it lists)"
            )
        if layout.csv:
            rows = f"{len(layout.csv.rows):,} images that it lists"
            made = "; it has no column split, so the splits are made here" if layout.together else ""
            self.log(f"{layout.csv.path}: taken for the {rows}{made}")

    def _complain(self, folder: Path, unreadable: dict[str, str], total: int, report: Path) -> None:
        """Say which images cannot be read, to the log, or where they are not to be skipped as a ValueError."""
        named = some([f"{name} ({reason})" for name, reason in unreadable.items()])
        said = f"{folder}: {len(unreadable):,} of {total:,} images cannot be read: {named}"
        where = f"; {report} has them all" if len(unreadable) > NAMED else ""
        if not self.skip_unreadable:
            raise ValueError(f"{said}{where}. Mend or remove them, or add --skip-unreadable to do without")
        self.log(f"{said}{where}; they are left out")
