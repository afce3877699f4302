"""Images that are numbers in arrays: an `.npz` file, a folder of `.npy` files, or arrays that a program has.

Which array is what is known by its name, see `PAIRS` and `SPELLED`. Which images play which part is decided as for a
folder of images (`nas.data.folder`), so that no image is validation and test at once:

    there is               validation is           the test split is
    train, val, test       x_val                   x_test
    train, test            a tenth of x_train      x_test
    train, val             a tenth of x_train      x_val
    train                  a tenth of the rest     a tenth of x_train
    x and y alone          a tenth of the rest     a tenth of all
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from nas.checks.limits import CHANNELS, MIN_SIZE
from nas.checks.schemas import SIDE
from nas.data.array_files import Arrays, Header, in_file, kept, open_arrays, write_images
from nas.data.array_labels import labels_of
from nas.data.download import Log
from nas.data.held_out import TEST_SEED
from nas.data.images import GREY, RGB, VAL_SHARE, Dataset, Images, cannot_convert, stratified
from nas.data.known import known
from nas.data.splits import some
from nas.data.streamed import Pixels, Streamed, fits, in_parts, left_in, parts, said
from nas.data.targets import CLASSIFICATION, Targets, strata, stratified_by

PART = 2**25  # values that are converted at a time, at most
PREFIX = "array:"  # of the name of such a data set: `array:PATH`

PAIRS = (
    ("x", "y"),
    ("images", "labels"),
    ("data", "labels"),
    ("data", "target"),
)
"""What images and labels are called, in lower or upper case: `x` and `y` alone, or with the name of a split."""
SPELLED = {"train": ("train", "training"), "val": ("val", "valid", "validation"), "test": ("test",)}
"""What splits are called: `x_train` or `train_x`."""
CLASS_NAMES = ("class_names", "classes", "label_names")
"""What the names of the classes are called, which are optional."""
WANTED = (
    "x_train and y_train, if you have them also x_val, y_val, x_test and y_test; or x and y; or images and labels in "
    "place of x and y"
)

SLACK = 1e-3
"""By how much of white a number may be darker than black or brighter than white: by as much as resizing rounds."""


class Pair(NamedTuple):
    """The names of the arrays of a split."""

    images: str
    labels: str


@dataclass(frozen=True)
class Form:
    """How an array has its images: `[N, H, W, C]`, `[N, C, H, W]`, or `[N, H, W]` of one channel."""

    height: int
    width: int
    channels: int
    first: bool = False  # channels come before height and width

    @classmethod
    def of(cls, header: Header, channels: int | None = None) -> Form:
        """Which number of the shape is channels: 1 or 3, else the lesser of the last and the second.

        Where that tells nothing it is the one that is `channels`. Raises ValueError, in words that follow the array's
        name, where it can have no images, or no such ones.
        """
        shape = header.shape
        of = " x ".join(map(str, shape)) or "none"
        if len(shape) not in (3, 4):
            raise ValueError(f"has the shape {of}: images are N x H x W x C, N x C x H x W or N x H x W")
        if not shape[0]:
            raise ValueError("has no images")
        if len(shape) == 3:
            form = cls(shape[1], shape[2], 1)
        else:
            first = _channels_come_first(shape, channels)
            if first is None:
                raise ValueError(
                    f"has the shape {of}, in which the channels may be the last or the second number: --channels says "
                    "how many they are"
                )
            form = cls(shape[2], shape[3], shape[1], first=True) if first else cls(shape[1], shape[2], shape[3])
        if not 1 <= form.channels <= CHANNELS.most:
            raise ValueError(f"has images of {form.channels:,} channels: there can be 1 to {CHANNELS.most:,}")
        if form.side < MIN_SIZE:
            raise ValueError(f"has images of {form.height} x {form.width} pixels: the least are of {MIN_SIZE}")
        return form

    @property
    def side(self) -> int:
        """Pixels a side of the largest square."""
        return min(self.height, self.width)

    @property
    def is_square(self) -> bool:
        return self.height == self.width

    def squares(self, images: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The centre squares of some images of this form: a view `[N, side, side, C]`."""
        if images.ndim == 3:
            images = images[..., np.newaxis]
        elif self.first:
            images = images.transpose(0, 2, 3, 1)
        top, left = (self.height - self.side) // 2, (self.width - self.side) // 2
        return images[:, top : top + self.side, left : left + self.side]


