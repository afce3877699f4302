"""What a detector's training minimises. Logits are `[B, N, K]`, offsets and those that are right `[B, N, 4]`, and the
classes that are right int64 `[B, N]`, `NONE` where a box has no object."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from nas.detection.objects import NONE

NEGATIVES = 3  # for each box that has an object (Liu et al. 2016, section 2.2)
ALPHA, GAMMA = 0.25, 1.5  # EfficientDet, section 5.1
HUBER, BOX_WEIGHT = 0.1, 50.0  # of the authors' code


def multibox(logits: Tensor, offsets: Tensor, classes: Tensor, right: Tensor) -> Tensor:
    """Liu et al. 2016 (arXiv:1512.02325), equations 1 to 3, with their hard negative mining.

    The first of the K logits is of no object. Of boxes without one those count in each image that are taken for one
    most, at most three for each with. The sum is divided by the number of boxes with an object.
    """
    has = classes != NONE
    of_each = F.cross_entropy(logits.flatten(0, 1), (classes + 1).flatten(), reduction="none").view_as(classes)
    hardness = of_each.detach().masked_fill(has, -1.0)  # a loss is never below 0
    rank = hardness.argsort(dim=1, descending=True).argsort(dim=1)
    negative = ~has & (rank < NEGATIVES * has.sum(1, keepdim=True))
    of_boxes = F.smooth_l1_loss(offsets, right, reduction="none").sum(-1)
    total = of_each.where(has | negative, 0.0).sum() + of_boxes.where(has, 0.0).sum()
    return total / has.sum().clamp(min=1)


def focal(logits: Tensor, offsets: Tensor, classes: Tensor, right: Tensor) -> Tensor:
    """Lin et al. 2017 (arXiv:1708.02002), equation 5, of each class by itself, and Huber's of the offsets: as
    EfficientDet's code, which divides by the number of boxes with an object, and one more."""
    has = classes != NONE
    is_so = F.one_hot(classes.clamp(min=0), logits.shape[-1]).to(logits.dtype) * has[..., None]
    entropy = F.binary_cross_entropy_with_logits(logits, is_so, reduction="none")
    said = logits.sigmoid()
    wrong = torch.where(is_so > 0, 1 - said, said)
    weight = torch.where(is_so > 0, ALPHA, 1 - ALPHA)
    of_classes = (weight * wrong**GAMMA * entropy).sum()
    of_boxes = F.huber_loss(offsets, right, reduction="none", delta=HUBER).mean(-1).where(has, 0.0).sum()
    return (of_classes + BOX_WEIGHT * of_boxes) / (has.sum() + 1)
