"""`shapes2`: ten classes of patterned things, 32 x 32 pixels, made in memory from a seed: a first try with no download.

A thing is an outline filled with a pattern, such as a striped disc, before a cloudy background. Each outline and each
pattern is in two classes, so a network has to see both: coarse edges and fine texture. Colours help much (a linear
model of 8 x 8 pixels is right about two thirds of the time), but classes overlap in them. As in photographs, things
stand upright, a bar may hide a part, light comes from one side, and the background varies at all scales.

It is made so that in one pass over 5,000 images networks differ much. How far their order is that on CIFAR-10,
`benchmarks/shapes.py` measures (a rank correlation of about 0.7 for `compact`). No image of CIFAR-10, or of anything
else, is used. The images are the same on every machine but for the last bits of sines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from nas.data.drawn import (
    SIZE,
    Array,
    add_bar,
    box,
    coverage,
    disc,
    drawn,
    masks_drawn,
    paint,
    placed,
    polygon,
    uniform,
)
from nas.data.images import Images
from nas.data.targets import CLASSIFICATION, SEGMENTATION
from nas.detection.objects import NONE, Objects

COUNTS = {"train": 20_000, "test": 4_000}

# How hard the images are. Lengths are in half sides of the image, colours in 0..1, angles in radians.
RADIUS = (0.6, 1.0)
REACH = 0.2  # how far from the image's centre a thing's may be, in either direction
TILT = 0.2  # to either side. Turned by any angle, things take many more steps to learn
STRETCH = 0.2  # of the logarithm of width to radius, in either direction
PERIOD = (0.4, 0.7)  # of a pattern
CONTRAST = (0.25, 0.6)  # between a pattern's two colours
TINT = (0.6, 1.4)  # times the contrast, for each of red, green and blue
HUE_SPREAD = 0.5  # standard deviation from the class's own hue; those of two classes differ by 0.63 or more
BRIGHTNESS, SATURATION = (0.35, 0.65), (0.2, 0.5)
ROUGHNESS = (0.8, 1.4)  # amplitudes of the background fall with frequency to this power, in photographs about 1
CLOUDINESS = (0.05, 0.15)  # standard deviation of the background
GREYNESS, COLOURFULNESS = 1.2, 0.5  # how much of the background's variation is common to red, green and blue, and not
BAR_LENGTH, BAR_WIDTH = (0.2, 0.8), (0.06, 0.2)  # halves of them
SHADE = (0.0, 0.3)  # how much brighter the light from one side makes one edge, and darker the other
NOISE = (0.0, 0.03)  # standard deviation

Field = Callable[[Array, Array], Array]

OUTLINES: dict[str, Field] = {
    "disc": disc,
    "square": lambda x, y: box(x, y, 0.8, 0.8),
    "triangle": lambda x, y: polygon(-y, x, 3),
    "star": lambda x, y: polygon(-y, x, 5, inset=0.55),
    "cross": lambda x, y: np.minimum(box(x, y, 1.0, 0.4), box(x, y, 0.4, 1.0)),
}
"""Signed distance to each outline's edge, negative inside, in units of its radius."""

PATTERNS: dict[str, Field] = {
    "plain": lambda x, y: np.ones_like(x),
    "striped": lambda x, y: np.sin(x),
    "checked": lambda x, y: np.sin(x) * np.sin(y),
    "dotted": lambda x, y: np.cos(x) + np.cos(y) - 0.6,
    "ringed": lambda x, y: np.sin(np.hypot(x, y)),
}
"""Where each pattern has its one colour, above 0, and where the other. A period is 2 pi."""

THINGS = tuple(
    (outline, tuple(PATTERNS)[(place + step) % len(PATTERNS)])
    for step in (0, 1)
    for place, outline in enumerate(OUTLINES)
)
"""What the classes are: each outline and each pattern is in two of them."""

CLASS_NAMES = tuple(f"{pattern}-{outline}" for outline, pattern in THINGS)


NAME = "shapes2"
MASK_NAMES = ("background", *CLASS_NAMES)
"""What a pixel is: none of a thing's, or of a thing of that class."""


def names_of(task: str) -> tuple[str, ...]:
    """The classes that the labels of a `task` have."""
    return MASK_NAMES if task == SEGMENTATION else CLASS_NAMES


def read(split: Literal["train", "test"], task: str = CLASSIFICATION) -> Images:
    """All images of a split, the same each time, with the labels of a `task`.

    Those of segmentation are masks, of the classes `MASK_NAMES`; of detection each thing's box, around what is to be
    seen of it.
    """
    images = drawn(2019, split, COUNTS[split], len(THINGS), _draw)
    if task == CLASSIFICATION:
        return images
    masks = masks_drawn(2019, split, COUNTS[split], len(THINGS), _mask)
    return Images(images.pixels, masks if task == SEGMENTATION else _boxes(masks, images.labels).rows)


