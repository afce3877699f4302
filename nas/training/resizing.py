"""Progressive resizing: a training begins on small images, and ends on those that the network is for.

A step on images of half the side computes a quarter. What a network learns from them, edges and parts, is of use at the
full size too (Howard 2018, fast.ai on DAWNBench; Tan & Le 2021, EfficientNetV2, arXiv:2104.00298, section 4).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import nn

from nas.data.images import Images

STAGES = 3
"""Of as many epochs each. The last has the full size, so that batch norms end with the statistics that are used."""

MULTIPLE = 4
"""Sides are whole multiples of so many pixels, since networks halve them again and again."""


@dataclass(frozen=True)
class Resizing:
    """What sides images have in which of `epochs`: `share` of `side` pixels at first, all of them in the last stage.

    A `share` of 0 is all of them always.
    """

    share: float
    side: int
    epochs: int

    def side_in(self, epoch: int) -> int:
        """Pixels a side in `epoch`, counted from 1."""
        stage = math.ceil(STAGES * epoch / self.epochs)
        if not self.share or stage >= STAGES:
            return self.side
        share = self.share + (1 - self.share) * (stage - 1) / (STAGES - 1)
        return min(self.side, MULTIPLE * max(1, round(self.side * share / MULTIPLE)))

    @cached_property
    def _epochs_at(self) -> dict[int, int]:
        """How many epochs have each side, in that order."""
        found: dict[int, int] = {}
        for before, end in pairwise(self.epochs * stage // STAGES for stage in range(STAGES + 1)):
            if end > before:
                side = self.side_in(end)
                found[side] = found.get(side, 0) + end - before
        return found

    def sides(self) -> list[int]:
        """Those that occur, in that order; `[16, 24, 32]`, say."""
        return list(self._epochs_at)

    def done(self, epochs: float) -> float:
        """The share of the whole computation, 0..1, that is behind after `epochs`: a step's goes by its pixels."""
        behind, whole = 0.0, 0
        for side, count in self._epochs_at.items():
            behind += side**2 * min(epochs, count)
            whole += side**2 * count
            epochs -= min(epochs, count)
        return behind / whole

    def check(self, network: nn.Module, images: Images) -> None:
        """Raises ValueError where `network`, which takes the full size, does not take a smaller one of these."""
        if len(self.sides()) == 1:
            return
        training = network.training
        network.eval()
        try:
            for side in self.sides()[:-1]:
                x = torch.zeros(1, images.pixels.shape[3], side, side, device=images.pixels.device)
                with torch.no_grad():
                    network(x)
        except RuntimeError as error:
            raise ValueError(
                f"progressive={self.share:g} begins at {self.sides()[0]} pixels, and this network takes {self.side} "
                f"alone ({str(error).partition(chr(10))[0]}): leave progressive out"
            ) from None
        finally:
            network.train(training)
