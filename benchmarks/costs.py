"""Counting a network's multiply-adds: ours against fvcore's, which runs the network once and traces it.

    python benchmarks/costs.py

Both count the same operations, to the last one (tests/searchspaces/test_cost.py). Timed is the counting alone, of a
network that is there, and that of a candidate of a search, which has to be built first: without weights for us.
"""

from __future__ import annotations

import argparse
import logging
from functools import partial
from pathlib import Path

import torch
from fvcore.nn import FlopCountAnalysis
from interleaved import Work, ratio, rounds
from torch import nn

from nas.cli.tables import table
from nas.references.resolve import resolve
from searchspaces.cost import cost, shapes_only

NETWORKS = ("resnet20", "mobilenet_v2", "mnasnet_a1", "efficientnet_b0", "nasnet_a_cifar")
SIZE = 32  # pixels


def built(name: str) -> nn.Module:
    return resolve(name, Path()).build(10, SIZE)


def count_ours(name: str) -> Work:
    return partial(cost, built(name), SIZE)


def count_fvcore(name: str) -> Work:
    logging.getLogger("fvcore").setLevel(logging.ERROR)
    network = built(name).eval()
    image = torch.zeros(1, 3, SIZE, SIZE)
    return lambda: FlopCountAnalysis(network, image).unsupported_ops_warnings(False).total()


def build_and_count_ours(name: str) -> Work:
    def work() -> object:
        with shapes_only():
            network = built(name)
        return cost(network, SIZE)

    return work


def build_and_count_fvcore(name: str) -> Work:
    def work() -> object:
        return count_fvcore(name)()

    return work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    count = parser.parse_args().rounds
    rows = []
    for name in NETWORKS:
        counting = rounds([partial(side, name) for side in (count_fvcore, count_ours)], count)
        both = rounds([partial(side, name) for side in (build_and_count_fvcore, build_and_count_ours)], count)
        rows.append((name, f"{1000 * min(counting[1]):.1f}", ratio(*counting), ratio(*both)))
    print(table(("network", "ms, ours", "times faster", "with building"), rows))


if __name__ == "__main__":
    main()
