"""What each augmentation costs: batches of training images with it, against those that are shifted and mirrored.

    python benchmarks/augmentation.py                    # 32 pixels
    python benchmarks/augmentation.py --image-size 96 --images 512
    python benchmarks/augmentation.py --network resnet8 --images 640      # whole trainings with them

On the images of `shapes`, resized, 64 at a time. Each augmentation has a process of its own; in each round every one
has a turn of one epoch, so a ratio is of turns that were next to each other. Times are of the CPU, of one thread, or of
the wall clock where there is a GPU.
"""

from __future__ import annotations

import argparse
import dataclasses
from functools import partial
from statistics import median, quantiles
from typing import Any

import torch
from interleaved import Work, ratio, rounds

from nas import baselines
from nas.data import load
from nas.data.augmentation import Augment
from nas.data.batches import TrainBatches
from nas.training.recipe import Recipe
from nas.training.train import train

BATCH = 64
USUAL: dict[str, Any] = {}
AUGMENTATIONS: dict[str, dict[str, Any]] = {
    "shifted and mirrored": USUAL,
    "--no-flip": {"flip": False},
    "vertical_flip=true": {"vertical_flip": True},
    "quarter_turns=true": {"quarter_turns": True},
    "rotation=15": {"rotation": 15},
    "color_jitter=0.4": {"color_jitter": 0.4},
    "min_area=0.25": {"min_area": 0.25},
    "--policy trivialaugment": {"policy": "trivialaugment"},
    "--policy randaugment": {"policy": "randaugment"},
    "cutout=8": {"cutout": 8},
    "--mixup 0.2": {"mixup": 0.2},
    "--cutmix 1": {"cutmix": 1.0},
    "all but randaugment": {
        "vertical_flip": True, "quarter_turns": True, "rotation": 15, "color_jitter": 0.4,
        "policy": "trivialaugment", "cutout": 8, "mixup": 0.2, "cutmix": 1.0,
    },
}  # fmt: skip


def epochs(changes: dict[str, Any], image_size: int, count: int) -> Work:
    dataset = load("shapes")
    images = dataset.train.take(count, 0).resize(image_size)
    images = images.to("cuda") if torch.cuda.is_available() else images
    batches = TrainBatches(
        images, dataset.mean, dataset.std, batch_size=BATCH, augment=Augment(**changes), num_classes=dataset.num_classes
    )
    generator = torch.Generator().manual_seed(0)

    def epoch() -> int:
        return sum(len(y) for _, y in map(batches.batch, batches.draw(generator)))

    return epoch


def trainings(changes: dict[str, Any], image_size: int, count: int, network: str) -> Work:
    """An epoch of a network's training, with ten images to validate."""
    dataset = load("shapes")
    dataset = dataclasses.replace(dataset, train=dataset.train.take(count, 0), val=dataset.val.take(10, 0))
    recipe = Recipe(epochs=10_000, image_size=image_size, batch_size=BATCH, **changes)
    torch.manual_seed(0)
    module = baselines.build(network, dataset.num_classes, image_size)
    prepared = recipe.prepare(dataset).to("cuda" if torch.cuda.is_available() else "cpu")
    return partial(next, train(module, prepared, recipe, seed=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--images", type=int, default=2048, help="of a turn")
    parser.add_argument("--network", default="", help="time its training rather than batches alone")
    asked = parser.parse_args()
    how = partial(trainings, network=asked.network) if asked.network else epochs
    sides = [partial(how, changes, asked.image_size, asked.images) for changes in AUGMENTATIONS.values()]
    times = rounds(sides, asked.rounds)
    print("| augmentation | images/s | us an image | times the time |\n| --- | --- | --- | --- |")
    for name, of_side in zip(AUGMENTATIONS, times, strict=True):
        low, _, high = quantiles([asked.images / seconds for seconds in of_side], n=4)
        speed = f"{asked.images / median(of_side):,.0f} ({low:,.0f} to {high:,.0f})"
        print(f"| {name} | {speed} | {1e6 * median(of_side) / asked.images:.1f} | {ratio(of_side, times[0])} |")


if __name__ == "__main__":
    main()
