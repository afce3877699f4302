"""Classes of pixels over the image: a colour for each, half transparent."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nas.data.images import visible
from nas.data.targets import IGNORED

OPAQUE = 0.55  # share of the class's colour

Pixels = npt.NDArray[np.uint8]


def palette(classes: int) -> Pixels:
    """A colour for each class, `[classes, 3]`: those of PASCAL VOC, whose first is black."""
    colours = np.zeros((classes, 3), np.uint8)
    number = np.arange(classes)
    for bit in range(7, -1, -1):  # each three bits of the number are a bit of red, green and blue, the highest first
        for channel in range(3):
            colours[:, channel] |= ((number >> channel & 1) << bit).astype(np.uint8)
        number >>= 3
    return colours


def overlaid(pixels: npt.NDArray[Any], classes: Pixels, colours: Pixels) -> Pixels:
    """An image uint8 `[H, W, C]` with the colour of each pixel's class, `[H, W]`, over it: `[H, W, 3]`.

    What is of no class stays as it is.
    """
    shown = visible(pixels)
    image = np.repeat(shown[..., None], 3, axis=2) if shown.ndim == 2 else shown
    known = classes != IGNORED
    of_class = colours[np.where(known, classes, 0)]
    blended = (1 - OPAQUE) * image + OPAQUE * of_class
    return np.where(known[..., None], blended.round(), image).astype(np.uint8)
