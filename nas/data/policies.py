"""Policies of augmentation: each image of a batch draws an operation and how strong it is.

The operations are those of both papers, 14 with the one that leaves an image as it is. All of an image's places are
changed by one affine map, its colours by one blend and one table; what an image did not draw leaves it as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from nas.data import operations

OPERATIONS = (
    "identity", "shear x", "shear y", "translate x", "translate y", "rotate", "brightness", "color", "contrast",
    "sharpness", "posterize", "solarize", "autocontrast", "equalize",
)  # fmt: skip
GEOMETRIC, BLENDS = OPERATIONS[1:6], OPERATIONS[6:10]


@dataclass(frozen=True)
class Policy:
    """How many operations an image gets, one after the other, how strong they are, and what full strength is.

    `strengths` are those among which one is drawn, 0..1. At full strength: `shear` is the tangent of the angle;
    `pixels` or else `part` of the side is how far it is translated; `degrees` how far it is rotated; `factor` by how
    much brightness, color, contrast and sharpness differ from 1; `bits` how many of 8 posterize takes away.
    """

    layers: int
    strengths: tuple[float, ...]
    shear: float
    degrees: float
    factor: float
    bits: int
    pixels: float | None = None
    part: float = 0.0

    def draw(self, n: int, generator: torch.Generator) -> list[Tensor]:
        """Of each layer which operations, int64 `[n]`, and how strong, float32 `[n]`, -1..1."""
        numbers = []
        for _ in range(self.layers):
            which, strength, sign = (
                torch.randint(many, (n,), generator=generator, device=generator.device)
                for many in (len(OPERATIONS), len(self.strengths), 2)
            )
            strengths = torch.tensor(self.strengths, device=generator.device)
            numbers += [which, strengths[strength] * (2 * sign - 1)]
        return numbers

    def __call__(self, x: Tensor, numbers: Iterator[Tensor]) -> Tensor:
        for _ in range(self.layers):
            x = self.operate(x, next(numbers), next(numbers))
        return x

    def masks(self, y: Tensor, numbers: Iterator[Tensor]) -> Tensor:
        raise AssertionError("`Augment.check_masks` has refused it")

    def operate(self, x: Tensor, which: Tensor, strength: Tensor) -> Tensor:
        """The images `x`, uint8 `[B, H, W, C]`, each after one operation: its number and its strength, `[B]` each.

        Where an operation has two directions, the sign of the strength says which.
        """
        x = torch.where(_any_of(GEOMETRIC, which), self._moved(x, which, strength), x)
        x = torch.where(_any_of(BLENDS, which), self._blended(x, which, strength), x)
        return operations.looked_up(x, self._tables(x, which, strength.abs()))

    def _moved(self, x: Tensor, which: Tensor, strength: Tensor) -> Tensor:
        def of(name: str, most: float) -> Tensor:
            return torch.where(which == OPERATIONS.index(name), strength * most, 0.0)

        height, width = x.shape[1:3]
        right, down = (self.part * side if self.pixels is None else self.pixels for side in (width, height))
        maps = operations.affine_maps(
            (height, width), of("rotate", self.degrees), (of("shear x", self.shear), of("shear y", self.shear)),
            (of("translate x", right), of("translate y", down)),
        )  # fmt: skip
        return operations.sampled(x, maps, "zeros")

    def _blended(self, x: Tensor, which: Tensor, strength: Tensor) -> Tensor:
        values = x.float()
        grays = operations.gray(values)
        start = torch.where(_any_of(("color",), which), grays, 0.0)  # brightness: from black
        start = torch.where(_any_of(("contrast",), which), operations.mean_gray(grays), start)
        start = torch.where(_any_of(("sharpness",), which), operations.smoothed(values), start)
        return operations.whole(operations.blended(values, start, 1 + strength * self.factor))

    def _tables(self, x: Tensor, which: Tensor, strength: Tensor) -> Tensor:
        """What becomes of each value: uint8 `[B, 256, C]`."""
        counts, device = operations.histograms(x), x.device
        made = {
            "posterize": operations.posterized(8 - (strength * self.bits).round().int(), device),
            "solarize": operations.solarized(operations.LEVELS * (1 - strength), device),
            "autocontrast": operations.autocontrasted(counts),
            "equalize": operations.equalized(counts),
        }
        tables = operations.levels(device).to(torch.uint8).expand_as(counts)
        for name, table in made.items():
            tables = torch.where((which == OPERATIONS.index(name)).view(-1, 1, 1), table.to(torch.uint8), tables)
        return tables


def _any_of(names: tuple[str, ...], which: Tensor) -> Tensor:
    """Whether each image drew one of `names`: `[B, 1, 1, 1]`."""
    first, last = OPERATIONS.index(names[0]), OPERATIONS.index(names[-1])
    return operations.of_each((first <= which) & (which <= last))


TRIVIAL_AUGMENT = Policy(
    layers=1, strengths=tuple(level / 30 for level in range(31)),
    shear=0.99, pixels=32, degrees=135, factor=0.99, bits=6,
)  # fmt: skip
"""Mueller & Hutter 2021 (arXiv:2103.10158), section 3, with its "wide" ranges: one operation, of any of 31 strengths.

Two deviations: places are bilinear, theirs are the nearest pixel's; solarize at strength 0 changes nothing.
"""

RAND_AUGMENT = Policy(layers=2, strengths=(0.9,), shear=0.3, part=150 / 331, degrees=30, factor=0.9, bits=4)
"""Cubuk et al. 2019 (arXiv:1909.13719), section 3, N=2 and M=9 on its scale of 0 to 10, as for their ResNet-50.

Full strength is what it is in AutoAugment (arXiv:1805.09501, table 6), whose images have 331 pixels. torchvision's
scale is from 0 to 30, so its M=9 is a third of this. Brightness, color, contrast and sharpness are raised or lowered;
the authors' code raises them only.
"""

POLICIES: dict[str, Policy] = {"trivialaugment": TRIVIAL_AUGMENT, "randaugment": RAND_AUGMENT}