def _boxes(masks: torch.Tensor, classes: torch.Tensor) -> Objects:
    """The box around the thing in each of `masks` `[N, 32, 32]`, and its class, of `classes` `[N]`."""
    there = masks != 0
    sides = []
    for across in (1, 2):  # the rows of a mask are first, and over them one sees its columns
        along = there.any(across).to(torch.uint8)
        first, last = along.argmax(1), SIZE - along.flip(1).argmax(1)
        sides.append((first / SIZE, last / SIZE))
    (left, right), (top, bottom) = sides
    boxes = torch.stack([left, top, right, bottom], dim=1)
    return Objects(boxes[:, None], classes.where(there.any((1, 2)), NONE)[:, None])


def _draw(labels: npt.NDArray[np.int64], rng: np.random.Generator) -> Array:
    """One image a label, in 0..1 but for what is clipped: `[N, 32, 32, 3]`."""
    return _drawn(labels, rng)[0]


def _mask(labels: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """For each label where its thing is to be seen: 1 + label, and 0 elsewhere, uint8 `[N, 32, 32]`."""
    _, seen = _drawn(labels, rng)
    return np.where(seen > 0.5, labels[:, None, None] + 1, 0).astype(np.uint8)


def _drawn(labels: npt.NDArray[np.int64], rng: np.random.Generator) -> tuple[Array, Array]:
    """One image a label, and how much of each pixel is the thing's, `[N, 32, 32]` in 0..1."""
    image = _background(len(labels), rng)
    add_bar(image, BAR_LENGTH, BAR_WIDTH, rng)
    covered = _add_thing(image, labels, rng)
    hidden = add_bar(image, BAR_LENGTH, BAR_WIDTH, rng)
    _light(image, rng)
    return image, covered * (1 - hidden)


def _background(n: int, rng: np.random.Generator) -> Array:
    """A colour with clouds of all sizes, as photographs vary (Field 1987): `[N, 32, 32, 3]`."""
    frequency = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)).astype(np.float32)
    frequency[0, 0] = np.inf  # no mean, which is the colour's
    waves = np.fft.rfft2(rng.standard_normal((n, 3, SIZE, SIZE), dtype=np.float32))
    clouds = np.fft.irfft2(waves * frequency ** -uniform(rng, ROUGHNESS, n, 1, 1, 1), s=(SIZE, SIZE))
    clouds *= uniform(rng, CLOUDINESS, n, 1, 1, 1) / clouds.std(axis=(2, 3), keepdims=True)
    clouds = GREYNESS * clouds.mean(axis=1, keepdims=True) + COLOURFULNESS * clouds
    colour = uniform(rng, (0.2, 0.8), n, 1, 1, 3)
    background: Array = colour + clouds.transpose(0, 2, 3, 1).astype(np.float32)
    return background


def _add_thing(image: Array, labels: npt.NDArray[np.int64], rng: np.random.Generator) -> Array:
    """Draw the thing of each label over each of `image` `[N, 32, 32, 3]`; returns what it covers, `[N, 32, 32]`."""
    n = len(labels)
    radius = uniform(rng, RADIUS, n, 1, 1)
    stretch = np.exp(uniform(rng, (-STRETCH, STRETCH), n, 1, 1))
    x, y = placed(n, REACH, rng, (-TILT, TILT))
    x, y = x / (radius * stretch), y / (radius / stretch)
    scale = 2 * np.pi * radius / uniform(rng, PERIOD, n, 1, 1)
    phase = uniform(rng, (0, 2 * np.pi), n, 1, 1)
    distance, level = np.empty_like(x), np.empty_like(x)
    for label, (outline, pattern) in enumerate(THINGS):
        chosen = labels == label
        shift = 0 if pattern == "ringed" else phase[chosen]  # rings have the thing's centre
        distance[chosen] = OUTLINES[outline](x[chosen], y[chosen])
        level[chosen] = PATTERNS[pattern](x[chosen] * scale[chosen] + shift, y[chosen] * scale[chosen] + shift)
    # Which of a pattern's two colours is the brighter.
    sign = rng.choice(np.array([-1, 1], dtype=np.float32), (n, 1, 1, 1))
    contrast = sign * uniform(rng, CONTRAST, n, 1, 1, 1) * uniform(rng, TINT, n, 1, 1, 3)
    soft = (2 * level).clip(-1, 1)[..., None]
    covered = coverage(distance * radius)
    paint(image, covered, _colours(labels, rng)[:, None, None, :] + contrast / 2 * soft)
    return covered


def _colours(labels: npt.NDArray[np.int64], rng: np.random.Generator) -> Array:
    """A colour for each label, `[N, 3]`, whose hue is somewhere around that of its class."""
    n = len(labels)
    hue = labels * (2 * np.pi / len(THINGS)) + HUE_SPREAD * rng.standard_normal(n)
    wave = np.cos(hue[:, None] - np.arange(3) * (2 * np.pi / 3)).astype(np.float32)
    return uniform(rng, BRIGHTNESS, n, 1) + uniform(rng, SATURATION, n, 1) * wave


def _light(image: Array, rng: np.random.Generator) -> None:
    """Light each of `image` `[N, 32, 32, 3]` from a side, and add a camera's noise, in place."""
    n = len(image)
    across, _ = placed(n, 0.0, rng)
    image *= 1 + uniform(rng, SHADE, n, 1, 1, 1) * across[..., None]
    image += uniform(rng, NOISE, n, 1, 1, 1) * rng.standard_normal(image.shape, dtype=np.float32)
