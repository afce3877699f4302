"""Photographs with the class of each pixel over them, as files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from nas.data.overlay import overlaid, palette
from nas.data.targets import IGNORED, SEGMENTATION
from nas.data.task import Task
from nas.exports.classifier import Prediction
from nas.files import write_atomically
from nas.text.visible import visible_in_line

LEAST = 256  # pixels a side that a picture has
LINE = 14  # pixels of a line of the legend


def check_draws(task: Task) -> None:
    """Raises ValueError where a network of the `task` says nothing of pixels."""
    if task.targets.kind != SEGMENTATION:
        raise ValueError(
            f"--draw is of the classes of pixels, and the network is for {task.targets.kind}: leave it out"
        )


def draw_masks(predictions: Sequence[Prediction], task: Task, folder: Path) -> None:
    """Write `NAME.png` to the new `folder` for each photograph: what the network saw of it, with the classes of its
    pixels over it, and a legend of those that it has. Of two of the same name the second is `NAME-2.png`."""
    folder.mkdir(parents=True)
    colours = palette(len(task.class_names))
    names: list[str] = []
    for prediction in predictions:
        assert prediction.mask is not None
        pixels = task.preprocessing.pixels(prediction.path).numpy()
        square = Image.fromarray(overlaid(pixels, prediction.mask, colours))
        shown = square.crop(task.preprocessing.shown(prediction.path))
        times = -(-LEAST // shown.width)
        shown = shown.resize((times * shown.width, times * shown.height), Image.Resampling.NEAREST)
        there = [label for label in np.unique(prediction.mask).tolist() if label != IGNORED]
        buffer = io.BytesIO()
        _with_legend(shown, [(task.class_names[label], colours[label].tolist()) for label in there]).save(buffer, "PNG")
        names.append(prediction.path.stem)
        again = names.count(names[-1])
        write_atomically(folder / f"{names[-1]}{'' if again == 1 else f'-{again}'}.png", buffer.getvalue())


def _with_legend(shown: Image.Image, classes: Sequence[tuple[str, list[int]]]) -> Image.Image:
    sheet = Image.new("RGB", (shown.width, shown.height + LINE * len(classes) + 4), "white")
    sheet.paste(shown)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for number, (name, colour) in enumerate(classes):
        y = shown.height + LINE * number + 3
        pen.rectangle((4, y, 14, y + 10), fill=tuple(colour))
        pen.text((20, y - 1), visible_in_line(name), fill="black", font=font)
    return sheet
