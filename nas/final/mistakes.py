"""The worst mistakes of a network, as a picture: what it was the surest of, and wrong; of numbers the farthest off."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from nas.data.images import Images, visible
from nas.data.overlay import overlaid, palette
from nas.data.targets import CLASSES, CLASSIFICATION, IGNORED, REGRESSION, SEGMENTATION, THRESHOLD, Targets
from nas.files import write_atomically
from nas.text.visible import visible_in_line

SHOWN, COLUMNS = 24, 6
SIDE, CAPTION, GAP = 112, 30, 8  # pixels
LONGEST = 19  # characters of a caption's line
MASKS_SHOWN, LINE = 12, 18


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
    for label, name in enumerate(class_names):
        x, y = GAP + label % COLUMNS * SIDE, size[1] - legend + label // COLUMNS * LINE
        pen.rectangle((x, y, x + 10, y + 10), fill=tuple(colours[label].tolist()))
        pen.text((x + 14, y - 1), _fitted(name, 15), fill="black", font=font)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    write_atomically(path, buffer.getvalue())
    return True


def _fitted(name: str, longest: int = LONGEST) -> str:
    shown = visible_in_line(name)
    return shown if len(shown) <= longest else f"{shown[: longest - 3]}..."
