"""The mean of weights, and which weights to take into it: a network that costs as much as one (arXiv:2203.05482).

Batch norms have statistics of the activations that their own weights made. Those of the mean are others, so they are
computed anew from training images, as they are after any average of weights (Izmailov et al. 2018, section 3.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nas.data.images import Dataset, Images
from nas.devices.device import within
from nas.training.evaluation import Judged, judged, predict
from nas.training.recipe import Recipe
from nas.training.shared import calibrate, calibrated_by, norms_of

Tensors = Mapping[str, Tensor]
"""A network's state, by its names."""


def mean_of(several: Sequence[Tensors]) -> dict[str, Tensor]:
    """The mean of each tensor, computed in float64; what counts something, in whole numbers, is the first one's.

    All have the same names and shapes.
    """
    first = several[0]
    return {name: _mean([one[name] for one in several]) for name in first}


def _mean(tensors: Sequence[Tensor]) -> Tensor:
    if not tensors[0].is_floating_point():
        return tensors[0].clone()
    return torch.stack([tensor.double() for tensor in tensors]).mean(0).to(tensors[0].dtype)


def are_equal(several: Sequence[Tensors]) -> bool:
    """Whether all have the same values: then so has their mean."""
    first, *others = several
    return all(torch.equal(first[name], other[name]) for other in others for name in first)


class Pot:
    """What soups are made in: `module`, into which means are loaded, and the images that they are judged by.

    `dataset` and `test` are as the network takes them, and the module is where they are.
    """

    def __init__(self, module: nn.Module, dataset: Dataset, test: Images, recipe: Recipe) -> None:
        self.module, self.dataset, self.test, self.recipe = module, dataset, test, recipe

    @property
    def calibrated(self) -> int:
        """By how many training images a mean's norms get their statistics; 0 where it has none that keep any."""
        return calibrated_by(self.dataset) if norms_of(self.module) else 0

    def fill(self, several: Sequence[Tensors]) -> None:
        """Have the module be the soup of these. Of equal ones, as of one, the statistics are right as they are."""
        self.module.load_state_dict(mean_of(several))
        if not are_equal(several):
            with within(self.dataset.train.pixels.device):
                calibrate(self.module, self.dataset)
        self.module.eval()

    def judge(self, several: Sequence[Tensors]) -> Judged:
        """What the soup of these comes to on the validation images."""
        self.fill(several)
        said = predict(self.module, self.dataset.val, self.dataset, self.recipe)
        return judged(said, self.dataset.val.labels, self.recipe.metric, self.dataset.kind)

    def say(self, several: Sequence[Tensors]) -> Tensor:
        """What the soup of these says of the test images, as `predict` gives it."""
        self.fill(several)
        return predict(self.module, self.test, self.dataset, self.recipe)


@dataclass(frozen=True)
class Tried:
    """A step of the greedy soup: the number of the network that was `tried`, what the soup with it comes to on
    validation images, and whether it stayed in."""

    tried: int
    quality: float
    kept: bool


def greedy(pot: Pot, several: Sequence[Tensors], qualities: Sequence[float]) -> list[Tried]:
    """Try all, the best on validation images first, and keep in what does not make the soup worse there.

    It is the recipe 1 of Wortsman et al. (2022). The soup is never below the best of them. `qualities` are their own.
    """
    order = sorted(range(len(several)), key=lambda number: -qualities[number])
    steps = [Tried(order[0], qualities[order[0]], True)]
    inside, reached = [order[0]], qualities[order[0]]
    for number in order[1:]:
        quality = pot.judge([several[one] for one in [*inside, number]]).quality
        kept = quality >= reached
        if kept:
            inside, reached = [*inside, number], quality
        steps.append(Tried(number, quality, kept))
    return steps


def inside(steps: Sequence[Tried]) -> list[int]:
    """The numbers of the networks that are in the soup after these `steps`."""
    return [step.tried for step in steps if step.kept]
