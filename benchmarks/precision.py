"""Is what we compute in always the faster one? bfloat16 against float32, network by network.

    NAS_DATA=~/data python benchmarks/precision.py

On a CPU that has bfloat16 arithmetic we train and evaluate in it, but for depthwise and dilated convolutions
(nas/devices/precision.py). If that lost anywhere, a training would have to find out by trying both; a ratio below 1 is
such a network. Random ones of each space, and hand-designed ones.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
from functools import partial
from pathlib import Path

import torch
from interleaved import Work, ratio, rounds

from nas.cli.tables import table
from nas.data import load
from nas.devices.process import prepare
from nas.network import Found, Network
from nas.references.resolve import resolve
from nas.text.settings import parse_settings
from nas.training.evaluation import predict
from nas.training.recipe import Recipe
from nas.training.train import train
from searchspaces import get_space

SPACES = ("mnas@width=0.25", "mnas@width=1", "compact@max_macs=8M", "nasnet@n=1,filters=16", "chain@width=0.5")
BASELINES = (
    "resnet20",
    "wrn16-2",
    "mobilenet_v2@0.25",
    "densenet_bc_40_12",
    "squeezenet1_1+bn",
    "shufflenet_v2_x1_0@0.5",
)
STEPS = 8  # in a turn


def network_of(name: str, number: int) -> Network:
    word, _, settings = name.partition("@")
    if "=" not in settings:
        return resolve(name, Path())
    space = get_space(word, **parse_settings(settings))
    return Found(space, space.sample(random.Random(number)))


def training(name: str, number: int, bf16: bool) -> Work:
    prepare()
    torch.manual_seed(0)
    recipe = Recipe(epochs=10_000, bf16=bf16)
    dataset = load("cifar10")
    few = dataclasses.replace(
        dataset, train=dataset.train.take(STEPS * recipe.batch_size, 0), val=dataset.val.take(2, 0)
    )
    epochs = train(network_of(name, number).build(10, 32), few, recipe, seed=0)
    return lambda: next(epochs)


def evaluation(name: str, number: int, bf16: bool) -> Work:
    prepare()
    dataset = load("cifar10")
    network = network_of(name, number).build(10, 32).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return partial(predict, network, dataset.val.take(500, 0), dataset, Recipe(bf16=bf16))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=3, help="random networks of each space")
    parser.add_argument("--rounds", type=int, default=8)
    options = parser.parse_args()
    cases = [(name, number) for name in SPACES for number in range(options.samples)] + [(name, 0) for name in BASELINES]
    rows = []
    for name, number in cases:
        cells = [
            ratio(*rounds([partial(work, name, number, bf16) for bf16 in (False, True)], options.rounds))
            for work in (training, evaluation)
        ]
        rows.append((name if "=" not in name else f"{name}, {number}", *cells))
        print("  ".join(rows[-1]), flush=True)
    print("\n" + table(("network", "training", "evaluation"), rows))


if __name__ == "__main__":
    main()
