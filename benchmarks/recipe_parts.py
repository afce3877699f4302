"""Which parts of the strong recipe pay: a network trained with and without each, seed after seed, variants interleaved.

    python benchmarks/recipe_parts.py runs/c8:best --epochs 12 --subset 20000 --seeds 2 --data-dir /path/to/cifar

Prints validation accuracy (mean and deviation over seeds), its difference from the first recipe by seeds, and seconds.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev

import torch

from nas.cli.tables import table
from nas.data.source import DataSource
from nas.references.resolve import resolve
from nas.training.recipe import Recipe
from nas.training.train import Training

BASE: dict[str, object] = {"lr": 0.1, "batch_size": 128, "progressive": 0.5}

VARIANTS: dict[str, dict[str, object]] = {
    "base": {},
    "no progressive": {"progressive": 0.0},
    "lr 0.05, batch 64": {"lr": 0.05, "batch_size": 64},
    "ema 0.99": {"ema": 0.99},
    "ema 0.999": {"ema": 0.999},
    "no smoothing": {"label_smoothing": 0.0},
    "trivialaugment": {"policy": "trivialaugment"},
    "mixup 0.2": {"mixup": 0.2},
    "cutmix 1": {"cutmix": 1.0},
    "cutout 8": {"cutout": 8},
    "weight decay 1e-4": {"weight_decay": 1e-4},
    "weight decay 1e-3": {"weight_decay": 1e-3},
}
"""Each is the base recipe but for these fields."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("network")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--subset", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--only", nargs="*", default=list(VARIANTS))
    given = parser.parse_args()
    torch.set_num_threads(1)
    network = resolve(given.network, "runs")
    dataset = DataSource(given.data, given.data_dir).load()
    found: dict[str, list[float]] = {name: [] for name in given.only}
    seconds: dict[str, list[float]] = {name: [] for name in given.only}
    for seed in range(given.seeds):
        for name in given.only:
            recipe = replace(Recipe(epochs=given.epochs, subset=given.subset), **{**BASE, **VARIANTS[name]})
            prepared = recipe.prepare(dataset)
            torch.manual_seed(seed)
            training = Training(network.build(dataset.num_classes, prepared.image_size), prepared, recipe, seed)
            *_, last = training.epochs()
            found[name].append(last.val_accuracy)
            seconds[name].append(last.seconds)
            print(f"seed {seed}  {name:20}  {last.val_accuracy:.4f}  {last.seconds:.0f} s", flush=True)
    plain = found[given.only[0]]
    rows = [
        (
            name,
            f"{100 * mean(values):.2f}",
            f"{100 * stdev(values):.2f}" if len(values) > 1 else "-",
            f"{100 * mean(a - b for a, b in zip(values, plain, strict=True)):+.2f}",
            f"{mean(seconds[name]):.0f}",
        )
        for name, values in found.items()
    ]
    print(table(("recipe", "validation, %", "deviation", f"against {given.only[0]}", "seconds"), rows))


if __name__ == "__main__":
    main()
