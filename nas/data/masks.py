"""Folders of images and masks: a picture for each image, whose pixels are numbers of classes.

    PATH/images/*.jpg, PATH/masks/*.png                  what is held out is chosen here
    PATH/train/images/*.jpg, PATH/train/masks/*.png      so too, or with val/ or test/ or both
    PATH/JPEGImages, SegmentationClass, ImageSets        as PASCAL VOC has them

An image and its mask have the same name but for its ending, and as many pixels. Masks go the way of the images, into a
square, by the nearest pixel. Splits are as `nas.data.folder` makes them.

The classes have the names of the lines of `PATH/classes.txt`, from 0 on, or those that a person gives; VOC's and
CamVid's (SegNet's eleven) are known. Numbers beyond the names, and 255, are of no class: nothing is learned from such
pixels, and nothing judged. Without names there are as many classes as the largest number in the training masks says.
Where there are only 0 and 255, these are two classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from nas.data.decoded import File
from nas.data.held_out import HeldOut
from nas.data.image_file import CROP, in_square, is_image
from nas.data.images import Dataset, Images
from nas.data.listing import entries, is_folder, is_hidden
from nas.data.splits import SPELLINGS, some
from nas.data.targets import IGNORED, SEGMENTATION, Targets
from nas.text.units import parse_names
from nas.text.visible import visible_in_line

IMAGES, MASKS, NAMES = "images", "masks", "classes.txt"
VOC = ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation")
VOC_NAMES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
BESIDE = IGNORED - 1  # a pixel of a square that is no part of the image: of no class, and no number of a mask
CAMVID, CAMVID_NAMES = "camvid", (
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist",
)  # fmt: skip
WANTED = "PATH/images/*.jpg with PATH/masks/*.png, PATH/train/images with PATH/train/masks, or the folders of VOC"


class Pair(NamedTuple):
    """An image's file, by its name in the folder of images, and that of its mask."""

    image: File
    mask: Path


class Part(NamedTuple):
    """A split as it lies there: the folder of its images, and these with their masks, by name."""

    folder: Path
    pairs: tuple[Pair, ...]


def has_masks(path: Path | str) -> bool:
    """Whether the folder is laid out as images and masks, and no folder of classes."""
    return bool(_places(Path(path)))


@dataclass(frozen=True)
class MaskFolder(HeldOut):
    """The images and masks of `path` at `image_size` pixels. Raises ValueError where it is laid out otherwise.

    `labels` are names of the classes, joined by commas, where a person says them.
    """

    labels: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.parts  # which raises

    @cached_property
    def parts(self) -> dict[str, Part]:
        """The splits that there are, by their names."""
        places = _places(self.path)
        if not places:
            raise ValueError(f"{self.path} has no images with masks: --task {SEGMENTATION} wants {WANTED}")
        return {split: Part(images, tuple(_pairs(images, masks, only))) for split, (images, masks, only) in places}

    # ------------------------------------------------------------------ what is read

    def dataset(self, name: str) -> Dataset:
        """The training and validation images with their masks."""
        train = self._read("train")
        names, numbers = self._classes(train)
        train = _numbered(train, numbers)
        self.log(f"{name}: {len(names)} classes of pixels; {self._parts_in_words()}")
        if self.has_all:
            fitted, judged = train, _numbered(self._read("val"), numbers)
        else:
            _, judged, fitted = self.parts_of(train)
        said = [self._parts_in_words(), names, [(pair.image[:2], pair.mask.stat().st_size) for pair in self._all()]]
        sha256 = hashlib.sha256(repr(said).encode(errors="backslashreplace")).hexdigest()
        targets = Targets(SEGMENTATION)
        return Dataset(
            name, names, fitted, judged, *fitted.channel_statistics(), sha256=sha256, targets=targets, fit=self.fit
        )

    def test(self) -> Images:
        """The test images with their masks, for the end of a training or a comparison."""
        train = self._read("train")
        _, numbers = self._classes(train)
        if self.test_split:
            return _numbered(self._read(self.test_split), numbers)
        return self.parts_of(_numbered(train, numbers))[0]

    def _parts_in_words(self) -> str:
        validation = "val/" if self.has_all else "a tenth of the training images"
        test = f"{self.test_split}/" if self.test_split else "another tenth"
        return f"validation is {validation}, test {test}"

    def _all(self) -> Iterator[Pair]:
        for part in self.parts.values():
            yield from part.pairs

    def _read(self, split: str) -> Images:
        """The images and masks of a split, these with the numbers that their files have."""
        part = self.parts[split]
        found = self.decoded(split, MASKS, part.folder, [pair.image for pair in part.pairs])
        pairs = [pair for pair in part.pairs if pair.image.name not in found.unreadable]
        with ThreadPoolExecutor() as pool:
            masks = list(
                pool.map(
                    lambda pair: read_mask(pair.mask, self.image_size, part.folder / pair.image.name, self.fit), pairs
                )
            )
        return Images(found.pixels, torch.from_numpy(np.stack(masks)))

    # ------------------------------------------------------------------ classes

    def _classes(self, train: Images) -> tuple[tuple[str, ...], npt.NDArray[np.uint8]]:
        """The names of the classes, and the class of each number that a mask may have: `[256]`, or `IGNORED`."""
        there = torch.bincount(train.labels[train.labels != BESIDE], minlength=256).nonzero().flatten().tolist()
        names = self._names()
        numbers = np.full(256, IGNORED, np.uint8)
        if names is None and there == [0, IGNORED]:
            numbers[[0, IGNORED]] = 0, 1
            return ("0", "255"), numbers
        if names is None:
            names = tuple(map(str, range(max((n for n in there if n != IGNORED), default=0) + 1)))
        if not 2 <= len(names) < IGNORED:
            raise ValueError(f"{self.path} has {len(names)} classes of pixels: masks have 2 to {IGNORED - 1}")
        numbers[: len(names)] = range(len(names))
        return names, numbers

    def _names(self) -> tuple[str, ...] | None:
        """Those that somebody gave, or that are known; None where nobody did."""
        file = self.path / NAMES
        if self.labels is not None:
            names = parse_names(self.labels)
        elif file.is_file():
            names = tuple(line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip())
        elif (self.path / VOC[0]).is_dir():
            names = VOC_NAMES
        else:
            return CAMVID_NAMES if self.path.name.lower().startswith(CAMVID) else None
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{file if self.labels is None else '--labels'} names {visible_in_line(twice[0])} twice")
        return names


