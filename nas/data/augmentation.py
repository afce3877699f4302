"""How training images are changed: which changes there are, and each as what is drawn and what is computed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from nas.data import operations
from nas.data.images import GREY, RGB
from nas.data.mixing import Mixing
from nas.data.policies import POLICIES

NO_POLICY = "none"


class Change(Protocol):
    """A random change of each image of a batch. All that is random is drawn before, see `TrainBatches`."""

    def draw(self, n: int, generator: torch.Generator) -> list[Tensor]:
        """What chance decides of a batch of `n` images: tensors `[n, ...]` on the generator's device."""

    def __call__(self, x: Tensor, numbers: Iterator[Tensor]) -> Tensor:
        """uint8 `[B, H, W, C]` to the same, by those of `numbers` that it drew."""

    def masks(self, y: Tensor, numbers: Iterator[Tensor]) -> Tensor:
        """The same of masks `[B, H, W, 1]`: what moves pixels moves theirs, what colours them leaves these."""


@dataclasses.dataclass(frozen=True)
class Augment:
    """Random changes to training images; the defaults are the usual ones for CIFAR (He et al. 2015, section 4.2).

    `pad`: shift by up to so many pixels, the border reflected. `flip`: mirror left-right half of the time.
    `cutout`: side in pixels of the square set to the mean colour (DeVries & Taylor 2017, arXiv:1708.04552;
    they use 16 on CIFAR-10); 0 is off. `min_area`: in place of the shift, a random part of the image, of this share of
    its area to all of it and 3:4 to 4:3 in shape, enlarged to the whole (Szegedy et al. 2014, section 6: 0.08 on
    ImageNet); None is off.

    `vertical_flip`: mirror top-bottom half of the time. `quarter_turns`: by 0, 90, 180 or 270 degrees. `rotation`: by
    up to so many degrees in either direction, the border reflected. `color_jitter`: brightness, contrast and saturation
    times factors of 1 minus to 1 plus this. `policy`: see `nas.data.policies`. Both are of RGB images, and of grey
    ones, whose saturation stays as it is. `mixup`, `cutmix`: see `Mixing`.
    """

    pad: int = 4
    flip: bool = True
    cutout: int = 0
    min_area: float | None = None
    vertical_flip: bool = False
    quarter_turns: bool = False
    rotation: float = 0.0
    color_jitter: float = 0.0
    policy: str = NO_POLICY
    mixup: float = 0.0
    cutmix: float = 0.0

    def __post_init__(self) -> None:
        if self.min_area is not None and not 0 < self.min_area <= 1:
            raise ValueError(f"min_area is a share of the image, above 0 and at most 1, not {self.min_area}")
        if self.pad < 0 or self.cutout < 0:
            raise ValueError(f"pad and cutout are pixels, 0 or more, not {self.pad} and {self.cutout}")
        if self.policy not in (NO_POLICY, *POLICIES):
            raise ValueError(f"policy is one of {', '.join((NO_POLICY, *POLICIES))}, not {self.policy!r}")

    def scaled(self, factor: float) -> Augment:
        """The same changes for images whose side is times `factor`: what is in pixels is, too."""
        pad, cutout = (round(pixels * factor) for pixels in (self.pad, self.cutout))
        return dataclasses.replace(self, pad=pad, cutout=cutout)

    def changes(self) -> list[Change]:
        """Those beyond the crop, the mirror image and the square cut out, in the order in which they are made."""
        made: list[Change] = []
        made += [VerticalFlip()] if self.vertical_flip else []
        made += [QuarterTurns()] if self.quarter_turns else []
        made += [Rotation(self.rotation)] if self.rotation else []
        made += [ColorJitter(self.color_jitter)] if self.color_jitter else []
        return made + ([POLICIES[self.policy]] if self.policy != NO_POLICY else [])

    def check_channels(self, channels: int) -> None:
        """Raises ValueError where images of so many channels have no brightness that could be changed."""
        if channels in (GREY, RGB):
            return
        for name, is_set in (("color_jitter", self.color_jitter > 0), ("policy", self.policy != NO_POLICY)):
            if is_set:
                raise ValueError(
                    f"{name} changes the colours of RGB images, or the brightness of grey ones, and these have "
                    f"{channels} channels: leave out {name}"
                )

    def check_masks(self) -> None:
        """Raises ValueError where images are changed in a way in which their masks are not."""
        changes = {"mixup": self.mixup > 0, "cutmix": self.cutmix > 0, "policy": self.policy != NO_POLICY}
        for name, is_set in changes.items():
            if is_set:
                raise ValueError(f"{name} does not change masks along with their images: leave out {name}")

    def check_boxes(self) -> None:
        """Raises ValueError where images are changed in a way in which the boxes of their objects are not."""
        changes = {
            "vertical_flip": self.vertical_flip, "quarter_turns": self.quarter_turns, "rotation": self.rotation > 0,
            "policy": self.policy != NO_POLICY, "mixup": self.mixup > 0, "cutmix": self.cutmix > 0,
        }  # fmt: skip
        for name, is_set in changes.items():
            if is_set:
                raise ValueError(f"{name} does not move boxes along with their images: leave out {name}")

    def mixing(self, num_classes: int) -> Mixing | None:
        """How images are mixed with one another; None where they are not."""
        return Mixing(self.mixup, self.cutmix, num_classes) if self.mixup or self.cutmix else None

    def words(self) -> str:
        """What is done to images, for people: `shifted by up to 4 pixels and mirrored`."""
        moved = (
            f"shifted by up to {self.pad} pixels"
            if self.min_area is None
            else f"parts of {self.min_area:g} to 1 of them"
        )
        mixed = [
            f"{name} (alpha {alpha:g})" for name, alpha in (("mixup", self.mixup), ("CutMix", self.cutmix)) if alpha
        ]
        policy = {"trivialaugment": "TrivialAugment", "randaugment": "RandAugment"}.get(self.policy)
        said = [
            f"{moved} and mirrored" if self.flip else moved,
            "mirrored top to bottom" if self.vertical_flip else None,
            "turned by quarters" if self.quarter_turns else None,
            f"rotated by up to {self.rotation:g} degrees" if self.rotation else None,
            f"colours changed by up to {100 * self.color_jitter:g} %" if self.color_jitter else None,
            f"changed by {policy}" if policy else None,
            f"a square of {self.cutout} pixels cut out" if self.cutout else None,
            f"mixed by {' or '.join(mixed)}" if mixed else None,
        ]
        return ", ".join(part for part in said if part)


