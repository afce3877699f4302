"""What data is here: whole splits as uint8 tensors, on the device that trains, or read as they are needed.

A split is stored `[N, H, W, 3]` (NHWC): a batch gathered from it and permuted to `[B, 3, H, W]` is
channels_last already, the layout that convolutions are fastest in.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import torch

from nas.data.known import known
from nas.data.streamed import Pixels, Streamed, moved, parts, resized_in_parts

RGB = tuple[float, float, float]

VAL_SHARE = 10
"""One training image in so many is held out for validation: 5,000 of CIFAR's 50,000."""

VAL_SEED = 0
"""Which ones: fixed for good, so that every search, baseline and machine has the same 45,000/5,000 split."""


@dataclasses.dataclass(frozen=True)
class Images:
    """One split. `pixels` is uint8 `[N, H, W, 3]`, contiguous; `labels` is int64 `[N]`; both on one device.

    Pixels that are too many for its memory are `Streamed`: they give what is asked of them on that device.
    """

    pixels: Pixels
    labels: torch.Tensor

    def __post_init__(self) -> None:
        assert self.pixels.dtype == torch.uint8 and self.pixels.shape[3:] == (3,)
        assert self.pixels.is_contiguous()
        assert self.labels.dtype == torch.int64 and self.labels.shape == self.pixels.shape[:1]

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str, sharing: int = 1) -> Images:
        """The same on `device`, whose memory so many processes are `sharing`."""
        return Images(moved(self.pixels, device, sharing), self.labels.to(device))

    def take(self, n: int, seed: int) -> Images:
        """A random subset of `n` images with this split's class proportions; `ValueError` if there are fewer."""
        return self.at(self._stratified(n, seed)[0])

    def divide(self, n: int, seed: int) -> tuple[Images, Images]:
        """`take(n, seed)` and all the rest, both in the original order."""
        first, rest = self._stratified(n, seed)
        return self.at(first), self.at(rest)

    def _stratified(self, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        if not 0 <= n <= len(self):
            raise ValueError(f"asked for {n:,} images of a split that has {len(self):,}: ask for at most that many")
        return stratified(self.labels.numpy(force=True), n, seed)

    def at(self, places: np.ndarray) -> Images:
        """The images at these `places`, int64 `[n]`, in that order."""
        index = torch.from_numpy(places).to(self.labels.device)
        pixels = self.pixels.at(places) if isinstance(self.pixels, Streamed) else self.pixels[index]
        return Images(pixels, self.labels[index])

    def resize(self, resolution: int) -> Images:
        """The whole split at `resolution` x `resolution` pixels: bilinear, antialiased, still uint8."""
        if self.pixels.shape[1:3] == (resolution, resolution):
            return self
        if isinstance(self.pixels, Streamed):
            return Images(self.pixels.resized(resolution), self.labels)
        return Images(resized_in_parts(self.pixels, resolution), self.labels)

    def channel_statistics(self) -> tuple[RGB, RGB]:
        """Mean and standard deviation of each channel, for pixels in 0..1. Those of a file are computed once."""
        identity = self.pixels.identity() if isinstance(self.pixels, Streamed) else None
        mean, std = known("statistics", identity, self._channel_statistics)
        return _rgb(mean), _rgb(std)

    def _channel_statistics(self) -> tuple[list[float], list[float]]:
        total, squares = torch.zeros(2, 3, dtype=torch.float64, device=self.pixels.device)
        for part in parts(self.pixels):
            values = self.pixels[part].reshape(-1, 3).double() / 255
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
    """

    name: str
    class_names: tuple[str, ...]
    train: Images
    val: Images
    mean: RGB
    std: RGB
    sha256: str | None = None
    test: Images | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def split(cls, name: str, class_names: tuple[str, ...], training: Images) -> Dataset:
        """The dataset whose validation split is carved out of `training`, class-balanced, always the same."""
        val, train = training.divide(max(1, len(training) // VAL_SHARE), VAL_SEED)
        return cls(name, class_names, train, val, *train.channel_statistics())

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def image_size(self) -> int:
        """Height and width in pixels."""
        return self.train.pixels.shape[1]

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


def _rgb(values: Sequence[float]) -> RGB:
    red, green, blue = values
    return red, green, blue
