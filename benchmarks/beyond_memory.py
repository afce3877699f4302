"""Images that are more than memory holds: what reading them as they are needed costs, in time and in memory.

    python benchmarks/beyond_memory.py --images 200000 --pixels 96 --folder /a/disk/with/room

Random images are written to a .npy file, read in random order and trained on: held in memory, and read from the file as
they are needed, in a process of its own each. `cold` has the system forget the file first, so that it comes from the
disk. Memory is what a process has to itself (`Pss_Anon`); of the file, the system keeps what there is room for.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap

from nas.data.augmentation import Augment
from nas.data.batches import TrainBatches
from nas.data.images import Dataset, Images
from nas.data.streamed import LIMIT, InFile, left_in
from nas.network import Designed
from nas.training.recipe import Recipe
from nas.training.train import train

BATCH = 64


def write(file: Path, images: int, pixels: int) -> None:
    rng = np.random.default_rng(0)
    array = open_memmap(file, "w+", np.uint8, (images, pixels, pixels, 3))
    for start in range(0, images, 1000):
        part = array[start : start + 1000]
        part[:] = rng.integers(0, 256, part.shape, dtype=np.uint8)
    array.flush()


def forget(file: Path) -> None:
    """Have the system read `file` from the disk the next time."""
    with file.open("rb") as held:
        os.fsync(held.fileno())
        os.posix_fadvise(held.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def own_memory() -> float:
    """GB that this process has to itself."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss_Anon")) / 1e6


def measured(file: Path, batches: int, network: str) -> dict[str, float]:
    """Images a second, of batches alone and of a training, and memory, on the device that is here."""
    torch.set_num_threads(1)
    mapped = np.load(file, mmap_mode="r")
    pixels = left_in(InFile(file, mapped.offset, mapped.shape))
    if isinstance(pixels, torch.Tensor):
        pixels = pixels.clone()
    images = Images(pixels, torch.arange(len(pixels)) % 10).to("cuda" if torch.cuda.is_available() else "cpu")
    made = TrainBatches(images, (0.5,) * 3, (0.3,) * 3, batch_size=BATCH, augment=Augment())
    draws = made.draw(torch.Generator().manual_seed(0))
    next(draws)
    began = time.perf_counter()
    for _ in range(batches):
        made.batch(next(draws))[1].sum().item()
    alone = batches * BATCH / (time.perf_counter() - began)
    some = images.at(np.random.default_rng(0).permutation(len(images))[: batches * BATCH])
    dataset = Dataset("random", tuple("abcdefghij"), some, images.at(np.arange(BATCH)), (0.5,) * 3, (0.3,) * 3)
    (epoch,) = train(Designed(network).build(10, pixels.shape[1]), dataset, Recipe(batch_size=BATCH), seed=0)
    return {"batches": alone, "training": epoch.images / epoch.seconds, "memory": own_memory()}


def in_a_process(file: Path, gigabytes: str, options: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, __file__, "--measure", str(file), "--batches", str(options.batches)]
    told = subprocess.run(
        [*command, "--network", options.network],
        check=True,
        stdout=subprocess.PIPE,
        env=os.environ | {LIMIT: gigabytes},
    )
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--pixels", type=int, default=96)
    parser.add_argument("--batches", type=int, default=100, help="of 64 images, in each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--network", default="resnet20")
    parser.add_argument("--folder", help="where the file is written; it is removed in the end")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measured(Path(options.measure), options.batches, options.network)))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        file = Path(folder, "x.npy")
        write(file, options.images, options.pixels)
        print(f"{options.images:,} images of {options.pixels} pixels: {file.stat().st_size / 1e9:.2f} GB", flush=True)
        for number in range(options.rounds):
            for name, gigabytes in (("held", "1000"), ("as needed", "0"), ("as needed, cold", "0")):
                if name.endswith("cold"):
                    forget(file)
                found = in_a_process(file, gigabytes, options)
                print(
                    f"round {number + 1}, {name}: {found['batches']:,.0f} images a second in batches, "
                    f"{found['training']:,.0f} in training {options.network}; {found['memory']:.2f} GB of memory",
                    flush=True,
                )


if __name__ == "__main__":
    main()
