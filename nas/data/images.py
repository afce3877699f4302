"""What data is here: whole splits as uint8 tensors, on the device that trains, or read as they are needed.

A split is stored `[N, H, W, C]` (NHWC): a batch gathered from it and permuted to `[B, C, H, W]` is
channels_last already, the layout that convolutions are fastest in. C is 3 for RGB, 1 for grey, and what arrays have.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import torch
from torch.nn import functional as F

from nas.data.image_file import CROP
from nas.data.known import known
from nas.data.streamed import Pixels, Streamed, converted_in_parts, moved, parts, resized_in_parts
from nas.data.targets import CLASSES, CLASSIFICATION, Targets, are_masks, strata

PerChannel = tuple[float, ...]
RGB, GREY = 3, 1  # channels

VAL_SHARE = 10
"""One training image in so many is held out for validation: 5,000 of CIFAR's 50,000."""

VAL_SEED = 0
"""Which ones: fixed for good, so that every search, baseline and machine has the same 45,000/5,000 split."""


@dataclasses.dataclass(frozen=True)
class Images:
    """One split. `pixels` is uint8 `[N, H, W, C]`, contiguous; both on one device.

    `labels` is int64 `[N]`, the classes, or of labels or numbers float32 `[N, K]`, or of masks uint8 `[N, H, W]`, or of
    boxes float32 `[N, M, 5]`, see `nas.data.targets`.

    Pixels that are too many for its memory are `Streamed`: they give what is asked of them on that device.
    """

    pixels: Pixels
    labels: torch.Tensor

    def __post_init__(self) -> None:
        assert self.pixels.dtype == torch.uint8 and len(self.pixels.shape) == 4
        assert self.pixels.is_contiguous()
        kinds = {1: [torch.int64], 2: [torch.float32], 3: [torch.uint8, torch.float32]}
        assert self.labels.dtype in kinds[self.labels.ndim]
        assert self.labels.shape[:1] == self.pixels.shape[:1]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def channels(self) -> int:
        return self.pixels.shape[3]

    def to(self, device: torch.device | str, sharing: int = 1) -> Images:
        """The same on `device`, whose memory so many processes are `sharing`."""
        return Images(moved(self.pixels, device, sharing), self.labels.to(device))

    def take(self, n: int, seed: int) -> Images:
        """A random subset of `n` images in the proportions of their `strata`; `ValueError` if there are fewer."""
        return self.at(self._stratified(n, seed)[0])

    def divide(self, n: int, seed: int) -> tuple[Images, Images]:
        """`take(n, seed)` and all the rest, both in the original order."""
        first, rest = self._stratified(n, seed)
        return self.at(first), self.at(rest)

    def _stratified(self, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        if not 0 <= n <= len(self):
            raise ValueError(f"asked for {n:,} images of a split that has {len(self):,}: ask for at most that many")
        return stratified(strata(self.labels.numpy(force=True)), n, seed)

    def at(self, places: np.ndarray) -> Images:
        """The images at these `places`, int64 `[n]`, in that order."""
        index = torch.from_numpy(places).to(self.labels.device)
        pixels = self.pixels.at(places) if isinstance(self.pixels, Streamed) else self.pixels[index]
        return Images(pixels, self.labels[index])

    def resize(self, image_size: int) -> Images:
        """The whole split at `image_size` x `image_size` pixels: bilinear, antialiased, still uint8.

        Masks have the nearest pixel.
        """
        if self.pixels.shape[1:3] == (image_size, image_size):
            return self
        labels = self.labels
        if are_masks(labels):
            labels = F.interpolate(labels[:, None], size=(image_size, image_size), mode="nearest-exact")[:, 0]
        if isinstance(self.pixels, Streamed):
            return Images(self.pixels.resized(image_size), labels)
        return Images(resized_in_parts(self.pixels, image_size), labels)

    def with_channels(self, channels: int) -> Images:
        """The same images of so many channels: RGB as grey, grey as red, green and blue. ValueError for any others."""
        if channels == self.channels:
            return self
        if {channels, self.channels} != {RGB, GREY}:
            raise ValueError(cannot_convert(self.channels, channels))
        if isinstance(self.pixels, Streamed):
            return Images(self.pixels.with_channels(channels), self.labels)
        return Images(converted_in_parts(self.pixels, channels), self.labels)

    def channel_statistics(self) -> tuple[PerChannel, PerChannel]:
        """Mean and standard deviation of each channel, for pixels in 0..1. Those of a file are computed once."""
        identity = self.pixels.identity() if isinstance(self.pixels, Streamed) else None
        mean, std = known("statistics", identity, self._channel_statistics)
        return tuple(mean), tuple(std)

    def _channel_statistics(self) -> tuple[list[float], list[float]]:
        total, squares = torch.zeros(2, self.channels, dtype=torch.float64, device=self.pixels.device)
        for part in parts(self.pixels):
            values = self.pixels[part].reshape(-1, self.channels).double() / 255
            total += values.sum(0)
            squares += values.square().sum(0)
        count = math.prod(self.pixels.shape[:3])
        mean = total / count
        std = (squares / count - mean.square()).clamp(min=0).sqrt().clamp(min=1 / 255)  # never 0: it divides
        return mean.tolist(), std.tolist()


@dataclasses.dataclass(frozen=True)
class Dataset:
    """What a search may see: the training and validation splits. Test data comes only from `load_test`.

    `test` is None but in a comparison, whose trainings end with a look at it. `mean` and `std` are of the training
    split's channels, for pixels in 0..1. `sha256` is of the list of the files that the images are from; None for data
    that don't change. `notes` are what to know of how these are split.
    `targets` are what the labels are, and `class_names` the names of the classes, the labels or the numbers.
    """

    name: str
    class_names: tuple[str, ...]
    train: Images
    val: Images
    mean: PerChannel
    std: PerChannel
    sha256: str | None = None
    test: Images | None = None
    notes: tuple[str, ...] = ()
    targets: Targets = CLASSES
    fit: str = CROP  # how images that are no squares were made such, see `nas.data.image_file`

    @classmethod
    def split(cls, name: str, class_names: tuple[str, ...], training: Images, kind: str = CLASSIFICATION) -> Dataset:
        """The dataset whose validation split is carved out of `training`, class-balanced, always the same."""
        val, train = training.divide(max(1, len(training) // VAL_SHARE), VAL_SEED)
        targets = Targets.of(kind, train.labels, class_names)
        return cls(name, class_names, train, val, *train.channel_statistics(), targets=targets)

    @property
    def num_classes(self) -> int:
        """Outputs that a network has: as many as there are classes, labels or numbers."""
        return len(self.class_names)

    @property
    def kind(self) -> str:
        """The task, one of `TASKS`."""
        return self.targets.kind

    @property
    def image_size(self) -> int:
        """Height and width in pixels."""
        return self.train.pixels.shape[1]

    @property
    def channels(self) -> int:
        """1 of grey images, 3 of RGB ones."""
        return self.train.channels

    def to(self, device: torch.device | str, sharing: int = 1) -> Dataset:
        """The same on `device`, whose memory so many processes are `sharing`."""
        train, val = self.train.to(device, sharing), self.val.to(device, sharing)
        test = None if self.test is None else self.test.to(device, sharing)
        return dataclasses.replace(self, train=train, val=val, test=test)


def stratified(labels: np.ndarray, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The places of `n` random images of these `labels` `[N]`, in their proportions, and of the rest: both sorted."""
    order = _stratified_order(labels, seed)
    return np.sort(order[:n]), np.sort(order[n:])


def _stratified_order(labels: np.ndarray, seed: int) -> np.ndarray:
    """A random order of all images, any beginning of which has the classes in their overall proportions."""
    rng = np.random.default_rng(seed)
    quantile = np.empty(len(labels))
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        quantile[members] = (np.arange(len(members)) + rng.random()) / len(members)
    return np.argsort(quantile, kind="stable")


def visible(pixels: np.ndarray) -> np.ndarray:
    """What a picture shows of an image, uint8 `[H, W, C]`: `[H, W]` of a grey one, else its first three channels."""
    return np.ascontiguousarray(pixels[..., 0] if pixels.shape[-1] < RGB else pixels[..., :RGB])


def cannot_convert(own: int, wanted: int) -> str:
    """What is said where images of `own` channels are wanted with as many as nobody can make of them."""
    can = "3 channels can be taken as 1, grey, and 1 as 3" if own in (RGB, GREY) else "they are taken as they are"
    return f"--channels {wanted}: the images have {own}, and {can}"
