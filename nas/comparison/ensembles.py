"""Networks that vote by the mean of their probabilities, or numbers, from predictions that a comparison kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nas.comparison.trainings import LABELS, predictions
from nas.data.images import Dataset
from nas.data.targets import CLASSIFICATION, DETECTION, SEGMENTATION
from nas.ledger.run import Run
from nas.training.metrics import score
from searchspaces.cost import Cost

Split = dict[str, Tensor]  # of "val" and of "test"


@dataclass(frozen=True)
class Ensemble:
    """It costs what its members do. Accuracies are 0..1, one for each time that it could be put together."""

    name: str
    size: Cost
    val_accuracies: tuple[float, ...]
    test_accuracies: tuple[float, ...]


def check_votes(dataset: Dataset) -> None:
    """Raises ValueError where what networks say of the images of `dataset` has no mean."""
    if dataset.kind in (SEGMENTATION, DETECTION):
        raise ValueError(
            f"--ensemble is of networks that say something of a whole image, and {dataset.name} is for {dataset.kind}: "
            "leave it out"
        )


def ensembles(run: Run, members: Mapping[str, tuple[Cost, Sequence[int]]]) -> tuple[Ensemble, ...]:
    """Of `members`, the networks by name: their size, and the numbers of their trainings with each seed.

    Of each network its trainings with all seeds together, as AlexNet's seven (Krizhevsky et al. 2012, table 2),
    and with each seed all networks together, as Trimps-Soushen's fusion (ImageNet 2016).
    """
    found = []
    for name, (size, numbers) in members.items():
        if len(numbers) > 1:
            found.append(_ensemble(run, f"{name} x {len(numbers)}", [size] * len(numbers), [numbers]))
    if len(members) > 1:
        sizes = [size for size, _ in members.values()]
        by_seed = list(zip(*(numbers for _, numbers in members.values()), strict=True))
        found.append(_ensemble(run, f"all {len(members)} together", sizes, by_seed))
    return tuple(found)


def _ensemble(run: Run, name: str, sizes: Sequence[Cost], votes: Sequence[Sequence[int]]) -> Ensemble:
    labels = predictions(run, LABELS)
    means = [_mean(run, numbers) for numbers in votes]
    metric, kind = run.config.recipe.metric, run.config.task or CLASSIFICATION
    val, test = (tuple(score(metric, m[split], labels[split], kind) for m in means) for split in ("val", "test"))
    return Ensemble(name, total(sizes), val, test)


def total(sizes: Sequence[Cost]) -> Cost:
    """What several networks cost, one after the other."""
    return Cost(sum(s.params for s in sizes), sum(s.macs for s in sizes), sum(s.activations for s in sizes))


def _mean(run: Run, numbers: Sequence[int]) -> Split:
    """One training's predictions after the other: all of them may be more than memory holds."""
    total: Split = {}
    for number in numbers:
        for split, probabilities in predictions(run, number).items():
            total[split] = total.get(split, torch.zeros_like(probabilities)) + probabilities
    return {split: probabilities / len(numbers) for split, probabilities in total.items()}
