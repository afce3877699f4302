"""What labels are, by the task: one class of several, any number of labels, numbers, a class of each pixel, or boxes.

    classification   int64 [N]        its class                        softmax of the outputs
    multilabel       float32 [N, K]   1 where it has the label, or 0   sigmoid of each output
    regression       float32 [N, K]   numbers in their own units       outputs times a deviation, plus a mean
    segmentation     uint8 [N, H, W]  the class of each pixel          the most probable class of each pixel
    detection        float32 [N, M, 5]  a box each and its class       a box each, its class and its score, [N, M, 6]

A network has as many outputs as there are classes, labels or numbers; in segmentation so many at each pixel, and in
detection so many and four sides for each of many boxes, see `nas.detection.detector.Detector`; the rows of boxes are
`Objects.rows` and `Found.rows`. Numbers are learned standardised, by the mean and the deviation of the training images:
whatever their units, the outputs are of the size that new weights give.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nas.checks.schemas import TASKS
from nas.detection.detector import found
from nas.detection.objects import NONE
from nas.text.visible import visible_in_line

CLASSIFICATION, MULTILABEL, REGRESSION, SEGMENTATION, DETECTION = TASKS
THRESHOLD = 0.5
"""The probability above which an image is said to have a label."""

IGNORED = 255
"""What a mask has at pixels that are of no class: nothing is learned from them, nor judged by them."""

TENTHS = 10  # of its images by the first number, each of which a split has its share of


@dataclass(frozen=True)
class Targets:
    """The `kind` of task, one of `TASKS`; of regression the mean and the deviation of each number, `[K]`."""

    kind: str = CLASSIFICATION
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    @classmethod
    def of(cls, kind: str, labels: Tensor, names: Sequence[str]) -> Targets:
        """Of the training images' `labels`. Raises ValueError where a number is the same for all of these."""
        if kind != REGRESSION:
            return cls(kind)
        std, mean = torch.std_mean(labels.double(), dim=0, correction=0)
        for name, spread, level in zip(names, std.tolist(), mean.tolist(), strict=True):
            if not spread > 1e-6 * abs(level):  # float32 has seven digits
                raise ValueError(
                    f"{visible_in_line(name)} is {level:g} for all training images: there is nothing to learn"
                )
        return cls(kind, tuple(mean.tolist()), tuple(std.tolist()))

    def said(self, outputs: Tensor) -> Tensor:
        """What `outputs` `[N, K]` of a network say: probabilities, or numbers in their own units.

        Of `[N, K, H, W]` it is the class of each pixel, uint8 `[N, H, W]`: probabilities would take much memory. Of
        boxes, `[N, boxes, 4 + K]`, it is the objects that are found, `Found.rows`.
        """
        if self.kind == DETECTION:
            return found(outputs).rows
        if self.kind == SEGMENTATION:
            return outputs.argmax(1).to(torch.uint8)
        if self.kind == REGRESSION:
            return outputs * outputs.new_tensor(self.std) + outputs.new_tensor(self.mean)
        return outputs.sigmoid() if self.kind == MULTILABEL else outputs.softmax(1)

    def standardised(self, numbers: Tensor) -> Tensor:
        """The inverse of `said` for `numbers` `[N, K]` in their own units."""
        return (numbers - numbers.new_tensor(self.mean)) / numbers.new_tensor(self.std)


CLASSES = Targets()


def are_masks(labels: Tensor) -> bool:
    """Whether `labels` are those of segmentation."""
    return labels.ndim == 3 and labels.dtype == torch.uint8


def are_boxes(labels: Tensor) -> bool:
    """Whether `labels` are those of detection."""
    return labels.ndim == 3 and labels.dtype != torch.uint8


def strata(labels: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Of which part of the images each is, `[N]`, so that a split can have its share of every part.

    Classes are parts. Of several labels it is the rarest one that an image has, and a part of its own for those that
    have none. Of numbers it is the tenth of the images in which the first number falls.
    Of masks and boxes it is as of labels: which classes they have.
    """
    if labels.ndim == 3:
        masks = labels.dtype == np.uint8
        of_each, none = (labels.reshape(len(labels), -1), IGNORED) if masks else (labels[..., 4], NONE)
        classes = range(int(of_each.max(where=of_each != none, initial=0)) + 1)
        return strata(np.stack([(of_each == label).any(1) for label in classes], 1).astype(np.int64))
    if labels.ndim == 1:
        return labels.astype(np.int64)
    if np.isin(labels, (0, 1)).all():
        rarity = np.where(labels > 0, -labels.sum(0), -np.inf)
        parts: npt.NDArray[Any] = np.where(labels.any(1), rarity.argmax(1), labels.shape[1])
        return parts.astype(np.int64)
    ranks: npt.NDArray[Any] = labels[:, 0].argsort(kind="stable").argsort(kind="stable")
    return (ranks * TENTHS // max(1, len(ranks))).astype(np.int64)


def stratified_by(kind: str, names: Sequence[str]) -> str:
    """In words, what `strata` parts the images by."""
    if kind == MULTILABEL:
        return "splits are drawn so that each has its share of the images by the rarest label that they have"
    return f"splits are drawn so that each has its share of every tenth of {visible_in_line(names[0])}"
