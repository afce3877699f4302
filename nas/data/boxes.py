"""Folders of images and files that say which objects these show and where, for detectors: `nas.detection`.

    PATH/JPEGImages, Annotations, ImageSets/Main        as PASCAL VOC has them
    PATH/train/*.jpg, PATH/train/annotations.json       COCO's JSON beside the images, and so val/ and test/
    PATH/train2017/*.jpg, PATH/annotations/instances_train2017.json     as COCO has them

Images go the way of all others: the centre square, resized. Boxes go with it: of what is cut away nothing is left, and
an object whose middle is cut away is no longer there. Splits are as `nas.data.masks` makes them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from nas.data.annotations import Labelled, read_coco, read_voc
from nas.data.decoded import File
from nas.data.held_out import HeldOut
from nas.data.image_file import upright_size
from nas.data.images import Dataset, Images
from nas.data.moved_boxes import inside, into_square
from nas.data.splits import SPELLINGS, some
from nas.data.targets import DETECTION, Targets
from nas.detection.objects import NONE, Objects

VOC = ("JPEGImages", "Annotations", "ImageSets/Main")
COCO_FILES = ("annotations.json", "_annotations.coco.json")  # beside the images
WANTED = "JPEGImages with Annotations and ImageSets/Main, or train/ with images and annotations.json"


class Part(NamedTuple):
    """A split as it lies there: the folder of its images, and what these show."""

    folder: Path
    images: tuple[Labelled, ...]


def has_boxes(path: Path | str) -> bool:
    """Whether the folder is laid out as images and boxes, and no folder of classes. No annotation is read."""
    path = Path(path)
    return all((path / name).is_dir() for name in VOC) or _coco_place(path, SPELLINGS["train"]) is not None


@dataclass(frozen=True)
class BoxFolder(HeldOut):
    """The images and boxes of `path` at `image_size` pixels. Raises ValueError where it is laid out otherwise."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.class_names  # which raises

    @cached_property
    def parts(self) -> dict[str, Part]:
        """The splits that there are, by their names; always `train`."""
        found = _voc(self.path) if all((self.path / name).is_dir() for name in VOC) else _coco(self.path)
        if "train" not in found:
            raise ValueError(f"{self.path} has no images with boxes: --task {DETECTION} wants {WANTED}")
        return found

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Those of the training images' objects, sorted. Raises ValueError where others have further ones, or none."""
        of = {split: {name for image in part.images for name, _ in image.objects} for split, part in self.parts.items()}
        for split, names in of.items():
            if not names:
                raise ValueError(
                    f"{self.path}: no annotation of the images of {split} has a box: mend them, or leave {split} out"
                )
            if further := sorted(names - of["train"]):
                raise ValueError(
                    f"{self.path}: {split} has {some(further)}, which no training image shows: add such images to the "
                    f"training, or mend the annotations of {split}"
                )
        return tuple(sorted(of["train"]))

    # ------------------------------------------------------------------ what is read

    def dataset(self, name: str) -> Dataset:
        """The training and validation images with their objects."""
        train, names, parts = self._read("train"), self.class_names, self.parts.values()
        left_out = sum(image.left_out for part in parts for image in part.images)
        self.log(
            f"{name}: {len(names)} classes of objects; {self._parts_in_words()}"
            + (f"; {left_out:,} boxes without pixels, or of crowds, are left out" if left_out else "")
        )
        if self.has_all:
            fitted, judged = train, self._read("val")
        else:
            _, judged, fitted = self.parts_of(train)
        said = [self._parts_in_words(), names, [(part.images, [file[:2] for file in _files(part)]) for part in parts]]
        sha256 = hashlib.sha256(repr(said).encode(errors="backslashreplace")).hexdigest()
        statistics = fitted.channel_statistics()
        return Dataset(
            name, names, fitted, judged, *statistics, sha256=sha256, targets=Targets(DETECTION), fit=self.fit
        )

    def test(self) -> Images:
        """The test images with their objects, for the end of a training or a comparison."""
        return self._read(self.test_split) if self.test_split else self.parts_of(self._read("train"))[0]

    def _parts_in_words(self) -> str:
        validation = "val" if self.has_all else "a tenth of the training images"
        return f"validation is {validation}, test {self.test_split or 'another tenth'}"

    def _read(self, split: str) -> Images:
        part = self.parts[split]
        found = self.decoded(split, "boxes", part.folder, _files(part))
        images = [image for image in part.images if image.name not in found.unreadable]
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda image: _check_size(part.folder, image), images))
        numbers = {name: number for number, name in enumerate(self.class_names)}
        boxes, classes = zip(*(self._in_square(image, numbers) for image in images), strict=True)
        return Images(found.pixels, Objects.of(boxes, classes).rows)

    def _in_square(self, image: Labelled, numbers: dict[str, int]) -> tuple[Tensor, Tensor]:
        """The boxes `[m, 4]`, as shares of the square's sides, and classes `[m]` of objects whose middle is in it."""
        boxes = into_square(
            torch.tensor([box for _, box in image.objects]).view(-1, 4), *image.size, self.image_size, self.fit
        )
        classes = torch.tensor([numbers[name] for name, _ in image.objects], dtype=torch.int64)
        boxes, classes = inside(boxes, classes)
        return boxes[classes != NONE], classes[classes != NONE]


