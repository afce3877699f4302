"""Image data for searches: CIFAR-10, CIFAR-100, and `shapes`, a built-in synthetic set.

A search calls `load` and sees training and validation images only; `load_test` is the one way to test images.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from nas.data import shapes
from nas.data.batches import Augment, Batch, eval_batches, train_batches
from nas.data.cifar import CIFAR10, CIFAR100
from nas.data.download import Log
from nas.data.images import Dataset, Images

__all__ = [
    "NAMES",
    "Augment",
    "Batch",
    "Dataset",
    "Images",
    "eval_batches",
    "load",
    "load_test",
    "shape_of",
    "train_batches",
]

_CLASS_NAMES = {"cifar10": CIFAR10.class_names, "cifar100": CIFAR100.class_names, "shapes": shapes.CLASS_NAMES}

NAMES = tuple(_CLASS_NAMES)


def load(name: str, data_dir: Path | str | None = None, *, download: bool = True, log: Log = print) -> Dataset:
    """The training and validation splits of the data set `name`, one of `NAMES`.

    CIFAR is looked for in `data_dir` (by default `$NAS_DATA`, else a folder in the user's cache), and downloaded to
    it if absent, unless `download` is off; `log` is told of whatever is slow. Raises `ValueError`, with what to do,
    if the name is unknown or the data absent or damaged.
    """
    training = _read(name, "train", data_dir, download, log)
    return Dataset.split(name, _CLASS_NAMES[name], training)


def load_test(name: str, data_dir: Path | str | None = None, *, download: bool = True, log: Log = print) -> Images:
    """The test split of the data set `name`: for the end of a comparison, never for a search. Arguments as `load`."""
    return _read(name, "test", data_dir, download, log)


def shape_of(name: str) -> tuple[int, int]:
    """Classes, and pixels of height and width, of the data set `name`, without reading it. ValueError as `load`."""
    if name not in NAMES:
        raise _unknown(name)
    return len(_CLASS_NAMES[name]), 32


def _read(name: str, split: Literal["train", "test"], data_dir: Path | str | None, download: bool, log: Log) -> Images:
    folder = _default_dir() if data_dir is None else Path(data_dir).expanduser()
    match name:
        case "cifar10":
            return CIFAR10.read(split, folder, download=download, log=log)
        case "cifar100":
            return CIFAR100.read(split, folder, download=download, log=log)
        case "shapes":
            return shapes.read(split)
    raise _unknown(name)


def _unknown(name: str) -> ValueError:
    return ValueError(f"there is no data set {name!r}: choose one of {', '.join(NAMES)}")


def _default_dir() -> Path:
    if folder := os.environ.get("NAS_DATA"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nas"
