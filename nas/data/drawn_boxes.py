"""Boxes over the image: of each class a colour, and the score beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from torch import Tensor

from nas.data.images import visible
from nas.data.overlay import palette
from nas.detection.objects import NONE

SURE = 0.3  # scores of boxes that are shown


def drawn(
    pixels: npt.NDArray[Any], boxes: Tensor, scores: Tensor, classes: Tensor, class_names: Sequence[str],
    least: float = SURE,
) -> Image.Image:  # fmt: skip
    """An image uint8 `[H, W, C]` with the boxes `[M, 4]` of a score of `least` or more: class and score in percent.

    `scores` (0..1) and `classes` are `[M]`, as `nas.detection.detector.Found` has them of one image.
    """
    picture = Image.fromarray(visible(np.asarray(pixels))).convert("RGB")
    draw = ImageDraw.Draw(picture)
    colours = palette(len(class_names) + 1)[1:].tolist()  # VOC's first is black
    shown = [place for place, number in enumerate(classes.tolist()) if number != NONE and scores[place] >= least]
    for place in reversed(shown):  # the surest on top
        number, box = int(classes[place]), boxes[place].tolist()
        colour = tuple(colours[number])
        draw.rectangle(box, outline=colour)
        draw.text((box[0] + 2, box[1] + 1), f"{class_names[number]} {100 * scores[place]:.0f}", fill=colour)
    return picture