def _files(part: Part) -> list[File]:
    return [_file(part.folder, image.name) for image in part.images]


def _check_size(folder: Path, image: Labelled) -> None:
    """Raises ValueError where the image has other pixels than its annotation says: boxes would be elsewhere."""
    size = upright_size(folder / image.name)
    if size != image.size:
        raise ValueError(
            f"{folder / image.name} has {size[0]} x {size[1]} pixels, and its annotation says {image.size[0]} x "
            f"{image.size[1]}: mend one of them"
        )


# ---------------------------------------------------------------------------- where they lie


def _voc(path: Path) -> dict[str, Part]:
    images, annotations, lists = (path / name for name in VOC)
    files = {file.stem: file.name for file in images.iterdir()}
    found = {}
    for split in SPELLINGS:
        if not (lists / f"{split}.txt").is_file():
            continue
        names = (lists / f"{split}.txt").read_text(encoding="utf-8").split()
        if not names:
            raise ValueError(f"{lists / split}.txt names no images: name some, or remove it")
        if missing := [name for name in names if name not in files]:
            raise ValueError(f"{lists / split}.txt names {some(missing)}, which {images} has no image of")
        if (annotations / f"{names[0]}.xml").is_file():  # VOC's server keeps those of its test
            said = [read_voc(annotations / f"{name}.xml")._replace(name=files[name]) for name in names]
            found[split] = Part(images, tuple(said))
    return found


def _coco(path: Path) -> dict[str, Part]:
    found = {}
    for split, spellings in SPELLINGS.items():
        if place := _coco_place(path, spellings):
            file, folder = place
            images = read_coco(file)
            if not images:
                raise ValueError(f"{file} names no images")
            found[split] = Part(folder, tuple(images))
    return found


def _coco_place(path: Path, spellings: Sequence[str]) -> tuple[Path, Path] | None:
    """The file of a split, and the folder of its images."""
    for name in spellings:
        for file in COCO_FILES:
            if (path / name / file).is_file():
                return path / name / file, path / name
        for file_of_all in sorted((path / "annotations").glob(f"instances_{name}*.json")):
            folder = path / file_of_all.stem.removeprefix("instances_")
            if folder.is_dir():
                return file_of_all, folder
    return None


def _file(folder: Path, name: str) -> File:
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError(f"{folder}: {name} is not within the folder of the images: name it by its place in there")
    try:
        status = (folder / name).stat()
    except OSError as error:
        raise ValueError(f"{folder / name} cannot be read: {error.strerror or error}") from None
    return File(name, status.st_size, status.st_mtime_ns)
