"""Do the built-in images rank networks as photographs do? Rank correlations (Spearman) with CIFAR-10, for each space.

    NAS_DATA=~/data python benchmarks/shapes.py [--networks 20] [--sample 1] [--cache accuracies.json] [SPACE ...]

Random networks of each space are trained as a search trains them where nobody says otherwise: 5,000 images, one epoch,
on CIFAR-10 and on each of the built-in data sets. The order on CIFAR-10 is itself in part luck: `--again` trains there
from a second seed, too, and shows how well the one order agrees with the other. `--sample` is the seed that networks
are drawn by; `shapes2` was designed with sample 0 of `compact`, so take another one. With `--cache`, what was trained
before is not trained again, and Ctrl-C loses one training.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path

import torch
from scipy.stats import spearmanr

from nas.cli.tables import table
from nas.data import Dataset, load
from nas.files import write_atomically
from nas.network import Found
from nas.text.settings import parse_settings
from nas.training.recipe import Recipe
from nas.training.train import train
from searchspaces import get_space
from searchspaces.space import Arch

SPACES = ("compact@max_macs=4M", "mnas@width=0.1")
PHOTOGRAPHS, DRAWN = "cifar10", ("shapes2", "shapes")
RECIPE = Recipe(subset=5_000)


class Accuracies:
    """On validation images, 0..1, by data set, seed and network: each trained once, and kept where there is a file."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self.known: dict[str, float] = json.loads(file.read_text()) if file and file.exists() else {}

    def of(self, network: Found, dataset: Dataset, seed: int) -> float:
        """Of `network`, trained on `dataset`, which is as the recipe prepares it."""
        key = f"{dataset.name} {seed} {network.text}"
        if key not in self.known:
            began = time.process_time()
            torch.manual_seed(seed)
            module = network.build(dataset.num_classes, dataset.image_size)
            *_, last = train(module, dataset, RECIPE, seed)
            self.known[key] = last.val_accuracy
            print(
                f"{dataset.name:<8} {last.val_accuracy:6.1%} {time.process_time() - began:4.0f}s  {network.text}",
                flush=True,
            )
            if self.file:
                write_atomically(self.file, json.dumps(self.known, indent=1))
        return self.known[key]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spaces", nargs="*", default=SPACES, metavar="SPACE")
    parser.add_argument("--networks", type=int, default=20)
    parser.add_argument("--sample", type=int, default=1)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--cache", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = {name: RECIPE.prepare(load(name)) for name in (PHOTOGRAPHS, *DRAWN)}
    accuracies = Accuracies(arguments.cache)
    trainings = [(name, 0) for name in data] + [(PHOTOGRAPHS, 1)] * arguments.again
    rows = []
    for space in arguments.spaces:
        found = networks_of(space, arguments.networks, arguments.sample)
        by_network = [[accuracies.of(network, data[name], seed) for name, seed in trainings] for network in found]
        truth, *others = zip(*by_network, strict=True)
        rows.append((space, PHOTOGRAPHS, spread(truth), ""))
        for (name, seed), other in zip(trainings[1:], others, strict=True):
            named = f"{name}, another seed" if seed else name
            rows.append((space, named, spread(other), f"{spearmanr(truth, other).statistic:.2f}"))
    print(table(("space", "images", "accuracy of the networks", "Spearman with cifar10"), rows))


def networks_of(name: str, number: int, sample: int) -> list[Found]:
    """Random networks of the space, all different."""
    word, _, settings = name.partition("@")
    space, rng = get_space(word, **parse_settings(settings)), random.Random(sample)
    found: dict[Arch, Found] = {}
    while len(found) < number:
        arch = space.sample(rng)
        found.setdefault(space.canonical(arch), Found(space, arch))
    return list(found.values())


def spread(accuracies: tuple[float, ...]) -> str:
    return f"{min(accuracies):.1%} to {max(accuracies):.1%}"


if __name__ == "__main__":
    main()
