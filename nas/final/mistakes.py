"""The worst mistakes of a network, as a picture: what it was the surest of, and wrong."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from nas.data.images import Images, visible
from nas.files import write_atomically
from nas.text.visible import visible_in_line

SHOWN, COLUMNS = 24, 6
SIDE, CAPTION, GAP = 112, 30, 8  # pixels
LONGEST = 19  # characters of a caption's line


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


def draw(path: Path, images: Images, mistakes: Sequence[Mistake], class_names: Sequence[str]) -> None:
    """Write a PNG of the `mistakes`, each with `cat` and `dog 98 %` below it: what it is, what it was taken for.

    Of images of more than three channels the first three are shown.
    """
    columns = min(COLUMNS, len(mistakes))
    rows = -(-len(mistakes) // columns)
    sheet = Image.new("RGB", (columns * (SIDE + GAP) + GAP, rows * (SIDE + CAPTION + GAP) + GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for place, mistake in enumerate(mistakes):
        x, y = GAP + place % columns * (SIDE + GAP), GAP + place // columns * (SIDE + CAPTION + GAP)
        pixels = images.pixels[mistake.number].cpu().numpy()
        sheet.paste(Image.fromarray(visible(pixels)).resize((SIDE, SIDE), Image.Resampling.BILINEAR), (x, y))
        pen.text((x, y + SIDE + 2), _fitted(class_names[mistake.label]), fill="black", font=font)
        taken = f"{_fitted(class_names[mistake.said], LONGEST - 5)} {mistake.probability:.0%}"
        pen.text((x, y + SIDE + 15), taken, fill="firebrick", font=font)
    buffer = io.BytesIO()
    sheet.quantize(256).save(buffer, "PNG", optimize=True)
    write_atomically(path, buffer.getvalue())


def draw_worst(path: Path, images: Images, probabilities: Tensor, class_names: Sequence[str]) -> bool:
    """Write the picture of the worst mistakes; False where there is none, and no picture."""
    with torch.no_grad():
        mistakes = worst(probabilities.float(), images.labels)
    if mistakes:
        draw(path, images, mistakes, class_names)
    return bool(mistakes)


def _fitted(name: str, longest: int = LONGEST) -> str:
    shown = visible_in_line(name)
    return shown if len(shown) <= longest else f"{shown[: longest - 3]}..."
