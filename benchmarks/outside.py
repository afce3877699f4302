"""The ten-line strategy of docs/outside.md, by ask and tell, against random search on NAS-Bench-201.

    python benchmarks/outside.py nasbench201-cifar10.csv --seeds 30

Each search proposes 100 networks, and sees the validation accuracy after 12 epochs; its result is the test accuracy
after 200 epochs of the network that it hands over. Random search trains 100 different networks; the other repeats some,
which cost it nothing, and so trains fewer. Printed are mean and standard deviation over the seeds, and how many
networks were trained.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import nas
from nas.searching.published import Published, read
from searchspaces import get_space

PROPOSALS = 100


def by_ask_and_tell(how: dict[str, Any], seed: int) -> nas.Run:
    """The best five so far are parents, and a child has one choice changed."""
    run = nas.search(**how, strategy="outside", seed=seed, name=f"outside-{seed}")
    space, rng = run.config.space, random.Random(seed)
    tried = run.tell(run.ask(10))
    while len(tried) < PROPOSALS:
        parent = rng.choice(sorted(tried, key=lambda trial: trial.reward or 0)[-5:])
        tried.append(run.tell(space.format(rng.choice(space.neighbours(parent.arch)))))
    return run


def at_random(how: dict[str, Any], seed: int) -> nas.Run:
    return nas.search(**how, strategy="random", seed=seed, name=f"random-{seed}")


def figures(run: nas.Run, table: Published) -> tuple[float, float, int]:
    """Seen and reported accuracy of the best, in %, and how many networks were trained."""
    best = run.best_row()
    trained = sum(row.duplicate_of is None for row in run.rows())
    return 100 * (best.reward or 0), table.reported[table.key(best.arch)], trained


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--seeds", type=int, default=30)
    asked = parser.parse_args()
    table = read(get_space("nasbench201"), asked.table)
    for name, search in (("ask and tell", by_ask_and_tell), ("random", at_random)):
        with tempfile.TemporaryDirectory() as folder:
            how = {"space": "nasbench201", "table": asked.table, "trials": PROPOSALS, "runs_dir": folder}
            seen, reported, trained = zip(*(figures(search(how, s), table) for s in range(asked.seeds)), strict=True)
        said = [f"{what} {fmean(of):.2f} ± {stdev(of):.2f} %" for what, of in (("seen", seen), ("reported", reported))]
        print(f"{name:12s}  {', '.join(said)}, {fmean(trained):.0f} networks trained, {asked.seeds} seeds")


if __name__ == "__main__":
    main()
