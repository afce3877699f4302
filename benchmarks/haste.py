"""What a search has found after equal time, with expected improvement by expected seconds and without: on tables.

    OMP_NUM_THREADS=1 python benchmarks/haste.py nasbench201 nasbench201-cifar10.csv --seeds 30

The tables do not say how long a training took. So it is made up twice: `macs`, seconds that go with multiply-adds, of
which the better networks have more; and `apart`, seconds that are a sum over choices and have nothing to do with worth,
by which the slowest twentieth takes three and a half times as long as the quickest. Both have noise. A unit of time is
the mean of all networks'. docs/controller.md has the figures.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from nas.bench.costs import macs_of
from nas.bench.searches import Setup, Task, search
from nas.ledger.trust import space_of_person
from nas.searching.published import Published, read
from nas.text.columns import table
from searchspaces import Arch

HASTES = (0.0, 0.5, 1.0)
NOISE = {"macs": 0.3, "apart": 0.1}  # standard deviation of the logarithm of seconds
SPREAD = 0.37  # likewise, of `apart`


def made_up(published: Published, times: str) -> dict[Arch, float]:
    """Seconds of each architecture, 1 on the mean."""
    space, rng = published.space, np.random.default_rng(1)
    archs = list(published.observed)
    if times == "macs":
        macs = macs_of(published, lambda text: None)
        logs = np.log([0.3 + 0.7 * macs[arch] / np.median(list(macs.values())) for arch in archs])
    else:
        weights = [rng.normal(size=len(choice.options)) for choice in space.choices]
        sums = np.array([sum(w[o] for w, o in zip(weights, space.canonical(arch), strict=True)) for arch in archs])
        logs = SPREAD * (sums - sums.mean()) / sums.std()
    seconds = np.exp(logs + NOISE[times] * rng.normal(size=len(archs)))
    return dict(zip(archs, (seconds / seconds.mean()).tolist(), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("space")
    parser.add_argument("table", type=Path)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--after", type=int, nargs="+", default=[10, 20, 30, 50])
    given = parser.parse_args()
    published = read(space_of_person(given.space), given.table)
    rows = []
    for times in NOISE:
        task = Task(replace(published, seconds=made_up(published, times)), published.observed, published.reported)
        for haste in HASTES:
            regrets = []
            for seed in range(given.seeds):
                setup = Setup("controller", settings=(("haste", haste),))
                curve = search(task, setup, seed, int(1.6 * given.after[-1]))
                ended = np.searchsorted(curve.clock, given.after, side="right")
                regrets.append(curve.regret[np.maximum(ended - 1, 0)])
            mean, error = np.mean(regrets, axis=0), np.std(regrets, axis=0, ddof=1) / np.sqrt(len(regrets))
            cells = [f"{m:.3f} ± {e:.3f}" for m, e in zip(mean, error, strict=True)]
            rows.append((times, f"{haste:g}", *cells))
    print(table(("seconds", "haste", *(f"after {after}" for after in given.after)), rows))


if __name__ == "__main__":
    main()
