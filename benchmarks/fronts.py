"""How good a front do strategies find? `--objectives accuracy,macs` in NAS-Bench-Macro's table.

The figure is the area that a front dominates, above 80 % accuracy, over the logarithm of the multiply-adds; the best
there is, that of the whole table, is 100.

    python benchmarks/fronts.py nas-bench-macro_cifar10.json --strategy controller --strategy nsga2 --seeds 6
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean, stdev

import optuna

from nas.samplers import distributions, make_sampler
from nas.searching.published import Published, read
from searchspaces import get_space

LEAST = 80.0  # accuracy in %

Point = tuple[float, float]  # multiply-adds, accuracy in %


def area(points: Iterable[Point], most: float) -> float:
    """What `points` dominate of accuracies above `LEAST`, up to `most` multiply-adds."""
    total, height, last = 0.0, 0.0, math.log(most)
    for macs, accuracy in sorted(points):
        if accuracy - LEAST > height:
            total += (accuracy - LEAST - height) * (last - math.log(macs))
            height = accuracy - LEAST
    return total


def search(table: Published, strategy: str, seed: int, networks: int) -> list[Point]:
    """The different networks of a search; repeats, which Optuna's samplers propose, do not count."""
    sampler = make_sampler(strategy, table.space, seed, objectives=2)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    found: dict[object, Point] = {}
    while len(found) < networks:
        trial = study.ask(distributions(table.space))
        key = table.key(table.space.from_options(trial.params))
        found[key] = table.macs[key], table.observed[key]
        study.tell(trial, [table.observed[key] / 100, table.macs[key]])
    return list(found.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--strategy", action="append", required=True)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--networks", type=int, default=100)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    table = read(get_space("nasbench_macro"), options.table)
    most = max(table.macs.values())
    whole = area(((table.macs[key], table.observed[key]) for key in table.observed), most)
    for name in options.strategy:
        areas = [100 * area(search(table, name, seed, options.networks), most) / whole for seed in range(options.seeds)]
        print(f"{name:13} {fmean(areas):.1f} ± {stdev(areas) / len(areas) ** 0.5:.1f}", flush=True)


if __name__ == "__main__":
    main()
