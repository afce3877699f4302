"""What a GPU does: images a second, single steps against recorded ones, one training against several at once.

    python benchmarks/gpu.py --check
    NAS_DATA=~/data python benchmarks/gpu.py
    NAS_DATA=~/data python benchmarks/gpu.py --accuracy 90,94
    python benchmarks/gpu.py --depthwise

It needs torch and this package; some checks need Ray, too. `--check` goes through what nobody could see without a GPU,
docs/cluster.md has the list: a line each, in under ten minutes, exit code 1 where one fails. `--accuracy` trains a wide
ResNet-20, with each number of epochs in turn until the validation accuracies are reached, and says how long the
shortest such training took. `--depthwise` times depthwise convolutions in the layouts and types that there are.
"""

from __future__ import annotations

import argparse
import dataclasses
import platform
import time
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing import get_context
from statistics import fmean

import torch
from gpu_check import run_all
from interleaved import Work, ratio, rounds
from torch import nn
from training import NETWORKS, built

from nas import baselines
from nas.cli.tables import table
from nas.data import load
from nas.devices import device as devices
from nas.devices.process import prepare
from nas.training.recipe import Recipe
from nas.training.train import train

BATCH = 128
STEPS = 100  # in a turn
TOGETHER = (2, 4, 8)  # trainings that share a GPU


def training(name: str, device: str, recorded: bool, tuned: bool = False) -> Work:
    """An epoch of so many steps, again and again; `tuned` has cuDNN try its convolutions out first."""
    prepare()
    recipe = Recipe(epochs=1_000, batch_size=BATCH)
    dataset = load("cifar10")
    few = dataclasses.replace(dataset, train=dataset.train.take(STEPS * BATCH, 0), val=dataset.val.take(10, 0))
    devices.LONG = 0 if tuned else 10**9  # of this process
    epochs = train(built(name, few), few.to(device), recipe, seed=0, recorded=recorded)
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
    """Prints a row for each network; trials an hour are of 5,000 images, as `nas search` has them by default."""
    header = ("network", "images/s", "recorded against single", "tuned against not", "trials/hour")
    rows = []
    for name in names:
        sides = [(False, False), (True, False), (True, True)]
        single, graph, tuned = rounds([partial(training, name, device, *side) for side in sides], count)
        alone = at_once(name, device, 1)
        together = [at_once(name, device, processes) for processes in TOGETHER]
        trials = ", ".join(f"{3600 * images / 5_000:,.0f}" for images in (alone, *together))
        images = STEPS * BATCH / fmean(graph)
        rows.append((name, f"{images:,.0f}", ratio(single, graph), ratio(graph, tuned), trials))
        print(table(header, rows[-1:]), flush=True)
    print(f"\ntrials/hour: 1, {', '.join(map(str, TOGETHER))} at once on one GPU, without what surrounds a training")


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
            yield f"{wanted.pop(0):g} % validation accuracy: {seconds:.1f} s, {epochs} epochs"
        if not wanted:
            return
    yield f"{', '.join(f'{accuracy:g} %' for accuracy in wanted)}: not reached in 48 epochs"


# ------------------------------------------------------------------ depthwise convolutions

LAYOUTS: dict[str, tuple[torch.memory_format, torch.dtype]] = {
    "channels_last, bfloat16": (torch.channels_last, torch.bfloat16),  # what a training has
    "channels_last, float32": (torch.channels_last, torch.float32),
    "contiguous, bfloat16": (torch.contiguous_format, torch.bfloat16),
    "contiguous, float32": (torch.contiguous_format, torch.float32),
}


def depthwise(device: str, repeats: int = 50) -> None:
    """Prints what a depthwise convolution takes, forward and backward, against the way in which a training has it."""
    rows = []
    for channels, size, kernel in ((96, 32, 3), (96, 32, 5), (240, 16, 5), (480, 8, 5)):
        seconds = [_seconds_of(channels, size, kernel, *layout, device, repeats) for layout in LAYOUTS.values()]
        ratios = [f"{each / seconds[0]:.2f}" for each in seconds]
        rows.append((f"{channels} channels, {size} pixels, {kernel}x{kernel}", f"{1e6 * seconds[0]:.0f}", *ratios))
    print(table(("convolution", "us", *LAYOUTS), rows))


def _seconds_of(
    channels: int, size: int, kernel: int, layout: torch.memory_format, dtype: torch.dtype, device: str, repeats: int
) -> float:
    layer = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False)
    layer = layer.to(device=device, dtype=dtype, memory_format=layout)  # type: ignore[call-overload]
    x = torch.randn(BATCH, channels, size, size, device=device, dtype=dtype).to(memory_format=layout).requires_grad_()
    y = torch.randn_like(x)

    def work() -> None:
        layer(x).backward(y)

    return _per_call(work, repeats)


def _per_call(work: Callable[[], None], repeats: int) -> float:
    for _ in range(10):
        work()
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(repeats):
        work()
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / repeats


# ------------------------------------------------------------------ what is printed


def machine(device: str) -> str:
    """The card, and the versions that a figure is of."""
    versions = f"torch {torch.__version__}, CUDA {torch.version.cuda}, Python {platform.python_version()}"
    if torch.device(device).type != "cuda":
        return f"no GPU: a stand-in on {device}; {versions}"
    card = torch.cuda.get_device_properties(device)
    memory = f"{card.total_memory / 2**30:.0f} GiB"
    return f"{card.name}, {memory}, compute capability {card.major}.{card.minor}; {versions}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=[*NETWORKS])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--accuracy", default="")
    parser.add_argument("--depthwise", action="store_true")
    parser.add_argument("--check", action="store_true", help="what only a GPU can show; with --device cpu, the checks")
    parser.add_argument("--quick", action="store_true", help="of the checks, small networks and few steps alone")
    options = parser.parse_args()
    if torch.device(options.device).type == "cuda" and not torch.cuda.is_available():
        print("there is no GPU here: `--check --device cpu` goes through the checks with a stand-in")
        return 2
    print(machine(options.device))
    if options.check:
        return 0 if run_all(torch.device(options.device), options.quick, partial(print, flush=True)) else 1
    if options.accuracy:
        for line in epochs_to([float(text) for text in options.accuracy.split(",")], options.device):
            print(line, flush=True)
    elif options.depthwise:
        depthwise(options.device)
    else:
        speeds(options.networks, options.device, options.rounds)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
