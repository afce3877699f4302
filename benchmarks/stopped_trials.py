"""What should a trial that was stopped early teach? Searches in NAS-Bench-201's table, stopped as `--pruner asha` does.

The validation accuracy after 12 epochs stands for what a first epoch shows, the test accuracy after 200 for what a
whole training does; the first is said to cost a third of the second. Regret is in points, after as many whole
trainings' time:

    full      nothing is stopped
    last      a stopped trial teaches what it showed, and that it was stopped, as `nas search` has it
    alike     it teaches what it showed as if that were all of a training
    shifted   so, with what whole trainings gained from there on, in the median
    nothing   a stopped trial teaches nothing

    python benchmarks/stopped_trials.py nasbench201-cifar10.csv --strategy controller --seeds 40
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from statistics import fmean, median, stdev

from nas.pruning import REDUCTION
from nas.samplers import check_strategy
from nas.samplers.strategy import Context, Feedback, Settings
from searchspaces import Arch, Space, get_space

BUDGETS = (25, 50, 100)  # whole trainings
FIRST = 1 / 3  # cost of a training that is stopped
TEACHES = ("full", "last", "alike", "shifted", "nothing")

Table = dict[Arch, tuple[float, float]]  # canonical architectures: after the first epoch, and at the end


def read(space: Space, path: Path) -> Table:
    with path.open(newline="") as file:
        return {
            space.canonical(space.parse(row["cell"])): (float(row["val_acc_12"]), float(row["test_acc_200"]))
            for row in csv.DictReader(file)
        }


def regrets(space: Space, table: Table, settings: Settings, teaches: str, seed: int) -> list[float]:
    """After each of `BUDGETS`."""
    strategy = settings.start(space.choices, space.canonical, seed)
    taken: set[Arch] = set()
    first: list[float] = []
    gains = [0.0]
    best = spent = 0.0
    found: list[float] = []
    while len(found) < len(BUDGETS):
        arch = strategy.propose(Context(len(first), lambda a: space.canonical(a) in taken)).arch
        taken.add(space.canonical(arch))
        early, end = table[space.canonical(arch)]
        first.append(early)
        goes_on = early >= sorted(first, reverse=True)[max(1, len(first) // REDUCTION) - 1]
        if goes_on or teaches == "full":
            best, spent = max(best, end), spent + 1
            gains.append(end - early)
            strategy.tell(Feedback(arch, end))
        else:
            spent += FIRST
            if teaches != "nothing":
                reward = early + median(gains) * (teaches == "shifted")
                strategy.tell(Feedback(arch, reward, stopped=teaches == "last"))
        if spent >= BUDGETS[len(found)]:
            found.append(max(end for _, end in table.values()) - best)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--strategy", action="append", required=True)
    parser.add_argument("--seeds", type=int, default=40)
    options = parser.parse_args()
    space = get_space("nasbench201")
    table = read(space, options.table)
    print(f"{'strategy':13} {'teaches':8}" + "".join(f"{budget:>16}" for budget in BUDGETS))
    for name in options.strategy:
        settings = check_strategy(name)
        assert isinstance(settings, Settings), "one of Optuna's"
        for teaches in TEACHES:
            runs = [regrets(space, table, settings, teaches, seed) for seed in range(options.seeds)]
            cells = [f"{fmean(run):.3f} ± {stdev(run) / len(run) ** 0.5:.3f}" for run in zip(*runs, strict=True)]
            print(f"{name:13} {teaches:8}" + "".join(f"{cell:>16}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
