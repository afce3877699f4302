"""One network, trained and tested in this process: what `nas train` does."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from nas.data.images import Dataset, Images
from nas.network import Network
from nas.recipe import Recipe
from nas.train import Epoch, accuracy, predict, train
from nas.transfer import Start, Taken
from nas.tuning import EVERYTHING, Tuning
from searchspaces.cost import Cost, cost


@dataclass(frozen=True)
class Trained:
    """One training and its verdict. Accuracies are 0..1; `seconds` are of the training, with its validations."""

    module: nn.Module
    size: Cost
    val_accuracy: float
    test_accuracy: float
    seconds: float
    taken: Taken | None = None  # of the weights that it started from


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
    test_accuracy = accuracy(predict(module, test, dataset, recipe), test.labels)
    return Trained(module, size, epoch.val_accuracy, test_accuracy, seconds, taken)
