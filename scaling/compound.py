"""Compound scaling: width, depth and resolution grow together.

Tan, Le: "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (2019, arXiv:1905.11946), section
3.3 and equation 3: at the compound coefficient phi a network has

    depth       alpha ** phi    times its layers
    width       beta ** phi     times its channels
    resolution  gamma ** phi    times its pixels a side,     alpha * beta**2 * gamma**2 about 2, all at least 1,

so multiply-adds grow by about 2 ** phi. What they really grow by depends on the network: layers, channels and pixels
are whole numbers, squeeze-excite and the classifier do not see the resolution, and the stem may not repeat. So beside
the formula's ratio stands the measured one: the multiply-adds of the network that is built.

Rounding: channels to multiples of 8, never below 90 %, and layers up, as the authors' code does, which has image sizes
by hand, all even; here they are the nearest even number. Where a family rounds otherwise, its file says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from torch import nn

from searchspaces.cost import Cost, cost_of
from searchspaces.layers import round_channels

Range = tuple[float, float]


class Multipliers(NamedTuple):
    """Factors to a base: of its channels, its layers, and its pixels a side."""

    width: float
    depth: float
    resolution: float


@dataclass(frozen=True)
class Compound:
    """What the three grow by for one of phi. `alpha` is of depth, `beta` of width, `gamma` of resolution."""

    alpha: float
    beta: float
    gamma: float

    def __post_init__(self) -> None:
        if not all(1 <= factor < math.inf for factor in (self.alpha, self.beta, self.gamma)):
            raise ValueError(f"alpha, beta and gamma must be at least 1, not {self}")

    def __str__(self) -> str:
        return f"{self.alpha:g}, {self.beta:g}, {self.gamma:g}"

    @property
    def ratio(self) -> float:
        """What multiply-adds grow by for one of phi, by the formula."""
        return self.alpha * self.beta**2 * self.gamma**2

    def at(self, phi: float) -> Multipliers:
        """The factors at `phi`, to four digits after the point: as many as a network's name has."""
        return Multipliers(*(round(factor**phi, 4) for factor in (self.beta, self.alpha, self.gamma)))


PAPER = Compound(alpha=1.2, beta=1.1, gamma=1.15)  # section 3.3, for EfficientNet-B0


def grid(
    step: float = 0.05,
    target: float = 2.0,
    tolerance: float = 0.1,
    alphas: Range = (1.0, 2.0),
    betas: Range = (1.0, 1.5),
    gammas: Range = (1.0, 1.5),
) -> list[Compound]:
    """The triples in steps of `step` whose ratio by the formula is within `tolerance` of `target`.

    The ranges have their ends, which are at least 1. Raises ValueError where there is no such triple.
    """
    if not (step > 0 and target > 1 and tolerance >= 0):
        raise ValueError(
            f"a grid needs a step above 0, a target above 1 and a tolerance, not {step:g}, {target:g}, {tolerance:g}"
        )
    found = [
        compound
        for alpha in _steps(alphas, step)
        for beta in _steps(betas, step)
        for gamma in _steps(gammas, step)
        if abs((compound := Compound(alpha, beta, gamma)).ratio - target) <= tolerance + 1e-9
    ]
    if not found:
        raise ValueError(
            f"no alpha, beta and gamma in steps of {step:g} have a ratio of {target:g} within {tolerance:g}: "
            "make the step smaller, or the tolerance or the ranges larger"
        )
    return found


def _steps(ends: Range, step: float) -> list[float]:
    first, last = ends
    if not 1 <= first <= last < math.inf:
        raise ValueError(f"alpha, beta and gamma range from 1 on, the lower end first, not from {first:g} to {last:g}")
    return [round(first + i * step, 6) for i in range(int((last - first) / step + 1e-9) + 1)]


def round_filters(channels: int, width: float) -> int:
    """`channels` times `width`, as a multiple of 8."""
    return round_channels(channels * width)


def round_image_size(pixels: float) -> int:
    """The nearest even number, at least 2."""
    return max(2, 2 * math.floor(pixels / 2 + 0.5))


# ---------------------------------------------------------------------------- networks that grow


class Buildable(Protocol):
    def build(self, num_classes: int, image_size: int) -> nn.Module: ...


class Scalable(Protocol):
    """A network that grows, for images of `image_size` pixels where all factors are 1."""

    @property
    def image_size(self) -> int: ...

    def scaled(self, width: float, depth: float, image_size: int) -> Buildable:
        """The network with `width` times the channels and `depth` times the layers, for so many pixels.

        Raises ValueError where it does not grow that way.
        """
        ...


def image_size_at(base: Scalable, at: Multipliers) -> int:
    """Pixels a side; the base's own, even or not, where the resolution does not grow."""
    return base.image_size if at.resolution == 1 else round_image_size(base.image_size * at.resolution)


def measured(base: Scalable, at: Multipliers, num_classes: int) -> Cost:
    """What `base` really costs with these factors."""
    pixels = image_size_at(base, at)
    return cost_of(lambda: base.scaled(at.width, at.depth, pixels).build(num_classes, pixels), pixels)


def measured_ratio(base: Scalable, at: Multipliers, num_classes: int) -> float:
    """The multiply-adds of `base` with these factors over its own."""
    return measured(base, at, num_classes).macs / measured(base, Multipliers(1, 1, 1), num_classes).macs


def largest(fits: Callable[[float], bool], most: float, step: float = 0.01) -> float | None:
    """The largest of 0, `step`, ..., `most` that fits, if all below one that fits do; None where not even 0 does.

    For phi and any costs that only grow with it (multiply-adds, memory, time).
    """
    if not fits(0.0):
        return None
    low, high = 0, round(most / step) + 1  # low fits, and high does not, or is not there
    while high - low > 1:
        middle = min(2 * low + 1, (low + high) // 2)  # networks far too large are slow to look at
        low, high = (middle, high) if fits(round(middle * step, 10)) else (low, middle)
    return round(low * step, 10)
