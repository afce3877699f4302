"""Folders of images and files that say what they show, for detectors: `nas.detection`.

    PATH/JPEGImages, Annotations, ImageSets/Main        as PASCAL VOC has them
    PATH/train/*.jpg, PATH/train/annotations.json       COCO's JSON beside the images, and so val/ and test/
    PATH/train2017/*.jpg, PATH/annotations/instances_train2017.json     as COCO has them

Images go the way of all others: the centre square, resized. Boxes go with it: of what is cut away nothing is left, and
an object whose middle is cut away is no longer there.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import ExifTags, Image
from torch import Tensor

from nas.checks.schemas import SIDE
from nas.data.annotations import Labelled, read_coco, read_voc
from nas.data.decoded import File, decoded
from nas.data.download import Log
from nas.data.images import RGB, VAL_SEED, VAL_SHARE, Images, PerChannel
from nas.data.splits import SPELLINGS, some
from nas.data.streamed import Pixels
from nas.detection.objects import NONE, Objects

VOC = ("JPEGImages", "Annotations", "ImageSets/Main")
COCO_FILES = ("annotations.json", "_annotations.coco.json")  # beside the images
SIDEWAYS = (5, 6, 7, 8)  # EXIF's orientations of images whose width is their height
WANTED = "JPEGImages with Annotations and ImageSets/Main, or train/ with images and annotations.json"


class Boxed(NamedTuple):
    """A split: `pixels` uint8 `[N, H, W, C]`, and the objects of each image, in its pixels."""

    pixels: Pixels
    objects: Objects

    def at(self, places: Tensor) -> Boxed:
        """The images at these `places`, int64 `[n]`, in that order."""
        pixels = Images(self.pixels, torch.arange(len(self.objects.classes))).at(places.numpy()).pixels
        return Boxed(pixels, Objects(*(of_all[places] for of_all in self.objects)))


@dataclass(frozen=True)
class BoxData:
    """What a detector is trained on and judged by; `mean` and `std` are of the channels, for pixels in 0..1."""

    class_names: tuple[str, ...]
    train: Boxed
    val: Boxed
    mean: PerChannel
    std: PerChannel


class Part(NamedTuple):
    """A split as it lies there: the folder of its images, and what these show."""

    folder: Path
    images: tuple[Labelled, ...]


@dataclass(frozen=True)
class BoxFolder:
    """The images of `path` at `image_size` pixels, with boxes. Raises ValueError where it is laid out otherwise."""

    path: Path
    image_size: int
    log: Log = print

    def __post_init__(self) -> None:
        SIDE.checked("--image-size", self.image_size)
        _ = self.class_names  # which raises

    @cached_property
    def parts(self) -> dict[str, Part]:
        """The splits that there are, by their names; always `train`."""
        found = _voc(self.path) if all((self.path / name).is_dir() for name in VOC) else _coco(self.path)
        if "train" not in found:
            raise ValueError(f"{self.path} has no images with boxes: detection wants {WANTED}")
        return found

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Those of the training images' objects, sorted. Raises ValueError where others have further ones."""
        of = {split: {name for image in part.images for name, _ in image.objects} for split, part in self.parts.items()}
        if not of["train"]:
            raise ValueError(f"{self.parts['train'].folder}: the training images show no object")
        for split, names in of.items():
            if further := sorted(names - of["train"]):
                raise ValueError(f"{self.path}: {split} has {some(further)}, which no training image shows")
        return tuple(sorted(of["train"]))

    def dataset(self) -> BoxData:
        """The training and validation images; without `val`, or `test` beside it, a tenth of the training images."""
        train, left_out = self._read("train"), sum(image.left_out for image in self.parts["train"].images)
        if {"val", "test"} <= self.parts.keys():
            fitted, judged = train, self._read("val")
        else:
            order = torch.randperm(len(train.pixels), generator=torch.Generator().manual_seed(VAL_SEED))
            held_out = max(1, len(order) // VAL_SHARE)
            judged, fitted = (train.at(places.sort().values) for places in (order[:held_out], order[held_out:]))
        counts = [int((fitted.objects.classes == number).sum()) for number in range(len(self.class_names))]
        self.log(
            f"{len(fitted.pixels):,} training images, {len(judged.pixels):,} of validation; objects: "
            + ", ".join(f"{count:,} {name}" for name, count in zip(self.class_names, counts, strict=True))
            + (f"; {left_out} boxes without pixels or of crowds are left out" if left_out else "")
        )
        statistics = Images(fitted.pixels, torch.zeros(len(fitted.pixels), dtype=torch.int64)).channel_statistics()
        return BoxData(self.class_names, fitted, judged, *statistics)

    def test(self) -> Boxed:
        """The test images, or those of `val` where there are no others. Raises ValueError where there are neither."""
        for split in ("test", "val"):
            if split in self.parts:
                return self._read(split)
        raise ValueError(f"{self.path} has no test images: give it test/ or val/")

    def _read(self, split: str) -> Boxed:
        folder, images = self.parts[split]
        files = [_file(folder, image.name) for image in images]
        found = decoded(folder, files, self.image_size, self.log, part=f"boxes-{split}", channels=RGB)
        if found.unreadable:
            named = some([f"{name} ({reason})" for name, reason in found.unreadable.items()])
            raise ValueError(f"{folder}: images cannot be read: {named}. Mend or remove them")
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda image: _check_size(folder, image), images))
        numbers = {name: number for number, name in enumerate(self.class_names)}
        boxes, classes = zip(*(_in_square(image, self.image_size, numbers) for image in images), strict=True)
        return Boxed(found.pixels, Objects.of(boxes, classes))


