"""Batches for training and evaluation, made where the data is: no worker processes, no per-image Python.

Crop, flip and the reflected border are one gather: every pixel of the batch is looked up by its row
number in the split seen as a table `[N*H*W, C]`. Its result is NHWC in memory, so the permuted batch is
channels_last at no cost. All randomness is drawn from the generator passed in, on that generator's device, so
a CPU generator gives a CUDA run the same crops as a CPU run; that of an epoch is drawn, and moved there, at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch.nn import functional as F

from nas.data.augmentation import Augment
from nas.data.images import Images, PerChannel
from nas.data.moved_boxes import maps_of, moved
from nas.data.operations import whole
from nas.data.preprocessing import Normaliser, normalised
from nas.data.streamed import Streamed, read_ahead
from nas.data.targets import IGNORED, are_boxes, are_masks
from nas.detection.objects import Objects

Batch = tuple[torch.Tensor, torch.Tensor]
"""`x` float32 `[B, C, H, W]`, normalised and channels_last; `y` int64 `[B]`.

Of images that are mixed with one another `y` is how much of each class they are: float32 `[B, num_classes]`. Cross
entropy takes either. Labels and numbers are float32 `[B, K]`, masks uint8 `[B, H, W]`, boxes float32 `[B, M, 5]`, see
`nas.data.targets`.
"""

Draw = tuple[torch.Tensor, ...]
"""What chance decides of a batch: which images, int64 `[B]`, how each is changed, and how they are mixed.

