"""Images of a batch mixed with one another, and their labels alike: mixup and CutMix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Mixing:
    """Each image is mixed with the one before it in the batch, whose order is random; 0 is off.

    `mixup`: all pixels are `share` of the image's own and the rest of the other's (Zhang et al. 2017, arXiv:1710.09412,
    section 2). `cutmix`: a rectangle is the other's (Yun et al. 2019, arXiv:1905.04899, section 3.1). Both are alphas:
    `share` is drawn from Beta(alpha, alpha), once for the whole batch. Where both are set, each batch draws which.
    """

    mixup: float
    cutmix: float
    num_classes: int

    def draw(self, generator: torch.Generator) -> Tensor:
        """Of one batch: the share, whether it is CutMix, and the rectangle's middle (down, right; 0..1): `[4]`."""
        device = generator.device
        kind, down, right = torch.rand(3, generator=generator, device=device).tolist()
        cut = self.cutmix > 0 and (self.mixup == 0 or kind < 0.5)
        # torch has no public Beta that takes a generator; one of NumPy's gets its seed from ours
        seed = int(torch.randint(2**62, (), generator=generator, device=device))
        alpha = self.cutmix if cut else self.mixup
        share = np.random.default_rng(seed).beta(alpha, alpha)
        return torch.tensor([share, float(cut), down, right], device=device)

    def __call__(self, x: Tensor, labels: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Mixed images of `x` `[B, H, W, C]`, and how much of each class they are, `[B, num_classes]`, 1 in sum.

        Labels and numbers, `[B, K]`, are mixed as they are.
        """
        weight = own_share(numbers, x.shape[1], x.shape[2])
        mixed = weight[..., None] * x + (1 - weight[..., None]) * x.roll(1, 0)
        one_hot = labels
        if labels.ndim == 1:
            one_hot = (labels[:, None] == torch.arange(self.num_classes, device=x.device)).to(x.dtype)
        share = weight.mean()
        return mixed, share * one_hot + (1 - share) * one_hot.roll(1, 0)


def own_share(numbers: Tensor, height: int, width: int) -> Tensor:
    """How much of each pixel is the image's own, 0..1: `[height, width]`. `numbers` are those of `Mixing.draw`."""
    share, cut, *middles = numbers.unbind()
    inside = []
    for size, middle in zip((height, width), middles, strict=True):
        half = ((1 - share).sqrt() * size).floor().div(2, rounding_mode="floor")
        centre, position = (middle * size).floor(), torch.arange(size, device=numbers.device)
        inside.append((centre - half <= position) & (position < centre + half))  # at the border it is clipped
    rows, columns = inside
    rectangle = rows[:, None] & columns[None, :]
    return torch.where(cut > 0, (~rectangle).to(share.dtype), share)
