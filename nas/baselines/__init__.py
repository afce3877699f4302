"""The hand-designed networks that a search must beat: one file a family, one dict of names.

A name may carry a width multiplier, as the field writes it: `mobilenet_v2@0.35`.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from nas.baselines.mobilenet import mobilenet_v2
from nas.baselines.resnet import cifar_resnet

Builder = Callable[[int, int, float], nn.Module]

BASELINES: dict[str, Builder] = {
    "mobilenet_v2": mobilenet_v2,
    "resnet20": lambda num_classes, image_size, width: cifar_resnet(20, num_classes, width),
}


def build(name: str, num_classes: int = 1000, image_size: int = 224) -> nn.Module:
    """The baseline called `name`: `[B, 3, image_size, image_size]` -> logits `[B, num_classes]`.

    Raises ValueError for a name that is none, with those that are.
    """
    family, _, multiplier = name.partition("@")
    if family not in BASELINES:
        raise ValueError(f"there is no baseline called {family!r}; there are {', '.join(sorted(BASELINES))}")
    try:
        width = float(multiplier or 1.0)
    except ValueError:
        width = 0.0
    if not width > 0:
        raise ValueError(f"{name}: the width multiplier after '@' must be a positive number, as in {family}@0.5")
    return BASELINES[family](num_classes, image_size, width)
