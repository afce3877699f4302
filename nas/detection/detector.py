"""What all detectors are: networks that say a class and an offset for each of many boxes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from nas.detection.boxes import Spread, coded, decoded, kept
from nas.detection.objects import NONE, Objects, matched

CANDIDATES = 400  # of an image, before suppression (Liu et al. 2016's code)
MOST = 100  # objects of an image, as COCO counts
LEAST = 0.01  # score of an object
OVERLAP = 0.5  # by which two boxes of one class may overlap, both being kept; 0.45 in Liu et al. 2016's code
AT_A_TIME = 8  # images whose candidates are compared with each other: 400 x 400 overlaps each, in a CPU's cache


class Output(NamedTuple):
    """What a detector says of images: logits `[B, N, K]` and offsets `[B, N, 4]` of N boxes, `[N, 4]`."""

    logits: Tensor
    offsets: Tensor
    boxes: Tensor


class Found(NamedTuple):
    """The objects found in images, the surest first: `boxes` `[B, M, 4]`, see `nas.detection.boxes`, `scores` (0..1)
    and `classes` `[B, M]`. Where an image has fewer the class is `NONE` and the score 0."""

    boxes: Tensor
    scores: Tensor
    classes: Tensor

    @classmethod
    def of_rows(cls, rows: Tensor) -> Self:
        """Of `rows` `[B, M, 6]`, which are boxes and behind each its class and its score, all as float32."""
        return cls(rows[..., :4], rows[..., 5], rows[..., 4].long())

    @property
    def rows(self) -> Tensor:
        """The inverse of `of_rows`."""
        numbers = torch.stack([self.classes.to(self.boxes.dtype), self.scores], dim=-1)
        return torch.cat([self.boxes, numbers], dim=-1)


class Detector(nn.Module, ABC):
    """Images `[B, C, H, W]` to what there is to say of N boxes, and what this means.

    In training mode it gives `[B, N, K + 8]`: K logits, four offsets, and the four sides of the box that these are
    from, which `loss` takes. In evaluation mode it gives `[B, N, 4 + classes]`: where each box lies with its offsets,
    and the probability of each class; `found` takes these, and exported files give them.
    """

    backbone: nn.Module
    spread: Spread
    """Of its offsets, see `nas.detection.boxes.coded`."""

    @abstractmethod
    def said(self, x: Tensor) -> Output:
        """What it says of the images `x` `[B, C, H, W]`."""

    @abstractmethod
    def probabilities(self, logits: Tensor) -> Tensor:
        """`[B, N, K]` to `[B, N, classes]`, without that of no object."""

    @abstractmethod
    def loss_of(self, logits: Tensor, offsets: Tensor, classes: Tensor, right: Tensor) -> Tensor:
        """One of `nas.detection.losses`."""

    def forward(self, x: Tensor) -> Tensor:
        logits, offsets, boxes = self.said(x)
        logits, offsets = logits.float(), offsets.float()
        if self.training:
            return torch.cat([logits, offsets, boxes.expand(x.shape[0], -1, -1)], dim=-1)
        there = decoded(offsets, boxes, self.spread).clamp(0, 1)
        return torch.cat([there, self.probabilities(logits)], dim=-1)

    def loss(self, outputs: Tensor, objects: Objects) -> Tensor:
        """A scalar: how far what it gave in training mode, `[B, N, K + 8]`, is from the `objects` of the images."""
        logits, offsets, boxes = outputs[..., :-8], outputs[..., -8:-4], outputs[0, :, -4:]
        classes, of_objects = matched(objects, boxes)
        right = coded(of_objects, boxes, self.spread)
        right = right.where((classes != NONE)[..., None], 0.0)  # of no object it may be infinite
        return self.loss_of(logits, offsets, classes, right)


def found(outputs: Tensor, least: float = LEAST) -> Found:
    """The objects of a score of `least` or more, without doubles, by what a detector gave in evaluation mode.

    That is `[B, N, 4 + classes]`. It takes the surest candidates of an image, leaves out those that overlap a surer one
    of their class (non-maximum suppression), and gives `MOST` at most.
    """
    parts = [_found(outputs[start : start + AT_A_TIME], least) for start in range(0, len(outputs), AT_A_TIME)]
    return Found(*(torch.cat(of_all) for of_all in zip(*parts, strict=True)))


def _found(outputs: Tensor, least: float) -> Found:
    of_classes = outputs.shape[-1] - 4
    flat = outputs[..., 4:].flatten(1)
    scores, places = flat.topk(min(CANDIDATES, flat.shape[1]))
    at, classes = places // of_classes, places % of_classes
    boxes = outputs[..., :4].gather(1, at[..., None].expand(-1, -1, 4))
    scores = scores.where(kept(boxes, classes, OVERLAP) & (scores >= least), 0.0)
    scores, order = scores.sort(dim=1, descending=True, stable=True)
    scores, order = scores[:, :MOST], order[:, :MOST]
    return Found(
        boxes.gather(1, order[..., None].expand(-1, -1, 4)), scores,
        torch.where(scores > 0, classes.gather(1, order), NONE),
    )  # fmt: skip
