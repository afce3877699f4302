"""The training loop against the one that a person would write first, and against its own limit.

    NAS_DATA=~/data python benchmarks/training.py

plain: DataLoader over PIL images, crop and flip by PIL, NCHW, float32, eager, SGD as torch has it by default. Our loop
does the same steps on the same images. Its limit is itself with one batch that is there already: what no work on data
could beat. With `--accuracy` both train each network alike, and what comes out is compared.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import random
from collections.abc import Iterator
from functools import partial
from statistics import fmean, stdev

import numpy as np
import torch
from interleaved import Work, ratio, rounds
from PIL import Image, ImageOps
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils import data as torch_data

from nas.cli.tables import table
from nas.data import load
from nas.data.batches import TrainBatches
from nas.data.images import Dataset, Images
from nas.devices.process import prepare
from nas.training.evaluation import predict
from nas.training.recipe import Recipe
from nas.training.train import train
from searchspaces import get_space

NETWORKS = {
    "ResNet-20": ("resnet20", None),
    "MBConv, 8M MACs": ("mnas", {"width": 0.25}),
    "MBConv, wide": ("mnas", {"width": 1.0}),
    "cells": ("nasnet", {"n": 1, "filters": 16}),
}
"""A baseline, or a space with settings, of which one random architecture is trained."""


# ------------------------------------------------------------------ the plain loop


class PlainImages(torch_data.Dataset[tuple[Tensor, int]]):
    """CIFAR as a list of PIL images; what torchvision's transforms do, in its manner."""

    def __init__(self, images: Images, dataset: Dataset, augment: bool) -> None:
        self.images = [Image.fromarray(pixels) for pixels in images.pixels.numpy()]
        self.labels = images.labels.tolist()
        self.augment = augment
        self.mean = torch.tensor(dataset.mean).view(3, 1, 1)
        self.std = torch.tensor(dataset.std).view(3, 1, 1)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = self.images[index]
        if self.augment:
            padded = ImageOps.expand(image, 4)
            left, top = random.randint(0, 8), random.randint(0, 8)
            image = padded.crop((left, top, left + image.width, top + image.height))
            if random.random() < 0.5:
                image = ImageOps.mirror(image)
        x = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float().div(255)
        return x.sub_(self.mean).div_(self.std), self.labels[index]


def plain_training(network: nn.Module, dataset: Dataset, recipe: Recipe) -> Iterator[float]:
    """Yields after each epoch the mean loss of its steps."""
    batches = torch_data.DataLoader(
        PlainImages(dataset.train, dataset, augment=True), recipe.batch_size, shuffle=True, drop_last=True
    )
    optimizer = torch.optim.SGD(
        network.parameters(), recipe.lr, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: recipe.rate((step + 1) / (recipe.epochs * len(batches) + 1)) / recipe.lr
    )
    for _ in range(recipe.epochs):
        network.train()
        losses = []
        for x, y in batches:
            optimizer.zero_grad()
            loss = F.cross_entropy(network(x), y, label_smoothing=recipe.label_smoothing)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        yield fmean(losses)


@torch.no_grad()
def plain_accuracy(network: nn.Module, images: PlainImages) -> float:
    network.eval()
    right = [(network(x).argmax(1) == y).sum().item() for x, y in torch_data.DataLoader(images, 500)]
    return sum(right) / len(images)


# ------------------------------------------------------------------ sides


def built(name: str, dataset: Dataset) -> nn.Module:
    from nas import baselines

    torch.manual_seed(0)
    word, settings = NETWORKS[name]
    if settings is None:
        return baselines.build(word, dataset.num_classes, dataset.image_size)
    space = get_space(word, **settings)
    return space.build(space.sample(random.Random(1)), dataset.num_classes, dataset.image_size)


