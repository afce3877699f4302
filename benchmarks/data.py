"""A batch of training images: gathered from what is resident, against a DataLoader over PIL images.

    NAS_DATA=~/data python benchmarks/data.py

Shifted by up to 4 pixels, mirrored, normalised, 64 at a time. The DataLoader makes them in this process: with two
worker processes on two cores it is slower still beside a training.
"""

from __future__ import annotations

import argparse
from statistics import fmean

import torch
from interleaved import Work, ratio, rounds
from torch.utils.data import DataLoader
from training import PlainImages

from nas.data import load
from nas.data.augmentation import Augment
from nas.data.batches import train_batches

IMAGES, BATCH = 4096, 64  # an epoch, a turn


def plainly() -> Work:
    dataset = load("cifar10")
    batches = DataLoader(PlainImages(dataset.train.take(IMAGES, 0), dataset, augment=True), BATCH, shuffle=True)
    return lambda: sum(len(y) for _, y in batches)


def ours() -> Work:
    dataset = load("cifar10")
    images, generator = dataset.train.take(IMAGES, 0), torch.Generator().manual_seed(0)

    def epoch() -> int:
        batches = train_batches(
            images, dataset.mean, dataset.std, batch_size=BATCH, augment=Augment(), generator=generator
        )
        return sum(len(y) for _, y in batches)

    return epoch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    slow, fast = rounds([plainly, ours], parser.parse_args().rounds)
    per_image = [1e6 * fmean(times) / IMAGES for times in (slow, fast)]
    print(f"DataLoader {per_image[0]:.0f} us an image, ours {per_image[1]:.1f}: {ratio(slow, fast)} times faster")


if __name__ == "__main__":
    main()
