"""Boxes over an image: of each class a colour, and beside each box its class and its score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from nas.data.overlay import palette
from nas.text.visible import visible_in_line

SURE = 0.3  # scores of boxes that are shown
LETTERS, THICK = 40, 200  # of these parts of the image's shorter side a letter is one high, and a line one wide
SMALLEST, LARGEST = 11, 28  # pixels of a letter

Colour = tuple[int, int, int]


class Drawn(NamedTuple):
    """What is drawn of an object: its class by number, its box in pixels of the picture, and its score, if it has one.

    The score is 0..1.
    """

    number: int
    box: tuple[float, float, float, float]
    score: float | None = None


def colours_of(classes: int) -> list[Colour]:
    """A colour for each class: VOC's, without its first, which is black."""
    return [(red, green, blue) for red, green, blue in palette(classes + 1)[1:].tolist()]


def draw_boxes(picture: Image.Image, objects: Sequence[Drawn], class_names: Sequence[str], named: bool = True) -> None:
    """Draw the boxes of `objects`, the first of them on top, over an RGB `picture`, and unless they are not `named`
    their classes and scores in percent: beside each, on its own colour, within the picture."""
    pen, colours = ImageDraw.Draw(picture), colours_of(len(class_names))
    short = min(picture.size)
    width = max(1, round(short / THICK))
    font = ImageFont.load_default(min(LARGEST, max(SMALLEST, round(short / LETTERS))))
    for number, box, _ in reversed(objects):
        pen.rectangle(box, outline=colours[number], width=width)
    for number, box, score in reversed(objects) if named else ():
        percent = "" if score is None else f" {100 * score:.0f}"
        _label(pen, f"{visible_in_line(class_names[number])}{percent}", box, colours[number], font, picture.size)


def _label(
    pen: ImageDraw.ImageDraw, text: str, box: tuple[float, float, float, float], colour: Colour,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont, size: tuple[int, int],
) -> None:  # fmt: skip
    """Write `text` above the `box` on its `colour`; within it where there is no room above."""
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    wide, high = right - left + 4, bottom - top + 4
    x = max(0.0, min(box[0], size[0] - wide))
    y = box[1] - high if box[1] >= high else min(box[1], size[1] - high)
    pen.rectangle((x, y, x + wide, y + high), fill=colour)
    bright = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    pen.text((x + 2 - left, y + 2 - top), text, fill="black" if bright > 128 else "white", font=font)
