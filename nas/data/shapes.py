"""`shapes`: ten classes of drawn shapes, 32 x 32 pixels, made in memory from a seed: a first try with no download.

Each image is a textured shape on a textured background, with one stroke behind it and one before it, under noise;
place, size, stretch, rotation and colours are random, so only the outline tells the class, also of a mirror image.
It is made so that better networks score better and a short training is far from 100 %. The images are the same
on every machine but for the last bits of sines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from nas.data.drawn import SIZE, Array, add_bar, box, coverage, disc, drawn, heart, paint, placed, polygon, uniform
from nas.data.images import Images

COUNTS = {"train": 10_000, "test": 2_000}

# How hard the images are. Lengths are in half sides of the image, colours in 0..1.
RADIUS = (0.4, 0.7)
REACH = 0.35  # how far from the image's centre a shape's may be, in either direction
CONTRAST = (0.35, 0.8)  # distance in RGB between the colours of a shape and its background
SPOTS = 6  # cells of the random grid that a texture is spread from, in either direction
SPOT_STRENGTH = 0.08
STRIPES = (4.0, 20.0)  # radians
STRIPE_STRENGTH = 0.04
NOISE = (0.0, 0.04)  # standard deviation
STROKE_LENGTH, STROKE_WIDTH = (0.1, 0.5), (0.04, 0.12)  # halves of them


SHAPES: dict[str, Callable[[Array, Array], Array]] = {
    "disc": disc,
    "ring": lambda x, y: np.abs(np.hypot(x, y) - 0.75) - 0.22,
    "crescent": lambda x, y: np.maximum(disc(x, y), 0.85 - np.hypot(x - 0.55, y)),
    "half-disc": lambda x, y: np.maximum(disc(x, y + 0.3), -0.3 - y),
    "triangle": lambda x, y: polygon(x, y, 3),
    "square": lambda x, y: box(x, y, 0.78, 0.78),
    "frame": lambda x, y: np.abs(box(x, y, 0.68, 0.68)) - 0.18,
    "star": lambda x, y: polygon(x, y, 5, inset=0.5),
    "cross": lambda x, y: np.minimum(box(x, y, 1.0, 0.3), box(x, y, 0.3, 1.0)),
    "heart": heart,
}
"""Signed distance to each shape's edge, negative inside, in units of its radius."""

CLASS_NAMES = tuple(SHAPES)


def read(split: Literal["train", "test"]) -> Images:
    """All images of a split, the same each time."""
    return drawn(2016, split, COUNTS[split], len(SHAPES), _draw)


def _draw(labels: npt.NDArray[np.int64], rng: np.random.Generator) -> Array:
    """One image a label, in 0..1 but for what is clipped: `[N, 32, 32, 3]`."""
    n = len(labels)
    colour = uniform(rng, (0.2, 0.8), n, 3)
    image = _texture(colour, rng)
    add_bar(image, STROKE_LENGTH, STROKE_WIDTH, rng)
    direction = rng.standard_normal((n, 3), dtype=np.float32)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    shape_colour = colour + uniform(rng, CONTRAST, n, 1) * direction
    paint(image, _shape(labels, rng), _texture(shape_colour, rng))
    add_bar(image, STROKE_LENGTH, STROKE_WIDTH, rng)
    image += uniform(rng, NOISE, n, 1, 1, 1) * rng.standard_normal(image.shape, dtype=np.float32)
    return image


def _shape(labels: npt.NDArray[np.int64], rng: np.random.Generator) -> Array:
    """How much of each pixel the shape of each label covers: 0..1, `[N, 32, 32]`."""
    n = len(labels)
    radius = uniform(rng, RADIUS, n, 1, 1)
    stretch = np.exp(uniform(rng, (-0.2, 0.2), n, 1, 1))
    x, y = placed(n, REACH, rng)
    x, y = x / (radius * stretch), y / (radius / stretch)
    distance = np.empty_like(x)
    for label, signed_distance in enumerate(SHAPES.values()):
        chosen = labels == label
        distance[chosen] = signed_distance(x[chosen], y[chosen])
    return coverage(distance * radius)


def _texture(colour: Array, rng: np.random.Generator) -> Array:
    """`colour` `[N, 3]` with soft spots of random size and strength, and stripes: `[N, 32, 32, 3]`."""
    n = len(colour)
    spots = uniform(rng, (-1, 1), n, 3, SPOTS, SPOTS) * uniform(rng, (0, SPOT_STRENGTH), n, 1, 1, 1)
    spread = F.interpolate(torch.from_numpy(spots), size=(SIZE, SIZE), mode="bilinear").numpy()
    across, _ = placed(n, 1.0, rng)
    stripes = np.sin(across * uniform(rng, STRIPES, n, 1, 1))
    strength = uniform(rng, (-STRIPE_STRENGTH, STRIPE_STRENGTH), n, 1, 1, 3)
    texture: Array = colour[:, None, None, :] + spread.transpose(0, 2, 3, 1) + strength * stripes[..., None]
    return texture
