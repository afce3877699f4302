"""A data set that gives one image after the other, as PyTorch's do, read into one array."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from nas.checks.kinds import gives_items
from nas.checks.limits import MIN_SIZE
from nas.data.array_files import Header
from nas.data.arrays import SLACK, Form
from nas.data.download import Log
from nas.data.image_file import as_shown, is_grey
from nas.data.images import GREY, RGB, Images

REPORT_EVERY = 10  # seconds


@dataclass(frozen=True)
class _How:
    """How the images are taken, which is known for certain once the last one was seen."""

    white: float = 1.0  # of those that are floating-point
    size: int | None = None  # to which each is resized; None: all have the size of the first
    channels: int | None = None  # that each is taken with; None: all have those of the first


Label = int | str | npt.NDArray[Any]


class _Otherwise(Exception):
    """An image shows that all must be taken in another way: they are read again."""

    def __init__(self, how: _How) -> None:
        super().__init__()
        self.how = how


def class_names_of(items: Any) -> list[str] | None:
    """The names of its classes where it has them, as torchvision's have, or what it is a subset of; else None."""
    while not hasattr(items, "classes") and gives_items(getattr(items, "dataset", None)):
        items = items.dataset
    classes = getattr(items, "classes", None)
    if not isinstance(classes, list | tuple) or not classes:
        return None
    names = [", ".join(name) if isinstance(name, tuple) and _are_texts(name) else name for name in classes]
    return names if _are_texts(names) else None


def read_items(
    items: Any, called: str, file: Path, image_size: int | None, log: Log, channels: int | None = None
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]:
    """Its images, uint8 `[N, side, side, C]`, which are written to `file` and mapped, and labels `[N]` or `[N, K]`.

    Each item is an image (Pillow's, or an array or tensor `[H, W, C]`, `[C, H, W]`, `[H, W]`) and a label: a whole
    number, a text, or a float or a vector of numbers. The centre squares are kept; where they are of several sizes, at
    `image_size` pixels. They have as many `channels` as are wanted, else their own; where some are grey and others
    RGB, all are taken as RGB. Raises ValueError, in one line, for an item that is none.
    """
    count = _count(items, called)
    log(f"reading {count:,} images of {called}")
    how = _How(channels=channels)
    while True:
        try:
            (side, deep), labels = _read(items, count, called, file, how, image_size, log)
            break
        except _Otherwise as otherwise:
            how = otherwise.how
    pixels = np.memmap(file, np.uint8, "c", shape=(count, side, side, deep))
    return pixels, _labels(labels, called)


def _count(items: Any, called: str) -> int:
    try:
        count = len(items)
    except Exception as error:  # of whoever wrote it
        raise ValueError(f"{called} does not say how many images it has: {line_of(error)}") from error
    if not count:
        raise ValueError(f"{called} has no images")
    return count


def _read(
    items: Any, count: int, called: str, file: Path, how: _How, image_size: int | None, log: Log
) -> tuple[tuple[int, int], list[Label]]:
    """Write the pixels of all; returns their pixels a side and channels, and the labels. Raises _Otherwise."""
    labels: list[Label] = []
    side, deep, said = how.size, how.channels, time.monotonic()
    with file.open("wb") as out:
        for number in range(count):
            what = f"{called}: image {number}"
            image, label = _item(items, number, called)
            pixels = _pixels(image, how, what)
            side, deep = side or len(pixels), deep or pixels.shape[2]
            if pixels.shape[2] != deep:  # those before were grey and this one is not, or the other way round
                if {pixels.shape[2], deep} != {GREY, RGB}:
                    raise ValueError(f"{what} has {pixels.shape[2]} channels, and those before have {deep}")
                raise _Otherwise(replace(how, channels=RGB))
            if len(pixels) != side:
                if image_size is None:
                    raise ValueError(
                        f"{what} has {len(pixels)} pixels a side, and those before have {side}: say at how many to "
                        "train, as in --image-size 96"
                    )
                raise _Otherwise(replace(how, size=image_size))
            out.write(pixels.tobytes())
            labels.append(_label(label, what))
            if time.monotonic() - said > REPORT_EVERY:
                said = time.monotonic()
                log(f"{number + 1:,} of {count:,}")
    assert side is not None and deep is not None
    return (side, deep), labels


def _item(items: Any, number: int, called: str) -> tuple[Any, Any]:
    try:
        item = items[number]
    except Exception as error:  # of whoever wrote it
        raise ValueError(f"{called}: item {number} cannot be read: {line_of(error)}") from error
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise ValueError(f"{called}: item {number} must be an image and its label, not a {type(item).__name__}")
    return item[0], item[1]


