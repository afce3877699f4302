"""Spaces whose networks take next to no time: of nine networks, and of some hundreds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from searchspaces import Arch, Choice, Space
from searchspaces.layers import conv, head, network


@dataclass(frozen=True)
class Tiny(Space):
    """Two convolutions, each of one of three kernels."""

    name: ClassVar[str] = "tiny"

    @property
    def choices(self) -> tuple[Choice, ...]:
        return tuple(Choice(f"layer{number}.kernel", (1, 3, 5)) for number in range(2))

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        kernels = [choice.options[index] for choice, index in zip(self.choices, arch, strict=True)]
        return network(*(conv(8, kernel=int(kernel)) for kernel in kernels), head(num_classes))


@dataclass(frozen=True)
class Wide(Space):
    """Six choices of three: 729 architectures. Where the first is 0 the last has no effect."""

    name: ClassVar[str] = "wide"

    @property
    def choices(self) -> tuple[Choice, ...]:
        return tuple(Choice(f"layer{number}.filters", (1, 2, 3)) for number in range(6))

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        return network(conv(1 + sum(arch), kernel=1), head(num_classes))

    def canonical(self, arch: Arch) -> Arch:
        return (*arch[:-1], 0) if arch[0] == 0 else self.check(arch)