def read_mask(file: Path, size: int, image: Path | None = None, fit: str = CROP) -> npt.NDArray[np.uint8]:
    """The numbers of the classes in a mask, in a square as its image is, by the nearest pixel: uint8 `[size, size]`.

    What is beside the image is `BESIDE`. Raises ValueError where it has colours instead, or another shape than its
    `image`.
    """
    try:
        with Image.open(file) as mask:
            if image is not None:
                with Image.open(image) as pixels:
                    _check_alike(file, mask.size, image, pixels.size)
            if mask.mode not in ("P", "L", "1", "I", "I;16"):
                raise ValueError(
                    f"{file} is a picture in colours ({mask.mode}): the pixels of a mask are numbers of classes, in a "
                    "grey PNG or one with a palette"
                )
            bits = mask.point(lambda bit: int(bit > 0), "L") if mask.mode == "1" else mask
            numbers = np.asarray(in_square(bits, size, fit, Image.Resampling.NEAREST, BESIDE))
            own = np.asarray(bits)
    except OSError as error:
        raise ValueError(f"{file} cannot be read as a mask: {error.strerror or error}") from None
    if wrong := own[(own > IGNORED) | (own == BESIDE)].tolist():
        raise ValueError(
            f"{file} has the number {max(wrong)}: those of classes are 0 to {BESIDE - 1}, and {IGNORED} none"
        )
    return numbers.astype(np.uint8)


def _check_alike(file: Path, mask: tuple[int, int], image: Path, pixels: tuple[int, int]) -> None:
    if mask != pixels:
        raise ValueError(
            f"{file} has {mask[0]} x {mask[1]} pixels and its image, {image}, {pixels[0]} x {pixels[1]}: give them as "
            "many"
        )


def _numbered(images: Images, numbers: npt.NDArray[np.uint8]) -> Images:
    """The same, with masks of classes."""
    return Images(images.pixels, torch.from_numpy(numbers)[images.labels.long()])


# ---------------------------------------------------------------------------- where they lie

Place = tuple[Path, Path, Sequence[str] | None]
"""A folder of images, one of masks, and the names of which there are only some."""


def _places(path: Path) -> list[tuple[str, Place]]:
    """Where the images and masks of each split are; nothing where the folder is no such."""
    if all((path / name).is_dir() for name in VOC):
        lists = {split: path / VOC[2] / f"{split}.txt" for split in ("train", "val", "test")}
        return [
            (split, (path / VOC[0], path / VOC[1], file.read_text(encoding="utf-8").split()))
            for split, file in lists.items()
            if file.is_file() and (split != "test" or _has_masks_of(path / VOC[1], file))
        ]
    if not path.is_dir():
        return []
    folders = {entry.name for entry in entries(path) if is_folder(entry) and not is_hidden(entry.name)}
    if {IMAGES, MASKS} <= folders:
        return [("train", (path / IMAGES, path / MASKS, None))]
    found: list[tuple[str, Place]] = []
    for split, spellings in SPELLINGS.items():
        for name in sorted(folders):
            if name.lower() in spellings and all((path / name / kind).is_dir() for kind in (IMAGES, MASKS)):
                found.append((split, (path / name / IMAGES, path / name / MASKS, None)))
    return found if found and found[0][0] == "train" else []


def _has_masks_of(folder: Path, file: Path) -> bool:
    """Whether there are masks of the images of a list: VOC's server keeps those of its test."""
    names = file.read_text(encoding="utf-8").split()
    return bool(names) and (folder / f"{names[0]}.png").is_file()


def _pairs(images: Path, masks: Path, only: Sequence[str] | None) -> Iterator[Pair]:
    """Each image with its mask, by name. Raises ValueError where one has none."""
    mask_of = {Path(entry.name).stem: masks / entry.name for entry in entries(masks) if is_image(entry.name)}
    wanted = None if only is None else set(only)
    found = [
        entry
        for entry in entries(images)
        if is_image(entry.name) and not is_hidden(entry.name) and (wanted is None or Path(entry.name).stem in wanted)
    ]
    if not found:
        raise ValueError(f"{images} has no images")
    without = [entry.name for entry in found if Path(entry.name).stem not in mask_of]
    if without:
        raise ValueError(f"{masks} has no mask of {some(without)}: its name is the image's, but for the ending")
    for entry in found:
        status = entry.stat()
        yield Pair(File(entry.name, status.st_size, status.st_mtime_ns), mask_of[Path(entry.name).stem])
