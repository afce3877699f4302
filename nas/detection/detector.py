"""What all detectors are: networks that say a class and an offset for each of many boxes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nas.detection.boxes import Spread, clipped, coded, decoded, kept
from nas.detection.objects import NONE, Objects, matched

CANDIDATES = 400  # of an image, before suppression (Liu et al. 2016's code)
MOST = 100  # objects of an image, as COCO counts


class Output(NamedTuple):
    """What a detector says of images: logits `[B, N, K]` and offsets `[B, N, 4]` of N boxes, `[N, 4]` in pixels."""

    logits: Tensor
    offsets: Tensor
    boxes: Tensor


class Found(NamedTuple):
    """The objects found in images, the surest first: `boxes` `[B, M, 4]` in pixels, `scores` (0..1) and `classes`
    `[B, M]`. Where an image has fewer the class is `NONE` and the score 0."""

    boxes: Tensor
    scores: Tensor
    classes: Tensor


class Detector(nn.Module, ABC):
    """Images `[B, C, H, W]` to an `Output`; and what this means."""

    spread: Spread
    """Of its offsets, see `nas.detection.boxes.coded`."""
    threshold: float
    """By how much two boxes of one class may overlap, both being kept."""

    @abstractmethod
    def probabilities(self, logits: Tensor) -> Tensor:
        """`[B, N, K]` to `[B, N, classes]`, without that of no object."""

    @abstractmethod
    def loss_of(self, logits: Tensor, offsets: Tensor, classes: Tensor, right: Tensor) -> Tensor:
        """One of `nas.detection.losses`."""

    def loss(self, said: Output, objects: Objects) -> Tensor:
        """A scalar: how far what was `said` is from the `objects` that the images show."""
        classes, boxes = matched(objects, said.boxes)
        right = coded(boxes, said.boxes, self.spread)
        right = right.where((classes != NONE)[..., None], 0.0)  # of no object it may be infinite
        return self.loss_of(said.logits.float(), said.offsets.float(), classes, right)

    def found(self, said: Output, height: int, width: int, least: float = 0.01) -> Found:
        """The objects in images of `height` and `width` pixels, of a score of `least` or more, without doubles."""
        probabilities = self.probabilities(said.logits.float())
        of_classes = probabilities.shape[-1]
        flat = probabilities.flatten(1)
        scores, places = flat.topk(min(CANDIDATES, flat.shape[1]))
        at, classes = places // of_classes, places % of_classes
        offsets = said.offsets.float().gather(1, at[..., None].expand(-1, -1, 4))
        boxes = clipped(decoded(offsets, said.boxes[at], self.spread), height, width)
        scores = scores.where(kept(boxes, classes, self.threshold) & (scores >= least), 0.0)
        scores, order = scores.sort(dim=1, descending=True, stable=True)
        scores, order = scores[:, :MOST], order[:, :MOST]
        return Found(
            boxes.gather(1, order[..., None].expand(-1, -1, 4)), scores,
            torch.where(scores > 0, classes.gather(1, order), NONE),
        )  # fmt: skip
