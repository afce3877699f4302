"""A search of very many trials, killed and resumed on the way, to its end: none is lost, none trained twice.

The trainings take no time, and what a network costs is made up: what remains is the ledger and the strategy. The
process that searches kills itself with SIGKILL at places that the seed decides, while a network is "trained" and right
after a result was told, and another one goes on. What each began and told it notes in a file of its own, against which
the ledger is held in the end. An undisturbed search of fewer trials says which architectures are to come.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import optuna
import torch
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from nas.checks.costs import OF_LAYERS
from nas.data import without_images
from nas.files import JOURNAL
from nas.ledger.config import Budget, Config
from nas.ledger.run import Run
from nas.network import Found
from nas.reward import Reward
from nas.searching import loop
from nas.searching.loop import Search
from nas.searching.progress import Silent
from nas.training.recipe import Recipe
from nas.training.trial import State, TrialResult
from searchspaces import Arch, Compact
from tests.attack.outcome import Outcome

SPACE = Compact()
STRATEGY = "evolution"  # what it proposes depends on all that was told, and costs little
A_KILL_IN = 2000  # trials, or one in fewer
COMPARED = 1000  # trials, at most, that an undisturbed search has, too
LONGEST = 3600.0  # seconds that a process may take
NOTES = "notes.txt"  # what was begun and told, a line each


def attack(tries: int, seed: int, folder: Path) -> Iterator[Outcome]:
    """A search of `tries` trials."""
    outcome = Outcome("soak", f"search of {SPACE.name}, {STRATEGY}", tries)
    config = Config(SPACE, "cifar10", Recipe(epochs=1), Reward(), STRATEGY, seed)
    run = Run.create(folder / "soak", config, Budget(trials=tries))
    rng = random.Random(seed)
    places = sorted(rng.sample(range(2 * tries), 1 + tries // A_KILL_IN))  # halves of trials: begun, or told
    how = f"seed {seed}, {tries} trials, killed at {', '.join(str(place / 2) for place in places)}"
    for place in [*places, None]:
        code = _go_on(run.path, place)
        if code != (0 if place is None else -signal.SIGKILL):
            outcome.blame("traceback" if code > 0 else "crash", f"{how}: a process ended with {code}")
            yield outcome
            return
    _judge(outcome, run, how)
    few = min(tries, COMPARED)
    whole = Run.create(folder / "whole", config, Budget(trials=few))
    search(whole.path, -1)
    if [row.arch for row in whole.rows()] != [row.arch for row in Run.open(run.path).rows()[: len(whole.rows())]]:
        outcome.blame("different", f"{how}: the first {few} are not those of an undisturbed search")
    yield outcome


def _go_on(run: Path, until: int | None) -> int:
    """Search in a process of its own, to the end or the place of its death; how it ended."""
    command = [sys.executable, "-m", __name__, str(run), "-1" if until is None else str(until)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.run(command, env=environment, timeout=LONGEST, check=False).returncode


def _judge(outcome: Outcome, run: Run, how: str) -> None:
    """Hold the ledger against what the processes noted."""
    rows = {row.number: row for row in run.rows()}
    if (
        sorted(rows) != list(range(len(rows)))
        or sum(row.duplicate_of is None for row in rows.values()) != outcome.tries
    ):
        outcome.blame("lost", f"{how}: the ledger has {len(rows)} trials, which are not those that were to come")
    known: dict[str, str] = {}
    for line in (run.path / NOTES).read_text(encoding="utf-8").splitlines():
        what, number, architecture, accuracy = line.split()
        if what == "begun" and architecture in known:
            outcome.blame("twice", f"{how}: trial {number}, {architecture}")
        elif what == "told":
            known[architecture] = accuracy
            row = rows.get(int(number))
            if row is None or (row.architecture, str(row.accuracy)) != (architecture, accuracy):
                outcome.blame("lost", f"{how}: trial {number} was told, and the ledger says {row}")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    theirs = optuna.load_study(study_name=None, storage=JournalStorage(JournalFileBackend(str(run.path / JOURNAL))))
    if len(theirs.get_trials(deepcopy=False)) != len(rows):
        outcome.blame("different", f"{how}: Optuna reads {len(theirs.trials)} trials, and we read {len(rows)}")


# ------------------------------------------------------------------ the process that is killed


@dataclass
class Noted:
    """What this process begins and tells, noted in `path`; it dies at the place `until`, of all that was noted."""

    path: Path
    until: int

    def note(self, what: str, number: int, arch: Arch) -> float:
        """The accuracy of `arch`."""
        accuracy = sum(arch) / sum(len(choice.options) for choice in SPACE.choices)
        with self.path.open("a", encoding="utf-8") as notes:
            notes.write(f"{what} {number} {SPACE.format(arch)} {accuracy}\n")
        if self.until == 2 * number + (what == "told"):
            os.kill(os.getpid(), signal.SIGKILL)
        return accuracy


def search(path: Path, until: int) -> None:
    """Drive the run in `path` to its end, or to the place of death."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    torch.set_num_threads(1)
    run, noted = Run.open(path), Noted(path / NOTES, until)
    with mock.patch.object(loop, "counted", lambda *_: dict.fromkeys(OF_LAYERS, 1)), run.driving() as study:
        trials = Search(run, study, run.budget, Silent(), without_images("cifar10"))
        trials.ready(1)
        before, first = _resident(), trials.done
        while spec := trials.ask():
            assert isinstance(spec.network, Found)
            accuracy = noted.note("begun", spec.number, spec.network.arch)
            trials.tell(spec, TrialResult(State.COMPLETE, 0.0, accuracy))
            noted.note("told", spec.number, spec.network.arch)
        if trials.done - first >= 1000:
            grown = (_resident() - before) / (trials.done - first)
            print(f"soak: {grown:,.0f} bytes of memory a trial, of the last {trials.done - first:,}", file=sys.stderr)


def _resident() -> int:
    """Bytes of this process that are in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    search(Path(sys.argv[1]), int(sys.argv[2]))
