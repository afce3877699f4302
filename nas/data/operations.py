"""Operations on a whole batch of images at once, each image with a strength of its own.

Images are uint8 `[B, H, W, C]` before and after each operation, as Pillow's are, so that an operation that depends on
whole numbers (equalize, posterize) is the same after any other. Shapes are fixed and nothing is decided by what is in
a tensor, so a CUDA graph can hold all of it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

LEVELS = 256
GRAY = (0.299, 0.587, 0.114)  # ITU-R 601-2, as in Pillow


def whole(x: Tensor) -> Tensor:
    """Values of any size as uint8: rounded, and those outside 0..255 at its ends."""
    return x.round().clamp(0, LEVELS - 1).to(torch.uint8)


def of_each(values: Tensor) -> Tensor:
    """One value an image, `[B]`, so that it broadcasts over images: `[B, 1, 1, 1]`."""
    return values.view(-1, 1, 1, 1)


# ---------------------------------------------------------------------------- places


def flipped(x: Tensor, which: Tensor) -> Tensor:
    """Top to bottom, of the images where `which` `[B]` is true."""
    return torch.where(of_each(which), x.flip(1), x)


def turned(x: Tensor, quarters: Tensor) -> Tensor:
    """Each image counterclockwise by 0 to 3 `quarters` of a full turn, int64 `[B]`. Images are square."""
    x = torch.where(of_each(quarters % 2 == 1), x.transpose(1, 2).flip(1), x)
    return torch.where(of_each(quarters >= 2), x.flip(1, 2), x)


def affine_maps(
    size: tuple[int, int], degrees: Tensor, shear: tuple[Tensor, Tensor], shift: tuple[Tensor, Tensor]
) -> Tensor:
    """From places in what is made of images of `size` (height, width) to places in these: `[B, 2, 3]`.

    Coordinates are -1..1. Of each `[B]`: `degrees` counterclockwise about the middle, `shear` along x and y, which
    leaves the top row and the left column where they are, as in Pillow's affine transforms, and `shift` in pixels. They
    are added, so an image should have one of them.
    """
    height, width = size
    wide, tall = height / width, width / height  # a pixel of the other direction in coordinates of this one
    sine, cosine = degrees.deg2rad().sin(), degrees.deg2rad().cos()
    across, down = shear[0] * wide, shear[1] * tall
    rows = [
        cosine, across - sine * wide, across + shift[0] * (2 / width),
        down + sine * tall, cosine, down + shift[1] * (2 / height),
    ]  # fmt: skip
    return torch.stack(rows, 1).view(-1, 2, 3)


def sampled(x: Tensor, maps: Tensor, padding: str, mode: str = "bilinear") -> Tensor:
    """Images made of `x` by affine `maps` `[B, 2, 3]`; outside there is what `padding` says."""
    images = x.permute(0, 3, 1, 2).float()
    grid = F.affine_grid(maps, list(images.shape), align_corners=False)
    made = F.grid_sample(images, grid, mode, padding_mode=padding, align_corners=False)
    return whole(made.permute(0, 2, 3, 1)).contiguous()


# ---------------------------------------------------------------------------- colours, by blending


def blended(x: Tensor, start: Tensor, factor: Tensor) -> Tensor:
    """`start` where `factor` `[B]` is 0, `x` where it is 1, and beyond it above 1: float32, not yet in 0..255."""
    return start + of_each(factor) * (x - start)


def gray(x: Tensor) -> Tensor:
    """How bright each pixel is: from float32 `[B, H, W, C]`, C 1 or 3, to whole numbers in `[B, H, W, 1]`."""
    if x.shape[3] == 1:
        return x.round()
    red, green, blue = x.unbind(3)
    return (GRAY[0] * red + GRAY[1] * green + GRAY[2] * blue).round()[..., None]


def mean_gray(grays: Tensor) -> Tensor:
    """How bright each image is, by its `grays` `[B, H, W, 1]`: whole numbers in `[B, 1, 1, 1]`."""
    return grays.mean((1, 2, 3), keepdim=True).round()


def smoothed(x: Tensor) -> Tensor:
    """float32 `[B, H, W, C]`: each pixel 5/13 and its eight neighbours 1/13 each, but for the border, as in Pillow."""
    rows = x[:, :-2] + x[:, 1:-1] + x[:, 2:]  # sums of three and nine: on a CPU much faster than pooling
    nine = rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]
    smooth = x.clone()
    smooth[:, 1:-1, 1:-1] = nine.add_(x[:, 1:-1, 1:-1], alpha=4).div_(13).round_()
    return smooth


# ---------------------------------------------------------------------------- colours, by tables


def histograms(x: Tensor) -> Tensor:
    """How many pixels have each value: int32 `[B, 256, C]`."""
    pixels = x.flatten(1, 2).long()
    counts = torch.zeros(len(x), LEVELS, x.shape[3], dtype=torch.int32, device=x.device)
    return counts.scatter_add_(1, pixels, torch.ones_like(counts[:1, :1]).expand(pixels.shape))


def looked_up(x: Tensor, tables: Tensor) -> Tensor:
    """The images `x` with each value replaced by what its image's and channel's table says: uint8 `[B, 256, C]`."""
    values = tables.gather(1, x.flatten(1, 2).long())
    return values.view(x.shape)


def levels(device: torch.device) -> Tensor:
    """The values that a pixel may have, as a table that leaves it as it is: int32 `[1, 256, 1]`."""
    return torch.arange(LEVELS, dtype=torch.int32, device=device).view(1, -1, 1)


def posterized(bits: Tensor, device: torch.device) -> Tensor:
    """Tables that keep the highest `bits` of eight, int32 `[B]`: `[B, 256, 1]`."""
    lost = (8 - bits).view(-1, 1, 1)
    return (levels(device) >> lost) << lost


def solarized(threshold: Tensor, device: torch.device) -> Tensor:
    """Tables that invert values of the `threshold` `[B]` and above: `[B, 256, 1]`."""
    value = levels(device)
    return torch.where(value < threshold.view(-1, 1, 1), value, LEVELS - 1 - value)


def autocontrasted(counts: Tensor) -> Tensor:
    """Tables that stretch each channel from its least and greatest value to 0 and 255: `[B, 256, C]`."""
    value = levels(counts.device)
    least = torch.where(counts > 0, value, LEVELS).amin(1, keepdim=True)
    most = torch.where(counts > 0, value, -1).amax(1, keepdim=True)
    stretched = ((value - least) * (LEVELS - 1)).div((most - least).clamp(min=1), rounding_mode="floor")
    return torch.where(most > least, stretched.clamp(0, LEVELS - 1), value)


def equalized(counts: Tensor) -> Tensor:
    """Tables after which each channel has all values about equally often, as Pillow makes them: `[B, 256, C]`."""
    value = levels(counts.device)
    most = torch.where(counts > 0, value, -1).amax(1, keepdim=True)
    step = (counts.sum(1, keepdim=True) - counts.gather(1, most.long())).div(LEVELS - 1, rounding_mode="floor")
    below = counts.cumsum(1, dtype=torch.int32) - counts
    spread = (step.div(2, rounding_mode="floor") + below).div(step.clamp(min=1), rounding_mode="floor")
    return torch.where(step > 0, spread.clamp(max=LEVELS - 1), value)
