"""timm's names of our networks' tensors (timm 1.0), where they are not torchvision's."""

from __future__ import annotations

from nas.baselines.pretrained.naming import Naming

NAMINGS: dict[str, Naming] = {}
