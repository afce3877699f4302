"""How well the surrogate orders a run's networks that it has not seen: by choices, by features, by both.

    python benchmarks/leave_one_out.py runs/c8 runs/mnas-cifar10-1

The process is fitted to all complete trials of a run, and each is then predicted from all others (Rasmussen & Williams
2006, equation 5.12). Printed is the rank correlation of these predictions with what the trainings gave, with its 95 %
interval by the bootstrap over networks.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from nas.cli.tables import table
from nas.ledger.run import Run, TrialRow
from nas.samplers.ranks import normal_scores
from nas.samplers.sight import Sight
from nas.samplers.strategy import Knowledge
from nas.samplers.surrogate import Array, GaussianProcess

STEPS = 200  # of gradient: what a search takes in some forty results
SHARES = {"choices": (1.0, 1e-4), "features": (1e-4, 1.0), "both": None}


def predictions(process: GaussianProcess, codes: Array, y: Array) -> Array:
    """Of each `[n]` from all others."""
    inverse = np.linalg.inv(process.kernel(codes, codes) + process.noise * np.eye(len(y)))
    predicted: Array = y - inverse @ y / np.diag(inverse)
    return predicted


def results(run: Run) -> tuple[list[TrialRow], Array]:
    """The trials that were trained to the end, and the normal scores of their rewards `[n]`."""
    rows = [row for row in run.rows() if row.state == "complete" and row.reward is not None]
    return rows, normal_scores([float(row.reward) for row in rows if row.reward is not None])


def correlations(run: Run) -> list[tuple[str, ...]]:
    """A row for each way to see the networks of `run`."""
    space = run.config.space
    rows, y = results(run)
    sight = Sight(space.choices, space.simplified, Knowledge.of_space(space))
    codes = sight.codes([space.simplified(row.arch) for row in rows])
    sizes = [len(choice.options) for choice in space.choices]
    found = []
    for name, shares in SHARES.items():
        process = GaussianProcess(sizes, codes.shape[1] - sum(sizes), *([] if shares is None else [shares]))
        process.learn(codes, y, STEPS)
        predicted = predictions(process, codes, y)
        rng = np.random.default_rng(0)
        draws = [rng.integers(len(y), size=len(y)) for _ in range(2000)]
        low, high = np.percentile([spearmanr(predicted[i], y[i])[0] for i in draws], [2.5, 97.5])
        found.append((run.name, str(len(y)), name, f"{spearmanr(predicted, y)[0]:.2f}", f"{low:.2f} to {high:.2f}"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path)
    rows = [row for path in parser.parse_args().runs for row in correlations(Run.open(path))]
    print(table(("run", "networks", "seen by", "Spearman", "95 % interval"), rows))


if __name__ == "__main__":
    main()
