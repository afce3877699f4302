"""NAS-Bench-Macro: chains of MobileNetV2's blocks, each of which has been trained, and what came of it published.

Su, Huang, Li, You, Wang, Qian, Zhang, Xu: "Prioritized Architecture Sampling with Monto-Carlo Tree Search" (CVPR 2021,
arXiv:2103.11922), section 4 and its figure of the space. Searched are eight blocks in three stages:

    id      nothing, or where channels and resolution change a 1x1 convolution with that stride and norm
    mb3k3   MBConv, expansion 3, 3x3
    mb6k5   MBConv, expansion 6, 5x5

The first block of a stage halves the resolution and doubles the channels. A stem of 32 channels is before them, a 1x1
convolution to 1280 and the classifier behind. Names in the published table are an architecture's digits: `02012100` is
`id,mb6k5,id,mb3k3,mb6k5,mb3k3,id,id`. Its `flops` are our MACs.

Within a stage it makes no difference where behind the first block an `id` is: 3,969 of the 6,561 architectures are
different networks. The table has the same figures, to the last digit, for those that are equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from searchspaces.layers import Layer, conv, head, mbconv, repeats, round_channels
from searchspaces.scaled import Placed, Row, RowSpace
from searchspaces.space import Arch, Choice

STEM, LAST = 32, 1280
STAGES = ((64, 2), (128, 3), (256, 3))  # channels, blocks
OPS = ("id", "mb3k3", "mb6k5")
_CHOICES = tuple(Choice(f"block{b}.op", OPS) for b in range(1, 9))


@dataclass(frozen=True)
class NASBenchMacro(RowSpace):
    """The space, at a `width` multiplier (of every layer's channels). The network is the same for any image size."""

    name: ClassVar[str] = "nasbench_macro"

    @property
    def choices(self) -> tuple[Choice, ...]:
        return _CHOICES

    def rows(self, arch: Arch, width: float, num_classes: int, image_size: int, depth: float = 1.0) -> list[Row]:
        rows = [Row(conv, (round_channels(STEM * width),))]
        for (c, _), ops in zip(STAGES, _by_stage(self.check(arch)), strict=True):
            first, *others = [OPS[op] for op in ops]
            there = [first, *(op for op in others if op != "id")]
            times = (1 if op == "id" else n for op, n in zip(there, repeats(len(there), depth), strict=True))
            made = [op for op, n in zip(there, times, strict=True) for _ in range(n)]
            rows += [Row(_block, (op, round_channels(c * width), 1 if i else 2)) for i, op in enumerate(made)]
        return [*rows, Row(conv, (round_channels(LAST * width), 1)), Row(head, (num_classes,))]

    def placed(self, arch: Arch, num_classes: int, image_size: int) -> Iterator[Placed]:
        """A block's place is its number among those of its stage that are there."""
        rows = super().placed(arch, num_classes, image_size)
        places = [
            f"stage{stage}.{block}"
            for stage, (first, *others) in enumerate(_by_stage(arch), start=1)
            for block, _ in enumerate([first, *(op for op in others if OPS[op] != "id")], start=1)
        ]
        places = ["stem", *places, "last", "head"]
        return (row._replace(place=place) for row, place in zip(rows, places, strict=True))

    def canonical(self, arch: Arch) -> Arch:
        """Of each stage the first block, then those that do something, then the others."""
        stages = _by_stage(self.check(arch))
        return tuple(op for first, *others in stages for op in (first, *sorted(others, key=lambda op: OPS[op] == "id")))


def _by_stage(arch: Arch) -> list[Arch]:
    starts = [sum(n for _, n in STAGES[:i]) for i in range(len(STAGES))]
    return [arch[start : start + n] for start, (_, n) in zip(starts, STAGES, strict=True)]


def _block(op: str, c: int, stride: int) -> Layer:
    if op == "id":
        return conv(c, 1, stride, act=None)
    return mbconv(c, stride, kernel=int(op[-1]), expand=int(op[2]))
