"""How far is a predicted footprint from real files? Each network as an int8 .tflite file, and what tflite-micro uses.

    python benchmarks/footprint.py [--image-size 32] [NETWORK ...]

A NETWORK is anything that `nas show` takes; by default some hand-designed ones and random ones of the spaces. Flash is
the file's size, and memory is tflite-micro's arena on this computer, so the prediction is for pointers of eight bytes;
the last column is for a microcontroller's four. Weights and images are random: nothing depends on them but the scales,
which decide where a tensor that is joined to others has to be rounded again. Some 15 seconds a network.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from nas.exports import tflite
from nas.network import Found, Network
from nas.references.resolve import resolve
from searchspaces import get_space
from searchspaces.footprint import footprint

DESIGNED = (
    *("lenet5", "resnet8", "resnet20", "mobilenet_v1@0.25", "mobilenet_v2@0.35", "mnasnet_a1@0.35"),
    *("efficientnet_b0@0.35", "shufflenet_v2_x0_5", "squeezenet1_1"),
)
SPACES = (("compact", 0.5, 4), ("mnas", 0.25, 3), ("chain", 0.25, 2), ("nasnet", 1.0, 2))  # width, networks
CLASSES = 10


def networks() -> Iterator[Network]:
    for name in DESIGNED:
        yield resolve(name, Path("runs"))
    for name, width, number in SPACES:
        space, rng = get_space(name, width=width), random.Random(0)
        for _ in range(number):
            yield Found(space, space.sample(rng))


def trained_looking(network: Network, image_size: int) -> nn.Module:
    """`network` with numbers of any size in its batch norms and biases, as training would leave them."""
    torch.manual_seed(0)
    module = network.build(CLASSES, image_size, 3).eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            assert part.running_mean is not None and part.running_var is not None
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
        if (bias := getattr(part, "bias", None)) is not None:
            nn.init.normal_(bias, std=0.1)
    return module


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*")
    parser.add_argument("--image-size", type=int, default=32)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    chosen = [resolve(text, Path("runs")) for text in asked.networks] or networks()
    print("| network | flash: file | predicted | | memory: arena | predicted | | with 4-byte pointers |")
    print("| --- | --: | --: | --: | --: | --: | --: | --: |")
    size = asked.image_size
    for network in chosen:
        module = trained_looking(network, size)
        name = network.name if isinstance(network, Found) else network.text
        here, there = footprint(module, size, pointer=8), footprint(module, size)
        try:
            content = tflite.tflite_bytes(module, size, 3, [torch.randn(4, 3, size, size)])
            arena = tflite.arena_bytes(content)
        except ValueError as error:
            print(f"| {name} | {error} |", flush=True)
            continue
        flash, memory = here.flash / len(content) - 1, here.memory / arena - 1
        of_flash = f"{len(content):,} | {here.flash:,} | {flash:+.1%}"
        of_memory = f"{arena:,} | {here.memory:,} | {memory:+.1%}"
        print(f"| {name} | {of_flash} | {of_memory} | {there.memory:,} |", flush=True)


if __name__ == "__main__":
    main()
