"""Networks trained from scratch under one recipe and the same seeds, then judged on the test set."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean

import torch
from torch import nn

from nas.data.images import Dataset, Images
from nas.network import Network
from nas.train import Diverged, Epoch, Recipe, evaluate, train
from nas.trial import describe
from searchspaces.cost import Cost, cost


@dataclass(frozen=True)
class Trained:
    """One training and its verdict. Accuracies are 0..1; `seconds` are of the training."""

    module: nn.Module
    size: Cost
    val_accuracy: float
    test_accuracy: float
    seconds: float


@dataclass(frozen=True)
class Contender:
    """A network of a comparison: its size, and its accuracies (0..1) with one entry a seed."""

    name: str
    size: Cost
    val_accuracies: tuple[float, ...]
    test_accuracies: tuple[float, ...]
    seconds: float  # of training, the mean over seeds

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
) -> Trained:
    """Train `network` from scratch on `dataset`, then look at the test set, once.

    `dataset` is already `recipe.prepare`d, and `test` at its image size.
    """
    torch.manual_seed(seed)
    module = network.build(dataset.num_classes, dataset.image_size)
    size = cost(module, dataset.image_size)
    start = time.perf_counter()
    for epoch in train(module, dataset, recipe, seed):
        on_epoch(epoch)
    seconds = time.perf_counter() - start
    test_accuracy = evaluate(module, test, dataset, recipe)
    return Trained(module, size, epoch.val_accuracy, test_accuracy, seconds)


def compare(
    networks: Sequence[tuple[str, Network]],
    dataset: Dataset,
    test: Images,
    recipe: Recipe,
    seeds: Sequence[int],
    on_result: Callable[[str, int, Trained], None] = lambda name, seed, trained: None,
    on_failure: Callable[[str, str], None] = lambda name, reason: None,
) -> list[Contender]:
    """Every network under `recipe` with each of `seeds`; the best mean test accuracy first. Prepares the data.

    One that diverges or runs out of memory is left out, and said to `on_failure`, not to lose the others.
    """
    dataset = recipe.prepare(dataset)
    test = test.resize(dataset.image_size)
    contenders = []
    for name, network in networks:
        results = []
        try:
            for seed in seeds:
                results.append(train_and_test(network, dataset, test, recipe, seed))
                on_result(name, seed, results[-1])
        except (Diverged, MemoryError, torch.OutOfMemoryError) as error:
            on_failure(name, describe(error))
            continue
        contenders.append(
            Contender(
                name,
                results[0].size,
                tuple(r.val_accuracy for r in results),
                tuple(r.test_accuracy for r in results),
                mean(r.seconds for r in results),
            )
        )
    return sorted(contenders, key=lambda contender: -contender.test_accuracy)
