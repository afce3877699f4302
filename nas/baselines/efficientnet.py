"""EfficientNets B0 to B7.

Tan, Le: "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (2019, arXiv:1905.11946), table 1
and section 4: see `scaling.efficientnet`.

Deviation: padding is the same on both sides, as torchvision and timm have it; `+tf` is TensorFlow's, as in the
authors' code. Batch norm's eps (1e-3) and momentum (0.01) are the authors'.
"""

from __future__ import annotations

from functools import partial

from torch import nn

from nas.baselines.entry import Baseline
from scaling.efficientnet import COEFFICIENTS, efficientnet

NORM = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)

# Table 2: top-1 and top-5 accuracy
ACCURACIES = {
    "b0": (77.1, 93.3),
    "b1": (79.1, 94.4),
    "b2": (80.1, 94.9),
    "b3": (81.6, 95.7),
    "b4": (82.9, 96.4),
    "b5": (83.6, 96.7),
    "b6": (84.0, 96.8),
    "b7": (84.3, 97.0),
}


def member(num_classes: int, image_size: int, of: str, tf: bool = False) -> nn.Sequential:
    """The member `of` the family ("b0"); `image_size` may be any."""
    by = COEFFICIENTS[of]
    return efficientnet(num_classes, image_size, by.width, by.depth, by.dropout, NORM, padding="tf" if tf else "same")


BASELINES = {
    f"efficientnet_{name}": Baseline(
        partial(member, of=name),
        year=2019,
        paper="Tan and Le, arXiv:1905.11946",
        image_size=COEFFICIENTS[name].image_size,
        top1=round(100 - top1, 1),
        top5=round(100 - top5, 1),
        errors="table 2, single crop",
        cifar="the stem and stage 3 without stride",
        options={"tf": "TensorFlow's padding, as in the authors' code"},
    )
    for name, (top1, top5) in ACCURACIES.items()
}
