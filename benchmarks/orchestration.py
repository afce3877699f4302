"""What a trial costs beside its training: from the end of one to the beginning of the next, ledger included.

    python benchmarks/orchestration.py

Trainings of a tiny network on a few images, proposed at random, one at a time: in this process, and in one worker of
Ray's. What is left of the time between the first trial's start and the last one's end, when the seconds that the
trials themselves report are taken off, is the engine's.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import nas
from searchspaces import Compact


def overhead(trials: int, workers: int | None) -> float:
    """Milliseconds a trial."""
    with tempfile.TemporaryDirectory() as folder:
        run = nas.search(
            space=Compact(image_size=16, width=0.1), data="shapes", image_size=16, subset=20, batch_size=10,
            strategy="random", trials=trials, workers=workers, runs_dir=Path(folder),
        )  # fmt: skip
        ended = [trial for trial in run.study.get_trials(deepcopy=False) if trial.datetime_complete is not None]
        starts, ends = zip(*((t.datetime_start, t.datetime_complete) for t in ended), strict=True)
        training = sum(trial.seconds or 0.0 for trial in run.trials)
        return 1000 * ((max(ends) - min(starts)).total_seconds() - training) / len(ended)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for name, workers in (("in this process", None), ("in a worker of Ray", 1)):
        found = sorted(overhead(options.trials, workers) for _ in range(options.rounds))
        print(f"{name}: {found[len(found) // 2]:.1f} ms a trial ({found[0]:.1f} to {found[-1]:.1f})", flush=True)


if __name__ == "__main__":
    main()
