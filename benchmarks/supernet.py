"""How well a supernet ranks a space's networks, by the images that it was trained on: beside a table of results.

    python benchmarks/supernet.py nasbench_macro nas-bench-macro_cifar10.json --width 0.25 --image-size 16 --epochs 10

After some epochs it judges `--networks` random networks with their part of the weights, and prints the rank correlation
(Kendall's tau, and Spearman's) with what the table reports of them; beside it that of MACs alone.
"""

from __future__ import annotations

import argparse
import json
import random
import time

import torch
from nas.weight_sharing.evaluation import evaluate
from scipy.stats import kendalltau, spearmanr

from nas import data
from nas.searching import published
from nas.training.recipe import Recipe
from nas.weight_sharing.training import SupernetTraining
from searchspaces import get_space
from searchspaces.sharing import WAYS, Sharing
from searchspaces.supernet import Supernet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("space")
    parser.add_argument("table")
    parser.add_argument("--sharing", choices=WAYS, default=WAYS[0])
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--cells", type=int)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--subset", type=int)
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--networks", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()

    torch.manual_seed(asked.seed)
    table = published.read(get_space(asked.space), asked.table)
    settings = {"width": asked.width} | ({"cells": asked.cells} if asked.cells else {})
    space = get_space(asked.space, image_size=asked.image_size, **settings)
    recipe = Recipe(
        asked.epochs, subset=asked.subset, image_size=asked.image_size, lr=asked.lr, batch_size=asked.batch_size
    )
    dataset = recipe.prepare(data.load("cifar10"))
    rng = random.Random(1000 + asked.seed)
    drawn = {space.canonical(space.sample(rng)) for _ in range(asked.networks)}
    archs = sorted(drawn)
    truth = [table.reported[table.key(arch)] for arch in archs]
    macs = [space.costs_at(arch, 1.0, ("macs",))["macs"] for arch in archs]
    print(f"MACs alone: Kendall {kendalltau(macs, truth)[0]:.3f}, of {len(archs)} networks", flush=True)
    supernet = Supernet(
        Sharing(space, asked.sharing, dataset.num_classes, asked.image_size, dataset.channels), asked.seed
    )
    training = SupernetTraining(supernet, dataset, recipe, asked.seed)
    for epoch in training.epochs():
        if epoch.number % asked.every and epoch.number != asked.epochs:
            continue
        began = time.perf_counter()
        found = []
        for arch in archs:
            network = space.build(arch, dataset.num_classes, asked.image_size)
            supernet.give(network, arch)
            found.append(evaluate(network, dataset, recipe).quality)
        line = {
            "images": epoch.images, "passes": epoch.passes, "seconds": round(epoch.seconds),
            "loss": round(epoch.loss, 3),
            "mean": round(sum(found) / len(found), 4), "best": round(max(found), 4),
            "kendall": round(float(kendalltau(found, truth)[0]), 3),
            "spearman": round(float(spearmanr(found, truth)[0]), 3),
            "judging": round((time.perf_counter() - began) / len(archs), 2),
        }  # fmt: skip
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