@dataclass(frozen=True)
class ImageArrays:
    """The images of `arrays`, which messages call `where`. Raises ValueError, in one line, where they are none.

    With the first split that is asked for the labels of all are read, and are held to be what they may be. `task` is
    what a person says that they are, see `nas.data.targets`; None where nobody does.
    """

    arrays: Arrays
    where: str
    log: Log = print
    wanted: int | None = None  # channels; None: as many as the images have
    task: str | None = None

    @classmethod
    def at(cls, path: Path | str, log: Log = print, wanted: int | None = None, task: str | None = None) -> ImageArrays:
        """Those of the .npz file or the folder of .npy files `path`."""
        return cls(open_arrays(Path(path)), str(path), log, wanted, task)

    def __post_init__(self) -> None:
        own = {pair.images: self._form(pair.images).channels for pair in self.pairs.values()}
        if len(set(own.values())) > 1 and set(own.values()) != {GREY, RGB}:
            several = ", ".join(f"{name} {channels}" for name, channels in own.items())
            raise ValueError(f"{self.where}: all images must have as many channels, and these have others: {several}")
        if {self.channels, *own.values()} not in ({self.channels}, {GREY, RGB}):
            raise ValueError(f"{self.where}: {cannot_convert(max(own.values()), self.channels)}")
        sides = {pair.images: self._form(pair.images).side for pair in self.pairs.values()}
        if len(set(sides.values())) > 1:
            sizes = ", ".join(f"{name} {side}" for name, side in sides.items())
            raise ValueError(
                f"{self.where}: all images must have one size, and these have other pixels a side: {sizes}"
            )
        SIDE.checked(f"the size of the images of {self.where}", self.side)

    # ------------------------------------------------------------------ which array is what

    @cached_property
    def pairs(self) -> dict[str, Pair]:
        """The arrays of each split that there is, by its name; `train` is all where they lie `together`."""
        lowered: dict[str, str] = {}
        for name in self.arrays.headers:
            if (other := lowered.setdefault(name.lower(), name)) != name:
                raise ValueError(
                    f"{self.where} has {some([other, name])}, which differ by their case alone: rename one"
                )
        found = {split: self._pair(_spellings(split), lowered) for split in SPELLED}
        if found["train"] is None and not any(found.values()):
            found["train"] = self._pair(PAIRS, lowered)
        if found["train"] is None:
            has = some(list(self.arrays.headers)) if self.arrays.headers else "no arrays"
            raise ValueError(f"{self.where} has {has}, and what is wanted is {WANTED}")
        pairs = {split: pair for split, pair in found.items() if pair is not None}
        for name in [name for pair in pairs.values() for name in pair]:
            self._check_plain(name)
        return pairs

    def _pair(self, spellings: Sequence[tuple[str, str]], lowered: dict[str, str]) -> Pair | None:
        """The one pair of these that is there. Raises ValueError where there are two, or the half of one."""
        there = [Pair(lowered[x], lowered[y]) for x, y in spellings if x in lowered and y in lowered]
        if len(there) > 1:
            raise ValueError(f"{self.where} has {some([*there[0]])} and {some([*there[1]])}: leave one of them")
        if there:
            return there[0]
        for x, y in spellings:
            if x in lowered:
                raise ValueError(f"{self.where} has the images {some([lowered[x]])} and no labels {y}")
        return None

    def _check_plain(self, name: str) -> None:
        if self.arrays.headers[name].dtype.hasobject:
            raise ValueError(
                f"{self.where}: {name} has Python objects, which would have to be unpickled, and that could run any "
                "code: save numbers or texts of one shape"
            )

    @property
    def together(self) -> bool:
        """Whether all images are in one array, `x`, which is no split's."""
        return self.pairs["train"].images.lower() in {images for images, _ in PAIRS}

    @property
    def _test_split(self) -> str | None:
        """The split that is the test's, if one is."""
        return next((split for split in ("test", "val") if split in self.pairs), None)

    @property
    def _has_all(self) -> bool:
        return len(self.pairs) == len(SPELLED)

    # ------------------------------------------------------------------ what they have

    @property
    def side(self) -> int:
        """Height and width in pixels."""
        return self._form(self.pairs["train"].images).side

    @property
    def channels(self) -> int:
        """Those `wanted`, else those that there are; where some images are grey and others RGB, all are RGB."""
        return self.wanted or max(self._form(pair.images).channels for pair in self.pairs.values())

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, or of the labels or numbers."""
        return self._labels[1]

    @property
    def kind(self) -> str:
        """The task, one of `TASKS`."""
        return self._labels[0]

    @cached_property
    def _labels(self) -> tuple[str, tuple[str, ...], dict[str, npt.NDArray[Any]]]:
        """The task, the names of the classes, and the labels of every split."""
        names = next((name for name in self.arrays.headers if name.lower() in CLASS_NAMES), None)
        if names is not None:
            self._check_plain(names)
        for pair in self.pairs.values():
            lengths = [self.arrays.headers[name].shape[:1] for name in pair]
            if lengths[0] != lengths[1]:
                counts = [f"{length[0]:,}" if length else "none" for length in lengths]
                raise ValueError(
                    f"{self.where}: {pair.images} has {counts[0]} images, {pair.labels} {counts[1]} labels"
                )
        labels = {split: (pair.labels, self.arrays.read(pair.labels)) for split, pair in self.pairs.items()}
        try:
            return labels_of(labels, None if names is None else (names, self.arrays.read(names)), self.task)
        except ValueError as error:
            raise ValueError(f"{self.where}: {error}") from None

    def dataset(self, name: str) -> Dataset:
        """The training and validation images. The pixels of test images are not read, or parted with, see above."""
        self.check_enough()
        self._say(name)
        validation = "x_val" if self._has_all else "a tenth of x_train" if self._test_split else "a tenth of the rest"
        train = self.split("train")
        if stay := said(train.pixels):
            self.log(f"{self.where}: {stay}; the first time all are read, for their fingerprint and their mean")
        if self._has_all:
            val = self.split("val")
            targets = Targets.of(self.kind, train.labels, self.class_names)
            dataset = Dataset(name, self.class_names, train, val, *train.channel_statistics(), targets=targets)
            return replace(dataset, sha256=content_sha256(validation, self.class_names, train, val))
        sha256 = content_sha256(validation, self.class_names, train)
        rest = train if self._test_split else _without_test(train)
        return replace(Dataset.split(name, self.class_names, rest, self.kind), sha256=sha256)

    def test(self) -> Images:
        """The test images, for the end of a training or a comparison."""
        if self._test_split is None:
            return _test_of(self.split("train"))
        return self.split(self._test_split)

    def check_enough(self) -> None:
        """Raises ValueError where there are too few training images to hold some out."""
        if (count := len(self._labels[2]["train"])) < VAL_SHARE:
            raise ValueError(
                f"{self.where} has {count} training images: give {VAL_SHARE} or more, since some are held out"
            )

    def split(self, split: str) -> Images:
        """All images of a split that there is, in their order."""
        labels = torch.from_numpy(self._labels[2][split])
        return Images(self._pixels(self.pairs[split].images), labels).with_channels(self.channels)

    # ------------------------------------------------------------------ pixels

    def _form(self, name: str) -> Form:
        header = self.arrays.headers[name]
        if header.dtype != np.uint8 and header.dtype.kind != "f":
            raise ValueError(
                f"{self.where}: {name} is {header.dtype}, and images are uint8, or floating-point of 0 to 1 or 0 to "
                '255: convert them with .astype("uint8") where they are 0 to 255'
            )
        try:
            return Form.of(header, self.wanted)
        except ValueError as error:
            raise ValueError(f"{self.where}: {name} {error}") from None

    def _pixels(self, name: str) -> Pixels:
        """The centre squares of an array's images, uint8 `[N, side, side, C]`: the array itself where it is that.

        Others are converted, into memory, or if they are too many into a file of the cache.
        """
        images, form = self.arrays.images(name, self.log), self._form(name)
        shape = (len(images), form.side, form.side, form.channels)
        in_memory = self.arrays.identity(name) is None  # a program's, which may have mapped them from anywhere
        if images.dtype == np.uint8 and form.is_square:
            as_they_are = form.squares(images)
            if as_they_are.flags.c_contiguous:
                file = None if in_memory else in_file(as_they_are)
                held = torch.from_numpy(as_they_are)
                return held if file is None else left_in(file, lambda: held)
        if in_memory or fits(math.prod(shape)):
            pixels = np.empty(shape, np.uint8)
            for part, squares in zip(parts(images, PART), self._squares(name, images), strict=True):
                pixels[part] = squares
            return torch.from_numpy(pixels)
        return self._converted(name, shape, lambda: self._squares(name, images))

    def _squares(self, name: str, images: npt.NDArray[Any]) -> Iterator[npt.NDArray[np.uint8]]:
        """The centre squares of `images`, uint8 `[n, side, side, C]`, part by part."""
        form = self._form(name)
        for part in parts(images, PART):
            squares = form.squares(images[part])
            yield squares if images.dtype == np.uint8 else self._as_uint8(name, squares, self._white)

    def _converted(
        self, name: str, shape: tuple[int, ...], squares: Callable[[], Iterator[npt.NDArray[np.uint8]]]
    ) -> Pixels:
        """The images of an array in a file of the cache, which is made once of all its `squares`."""
        size, called = math.prod(shape), f"{name}-{shape[1]}px"
        files = [self.arrays.identity(pair.images) for pair in self.pairs.values()]  # white is one for all of them
        how = repr((files, self._form(name)))

        def convert(out: IO[bytes]) -> None:
            self.log(f"{self.where}: converting {name} to {size / 1e9:.3g} GB of uint8, which is done once")
            write_images(out, shape, squares())

        file = in_file(kept(Path(self.where), called, how, size, convert))
        assert file is not None
        return left_in(file)

    @cached_property
    def _white(self) -> float:
        """What white is in floating-point images: 1 or 255, by the largest value in the first such split."""
        name = next(p.images for p in self.pairs.values() if self.arrays.headers[p.images].dtype.kind == "f")
        images = self.arrays.images(name, self.log)
        many = None if fits(images.nbytes) else self.arrays.identity(name)
        largest = known("largest", many, lambda: max(float(images[part].max()) for part in parts(images, PART)))
        for white in (1.0, 255.0):
            if largest <= white * (1 + SLACK):
                self.log(f"{self.where}: {name} has values up to {largest:g}: {white:g} is taken as white")
                return white
        return 255.0  # and what is more, or no number, is refused

    def _as_uint8(self, name: str, values: npt.NDArray[Any], white: float) -> npt.NDArray[np.uint8]:
        """Floating-point values of 0 to `white`. Raises ValueError where some are others, or none."""
        values = values.astype(np.float32)
        if not np.isfinite(values).all():
            raise ValueError(f"{self.where}: {name} has NaN or infinite values: mend or leave out these images")
        least, largest = float(values.min()), float(values.max())
        if least < -SLACK * white or largest > white * (1 + SLACK):
            wrong = least if least < 0 else largest
            raise ValueError(
                f"{self.where}: {name} has the value {wrong:g}, and images are 0 to 1 or 0 to 255 in all splits: leave "
                "out their normalisation, nas does it itself"
            )
        return (values * (255 / white)).round().clip(0, 255).astype(np.uint8)

    # ------------------------------------------------------------------ what is said

    def _say(self, name: str) -> None:
        """What plays which part, and how the images are taken that are not square, or have other channels."""
        whole = "all" if self.together else self.pairs["train"].images
        validation = self.pairs["val"].images if self._has_all else f"a tenth of {whole}"
        test = self.pairs[self._test_split].images if self._test_split else f"another tenth of {whole}"
        what = f"{len(self.class_names)} classes"
        if self.kind != CLASSIFICATION:
            drawn = "" if self._has_all else f"; {stratified_by(self.kind, self.class_names)}"
            what = f"{self.kind} of {some(self.class_names)}{drawn}"
        self.log(f"{name}: {what}; validation is {validation}, test {test}")
        form = self._form(self.pairs["train"].images)
        if form.channels == GREY and self.channels == RGB:
            self.log(f"{self.where}: the images have one channel, which is taken as red, green and blue")
        elif form.channels != self.channels:
            self.log(f"{self.where}: the images have {form.channels} channels, which are taken as one: grey")
        elif self.channels not in (GREY, RGB):
            self.log(f"{self.where}: the images have {self.channels} channels")
        if not form.is_square:
            self.log(
                f"{self.where}: of {form.height} x {form.width} pixels the centre {form.side} x {form.side} are taken"
            )
        used = {name for pair in self.pairs.values() for name in pair}
        if beside := [name for name in self.arrays.headers if name not in used and name.lower() not in CLASS_NAMES]:
            self.log(f"{self.where}: passed over: {some(beside)}")


def _channels_come_first(shape: tuple[int, ...], channels: int | None) -> bool | None:
    """Whether the second number of `[N, ., ., .]` is the channels, not the last one; None where it may be either."""
    _, second, third, last = shape
    for counts in ((GREY, RGB), (channels,)):
        if last in counts or second in counts:
            return last not in counts
    if last < min(second, third):
        return False
    return True if second < min(third, last) else None


def _spellings(split: str) -> list[tuple[str, str]]:
    """What the images and the labels of a split may be called."""
    found = [(f"{x}_{called}", f"{y}_{called}") for called in SPELLED[split] for x, y in PAIRS]
    return found + [(f"{called}_{x}", f"{called}_{y}") for called in SPELLED[split] for x, y in PAIRS]


def content_sha256(validation: str, class_names: tuple[str, ...], *splits: Images) -> str:
    """By what a run knows its images again: by their content, in whatever file and form they are.

    That of splits which are read as they are needed is computed once.
    """
    identities = [images.pixels.identity() for images in splits if isinstance(images.pixels, Streamed)]
    labels = [hashlib.sha256(images.labels.numpy().data).hexdigest() for images in splits]
    every = None
    if len(identities) == len(splits) and None not in identities:
        every = repr((validation, class_names, identities, labels))
    found: str = known("sha256", every, lambda: _sha256_of_all(validation, class_names, splits))
    return found


def _sha256_of_all(validation: str, class_names: tuple[str, ...], splits: Sequence[Images]) -> str:
    digest = hashlib.sha256(repr((validation, class_names)).encode(errors="backslashreplace"))
    for images in splits:
        digest.update(repr(tuple(images.pixels.shape)).encode())
        for part in in_parts(images.pixels):
            digest.update(part.data)
        digest.update(images.labels.numpy().data)
    return digest.hexdigest()


def _test_of(training: Images) -> Images:
    """A class-balanced tenth of `training`."""
    return training.take(max(1, len(training) // VAL_SHARE), TEST_SEED)


def _without_test(training: Images) -> Images:
    """All the rest."""
    labels = training.labels.numpy()
    return training.at(stratified(strata(labels), max(1, len(training) // VAL_SHARE), TEST_SEED)[1])
