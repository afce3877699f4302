"""Boxes that move with their images. They are `[..., 4]`: left, top, right, bottom, as shares of the image's sides."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from nas.data.augmentation import Augment
from nas.data.image_file import placed
from nas.detection.objects import NONE, Objects


def moved(objects: Objects, maps: Tensor) -> Objects:
    """The objects of what is made of images by affine `maps` `[B, 2, 3]`, from places in it to places in these.

    Both have coordinates -1..1, as `torch.nn.functional.affine_grid` has them; maps turn nothing.
    """
    scale = torch.stack([maps[:, 0, 0], maps[:, 1, 1]], dim=1)[:, None, None]
    shift = maps[:, None, None, :, 2]
    corners = objects.boxes.reshape(*objects.classes.shape, 2, 2) * 2 - 1
    corners = ((corners - shift) / scale + 1) / 2
    boxes = torch.cat([corners.amin(-2), corners.amax(-2)], dim=-1)
    return Objects(*inside(boxes, objects.classes))


def inside(boxes: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """What is left in an image of boxes `[..., 4]` and their classes `[...]`: `NONE` of those whose middle is outside.

    So Liu et al. 2016 (arXiv:1512.02325), section 2.2, do with the objects of a part of an image.
    """
    middles = (boxes[..., :2] + boxes[..., 2:]) / 2
    there = ((middles >= 0) & (middles < 1)).all(-1)
    return boxes.clamp(0, 1), classes.where(there, NONE)


def maps_of(augment: Augment, numbers: Iterator[Tensor], height: int, width: int) -> Tensor:
    """How `nas.data.batches.TrainBatches` moves the pixels of a batch by the first of its `numbers`: affine maps
    `[B, 2, 3]`, for images of `height` and `width` pixels."""
    if augment.min_area is not None:
        return next(numbers)
    down, right = next(numbers).float(), next(numbers).float()
    mirror = 1 - 2 * next(numbers).float() if augment.flip else torch.ones_like(right)
    none = torch.zeros_like(right)
    rows = [mirror, none, 2 * right / width, none, torch.ones_like(right), 2 * down / height]
    return torch.cat(rows, dim=1).view(-1, 2, 3)


def into_square(boxes: Tensor, width: int, height: int, size: int, fit: str) -> Tensor:
    """Boxes `[..., 4]` in pixels of an image as shares of the square's sides that `nas.data.image_file` makes of it."""
    scale, shift = _of_square(boxes, width, height, size, fit)
    return boxes * scale + shift


def out_of_square(boxes: Tensor, width: int, height: int, size: int, fit: str) -> Tensor:
    """The inverse of `into_square`: boxes in pixels of the image."""
    scale, shift = _of_square(boxes, width, height, size, fit)
    return (boxes - shift) / scale


def _of_square(boxes: Tensor, width: int, height: int, size: int, fit: str) -> tuple[Tensor, Tensor]:
    """What coordinates (left, top, right, bottom) are multiplied by, and then have added."""
    part, shown, corner = placed(width, height, size, fit)
    scales = [pixels / (part[axis + 2] - part[axis]) for axis, pixels in enumerate(shown)]
    shifts = [corner[axis] - part[axis] * scales[axis] for axis in range(2)]
    return boxes.new_tensor(scales * 2) / size, boxes.new_tensor(shifts * 2) / size
