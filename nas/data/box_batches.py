"""Batches of images with the objects that they show, boxes moved as their images are."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from nas.data.augmentation import NO_POLICY, Augment
from nas.data.batches import TrainBatches, eval_batches
from nas.data.boxes import Boxed, inside
from nas.data.images import Images, PerChannel
from nas.data.streamed import Streamed
from nas.detection.objects import Objects

Batch = tuple[Tensor, Objects]
"""Float32 `[B, C, H, W]`, normalised, and the objects of each, in its pixels."""


def training(
    boxed: Boxed, mean: PerChannel, std: PerChannel, *, batch_size: int, augment: Augment, generator: torch.Generator
) -> Iterator[Batch]:
    """One epoch of shuffled batches, changed at random, the same for the same state of `generator`.

    Boxes are shifted, mirrored and cut as their images; what colours images or cuts squares out of them leaves these.
    Raises ValueError where `augment` moves pixels otherwise.
    """
    check_moves(augment)
    batches = TrainBatches(_numbered(boxed), mean, std, batch_size=batch_size, augment=augment)
    height, width = boxed.pixels.shape[1:3]
    for draw in batches.draw(generator):
        x, index = batches.batch(draw)
        numbers = iter(draw[2 if isinstance(boxed.pixels, Streamed) else 1 :])
        maps = _maps(augment, numbers, height, width).to(boxed.objects.boxes.device)
        yield x, moved(Objects(*(of_all[index] for of_all in boxed.objects)), maps, height, width)


def evaluation(boxed: Boxed, mean: PerChannel, std: PerChannel, *, batch_size: int) -> Iterator[Batch]:
    """All images as they are, in order; the last batch may be smaller."""
    for x, index in eval_batches(_numbered(boxed), mean, std, batch_size=batch_size):
        yield x, Objects(*(of_all[index] for of_all in boxed.objects))


def check_moves(augment: Augment) -> None:
    """Raises ValueError where images are changed in a way in which their boxes are not."""
    changes = {
        "vertical_flip": augment.vertical_flip, "quarter_turns": augment.quarter_turns,
        "rotation": augment.rotation > 0, "policy": augment.policy != NO_POLICY, "mixup": augment.mixup > 0,
        "cutmix": augment.cutmix > 0,
    }  # fmt: skip
    for name, is_set in changes.items():
        if is_set:
            raise ValueError(f"{name} does not move boxes along with their images: leave out {name}")


def moved(objects: Objects, maps: Tensor, height: int, width: int) -> Objects:
    """The objects of what is made of images by affine `maps` `[B, 2, 3]`, from places in it to places in these.

    Both have coordinates -1..1, as `torch.nn.functional.affine_grid` has them; maps turn nothing.
    """
    scale = torch.stack([maps[:, 0, 0], maps[:, 1, 1]], dim=1)[:, None, None]
    shift = maps[:, None, None, :, 2]
    pixels = maps.new_tensor([width, height])
    corners = objects.boxes.reshape(*objects.classes.shape, 2, 2) * 2 / pixels - 1
    corners = ((corners - shift) / scale + 1) * pixels / 2
    boxes = torch.cat([corners.amin(-2), corners.amax(-2)], dim=-1)
    return Objects(*inside(boxes, objects.classes, height, width))


def _maps(augment: Augment, numbers: Iterator[Tensor], height: int, width: int) -> Tensor:
    """How `TrainBatches` moves the pixels of a batch by the first of its `numbers`, as affine maps `[B, 2, 3]`."""
    if augment.min_area is not None:
        return next(numbers)
    down, right = next(numbers).float(), next(numbers).float()
    mirror = 1 - 2 * next(numbers).float() if augment.flip else torch.ones_like(right)
    none = torch.zeros_like(right)
    rows = [mirror, none, 2 * right / width, none, torch.ones_like(right), 2 * down / height]
    return torch.cat(rows, dim=1).view(-1, 2, 3)


def _numbered(boxed: Boxed) -> Images:
    """The images, with their numbers for labels."""
    return Images(boxed.pixels, torch.arange(len(boxed.pixels), device=boxed.pixels.device))
