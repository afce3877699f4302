"""What a training minimises, by the task of its data (`nas.data.targets`)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas.data.targets import CLASSES, DETECTION, IGNORED, MULTILABEL, REGRESSION, SEGMENTATION, Targets
from nas.detection.detector import Detector
from nas.detection.objects import Objects
from searchspaces.images import middle


def loss_of(
    network: nn.Module, targets: Targets, smoothing: float = 0.0, weights: Tensor | None = None,
    device: torch.device | None = None,
) -> Callable[[Tensor, Tensor], Tensor]:  # fmt: skip
    """What the training of `network` minimises: of a detector its own loss, else the `Loss` of the other arguments."""
    if targets.kind != DETECTION:
        return Loss(targets, smoothing, weights, device)
    assert isinstance(network, Detector)
    return lambda outputs, y: network.loss(outputs, Objects.of_rows(y))


class Loss:
    """The mean loss of a batch, a scalar, of `outputs` `[B, K]` and labels as `nas.data.batches.Batch` has them.

    Of masks `outputs` are `[B, K, H, W]`, and the mean is over pixels that are of some class; where they are of fewer
    pixels than the masks, these are the ones in the middle.

    `smoothing` moves classes and labels so far towards being undecided. `weights` `[K]` are what images of each class
    count, or what it counts that an image has a label, beside 1 that it has it not. All that it computes by is on the
    `device`, so a recorded step can have it.
    """

    def __init__(
        self, targets: Targets = CLASSES, smoothing: float = 0.0, weights: Tensor | None = None,
        device: torch.device | None = None,
    ) -> None:  # fmt: skip
        self.kind, self.smoothing, self.weights = targets.kind, smoothing, weights
        self.mean, self.std = (torch.tensor(values, device=device) for values in (targets.mean, targets.std))

    def __call__(self, outputs: Tensor, y: Tensor) -> Tensor:
        if self.kind == REGRESSION:
            # Smooth L1 (Girshick 2015, arXiv:1504.08083, equation 3): within one standard deviation it is the squared
            # error that r2 is of, and beyond it only grows linearly, so a few odd numbers do not throw the weights.
            return F.smooth_l1_loss(outputs, (y - self.mean) / self.std)
        if self.kind == MULTILABEL:
            smooth = y * (1 - self.smoothing) + self.smoothing / 2
            return F.binary_cross_entropy_with_logits(outputs, smooth, pos_weight=self.weights)
        if self.kind == SEGMENTATION:
            y = middle(y, outputs).long()
            known = (y != IGNORED).sum().clamp(min=1)  # a batch without any has the loss 0, and no mean
            total = F.cross_entropy(
                outputs, y, self.weights, ignore_index=IGNORED, reduction="sum", label_smoothing=self.smoothing
            )
            return total / known
        return F.cross_entropy(outputs, y, self.weights, label_smoothing=self.smoothing)
