"""The worst mistakes of a network, as a picture: what it was the surest of, and wrong; of numbers the farthest off; of
pixels and objects the images with the fewest right."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from nas.data.drawn_boxes import SURE, Drawn, colours_of, draw_boxes
from nas.data.images import Images, visible
from nas.data.overlay import overlaid, palette
from nas.data.targets import (
    CLASSES,
    CLASSIFICATION,
    DETECTION,
    IGNORED,
    REGRESSION,
    SEGMENTATION,
    THRESHOLD,
    Targets,
)
from nas.detection.boxes import overlaps
from nas.detection.detector import Found
from nas.detection.objects import NONE, Objects
from nas.files import write_atomically
from nas.text.visible import visible_in_line

SHOWN, COLUMNS = 24, 6
SIDE, CAPTION, GAP = 112, 30, 8  # pixels
LONGEST = 19  # characters of a caption's line
MASKS_SHOWN, LINE = 12, 18
BOXES_SHOWN, BOXES_SIDE = 6, 240
HIT = 0.5  # of an object by a box of its class: how far they overlap


@dataclass(frozen=True)
class Mistake:
    """Image `number` of the split, what it is and what it was taken for, and how sure the network was: 0..1."""

    number: int
    label: int
    said: int
    probability: float


def worst(probabilities: Tensor, labels: Tensor, count: int = SHOWN) -> list[Mistake]:
    """Of the images that `probabilities` `[N, num_classes]` get wrong, those of the surest answers, these first."""
    sure, said = probabilities.max(1)
    wrong = (said != labels).nonzero().flatten()
    order = wrong[sure[wrong].argsort(descending=True, stable=True)][:count]
    numbers = zip(order.tolist(), labels[order].tolist(), said[order].tolist(), sure[order].tolist(), strict=True)
    return [Mistake(*values) for values in numbers]


Caption = tuple[int, str, str]
"""Image `number` of the split, what it is, and what it was taken for."""


def captions(said: Tensor, labels: Tensor, names: Sequence[str], targets: Targets = CLASSES) -> list[Caption]:
    """The worst mistakes in words, the worst first: `cat` and `dog 98 %`; `has car` and `said to: 3 %`; `age 31`, `47`.

    `said` is what a network says of each image and label, as `nas.training.evaluation.predict` gives it.
    """
    if targets.kind == CLASSIFICATION:
        return [
            (m.number, _fitted(names[m.label]), f"{_fitted(names[m.said], LONGEST - 5)} {m.probability:.0%}")
            for m in worst(said, labels)
        ]
    off = (said - labels).abs()
    if targets.kind == REGRESSION:
        off = off / off.new_tensor(targets.std)  # one deviation of one number is as bad as one of another
    error, of = off.max(1)
    if targets.kind != REGRESSION:
        error = error.where(error > THRESHOLD, 0)
    order = [number for number in error.argsort(descending=True, stable=True).tolist() if error[number] > 0][:SHOWN]
    found = []
    for number in order:
        which = int(of[number])
        name, true, took = names[which], float(labels[number, which]), float(said[number, which])
        if targets.kind == REGRESSION:
            found.append((number, f"{_fitted(name, LONGEST - 8)} {true:.4g}", f"{took:.4g}"))
        else:
            is_there = "has" if true else "has no"
            found.append((number, f"{is_there} {_fitted(name, LONGEST - 7)}", f"said to: {took:.0%}"))
    return found


def draw(path: Path, images: Images, mistakes: Sequence[Caption]) -> None:
    """Write a PNG of the `mistakes`, each with its two lines below it: what it is, and what it was taken for.

    Of images of more than three channels the first three are shown.
    """
    columns = min(COLUMNS, len(mistakes))
    rows = -(-len(mistakes) // columns)
    sheet = Image.new("RGB", (columns * (SIDE + GAP) + GAP, rows * (SIDE + CAPTION + GAP) + GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for place, (number, true, taken) in enumerate(mistakes):
        x, y = GAP + place % columns * (SIDE + GAP), GAP + place // columns * (SIDE + CAPTION + GAP)
        pixels = images.pixels[number].cpu().numpy()
        sheet.paste(Image.fromarray(visible(pixels)).resize((SIDE, SIDE), Image.Resampling.BILINEAR), (x, y))
        pen.text((x, y + SIDE + 2), true, fill="black", font=font)
        pen.text((x, y + SIDE + 15), taken, fill="firebrick", font=font)
    buffer = io.BytesIO()
    sheet.quantize(256).save(buffer, "PNG", optimize=True)
    write_atomically(path, buffer.getvalue())


def draw_worst(
    path: Path, images: Images, said: Tensor, class_names: Sequence[str], targets: Targets = CLASSES
) -> bool:
    """Write the picture of the worst mistakes; False where there is none, and no picture."""
    if targets.kind == SEGMENTATION:
        return draw_worst_masks(path, images, said, class_names)
    if targets.kind == DETECTION:
        return draw_worst_boxes(path, images, said, class_names)
    with torch.no_grad():
        mistakes = captions(said.float(), images.labels, class_names, targets)
    if mistakes:
        draw(path, images, mistakes)
    return bool(mistakes)


def draw_worst_masks(path: Path, images: Images, said: Tensor, class_names: Sequence[str]) -> bool:
    """Write a PNG of the images with the fewest pixels right: each as it is, with its mask over it, and with what is
    `said` of its pixels, uint8 `[N, H, W]`; below them the colours of the classes. False where all are right."""
    known = (images.labels != IGNORED) & (said != IGNORED)
    right = ((said == images.labels) & known).flatten(1).sum(1) / known.flatten(1).sum(1).clamp(min=1)
    right = right.where(known.flatten(1).any(1), 1.0)
    order = [number for number in right.argsort(stable=True).tolist() if right[number] < 1][:MASKS_SHOWN]
    if not order:
        return False
    colours = palette(len(class_names))
    legend = -(-len(class_names) // COLUMNS) * LINE
    columns = COLUMNS // 3  # of threes
    rows = -(-len(order) // columns)
    size = (COLUMNS * SIDE + (columns + 1) * GAP, rows * (SIDE + LINE + GAP) + GAP + legend)
    sheet = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for place, number in enumerate(order):
        x, y = GAP + place % columns * (3 * SIDE + GAP), GAP + place // columns * (SIDE + LINE + GAP)
        pixels = images.pixels[number].cpu().numpy()
        nothing = np.full(pixels.shape[:2], IGNORED, np.uint8)
        for step, mask in enumerate((nothing, images.labels[number].cpu().numpy(), said[number].cpu().numpy())):
            shown = Image.fromarray(overlaid(pixels, mask, colours)).resize((SIDE, SIDE), Image.Resampling.NEAREST)
            sheet.paste(shown, (x + step * SIDE, y))
        pen.text((x, y + SIDE + 2), f"image, mask, said: {right[number]:.0%} of pixels right", fill="black", font=font)
    _draw_legend(sheet, size[1] - legend, class_names, [tuple(colour) for colour in colours.tolist()])
    _write(path, sheet)
    return True


def draw_worst_boxes(path: Path, images: Images, said: Tensor, class_names: Sequence[str]) -> bool:
    """Write a PNG of the images with the most objects missed and boxes that are wrong: each with its own boxes, and
    with what is `said` of it, `[N, M, 6]`, of scores of `SURE` or more; below them the colours of the classes.

    False where all is right.
    """
    objects, found = Objects.of_rows(images.labels), Found.of_rows(said)
    missed, wrong = missed_and_wrong(objects, found)
    order = [n for n in (-missed - wrong).argsort(stable=True).tolist() if missed[n] + wrong[n]][:BOXES_SHOWN]
    if not order:
        return False
    columns, side = 2, BOXES_SIDE
    legend = -(-len(class_names) // COLUMNS) * LINE
    rows = -(-len(order) // columns)
    size = (columns * (2 * side + GAP) + GAP, rows * (side + LINE + GAP) + GAP + legend)
    sheet = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for place, number in enumerate(order):
        x, y = GAP + place % columns * (2 * side + GAP), GAP + place // columns * (side + LINE + GAP)
        pixels = Image.fromarray(visible(images.pixels[number].cpu().numpy())).convert("RGB")
        true = drawn_of(objects.boxes[number], objects.classes[number], None, side)
        taken = drawn_of(found.boxes[number], found.classes[number], found.scores[number], side)
        for step, boxes in enumerate((true, taken)):
            shown = pixels.resize((side, side), Image.Resampling.BILINEAR)
            draw_boxes(shown, boxes, class_names, named=False)
            sheet.paste(shown, (x + step * side, y))
        text = f"its objects, and those found: {int(missed[number])} of {len(true)} missed, {int(wrong[number])} wrong"
        pen.text((x, y + side + 2), text, fill="black", font=font)
    _draw_legend(sheet, size[1] - legend, class_names, colours_of(len(class_names)))
    _write(path, sheet)
    return True


def missed_and_wrong(objects: Objects, found: Found) -> tuple[Tensor, Tensor]:
    """Of each image how many of its `objects` no box of their class that is `found` overlaps by `HIT`, and how many of
    those boxes overlap no object so: int64 `[N]` each. Boxes count that have a score of `SURE` or more."""
    is_box, is_object = found.scores >= SURE, objects.classes != NONE
    hits = overlaps(found.boxes, objects.boxes) >= HIT
    hits &= (found.classes[:, :, None] == objects.classes[:, None, :]) & is_box[:, :, None] & is_object[:, None, :]
    return (is_object & ~hits.any(1)).sum(1), (is_box & ~hits.any(2)).sum(1)


def drawn_of(boxes: Tensor, classes: Tensor, scores: Tensor | None, side: int) -> list[Drawn]:
    """What is drawn of one image's `boxes` `[M, 4]` on a picture of `side` pixels: those that have a class, and a score
    of `SURE` or more, if there are `scores`."""
    found = []
    for place, number in enumerate(classes.tolist()):
        score = None if scores is None else float(scores[place])
        if number != NONE and (score is None or score >= SURE):
            left, top, right, bottom = (boxes[place] * side).tolist()
            found.append(Drawn(number, (left, top, right, bottom), score))
    return found


def _draw_legend(sheet: Image.Image, top: int, names: Sequence[str], colours: Sequence[tuple[int, ...]]) -> None:
    """Write the `names` of the classes from `top` on, each beside its colour."""
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for label, name in enumerate(names):
        x, y = GAP + label % COLUMNS * SIDE, top + label // COLUMNS * LINE
        pen.rectangle((x, y, x + 10, y + 10), fill=colours[label])
        pen.text((x + 14, y - 1), _fitted(name, 15), fill="black", font=font)


def _write(path: Path, sheet: Image.Image) -> None:
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    write_atomically(path, buffer.getvalue())


def _fitted(name: str, longest: int = LONGEST) -> str:
    shown = visible_in_line(name)
    return shown if len(shown) <= longest else f"{shown[: longest - 3]}..."
