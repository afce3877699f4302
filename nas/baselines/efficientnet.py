"""EfficientNets B0 to B7, L2, and Lite0 to Lite4.

Tan, Le: "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (2019, arXiv:1905.11946), table 1
and section 4; of L2 and Lite, and of what width and depth multiply, see `scaling.efficientnet`.

Deviation: padding is the same on both sides, as torchvision and timm have it; `+tf` is TensorFlow's, as in the
authors' code. Batch norm's eps (1e-3) and momentum (0.01) are the authors'.
"""

from __future__ import annotations

from functools import partial

from torch import nn

from nas.baselines.entry import Baseline
from scaling.efficientnet import LITE, B, Coefficients, efficientnet
from searchspaces.layers import Padding

NORM = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)

# Table 2 of the paper, and of Noisy Student's: top-1 and top-5 accuracy; Lite's in the authors' repository, in float32
ACCURACIES: dict[str, tuple[float, float | None]] = {
    "b0": (77.1, 93.3),
    "b1": (79.1, 94.4),
    "b2": (80.1, 94.9),
    "b3": (81.6, 95.7),
    "b4": (82.9, 96.4),
    "b5": (83.6, 96.7),
    "b6": (84.0, 96.8),
    "b7": (84.3, 97.0),
    "l2": (88.4, 98.7),
    "lite0": (75.1, None),
    "lite1": (76.7, None),
    "lite2": (77.6, None),
    "lite3": (79.8, None),
    "lite4": (81.5, None),
}


def member(
    num_classes: int,
    image_size: int,
    of: Coefficients,
    lite: bool = False,
    width: float = 1.0,
    depth: float = 1.0,
    tf: bool = False,
) -> nn.Sequential:
    """The member of the family with the coefficients `of`, times `width` and `depth`; `image_size` may be any."""
    padding: Padding = "tf" if tf else "same"
    return efficientnet(num_classes, image_size, of.width * width, of.depth * depth, NORM, padding, lite)


def _baseline(name: str, of: Coefficients) -> Baseline:
    top1, top5 = ACCURACIES[name]
    paper, errors = "Tan and Le, arXiv:1905.11946", "table 2, single crop"
    if name == "l2":
        paper, errors = "Xie et al., arXiv:1911.04252", "table 2, with 300M unlabelled images"
    elif name in LITE:
        errors = "the authors' repository, single crop"
    return Baseline(
        partial(member, of=of, lite=name in LITE),
        year=2019,
        paper=paper,
        image_size=of.image_size,
        top1=round(100 - top1, 1),
        top5=None if top5 is None else round(100 - top5, 1),
        errors=errors,
        cifar="the stem and stage 3 without stride",
        options={"tf": "TensorFlow's padding, as in the authors' code"},
        scalable=True,
        deepens=True,
    )


BASELINES = {f"efficientnet_{name}": _baseline(name, of) for name, of in {**B, **LITE}.items()}