def _in_square(image: Labelled, size: int, numbers: dict[str, int]) -> tuple[Tensor, Tensor]:
    """The boxes `[m, 4]` and classes `[m]` of objects whose middle is in the centre square, in its `size` pixels."""
    width, height = image.size
    side = min(width, height)
    corner = torch.tensor([(width - side) / 2, (height - side) / 2] * 2)
    boxes = (torch.tensor([box for _, box in image.objects]).view(-1, 4) - corner) * (size / side)
    classes = torch.tensor([numbers[name] for name, _ in image.objects], dtype=torch.int64)
    boxes, classes = inside(boxes, classes, size, size)
    return boxes[classes != NONE], classes[classes != NONE]


def _check_size(folder: Path, image: Labelled) -> None:
    """Raises ValueError where the image has other pixels than its annotation says: boxes would be elsewhere."""
    with Image.open(folder / image.name) as picture:
        size = picture.size
        if picture.getexif().get(ExifTags.Base.Orientation, 1) in SIDEWAYS:  # which `decoded` turns upright
            size = size[::-1]
    if size != image.size:
        raise ValueError(
            f"{folder / image.name} has {size[0]} x {size[1]} pixels, and its annotation says {image.size[0]} x "
            f"{image.size[1]}: mend one of them"
        )


def inside(boxes: Tensor, classes: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """What is left in an image of boxes `[..., 4]` and their classes `[...]`: `NONE` of those whose middle is outside.

    So Liu et al. 2016 (arXiv:1512.02325), section 2.2, do with the objects of a part of an image.
    """
    limits = boxes.new_tensor([width, height])
    middles = (boxes[..., :2] + boxes[..., 2:]) / 2
    there = ((middles >= 0) & (middles < limits)).all(-1)
    boxes = torch.minimum(boxes.clamp(min=0), limits.repeat(2))
    return boxes, classes.where(there, NONE)


# ---------------------------------------------------------------------------- where they lie


def _voc(path: Path) -> dict[str, Part]:
    images, annotations, lists = (path / name for name in VOC)
    files = {file.stem: file.name for file in images.iterdir()}
    found = {}
    for split in SPELLINGS:
        if not (lists / f"{split}.txt").is_file():
            continue
        names = (lists / f"{split}.txt").read_text(encoding="utf-8").split()
        if missing := [name for name in names if name not in files]:
            raise ValueError(f"{lists / split}.txt names {some(missing)}, which {images} has no image of")
        if names and (annotations / f"{names[0]}.xml").is_file():  # VOC's server keeps those of its test
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