def images_for(steps: int, recipe: Recipe) -> Dataset:
    """CIFAR-10 with so many steps of training images, and ten to validate: of the loops, training is timed."""
    dataset = load("cifar10")
    train_images = dataset.train.take(steps * recipe.batch_size, 0)
    return dataclasses.replace(dataset, train=train_images, val=dataset.val.take(10, 0))


RECIPE = Recipe(epochs=10_000)  # a turn is an epoch


def train_plainly(name: str, steps: int) -> Work:
    dataset = images_for(steps, RECIPE)
    training = plain_training(built(name, dataset), dataset, RECIPE)
    return lambda: next(training)


def train_ours(name: str, steps: int) -> Work:
    prepare()
    dataset = images_for(steps, RECIPE)
    training = train(built(name, dataset), dataset, RECIPE, seed=0)
    return lambda: next(training)


def train_one_batch(name: str, steps: int) -> Work:
    """Our loop, with one batch for all."""
    work = train_ours(name, steps)
    dataset = images_for(1, RECIPE)
    batches = TrainBatches(
        dataset.train, dataset.mean, dataset.std, batch_size=RECIPE.batch_size, augment=RECIPE.augment()
    )
    draw = next(batches.draw(torch.Generator()))
    batch = batches.batch(draw)
    TrainBatches.draw = lambda *_: itertools.repeat(draw, steps)  # type: ignore[method-assign, assignment, misc]
    TrainBatches.batch = lambda *_: batch  # type: ignore[method-assign, assignment, misc]
    return work


def evaluate_plainly(name: str, steps: int) -> Work:
    dataset = load("cifar10")
    images = PlainImages(dataset.val.take(100 * steps, 0), dataset, augment=False)
    return partial(plain_accuracy, built(name, dataset), images)


def evaluate_ours(name: str, steps: int) -> Work:
    prepare()
    dataset = load("cifar10")
    network = built(name, dataset).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return partial(predict, network, dataset.val.take(100 * steps, 0), dataset, RECIPE)


# ------------------------------------------------------------------ what is printed


def speeds(names: list[str], count: int, steps: int) -> None:
    rows = []
    for name in names:
        plainly, ours, limit = rounds(
            [partial(side, name, steps) for side in (train_plainly, train_ours, train_one_batch)], count
        )
        slow, fast = rounds([partial(side, name, steps) for side in (evaluate_plainly, evaluate_ours)], count)
        images = steps * RECIPE.batch_size
        rows.append((name, f"{images / fmean(ours):,.0f}", ratio(plainly, ours), ratio(limit, ours), ratio(slow, fast)))
        print(table(("network", "images/s", "against plain", "against its limit", "evaluation"), rows[-1:]), flush=True)
    print(f"\n{count} rounds of {steps} steps of {RECIPE.batch_size} images; median and quarters of the rounds.")


def accuracies(names: list[str], images: int, seeds: int) -> None:
    """Validation accuracy of both loops after `images` images, the same weights to start from."""
    recipe = Recipe(subset=images)
    prepare()
    dataset = recipe.prepare(load("cifar10"))
    val = PlainImages(dataset.val, dataset, augment=False)
    for name in names:
        found: dict[str, list[float]] = {"plain": [], "ours": []}
        for seed in range(seeds):
            torch.manual_seed(seed)
            random.seed(seed)
            network = built(name, dataset)
            list(plain_training(network, dataset, recipe))
            found["plain"].append(100 * plain_accuracy(network, val))
            *_, last = train(built(name, dataset), dataset, recipe, seed)
            found["ours"].append(100 * last.val_accuracy)
        said = ", ".join(f"{side} {fmean(a):.1f} ± {stdev(a):.1f} %" for side, a in found.items())
        print(f"{name}: {said}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=[*NETWORKS])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=20, help="in each turn; fewer for large networks")
    parser.add_argument("--accuracy", action="store_true")
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.accuracy:
        accuracies(arguments.networks, arguments.images, arguments.seeds)
    else:
        speeds(arguments.networks, arguments.rounds, arguments.steps)


if __name__ == "__main__":
    main()
