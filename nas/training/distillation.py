"""Learning from a trained network, the teacher, beside the labels (Hinton, Vinyals & Dean 2015, arXiv:1503.02531).

A teacher's probabilities say how much an image looks like every class, and a label names one. At a temperature above 1
they are softer, so the small ones count, too (section 2). The teacher sees the very batch that is learnt from: changed,
and mixed with others where the recipe mixes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas.data.preprocessing import Preprocessing
from nas.devices.device import within
from nas.devices.precision import Precision


@dataclass(frozen=True)
class Distillation:
    """How a step learns from a `teacher`, which gives logits `[B, num_classes]` of a batch of images `[B, C, H, W]`.

    `share` is what the teacher's loss counts, 0 to 1, and the labels' the rest; `temperature` divides all logits.
    """

    teacher: Callable[[Tensor], Tensor]
    share: float
    temperature: float

    def loss(self, of_labels: Tensor, logits: Tensor, taught: Tensor) -> Tensor:
        """(1 - share) * `of_labels` + share * T^2 * KL(softmax(taught / T) || softmax(logits / T)), a scalar.

        `of_labels` is the loss by the labels, a scalar, `logits` and `taught` are the network's and the teacher's,
        `[B, num_classes]`. The divergence is the mean over the batch, in which all images count the same. Gradients of
        soft targets shrink with T^2, so the factor keeps the two losses' weights at any temperature (section 2).
        """
        ours, theirs = ((z / self.temperature).log_softmax(1) for z in (logits, taught))
        divergence = F.kl_div(ours, theirs, reduction="batchmean", log_target=True)
        return (1 - self.share) * of_labels + self.share * self.temperature**2 * divergence


class TeacherLogits:
    """What the trained `module` says of the images of another training: a `Distillation`'s teacher.

    `theirs` is what images went through in its own training, `ours` what they go through in this one. Where mean and
    deviation differ, each channel is normalised anew by one factor and one term, which is exact but for rounding.
    Where the pixels differ, images are resized: bilinear and antialiased, as data sets are, but after augmentation and
    not rounded to whole brightnesses. Both are cheap beside the network, and near enough: it was trained on images
    that were shifted and cut.

    It computes in evaluation mode, without gradients, in bfloat16 if `bf16`, see `Precision`. All that it reads is in
    the same memory at each call, so a recorded step can have it.
    """

    def __init__(
        self, module: nn.Module, theirs: Preprocessing, ours: Preprocessing, bf16: bool | None, device: torch.device
    ) -> None:
        with within(device):
            module.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            self.forward = Precision(module.eval().requires_grad_(False), bf16, device)
            self.scale, self.shift = (number.to(device) for number in _renormalising(theirs, ours))
        self.renormalises = (theirs.mean, theirs.std) != (ours.mean, ours.std)
        self.image_size = theirs.image_size

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """Float32 logits `[B, num_classes]` of the images `x` `[B, C, H, W]`, normalised as in this training."""
        if self.renormalises:
            x = x * self.scale + self.shift
        if x.shape[2:] != (self.image_size, self.image_size):
            x = F.interpolate(x, size=(self.image_size, self.image_size), mode="bilinear", antialias=True)
            x = x.contiguous(memory_format=torch.channels_last)
        with self.forward.kept():
            return self.forward(x)[0]


def _renormalising(theirs: Preprocessing, ours: Preprocessing) -> tuple[Tensor, Tensor]:
    """What images normalised as `ours` are multiplied by, and what is added, to be as `theirs`: `[1, C, 1, 1]` each."""
    ours_mean, ours_std, mean, std = (
        torch.tensor(values, dtype=torch.float64).view(1, -1, 1, 1)
        for values in (ours.mean, ours.std, theirs.mean, theirs.std)
    )
    return (ours_std / std).float(), ((ours_mean - mean) / std).float()
