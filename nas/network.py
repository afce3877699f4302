"""What can be trained: an architecture of a space, or a hand-designed network by its name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from torch import nn

from nas import baselines
from nas.units import format_count, parse_count
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
        """What a person can type for it: `mnas:...`, or `mnas@0.25:...` at a width multiplier.

        Other settings have their names: `compact@max_macs=8M:...`. The image size that was searched at is only said
        where it decides the network, which is with `max_macs`; what is built is for the images that it is built for.
        """
        changed = self.space.changed_settings()
        if "max_macs" not in changed:
            changed.pop("image_size", None)
        said = [_value(v) if name == "width" else f"{name}={_value(v)}" for name, v in changed.items()]
        return f"{self.space.reference}{'@' if said else ''}{','.join(said)}:{self.space.format(self.arch)}"

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


def _value(value: Any) -> str:
    """A setting as text: `0.25`, `true`, `8M`."""
    if isinstance(value, int) and value >= 1_000_000 and parse_count(format_count(value)) == value:
        return format_count(value)
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