class VerticalFlip:
    """Top to bottom, half of the time."""

    def draw(self, n: int, generator: torch.Generator) -> list[Tensor]:
        return [torch.rand(n, generator=generator, device=generator.device) < 0.5]

    def __call__(self, x: Tensor, numbers: Iterator[Tensor]) -> Tensor:
        return operations.flipped(x, next(numbers))

    masks = __call__


class QuarterTurns:
    """By 0, 90, 180 or 270 degrees, each as often."""

    def draw(self, n: int, generator: torch.Generator) -> list[Tensor]:
        return [torch.randint(4, (n,), generator=generator, device=generator.device)]

    def __call__(self, x: Tensor, numbers: Iterator[Tensor]) -> Tensor:
        return operations.turned(x, next(numbers))

    masks = __call__


@dataclasses.dataclass(frozen=True)
class Rotation:
    """By up to `degrees` in either direction, each angle as often; the border is reflected."""

    degrees: float

    def draw(self, n: int, generator: torch.Generator) -> list[Tensor]:
        return [self.degrees * (2 * torch.rand(n, generator=generator, device=generator.device) - 1)]

    def __call__(self, x: Tensor, numbers: Iterator[Tensor]) -> Tensor:
        return operations.sampled(x, self._maps(x, next(numbers)), "reflection")

    def masks(self, y: Tensor, numbers: Iterator[Tensor]) -> Tensor:
        return operations.sampled(y, self._maps(y, next(numbers)), "reflection", "nearest")

    def _maps(self, x: Tensor, degrees: Tensor) -> Tensor:
        none = torch.zeros_like(degrees)
        return operations.affine_maps((x.shape[1], x.shape[2]), degrees, (none, none), (none, none))


@dataclasses.dataclass(frozen=True)
class ColorJitter:
    """Brightness, then contrast, then saturation, times factors between 1 - `strength` and 1 + `strength`."""

    strength: float

    def draw(self, n: int, generator: torch.Generator) -> list[Tensor]:
        return [1 + self.strength * (2 * torch.rand(n, 3, generator=generator, device=generator.device) - 1)]

    def __call__(self, x: Tensor, numbers: Iterator[Tensor]) -> Tensor:
        brightness, contrast, saturation = next(numbers).unbind(1)
        values = (x * operations.of_each(brightness)).clamp(0, 255)
        grays = operations.gray(values)
        values = operations.blended(values, operations.mean_gray(grays), contrast).clamp(0, 255)
        return operations.whole(operations.blended(values, operations.gray(values), saturation))

    def masks(self, y: Tensor, numbers: Iterator[Tensor]) -> Tensor:
        next(numbers)
        return y