Where the pixels are `Streamed`, those of the batch come second, uint8 `[B, H, W, C]`: they are read beforehand, so that
a recorded step finds them in its memory as it finds the numbers.
"""


class TrainBatches:
    """The training batches of `images`: what chance decides of an epoch is drawn first, and made into batches after.

    So a GPU gets an epoch's random numbers at once instead of waiting for those of each batch, and `batch` does nothing
    but compute with tensors that are there, which a CUDA graph can hold.
    """

    def __init__(
        self,
        images: Images,
        mean: PerChannel,
        std: PerChannel,
        *,
        batch_size: int,
        augment: Augment,
        num_classes: int | None = None,
    ) -> None:
        """`num_classes` is asked for where images are mixed; None: as many as the labels need."""
        height, width = images.pixels.shape[1:3]
        if augment.pad >= min(height, width):
            raise ValueError(f"augment.pad is {augment.pad}: it must be smaller than the images, {height}")
        if augment.quarter_turns and height != width:
            raise ValueError(f"quarter_turns are of square images, and these are {height} x {width} pixels")
        augment.check_channels(images.channels)
        if are_masks(images.labels):
            augment.check_masks()
        if are_boxes(images.labels):
            augment.check_boxes()
        self.images, self.augment, self.batch_size = images, augment, batch_size
        self.device = images.pixels.device
        self.normalise = Normaliser(mean, std, width, self.device)
        self.changes = augment.changes()
        mixes = augment.mixup or augment.cutmix
        self.mix = augment.mixing(num_classes or int(images.labels.max()) + 1) if mixes else None

    def draw(self, generator: torch.Generator) -> Iterator[Draw]:
        """What chance decides of an epoch, the same for the same state of `generator`: a `Draw` for each batch.

        Every batch is full: the images left over are dropped, unless they are the only batch.
        """
        n, size = len(self.images), self.batch_size
        order = torch.randperm(n, generator=generator, device=generator.device)
        batches = [order[start : start + size] for start in range(0, max(1, n - size + 1), size)]
        drawn = [(index, *self._numbers(len(index), generator)) for index in batches]
        on_device = [torch.stack(kind).to(self.device) for kind in zip(*drawn, strict=True)]
        draws = (tuple(kind[number] for kind in on_device) for number in range(len(batches)))
        if isinstance(self.images.pixels, Streamed):
            read = self.images.pixels.ahead(batches)
            return ((index, pixels, *numbers) for (index, *numbers), pixels in zip(draws, read, strict=True))
        return draws

    def batch(self, draw: Draw) -> Batch:
        """The batch that `draw` decides."""
        index, *numbers_of_all = draw
        y = self.images.labels[index]
        pixels = self.images.pixels
        if isinstance(pixels, Streamed):
            pixels, *numbers_of_all = numbers_of_all
            index = torch.arange(len(index), device=index.device)
        if are_masks(y):
            y = self._changed_masks(y, iter(numbers_of_all))
        if are_boxes(y):
            maps = maps_of(self.augment, iter(numbers_of_all), *self.images.pixels.shape[1:3])
            y = moved(Objects.of_rows(y), maps).rows
        numbers = iter(numbers_of_all)
        x = self._changed(pixels, index, numbers)
        if self.augment.cutout:
            _cut_out(x, self.augment.cutout, next(numbers), next(numbers))
        if self.mix:
            x, y = self.mix(x, y, next(numbers))
        return x.permute(0, 3, 1, 2), y

    def _changed(self, pixels: torch.Tensor, index: torch.Tensor, numbers: Iterator[torch.Tensor]) -> torch.Tensor:
        """The images of `pixels` at `index` by the first of `numbers`, normalised: float32 `[B, H, W, C]`."""
        augment = self.augment
        if augment.min_area is None:
            kinds = 3 if augment.flip else 2
            x = _crop_and_flip(pixels, index, *(next(numbers) for _ in range(kinds)))
        elif not self.changes:
            return _resized_crop(self.normalise(pixels[index]), next(numbers))
        else:
            x = whole(_resized_crop(pixels[index].float(), next(numbers)))
        for change in self.changes:
            x = change(x, numbers)
        return self.normalise(x)

    def _changed_masks(self, masks: torch.Tensor, numbers: Iterator[torch.Tensor]) -> torch.Tensor:
        """`masks` `[B, H, W]` moved as their images are by the same `numbers`; what is cut out is of no class."""
        augment, y = self.augment, masks[..., None]
        if augment.min_area is None:
            kinds = 3 if augment.flip else 2
            every = torch.arange(len(y), device=y.device)
            y = _crop_and_flip(y, every, *(next(numbers) for _ in range(kinds)))
        else:
            y = whole(_resized_crop(y.float(), next(numbers), "nearest"))
        for change in self.changes:
            y = change.masks(y, numbers)
        if augment.cutout:
            _cut_out(y, augment.cutout, next(numbers), next(numbers), IGNORED)
        return y[..., 0]

    def _numbers(self, n: int, generator: torch.Generator) -> list[torch.Tensor]:
        """The random numbers of a batch of `n` images, in the order in which `batch` takes them."""
        augment, (height, width) = self.augment, self.images.pixels.shape[1:3]
        if augment.min_area is None:
            numbers = [_offsets(n, augment.pad, generator), _offsets(n, augment.pad, generator)]
            if augment.flip:
                numbers.append(torch.rand(n, 1, generator=generator, device=generator.device) < 0.5)
        else:
            numbers = [_parts(n, augment.min_area, augment.flip, generator)]
        numbers += [drawn for change in self.changes for drawn in change.draw(n, generator)]
        if augment.cutout:
            numbers += [
                torch.randint(size, (n, 1), generator=generator, device=generator.device) for size in (height, width)
            ]
        if self.mix:
            numbers.append(self.mix.draw(generator))
        return numbers


def train_batches(
    images: Images, mean: PerChannel, std: PerChannel, *, batch_size: int, augment: Augment, generator: torch.Generator
) -> Iterator[Batch]:
    """One epoch of shuffled, augmented batches, the same for the same state of `generator`: see `TrainBatches`."""
    batches = TrainBatches(images, mean, std, batch_size=batch_size, augment=augment)
    return map(batches.batch, batches.draw(generator))


def eval_batches(images: Images, mean: PerChannel, std: PerChannel, *, batch_size: int) -> Iterator[Batch]:
    """All images as they are, in order; the last batch may be smaller."""
    batches = [slice(start, start + batch_size) for start in range(0, len(images), batch_size)]
    for index, pixels in zip(batches, read_ahead(images.pixels, batches), strict=True):
        yield normalised(pixels, mean, std).permute(0, 3, 1, 2), images.labels[index]


def _crop_and_flip(
    pixels: torch.Tensor,
    index: torch.Tensor,
    down: torch.Tensor,
    right: torch.Tensor,
    flipped: torch.Tensor | None = None,
) -> torch.Tensor:
    """The images at `index` `[B]`, shifted by `down` and `right` pixels and mirrored where `flipped`, `[B, 1]` each.

    uint8 `[B, H, W, C]`.
    """
    n, height, width, channels = pixels.shape
    rows, columns = _reflected(down, height), _reflected(right, width)
    if flipped is not None:
        columns = torch.where(flipped, columns.flip(1), columns)
    rows = rows + index[:, None] * height  # now rows of the whole split
    table_index = rows[:, :, None] * width + columns[:, None, :]
    table = pixels.view(n * height * width, channels)
    return table.index_select(0, table_index.flatten()).view(len(index), height, width, channels)


def _parts(n: int, min_area: float, flip: bool, generator: torch.Generator) -> torch.Tensor:
    """Random parts of `n` images, mirrored or not: affine maps `[n, 2, 3]` to an image from what is made of it.

    Both have coordinates -1..1.
    """

    def uniform(low: float, high: float) -> torch.Tensor:
        return low + (high - low) * torch.rand(n, generator=generator, device=generator.device)

    area = uniform(min_area, 1)
    shape = (uniform(-1, 1) * (-area.log()).clamp(max=math.log(4 / 3))).exp()  # no more than fits into the image
    width, height = (area * shape).sqrt(), (area / shape).sqrt()
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0) if flip else 1.0
    affine = torch.zeros(n, 2, 3, device=generator.device)
    affine[:, 0, 0], affine[:, 0, 2] = width * mirror, (1 - width) * uniform(-1, 1)
    affine[:, 1, 1], affine[:, 1, 2] = height, (1 - height) * uniform(-1, 1)
    return affine


def _resized_crop(x: torch.Tensor, parts: torch.Tensor, mode: str = "bilinear") -> torch.Tensor:
    """The `parts` of the images `x` `[B, H, W, C]`, enlarged to the whole."""
    images = x.permute(0, 3, 1, 2)
    grid = F.affine_grid(parts, list(images.shape), align_corners=False)
    cropped = F.grid_sample(images, grid, mode, padding_mode="border", align_corners=False)
    return cropped.permute(0, 2, 3, 1).contiguous()


def _offsets(batch: int, pad: int, generator: torch.Generator) -> torch.Tensor:
    """Random shifts from -pad to pad: int64 `[B, 1]`."""
    return torch.randint(-pad, pad + 1, (batch, 1), generator=generator, device=generator.device)


def _reflected(offset: torch.Tensor, size: int) -> torch.Tensor:
    """Source coordinates `[B, size]` of a window shifted by `offset` `[B, 1]`, mirrored at both borders."""
    position = (offset + torch.arange(size, device=offset.device)).abs()
    return size - 1 - (size - 1 - position).abs()


def _cut_out(x: torch.Tensor, side: int, row: torch.Tensor, column: torch.Tensor, value: int = 0) -> None:
    """Set a square of each image of `x` `[B, H, W, C]` to `value`, in place; `row` and `column` of its centre `[B, 1]`.

    The centre is anywhere, so it may be clipped.
    """
    inside = []
    for size, centre in zip(x.shape[1:3], (row, column), strict=True):
        start = centre - side // 2
        position = torch.arange(size, device=x.device)
        inside.append((start <= position) & (position < start + side))
    rows, columns = inside
    x.masked_fill_((rows[:, :, None] & columns[:, None, :])[..., None], value)
