"""What can be trained: an architecture of a space, or a hand-designed network by its name."""

from __future__ import annotations

import json
from dataclasses import dataclass

from torch import nn

from nas import baselines
from searchspaces import Arch, Space


@dataclass(frozen=True)
class Found:
    """An architecture of a search space."""

    space: Space
    arch: Arch

    @property
    def name(self) -> str:
        return f"{self.space.name}:{self.space.short_id(self.arch)}"

    @property
    def text(self) -> str:
        """What a person can type for it: `mnas:...`, or `mnas@0.25:...` at a width multiplier."""
        width = self.space.settings().get("width", 1.0)
        return f"{self.space.name}{f'@{width:g}' if width != 1.0 else ''}:{self.space.format(self.arch)}"

    def build(self, num_classes: int, image_size: int) -> nn.Module:
        return self.space.build(self.arch, num_classes, image_size)

    def to_json(self) -> str:
        return self.space.to_json(self.arch)


@dataclass(frozen=True)
class Designed:
    """One of `nas.baselines`."""

    name: str

    def build(self, num_classes: int, image_size: int) -> nn.Module:
        return baselines.build(self.name, num_classes, image_size)

    def to_json(self) -> str:
        return json.dumps({"baseline": self.name}, indent=2)


Network = Found | Designed
