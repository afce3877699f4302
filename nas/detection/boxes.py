"""What is computed of boxes: `[..., 4]`, left and right as shares of the image's width, top and bottom of its height.

They are in that order: left, top, right, bottom.

No library that PyTorch's CPU build takes has these: torchvision's operators are made for one build of PyTorch each. All
is batched, without a loop over boxes.
"""

from __future__ import annotations

import torch
from torch import Tensor

Spread = tuple[float, float]
"""What an offset of 1 is, of middles as a share of the box's side, and of sides as a logarithm."""

LARGEST = 4.0
"""The logarithm that a side may grow by, so that a network that is not trained has finite boxes."""


def areas(boxes: Tensor) -> Tensor:
    """`[..., 4]` to `[...]`, zero of what is turned inside out."""
    sides = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0)
    return sides[..., 0] * sides[..., 1]


def overlaps(one: Tensor, other: Tensor) -> Tensor:
    """What two boxes share, by what one of them covers (IoU, 0..1): of `[..., N, 4]` and `[..., M, 4]`, `[..., N, M]`.

    Boxes without pixels overlap nothing.
    """
    a, b = one[..., :, None, :], other[..., None, :, :]
    wide, high = (torch.minimum(a[..., i + 2], b[..., i + 2]) - torch.maximum(a[..., i], b[..., i]) for i in (0, 1))
    both = wide.clamp(min=0) * high.clamp(min=0)
    either = areas(a) + areas(b) - both
    return both / either.clamp(min=torch.finfo(both.dtype).tiny)


def coded(boxes: Tensor, defaults: Tensor, spread: Spread) -> Tensor:
    """The offsets `[..., 4]` that lead from `defaults` to `boxes`: of the middle's x and y, the width and the height.

    Girshick et al. 2014 (arXiv:1311.2524, appendix C), divided by the `spread`: the variances of Liu et al.'s code.
    """
    middles, sides = _middles_and_sides(boxes)
    of_middles, of_sides = _middles_and_sides(defaults)
    moved = (middles - of_middles) / of_sides / spread[0]
    grown = (sides / of_sides).log() / spread[1]
    return torch.cat([moved, grown], dim=-1)


def decoded(offsets: Tensor, defaults: Tensor, spread: Spread) -> Tensor:
    """The boxes `[..., 4]` to which the offsets lead from `defaults`: `coded` undone."""
    of_middles, of_sides = _middles_and_sides(defaults)
    middles = of_middles + offsets[..., :2] * spread[0] * of_sides
    half = of_sides * (offsets[..., 2:] * spread[1]).clamp(max=LARGEST).exp() / 2
    return torch.cat([middles - half, middles + half], dim=-1)


def kept(boxes: Tensor, classes: Tensor, threshold: float) -> Tensor:
    """Which boxes non-maximum suppression keeps: bool `[B, K]`.

    The boxes `[B, K, 4]` are in the order of their scores, the best first; each goes that overlaps one of its class, of
    `classes` `[B, K]`, that is kept and better, by more than the `threshold`. It is what going through them one by one
    keeps: whether one stays depends on better ones alone, so repeating the step for all at once until nothing changes
    decides them from the best on (Zheng et al. 2020, arXiv:2005.03572, "cluster NMS"). It takes as many steps as boxes
    stand in the longest chain of such overlaps, a handful.
    """
    worse = torch.ones(boxes.shape[1], boxes.shape[1], dtype=torch.bool, device=boxes.device).triu(1)
    hides = (overlaps(boxes, boxes) > threshold) & (classes[:, :, None] == classes[:, None, :]) & worse
    stays = torch.ones_like(classes, dtype=torch.bool)
    while True:
        after = ~(hides & stays[:, :, None]).any(1)
        if torch.equal(after, stays):
            return stays
        stays = after


def _middles_and_sides(boxes: Tensor) -> tuple[Tensor, Tensor]:
    return (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]
