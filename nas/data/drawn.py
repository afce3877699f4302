"""What both versions of the built-in images are drawn with: splits, distances to outlines, places, edges, layers.

Many images are drawn at once: `[N, 32, 32]` are values of their pixels, and lengths are in half sides of the image.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from nas.data.images import Images

Array = npt.NDArray[np.floating[Any]]
Lengths = float | Array

SIZE = 32  # pixels
STREAMS = {"train": 0, "test": 1}  # of random numbers: the test images share none with the training images
CHUNK = 100  # images drawn at a time, which fit in a processor's cache; another number draws other images


def drawn(
    seed: int, split: str, count: int, classes: int,
    draw: Callable[[npt.NDArray[np.int64], np.random.Generator], Array],
) -> Images:  # fmt: skip
    """The `count` images of a split, in an order of `classes` by chance, all as often; the same each time.

    `draw` gives an image `[32, 32, 3]` for each of some labels, of which 0..1 is kept.
    """
    rng = np.random.default_rng([seed, STREAMS[split]])
    labels = rng.permutation(np.arange(count) % classes)
    chunks = [_in_bytes(draw(labels[start : start + CHUNK], rng)) for start in range(0, count, CHUNK)]
    return Images(torch.from_numpy(np.concatenate(chunks)), torch.from_numpy(labels))


def masks_drawn(
    seed: int, split: str, count: int, classes: int,
    draw: Callable[[npt.NDArray[np.int64], np.random.Generator], npt.NDArray[np.uint8]],
) -> torch.Tensor:  # fmt: skip
    """The masks uint8 `[count, 32, 32]` of the images that `drawn` gives: of each, what `draw` gives for the labels."""
    rng = np.random.default_rng([seed, STREAMS[split]])
    labels = rng.permutation(np.arange(count) % classes)
    return torch.from_numpy(np.concatenate([draw(labels[i : i + CHUNK], rng) for i in range(0, count, CHUNK)]))


def _in_bytes(image: Array) -> npt.NDArray[np.uint8]:
    return (image.clip(0, 1) * 255).round().astype(np.uint8, order="C")  # in whatever order NumPy worked


def disc(x: Array, y: Array) -> Array:
    return np.hypot(x, y) - 1


def box(x: Array, y: Array, width: Lengths, height: Lengths) -> Array:
    distance: Array = np.maximum(np.abs(x) - width, np.abs(y) - height)
    return distance


def polygon(x: Array, y: Array, corners: int, inset: float = 1.0) -> Array:
    """A regular polygon of circumradius 1; a star if the sides' middles are drawn in, by `inset` < 1."""
    sector = math.pi / corners
    angle = np.abs((np.arctan2(y, x) + sector) % (2 * sector) - sector)  # from the nearest corner, 0..sector
    radius = np.hypot(x, y)
    inner = inset * math.cos(sector)  # a side's half runs from (1, 0) to (1, 0) + (dx, dy)
    dx, dy = inner * math.cos(sector) - 1, inner * math.sin(sector)
    return ((radius * np.cos(angle) - 1) * dy - radius * np.sin(angle) * dx) / math.hypot(dx, dy)


def heart(x: Array, y: Array) -> Array:
    """A square on its corner, and discs on its two upper sides."""
    x, y = np.abs(x), y + 0.1
    distance: Array = np.minimum((x + np.abs(y) - 0.8) / math.sqrt(2), np.hypot(x - 0.4, y - 0.4) - 0.4 * math.sqrt(2))
    return distance


def placed(
    n: int, reach: float, rng: np.random.Generator, turn: tuple[float, float] = (0, 2 * np.pi)
) -> tuple[Array, Array]:
    """Coordinates `[N, 32, 32]` of the pixels as seen from a random point, turned by a random angle within `turn`.

    The image spans -1..1; the point is within `reach` of its centre in either direction. Angles are in radians.
    """
    axis = (np.arange(SIZE, dtype=np.float32) + 0.5) * 2 / SIZE - 1
    x = axis[None, None, :] - uniform(rng, (-reach, reach), n, 1, 1)
    y = axis[None, :, None] - uniform(rng, (-reach, reach), n, 1, 1)
    angle = uniform(rng, turn, n, 1, 1)
    cos, sin = np.cos(angle), np.sin(angle)
    return x * cos + y * sin, y * cos - x * sin


def coverage(distance: Array) -> Array:
    """Edges a pixel wide, from signed distances in half image sides."""
    covered: Array = np.clip(0.5 - distance * (SIZE / 2), 0, 1)
    return covered


def paint(image: Array, covered: Array, colour: Array) -> None:
    """Lay `colour` over `image` `[N, 32, 32, 3]`, in place, where and as far as `covered` `[N, 32, 32]` says."""
    image += covered[..., None] * (colour - image)


def add_bar(image: Array, length: tuple[float, float], width: tuple[float, float], rng: np.random.Generator) -> Array:
    """Draw a straight bar of a random colour over each of `image` `[N, 32, 32, 3]`, anywhere; returns what it covers.

    Halves of its length and width are drawn from these bounds. Covered are `[N, 32, 32]`, 0..1.
    """
    n = len(image)
    x, y = placed(n, 1.0, rng)
    bar = box(x, y, uniform(rng, length, n, 1, 1), uniform(rng, width, n, 1, 1))
    covered = coverage(bar)
    paint(image, covered, uniform(rng, (0, 1), n, 1, 1, 3))
    return covered


def uniform(rng: np.random.Generator, bounds: tuple[float, float], *shape: int) -> Array:
    low, high = bounds
    return low + (high - low) * rng.random(shape, dtype=np.float32)