def _pixels(image: Any, how: _How, what: str) -> npt.NDArray[np.uint8]:
    """The centre square of an image, `[side, side, C]`, at the size and with the channels that `how` says."""
    is_of_pillow = hasattr(image, "getexif")
    square = np.asarray(as_shown(image, is_grey(image))) if is_of_pillow else array_of(image, what)
    try:
        form = Form.of(Header((1, *square.shape), square.dtype), how.channels)
    except ValueError:
        shape = " x ".join(map(str, square.shape)) or "none"
        raise ValueError(
            f"{what} has the shape {shape}: images are H x W x C, C x H x W or H x W, with fewer channels than "
            f"pixels a side, of which there are at least {MIN_SIZE}"
        ) from None
    square = form.squares(square[np.newaxis])[0]
    square = _as_uint8(square, how, what)
    if how.size in (None, form.side) and how.channels in (None, form.channels):
        return square
    single = Images(torch.from_numpy(square[np.newaxis].copy()), torch.zeros(1, dtype=torch.int64))
    try:
        single = single.with_channels(how.channels or form.channels)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None
    made: npt.NDArray[np.uint8] = single.resize(how.size or form.side).pixels[0].numpy()
    return made


def array_of(value: Any, what: str) -> npt.NDArray[Any]:
    """An array, a tensor or a list as an array. Raises ValueError where it is none."""
    try:
        if isinstance(value, torch.Tensor):
            value = value.detach().cpu()
            value = value.float() if value.dtype == torch.bfloat16 else value
            array: npt.NDArray[Any] = value.numpy()
            return array
        array = np.asarray(value)
    except Exception as error:  # ragged lists, sparse tensors, whatever says that it is an array
        raise ValueError(f"{what} is no array: {line_of(error)}") from None
    if array.dtype.hasobject and array.ndim and _are_texts(array.reshape(-1).tolist()):
        return array.astype(str)  # as pandas has texts
    if array.dtype.hasobject:
        raise ValueError(f"{what} is a {type(value).__name__}, and must be an array of numbers or texts of one shape")
    return array


def _as_uint8(values: npt.NDArray[Any], how: _How, what: str) -> npt.NDArray[np.uint8]:
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind != "f":
        raise ValueError(f"{what} is {values.dtype}, and images are uint8, or floating-point of 0 to 1 or 0 to 255")
    least, largest = float(values.min()), float(values.max())
    if not np.isfinite([least, largest]).all():
        raise ValueError(f"{what} has NaN or infinite values")
    if least < -SLACK or largest > 255 * (1 + SLACK):
        raise ValueError(
            f"{what} has the value {least if least < 0 else largest:g}, and images are 0 to 1 or 0 to 255: leave out "
            "their normalisation, nas does it itself"
        )
    if largest > how.white * (1 + SLACK):
        raise _Otherwise(replace(how, white=255.0))
    return (values.astype(np.float32) * (255 / how.white)).round().clip(0, 255).astype(np.uint8)


def _label(label: Any, what: str) -> Label:
    """A class, or a number or several, of which an array of whole numbers is 0 and 1 for labels."""
    if isinstance(label, float) or (isinstance(label, list | tuple) and label):
        return array_of(label, what)
    if isinstance(label, torch.Tensor | np.ndarray | np.generic) and _are_numbers(label):
        return array_of(label, what)
    if isinstance(label, torch.Tensor | np.ndarray | np.generic) and math.prod(label.shape) == 1:
        label = label.item()
    if isinstance(label, bool) or not isinstance(label, int | str):
        raise ValueError(f"{what} has a label that is neither a whole number nor a text, but a {type(label).__name__}")
    return label


def _are_numbers(label: Any) -> bool:
    """Whether it is a vector of more than one number, or one that is floating-point."""
    kind = array_of(label, "label").dtype.kind
    return kind in "biuf" and (math.prod(label.shape) > 1 or kind == "f")


def _labels(labels: list[Label], called: str) -> npt.NDArray[Any]:
    if any(isinstance(label, np.ndarray) for label in labels):
        try:
            stacked = np.stack([np.atleast_1d(np.asarray(label)) for label in labels])
            return stacked[:, 0] if stacked.shape[1:] == (1,) else stacked
        except ValueError:
            raise ValueError(f"{called} has labels of several shapes: all must have the same numbers") from None
    if len({isinstance(label, str) for label in labels}) > 1:
        raise ValueError(f"{called} has labels that are texts and others that are numbers: they must be alike")
    try:
        return np.array(labels)
    except OverflowError:
        raise ValueError(f"{called} has a label that is beyond all numbers of classes") from None


def _are_texts(values: Any) -> bool:
    return all(isinstance(value, str) for value in values)


def line_of(error: Exception) -> str:
    """What kind of error it is, and what it says, in one line."""
    said = str(error).strip().partition("\n")[0][:200]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
