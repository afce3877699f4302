"""Networks trained from scratch under one recipe and the same seeds, then judged on the test set."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean

import torch
from torch import Tensor, nn

from nas.data.images import Dataset, Images
from nas.network import Network
from nas.train import Diverged, Epoch, Recipe, accuracy, predict, train
from nas.transfer import Start, Taken
from nas.trial import describe
from nas.tuning import EVERYTHING, Tuning
from searchspaces.cost import Cost, cost, shapes_only


@dataclass(frozen=True)
class Prediction:
    """What a network says of a data set: class probabilities `[N, num_classes]` of each split's images."""

    val: Tensor
    test: Tensor


@dataclass(frozen=True)
class Trained:
    """One training and its verdict. Accuracies are 0..1; `seconds` are of the training, with its validations.

    `test` has the class probabilities of the test images, `[N, num_classes]`.
    """

    module: nn.Module
    size: Cost
    test: Tensor
    val_accuracy: float
    test_accuracy: float
    seconds: float
    images: int  # that it was trained on, each counted as often as it was seen
    taken: Taken | None = None  # of the weights that it started from


@dataclass(frozen=True)
class Contender:
    """A network of a comparison: its size, and its accuracies (0..1) with one entry a seed.

    `seconds` of training and `images_per_second` are means over seeds; an ensemble has none of its own.
    """

    name: str
    size: Cost
    val_accuracies: tuple[float, ...]
    test_accuracies: tuple[float, ...]
    seconds: float | None = None
    images_per_second: float | None = None

    @property
    def test_accuracy(self) -> float:
        return mean(self.test_accuracies)


def train_and_test(
    network: Network,
    dataset: Dataset,
    test: Images,
    recipe: Recipe,
    seed: int,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    start: Start | None = None,
    tuning: Tuning = EVERYTHING,
    on_start: Callable[[Taken], None] = lambda taken: None,
) -> Trained:
    """Train `network` on `dataset`, then look at the test set, once.

    From scratch, or from the weights of `start`, of which `on_start` is told what was taken. `tuning` says which rows
    are trained. `dataset` is already `recipe.prepare`d, and `test` at its image size.
    """
    torch.manual_seed(seed)
    module = network.build(dataset.num_classes, dataset.image_size)
    size = cost(module, dataset.image_size)
    taken = None
    if start is not None:
        taken = start.give(module, network, dataset)
        on_start(taken)
    began = time.perf_counter()
    for epoch in train(module, dataset, recipe, seed, tuning):
        on_epoch(epoch)
    seconds = time.perf_counter() - began
    predicted = predict(module, test, dataset, recipe)
    test_accuracy = accuracy(predicted, test.labels)
    return Trained(module, size, predicted, epoch.val_accuracy, test_accuracy, seconds, epoch.images, taken)


def compare(
    networks: Sequence[tuple[str, Network]],
    dataset: Dataset,
    test: Images,
    recipe: Recipe,
    seeds: Sequence[int],
    on_result: Callable[[str, int, Trained], None] = lambda name, seed, trained: None,
    on_failure: Callable[[str, str], None] = lambda name, reason: None,
    ensemble: bool = False,
) -> list[Contender]:
    """Every network under `recipe` with each of `seeds`; the best mean test accuracy first. Prepares the data.

    With `ensemble` also their ensembles, see `ensembles_of`. A network that diverges or runs out of memory
    is left out, and said to `on_failure`, not to lose the others; one that does not take such images raises
    ValueError before anything is trained.
    """
    dataset = recipe.prepare(dataset)
    for _, network in networks:
        with shapes_only():
            cost(network.build(dataset.num_classes, dataset.image_size), dataset.image_size)
    test = test.resize(dataset.image_size)
    contenders: list[Contender] = []
    predictions: list[list[Prediction]] = []
    for name, network in networks:
        results = []
        try:
            for seed in seeds:
                results.append(train_and_test(network, dataset, test, recipe, seed))
                on_result(name, seed, results[-1])
        except (Diverged, MemoryError, torch.OutOfMemoryError) as error:
            on_failure(name, describe(error))
            continue
        contenders.append(_contender(name, results))
        if ensemble:
            predictions.append([Prediction(predict(r.module, dataset.val, dataset, recipe), r.test) for r in results])
    if ensemble:
        contenders += ensembles_of(contenders, predictions, dataset, test)
    return sorted(contenders, key=lambda contender: -contender.test_accuracy)


def ensembles_of(
    contenders: Sequence[Contender], predictions: Sequence[Sequence[Prediction]], dataset: Dataset, test: Images
) -> list[Contender]:
    """Networks that vote by the mean of their class probabilities; `predictions[n][s]` is network n's with seed s.

    Of each network its trainings with all seeds together, as AlexNet's seven (Krizhevsky et al. 2012, table 2),
    and with each seed all networks together, as Trimps-Soushen's fusion (ImageNet 2016). It costs what its members do.
    """
    found = []
    for contender, of_seeds in zip(contenders, predictions, strict=True):
        if len(of_seeds) > 1:
            verdict = _judge(_mean(of_seeds), dataset, test)
            found.append(_ensemble(f"{contender.name} x {len(of_seeds)}", [contender] * len(of_seeds), [verdict]))
    if len(contenders) > 1:
        verdicts = [_judge(_mean(of_networks), dataset, test) for of_networks in zip(*predictions, strict=True)]
        found.append(_ensemble(f"all {len(contenders)} together", contenders, verdicts))
    return found


def _contender(name: str, results: Sequence[Trained]) -> Contender:
    return Contender(
        name,
        results[0].size,
        tuple(r.val_accuracy for r in results),
        tuple(r.test_accuracy for r in results),
        mean(r.seconds for r in results),
        mean(r.images / r.seconds for r in results),
    )


def _ensemble(name: str, members: Sequence[Contender], verdicts: Sequence[tuple[float, float]]) -> Contender:
    size = Cost(
        sum(m.size.params for m in members), sum(m.size.macs for m in members), sum(m.size.activations for m in members)
    )
    return Contender(name, size, tuple(val for val, _ in verdicts), tuple(test for _, test in verdicts))


def _mean(predictions: Sequence[Prediction]) -> Prediction:
    return Prediction(
        val=torch.stack([p.val for p in predictions]).mean(0), test=torch.stack([p.test for p in predictions]).mean(0)
    )


def _judge(prediction: Prediction, dataset: Dataset, test: Images) -> tuple[float, float]:
    """Validation and test accuracy."""
    return accuracy(prediction.val, dataset.val.labels), accuracy(prediction.test, test.labels)
