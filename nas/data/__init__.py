"""Image data for searches: CIFAR-10, CIFAR-100, the built-in `shapes2` and `shapes`, folders of images, and arrays.

A search calls `load` and sees training and validation images only; `load_test` is the one way to test images.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import torch

from nas.data import arrays, shapes, shapes2
from nas.data.arrays import ImageArrays
from nas.data.augmentation import Augment
from nas.data.batches import Batch, eval_batches, train_batches
from nas.data.boxes import BoxFolder, has_boxes
from nas.data.cifar import CIFAR10, CIFAR100
from nas.data.download import Log
from nas.data.folder import PREFIX, ImageFolder
from nas.data.image_file import CROP, PAD
from nas.data.images import RGB, Dataset, Images
from nas.data.masks import MaskFolder, has_masks
from nas.data.objects import is_function, why_gone, without_hash
from nas.data.preprocessing import Preprocessing
from nas.data.targets import CLASSIFICATION, DETECTION, SEGMENTATION
from nas.files import cache_dir

__all__ = [
    "NAMES",
    "Augment",
    "Batch",
    "Dataset",
    "Images",
    "Preprocessing",
    "at_a_path",
    "eval_batches",
    "is_folder",
    "load",
    "load_test",
    "locate",
    "own_channels",
    "own_size",
    "shape_of",
    "short_name",
    "train_batches",
    "without_images",
]

_CLASS_NAMES = {
    "cifar10": CIFAR10.class_names,
    "cifar100": CIFAR100.class_names,
    "shapes2": shapes2.CLASS_NAMES,
    "shapes": shapes.CLASS_NAMES,
}

NAMES = tuple(_CLASS_NAMES)


def load(
    name: str,
    data_dir: Path | str | None = None,
    *,
    image_size: int | None = None,
    skip_unreadable: bool = False,
    group_by: str | None = None,
    channels: int | None = None,
    task: str | None = None,
    labels: str | None = None,
    fit: str | None = None,
    download: bool = True,
    log: Log = print,
) -> Dataset:
    """The training and validation splits of the data set `name`: one of `NAMES`, `folder:PATH`, or `array:PATH`.

    CIFAR is looked for in `data_dir` (by default `$NAS_DATA`, else a folder in the user's cache), and downloaded to
    it if absent, unless `download` is off; `log` is told of whatever is slow. A PATH may be relative to `data_dir`. A
    folder, or a CSV of images, is read at `image_size` pixels, see `ImageFolder`; the others have their own size.
    `channels`: 3 images can be taken as 1, grey, and 1 as 3; by default they have their own.
    `task` says what the labels are, and `labels` in which columns of a CSV; None where the data say it themselves.
    `fit` is how images of a folder that are no squares are made such, see `nas.data.image_file`; None: as `usual_fit`.
    Raises `ValueError`, with what to do, if the name is unknown or the data absent or damaged.
    """
    if is_folder(name):
        images = _folder(name, data_dir, image_size, skip_unreadable, group_by, channels, task, labels, fit, log)
        return images.dataset(locate(name, data_dir)[0])
    if _is_array(name):
        return _arrays(name, data_dir, log, channels, task).dataset(locate(name, data_dir)[0])
    if name == shapes2.NAME and task in (SEGMENTATION, DETECTION):
        training = shapes2.read("train", task).with_channels(channels or RGB)
        return Dataset.split(name, shapes2.names_of(task), training, task)
    _check_classes(name, task)
    training = _read(name, "train", data_dir, download, log).with_channels(channels or RGB)
    return Dataset.split(name, _CLASS_NAMES[name], training)


def load_test(
    name: str,
    data_dir: Path | str | None = None,
    *,
    image_size: int | None = None,
    skip_unreadable: bool = False,
    group_by: str | None = None,
    channels: int | None = None,
    task: str | None = None,
    labels: str | None = None,
    fit: str | None = None,
    download: bool = True,
    log: Log = print,
) -> Images:
    """The test split of the data set `name`: for the end of a comparison, never for a search. Arguments as `load`."""
    if is_folder(name):
        return _folder(name, data_dir, image_size, skip_unreadable, group_by, channels, task, labels, fit, log).test()
    if _is_array(name):
        return _arrays(name, data_dir, log, channels, task).test()
    if name == shapes2.NAME and task in (SEGMENTATION, DETECTION):
        return shapes2.read("test", task).with_channels(channels or RGB)
    return _read(name, "test", data_dir, download, log).with_channels(channels or RGB)


def is_folder(name: str) -> bool:
    """Whether the data set is a folder of images, which has its images at any size."""
    return name.startswith(PREFIX)


def is_masks(name: str, data_dir: Path | str | None, task: str | None) -> bool:
    """Whether the data set is a folder of images and masks: where a person says so, or it is laid out as one."""
    return is_folder(name) and (task == SEGMENTATION or (task is None and has_masks(_path_of(name, data_dir))))


def is_boxes(name: str, data_dir: Path | str | None, task: str | None) -> bool:
    """Whether the data set is a folder of images and boxes, as `is_masks`; one that has masks, too, is of these."""
    return is_folder(name) and (task == DETECTION or (task is None and has_boxes(_path_of(name, data_dir))))


def usual_fit(name: str, data_dir: Path | str | None, task: str | None) -> str:
    """How images that are no squares are made such, where nobody says.

    Of an image as a whole its centre says enough, as it does to those who train on ImageNet. What is said of each pixel
    or object is wanted of all of them.
    """
    return PAD if is_masks(name, data_dir, task) or is_boxes(name, data_dir, task) else CROP


def at_a_path(name: str) -> bool:
    """Whether the data set `name` says where it is, as `folder:PATH` does."""
    return bool(_prefix_of(name))


def locate(name: str, data_dir: Path | str | None) -> tuple[str, Path | None]:
    """A data set's name and folder as a run keeps them, whatever folder it is later continued from.

    `folder:some/PLACE` becomes `folder:PLACE` and the folder that this is in. None is the default folder.
    """
    if prefix := _prefix_of(name):
        path = _path_of(name, data_dir)
        return prefix + path.name, path.parent
    return name, None if data_dir is None else Path(data_dir).expanduser().resolve()


def own_size(name: str, data_dir: Path | str | None) -> int | None:
    """Pixels a side that the images of arrays have, by the headers alone; None of other data. ValueError as `load`."""
    return _arrays(name, data_dir).side if _is_array(name) else None


def own_channels(name: str, data_dir: Path | str | None) -> int:
    """The channels that the images of the data set `name` have, by arrays' headers alone. ValueError as `load`."""
    return _arrays(name, data_dir).channels if _is_array(name) else RGB


def short_name(name: str) -> str:
    """What a run is called by the data set `name`: `PLACE` of `folder:PLACE`, `digits` of `array:digits.npz`."""
    short = name.removeprefix(_prefix_of(name))
    return without_hash(short.removesuffix(".npz")) if _is_array(name) else short


def shape_of(name: str) -> tuple[int, int]:
    """Classes, and pixels of height and width, of the data set `name`, without reading it. ValueError as `load`."""
    if name not in NAMES:
        raise _unknown(name)
    return len(_CLASS_NAMES[name]), 32


def without_images(name: str) -> Dataset:
    """The data set `name` with its classes and image size and not one image, for what trains nothing."""
    _, pixels = shape_of(name)
    none = Images(torch.empty(0, pixels, pixels, RGB, dtype=torch.uint8), torch.empty(0, dtype=torch.int64))
    return Dataset(name, _CLASS_NAMES[name], none, none, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


def _read(name: str, split: Literal["train", "test"], data_dir: Path | str | None, download: bool, log: Log) -> Images:
    folder = _default_dir() if data_dir is None else Path(data_dir).expanduser()
    match name:
        case "cifar10":
            return CIFAR10.read(split, folder, download=download, log=log)
        case "cifar100":
            return CIFAR100.read(split, folder, download=download, log=log)
        case "shapes":
            return shapes.read(split)
        case "shapes2":
            return shapes2.read(split)
    raise _unknown(name)


def _folder(
    name: str, data_dir: Path | str | None, image_size: int | None, skip: bool, group_by: str | None,
    channels: int | None, task: str | None, labels: str | None, fit: str | None, log: Log,
) -> ImageFolder | MaskFolder | BoxFolder:  # fmt: skip
    """What reads the folder, by what is said of its images or how it is laid out."""
    if image_size is None:
        raise ValueError("the images of a folder have any size: say at which to train, as in --image-size 96")
    path, channels, fit = _path_of(name, data_dir), channels or RGB, fit or usual_fit(name, data_dir, task)
    if is_masks(name, data_dir, task):
        return MaskFolder(path, image_size, skip, log, channels, fit, labels)
    if is_boxes(name, data_dir, task):
        for option, given in (("--labels", labels), ("--group-by", group_by)):
            if given is not None:
                raise ValueError(f"{option} is not for a folder of images with boxes: leave it out")
        return BoxFolder(path, image_size, skip, log, channels, fit)
    return ImageFolder(
        path, image_size, skip, log, group_by=group_by, channels=channels, task=task, labels=labels, fit=fit
    )


def _check_classes(name: str, task: str | None) -> None:
    if task not in (None, CLASSIFICATION):
        beside = {SEGMENTATION: "masks", DETECTION: "boxes"}
        own = f", but for --task {task}, which {shapes2.NAME} has {beside[task]} for" if task in beside else ""
        raise ValueError(f"--task {task} is of images of your own: those of {name} have classes{own}")


def _arrays(
    name: str, data_dir: Path | str | None, log: Log = print, channels: int | None = None, task: str | None = None
) -> ImageArrays:
    if task in (SEGMENTATION, DETECTION):
        what = "masks" if task == SEGMENTATION else "boxes"
        raise ValueError(f"--task {task} is of a folder of images and {what}, and {name} has arrays: give folder:PATH")
    path = _path_of(name, data_dir)
    if why := why_gone(path):
        raise ValueError(why)
    return ImageArrays.at(path, log, channels, task)


def _is_array(name: str) -> bool:
    return name.startswith(arrays.PREFIX)


def _prefix_of(name: str) -> str:
    """What says that the data set `name` is at a path; "" of those that have their names from us."""
    return next((prefix for prefix in (PREFIX, arrays.PREFIX) if name.startswith(prefix)), "")


def _path_of(name: str, data_dir: Path | str | None) -> Path:
    return (Path(data_dir or ".").expanduser() / Path(name.removeprefix(_prefix_of(name))).expanduser()).resolve()


def _unknown(name: str) -> ValueError:
    if is_folder(name):
        return ValueError(f"{name} has no size of its own: choose one of {', '.join(NAMES)} here")
    if _is_array(name):
        return ValueError(f"the size of {name} is not known before it is read: choose one of {', '.join(NAMES)} here")
    if is_function(name):
        return ValueError(f"{name} was not called, and only what it gives is a data set: give it by --data")
    return ValueError(
        f"there is no data set {name!r}: choose one of {', '.join(NAMES)}, folder:PATH, array:PATH, or module:function"
    )


def _default_dir() -> Path:
    if folder := os.environ.get("NAS_DATA"):
        return Path(folder)
    return cache_dir()
