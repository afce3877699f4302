"""A sheet of training images: as they are, and as a network sees them, so that a person sees what it sees."""

from __future__ import annotations

import io

import torch
from PIL import Image
from torch import Tensor

from nas.data.batches import TrainBatches
from nas.data.images import Dataset, visible
from nas.data.operations import whole
from nas.training.recipe import Recipe

IMAGES, VERSIONS = 8, 7  # rows, and columns after the first
SIDES = (64, 48, 40, 32, 24, 16)  # pixels of an image on the sheet, the largest that are small enough as a file
GAP = 2  # pixels between images; four times that after the first column
PAPER = 255
MOST_BYTES = 100_000


def examples(dataset: Dataset, recipe: Recipe, seed: int = 0) -> Tensor:
    """Training images as they are and as `recipe` has them changed and mixed: uint8 `[images, 1 + VERSIONS, S, S, C]`.

    They are `IMAGES`, of as many classes as there may be, at the recipe's size S. `dataset` is not yet
    `recipe.prepare`d, since that would resize all images.
    """
    few = dataset.train.take(min(IMAGES, len(dataset.train)), seed=0).resize(recipe.size_on(dataset))
    batches = TrainBatches(
        few, dataset.mean, dataset.std,
        batch_size=len(few), augment=recipe.augment(), num_classes=dataset.num_classes,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(seed)
    columns = [few.pixels[:]]
    for _ in range(VERSIONS):
        draw = next(batches.draw(generator))
        x, _ = batches.batch(draw)
        columns.append(_seen(x[draw[0].argsort()], dataset))  # a batch has the images in an order of its own
    return torch.stack(columns, 1)


def sheet_png(dataset: Dataset, recipe: Recipe, seed: int = 0, most_bytes: int = MOST_BYTES) -> bytes:
    """`examples` as a PNG file with a row for each image; smaller, or of 256 colours, where it had too many bytes.

    Of images of more than three channels it shows the first three.
    """
    shown = examples(dataset, recipe, seed).cpu()
    sides = [side for side in SIDES if side < shown.shape[2]] or [shown.shape[2]]
    for side in [min(shown.shape[2], SIDES[0]), *sides]:
        sheet = _sheet(shown, side)
        for image in (sheet, sheet.quantize(256)):
            if len(written := _png(image)) <= most_bytes:
                return written
    return written


def _seen(x: Tensor, dataset: Dataset) -> Tensor:
    """Normalised `[B, C, H, W]` as pixels again: uint8 `[B, H, W, C]`."""
    mean, std = (torch.tensor(values, device=x.device) for values in (dataset.mean, dataset.std))
    return whole((x.permute(0, 2, 3, 1) * std + mean) * 255)


def _sheet(shown: Tensor, side: int) -> Image.Image:
    rows, columns = shown.shape[:2]
    size = (columns * (side + GAP) + 3 * GAP - GAP, rows * (side + GAP) - GAP)
    sheet = Image.new("RGB", size, (PAPER,) * 3)
    for row, versions in enumerate(shown.numpy()):
        for column, pixels in enumerate(versions):
            tile = Image.fromarray(visible(pixels)).resize((side, side), Image.Resampling.BOX)
            sheet.paste(tile, (column * (side + GAP) + 3 * GAP * (column > 0), row * (side + GAP)))
    return sheet


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()
