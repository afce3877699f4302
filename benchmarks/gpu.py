"""What a GPU does: images a second, single steps against a CUDA graph, one training against several at once.

    NAS_DATA=~/data python benchmarks/gpu.py
    NAS_DATA=~/data python benchmarks/gpu.py --accuracy 90,94

It needs torch and this package, not Ray. `--accuracy` trains a wide ResNet-20, with each number of epochs in turn until
the validation accuracies are reached, and says how long the shortest such training took.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Iterator
from functools import partial
from multiprocessing import get_context
from unittest.mock import patch

import torch
from interleaved import Work, ratio, rounds
from training import NETWORKS, built

from nas import baselines
from nas import training as nas_train
from nas.data import load
from nas.process import prepare
from nas.recipe import Recipe
from nas.step import Step
from nas.tables import table
from nas.training import train

BATCH = 128
STEPS = 100  # in a turn


def training(name: str, device: str, recorded: bool) -> Work:
    """An epoch of so many steps, again and again."""
    prepare()
    recipe = Recipe(epochs=10_000, batch_size=BATCH)
    dataset = load("cifar10")
    few = dataclasses.replace(dataset, train=dataset.train.take(STEPS * BATCH, 0), val=dataset.val.take(10, 0))
    make = nas_train.make_step if recorded else Step
    with patch.object(nas_train, "make_step", make):
        epochs = train(built(name, few), few.to(device), recipe, seed=0)
        next(epochs)  # what records itself does so here
    return lambda: next(epochs)


def _several(name: str, device: str, seconds: float) -> int:
    """Images that one of several trainings at once gets through."""
    work = training(name, device, recorded=True)
    work()
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        work()
        steps += STEPS
    return steps * BATCH


def at_once(name: str, device: str, count: int, seconds: float = 10.0) -> float:
    """Images a second of `count` processes together, on one GPU."""
    with get_context("spawn").Pool(count) as pool:
        return sum(pool.starmap(_several, [(name, device, seconds)] * count)) / seconds


def speeds(names: list[str], device: str, count: int) -> None:
    rows = []
    for name in names:
        single, graph = rounds([partial(training, name, device, recorded) for recorded in (False, True)], count)
        images = STEPS * BATCH / (sum(graph) / len(graph))
        together = [at_once(name, device, processes) / at_once(name, device, 1) for processes in (2, 4)]
        rows.append((name, f"{images:,.0f}", ratio(single, graph), *[f"{gain:.2f}" for gain in together]))
    print(table(("network", "images/s", "graph against single", "2 at once", "4 at once"), rows))


def epochs_to(accuracies: list[float], device: str) -> Iterator[str]:
    dataset = load("cifar10").to(device)
    wanted = sorted(accuracies)
    for epochs in (5, 8, 12, 16, 24, 32, 48):
        torch.manual_seed(0)
        network = baselines.build("resnet20@2", dataset.num_classes, dataset.image_size)
        recipe = Recipe(epochs=epochs, batch_size=512, lr=0.4, cutout=8)
        began = time.perf_counter()
        *_, last = train(network, dataset, recipe, seed=0)
        seconds = time.perf_counter() - began
        while wanted and 100 * last.val_accuracy >= wanted[0]:
            yield f"{wanted.pop(0):g} % validation accuracy: {seconds:.0f} s, {epochs} epochs"
        if not wanted:
            return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=[*NETWORKS])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--accuracy", default="")
    options = parser.parse_args()
    if options.accuracy:
        for line in epochs_to([float(text) for text in options.accuracy.split(",")], options.device):
            print(line, flush=True)
    else:
        speeds(options.networks, options.device, options.rounds)


if __name__ == "__main__":
    main()
