"""Photographs with the class of each pixel over them, or the objects that were found, as files."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from nas.data.drawn_boxes import SURE, Drawn, draw_boxes
from nas.data.image_file import CROP, as_shown
from nas.data.images import GREY, RGB
from nas.data.overlay import overlaid, palette
from nas.data.targets import DETECTION, IGNORED, SEGMENTATION
from nas.data.task import Task
from nas.exports.classifier import Prediction
from nas.files import write_atomically
from nas.text.visible import visible_in_line

LEAST = 256  # pixels a side that a picture has
LINE = 14  # pixels of a line of the legend
MOST = 1600  # pixels of the longer side that a picture of objects has


def check_draws(task: Task) -> None:
    """Raises ValueError where a network of the `task` says nothing of pixels, and finds no objects in photographs."""
    if task.targets.kind not in (SEGMENTATION, DETECTION):
        raise ValueError(
            f"--draw is of the classes of pixels, or of objects, and the network is for {task.targets.kind}: leave it "
            "out"
        )
    if task.targets.kind == DETECTION and task.preprocessing.channels not in (GREY, RGB):
        raise ValueError(f"--draw is over photographs, and the network takes {task.preprocessing.channels} channels")


def draw(predictions: Sequence[Prediction], task: Task, folder: Path) -> None:
    """Write a PNG to the new `folder` for each photograph, called as it: `draw_masks` or `draw_objects`."""
    (draw_objects if task.targets.kind == DETECTION else draw_masks)(predictions, task, folder)


def draw_objects(predictions: Sequence[Prediction], task: Task, folder: Path) -> None:
    """Write `NAME.png` to the new `folder` for each photograph: all of it, with the boxes of its objects that have a
    score of `SURE` or more, their classes and scores. What is darker the network has not seen, which takes the middle.
    """
    folder.mkdir(parents=True)
    numbers = {name: number for number, name in enumerate(task.class_names)}
    for prediction, name in zip(predictions, _names(predictions), strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd EXIF data: it has been read
            with Image.open(prediction.path) as opened:
                picture = as_shown(opened)
        times = _enlarged_by(picture.size)
        seen = _with_middle(picture) if task.preprocessing.fit == CROP else picture
        shown = seen.resize((round(times * picture.width), round(times * picture.height)), Image.Resampling.BILINEAR)
        found = [
            Drawn(numbers[one.name], tuple(times * side for side in one.box), one.score)  # type: ignore[arg-type]
            for one in prediction.objects
            if one.score >= SURE
        ]
        draw_boxes(shown, found, task.class_names)
        buffer = io.BytesIO()
        shown.save(buffer, "PNG")
        write_atomically(folder / f"{name}.png", buffer.getvalue())


def _enlarged_by(size: tuple[int, int]) -> float:
    """So that what is written in the picture can be read, and it is no larger than `MOST`."""
    return min(MOST / max(size), max(1.0, 2 * LEAST / min(size)))


def _with_middle(picture: Image.Image) -> Image.Image:
    """The picture, darker outside of its centre square."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    darker = picture.point(lambda value: value // 2)
    darker.paste(picture.crop((left, top, left + side, top + side)), (left, top))
    return darker


def _names(predictions: Sequence[Prediction]) -> Iterator[str]:
    """Of the files, without their endings: of two photographs of the same name the second is `NAME-2`."""
    names: list[str] = []
    for prediction in predictions:
        names.append(prediction.path.stem)
        again = names.count(names[-1])
        yield names[-1] if again == 1 else f"{names[-1]}-{again}"


def draw_masks(predictions: Sequence[Prediction], task: Task, folder: Path) -> None:
    """Write `NAME.png` to the new `folder` for each photograph: what the network saw of it, with the classes of its
    pixels over it, and a legend of those that it has. Of two of the same name the second is `NAME-2.png`."""
    folder.mkdir(parents=True)
    colours = palette(len(task.class_names))
    for prediction, name in zip(predictions, _names(predictions), strict=True):
        assert prediction.mask is not None
        pixels = task.preprocessing.pixels(prediction.path).numpy()
        square = Image.fromarray(overlaid(pixels, prediction.mask, colours))
        shown = square.crop(task.preprocessing.shown(prediction.path))
        times = -(-LEAST // shown.width)
        shown = shown.resize((times * shown.width, times * shown.height), Image.Resampling.NEAREST)
        there = [label for label in np.unique(prediction.mask).tolist() if label != IGNORED]
        buffer = io.BytesIO()
        _with_legend(shown, [(task.class_names[label], colours[label].tolist()) for label in there]).save(buffer, "PNG")
        write_atomically(folder / f"{name}.png", buffer.getvalue())


def _with_legend(shown: Image.Image, classes: Sequence[tuple[str, list[int]]]) -> Image.Image:
    sheet = Image.new("RGB", (shown.width, shown.height + LINE * len(classes) + 4), "white")
    sheet.paste(shown)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for number, (name, colour) in enumerate(classes):
        y = shown.height + LINE * number + 3
        pen.rectangle((4, y, 14, y + 10), fill=tuple(colour))
        pen.text((20, y - 1), visible_in_line(name), fill="black", font=font)
    return sheet
