"""Batches for training and evaluation, made where the data is: no worker processes, no per-image Python.

Crop, flip and the reflected border are one gather: every pixel of the batch is looked up by its row
number in the split seen as a table `[N*H*W, 3]`. Its result is NHWC in memory, so the permuted batch is
channels_last at no cost. All randomness is drawn from the generator passed in, on that generator's device, so
a CPU generator gives a CUDA run the same crops as a CPU run.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import torch
from torch.nn import functional as F

from nas.data.images import RGB, Images
from nas.data.preprocessing import normalised

Batch = tuple[torch.Tensor, torch.Tensor]
"""`x` float32 `[B, 3, H, W]`, normalised and channels_last; `y` int64 `[B]`."""


@dataclasses.dataclass(frozen=True)
class Augment:
    """Random changes to training images; the defaults are the usual ones for CIFAR (He et al. 2015, section 4.2).

    `pad`: shift by up to so many pixels, the border reflected. `flip`: mirror left-right half of the time.
    `cutout`: side in pixels of the square set to the mean colour (DeVries & Taylor 2017, arXiv:1708.04552;
    they use 16 on CIFAR-10); 0 is off. `min_area`: in place of the shift, a random part of the image, of this share of
    its area to all of it and 3:4 to 4:3 in shape, enlarged to the whole (Szegedy et al. 2014, section 6: 0.08 on
    ImageNet); None is off.
    """

    pad: int = 4
    flip: bool = True
    cutout: int = 0
    min_area: float | None = None

    def __post_init__(self) -> None:
        if self.min_area is not None and not 0 < self.min_area <= 1:
            raise ValueError(f"min_area is a share of the image, above 0 and at most 1, not {self.min_area}")
        if self.pad < 0 or self.cutout < 0:
            raise ValueError(f"pad and cutout are pixels, 0 or more, not {self.pad} and {self.cutout}")


def train_batches(
    images: Images, mean: RGB, std: RGB, *, batch_size: int, augment: Augment, generator: torch.Generator
) -> Iterator[Batch]:
    """One epoch of shuffled, augmented batches, the same for the same state of `generator`.

    Every batch is full: the images left over are dropped, unless they are the only batch.
    """
    if augment.pad >= min(images.pixels.shape[1:3]):
        raise ValueError(f"augment.pad is {augment.pad}: it must be smaller than the images, {images.pixels.shape[1]}")
    device = images.pixels.device
    order = torch.randperm(len(images), generator=generator, device=generator.device).to(device)
    for start in range(0, max(1, len(images) - batch_size + 1), batch_size):
        index = order[start : start + batch_size]
        if augment.min_area is None:
            x = normalised(_crop_and_flip(images.pixels, index, augment, generator), mean, std)
        else:
            x = _resized_crop(normalised(images.pixels[index], mean, std), augment.min_area, augment.flip, generator)
        if augment.cutout:
            _cut_out(x, augment.cutout, generator)
        yield x.permute(0, 3, 1, 2), images.labels[index]


def eval_batches(images: Images, mean: RGB, std: RGB, *, batch_size: int) -> Iterator[Batch]:
    """All images as they are, in order; the last batch may be smaller."""
    for start in range(0, len(images), batch_size):
        index = slice(start, start + batch_size)
        yield normalised(images.pixels[index], mean, std).permute(0, 3, 1, 2), images.labels[index]


def _crop_and_flip(
    pixels: torch.Tensor, index: torch.Tensor, augment: Augment, generator: torch.Generator
) -> torch.Tensor:
    """The images at `index` `[B]`, shifted and mirrored: uint8 `[B, H, W, 3]`."""
    n, height, width, channels = pixels.shape
    rows = _reflected(_offsets(len(index), augment.pad, generator).to(index.device), height)
    columns = _reflected(_offsets(len(index), augment.pad, generator).to(index.device), width)
    if augment.flip:
        flipped = torch.rand(len(index), 1, generator=generator, device=generator.device).to(index.device) < 0.5
        columns = torch.where(flipped, columns.flip(1), columns)
    rows = rows + index[:, None] * height  # now rows of the whole split
    table_index = rows[:, :, None] * width + columns[:, None, :]
    table = pixels.view(n * height * width, channels)
    return table.index_select(0, table_index.flatten()).view(len(index), height, width, channels)


def _resized_crop(x: torch.Tensor, min_area: float, flip: bool, generator: torch.Generator) -> torch.Tensor:
    """A random part of each image of `x` `[B, H, W, 3]`, mirrored or not, enlarged to the whole: bilinear."""

    def uniform(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(len(x), generator=generator, device=generator.device)

    area = uniform(min_area, 1)
    shape = (uniform(-1, 1) * (-area.log()).clamp(max=math.log(4 / 3))).exp()  # no more than fits into the image
    width, height = (area * shape).sqrt(), (area / shape).sqrt()
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0) if flip else 1.0
    affine = torch.zeros(
        len(x), 2, 3, device=generator.device
    )  # from the batch's coordinates to those of `x`, both -1..1
    affine[:, 0, 0], affine[:, 0, 2] = width * mirror, (1 - width) * uniform(-1, 1)
    affine[:, 1, 1], affine[:, 1, 2] = height, (1 - height) * uniform(-1, 1)
    images = x.permute(0, 3, 1, 2)
    grid = F.affine_grid(affine.to(x.device), list(images.shape), align_corners=False)
    cropped = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return cropped.permute(0, 2, 3, 1).contiguous()


def _offsets(batch: int, pad: int, generator: torch.Generator) -> torch.Tensor:
    """Random shifts from -pad to pad: int64 `[B, 1]`."""
    return torch.randint(-pad, pad + 1, (batch, 1), generator=generator, device=generator.device)


def _reflected(offset: torch.Tensor, size: int) -> torch.Tensor:
    """Source coordinates `[B, size]` of a window shifted by `offset` `[B, 1]`, mirrored at both borders."""
    position = (offset + torch.arange(size, device=offset.device)).abs()
    return size - 1 - (size - 1 - position).abs()


def _cut_out(x: torch.Tensor, side: int, generator: torch.Generator) -> None:
    """Set a square of each image of `x` `[B, H, W, 3]` to 0, in place; its centre is anywhere, so it may be clipped."""
    batch, height, width, _ = x.shape
    inside = []
    for size in (height, width):
        start = torch.randint(size, (batch, 1), generator=generator, device=generator.device).to(x.device) - side // 2
        position = torch.arange(size, device=x.device)
        inside.append((start <= position) & (position < start + side))
    rows, columns = inside
    x.masked_fill_((rows[:, :, None] & columns[:, None, :])[..., None], 0.0)
