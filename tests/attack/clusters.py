"""Clusters that lose a worker, a machine or their head, get a machine late, or are busy: no trial is lost or blamed.

A try searches on a cluster of its own, and something happens when a few trials have ended. The ledger is held against
what was asked for: each trial complete, once, with as many starts as its network had in fact.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from nas.data import Dataset, Images
from nas.devices.halted import Halted
from nas.engines import ray_tune
from nas.engines.connection import PATIENCE
from nas.ledger.config import Budget, Config
from nas.ledger.run import Run, TrialRow
from nas.reward import Reward
from nas.searching.driver import drive
from nas.searching.progress import Silent
from nas.training.recipe import Recipe
from nas.training.trial import State
from searchspaces import Mnas
from tests.attack.outcome import Outcome
from tests.ray_machines import SIZE, head

TRIALS = 6
BEFORE = 2  # trials that have ended when something happens
LATEST = PATIENCE + 30  # seconds from the loss of a head to the word of it, on a machine that has others to serve


def attack(tries: int, seed: int, folder: Path) -> Iterator[Outcome]:
    """Try after try, each with the next of `HAPPENINGS`."""
    outcomes = {name: Outcome("clusters", name) for name in HAPPENINGS}
    for number in range(tries):
        name = list(HAPPENINGS)[number % len(HAPPENINGS)]
        print(f"clusters: try {number}, {name}", file=sys.stderr)
        outcomes[name].tries += 1
        rng = random.Random(f"{seed}-{number}")
        for kind, how in _try(HAPPENINGS[name], rng, folder / str(number)):
            outcomes[name].blame(kind, f"seed {seed}, try {number}: {how}")
    yield from (outcome for outcome in outcomes.values() if outcome.tries)


@dataclass
class Scene:
    """A cluster with a search on it."""

    machines: Any
    workers: list[Any]  # machines that take trials
    rng: random.Random

    def add(self) -> None:
        """Another machine, for one trial at once; also from the thread of the search, where none handles signals."""
        with mock.patch("signal.signal"):
            self.workers.append(self.machines.add_node(num_cpus=1, **SIZE))


def lose_worker(scene: Scene) -> None:
    victims = [pid for pid in _family(os.getpid()) if _is_worker(pid)]
    os.kill(scene.rng.choice(victims), signal.SIGKILL)


def lose_machine(scene: Scene) -> None:
    scene.machines.remove_node(scene.workers.pop(scene.rng.randrange(2)), allow_graceful=False)


def lose_machine_and_get_one(scene: Scene) -> None:
    lose_machine(scene)
    scene.add()


def get_machine(scene: Scene) -> None:
    scene.add()


def lose_head(scene: Scene) -> None:
    scene.machines.head_node.kill_gcs_server(check_alive=False)


HAPPENINGS: dict[str, Callable[[Scene], None]] = {
    "a worker killed": lose_worker,
    "the head killed": lose_head,
    "a machine lost, another late": lose_machine_and_get_one,
    "a machine lost": lose_machine,
    "a machine late": get_machine,
}
"""What happens in a try."""


class Happening(Silent):
    """Has `happen` called when a few trials have ended, and knows when that was."""

    def __init__(self, happen: Callable[[], None]) -> None:
        self._happen, self._ended, self.at = happen, 0, 0.0

    def finished(self, row: TrialRow, best: TrialRow | None, seconds_left: float | None) -> None:
        self._ended += 1
        if self._ended == BEFORE:
            self.at = time.monotonic()
            self._happen()


def _try(happen: Callable[[Scene], None], rng: random.Random, folder: Path) -> Iterator[tuple[Any, str]]:
    config = Config(Mnas(width=0.1, image_size=16), "tiny", Recipe(batch_size=20, bf16=False), Reward(), "random", 0)
    run = Run.create(folder, config, Budget(trials=TRIALS))
    with _scene(rng) as scene:
        progress = Happening(lambda: happen(scene))
        cluster = ray_tune.Cluster(address=scene.machines.address).settled([{"CPU": 1.0}] * 2)
        try:
            drive(run, run.budget, _images(), "cpu", cluster, progress)
            if happen is lose_head:
                yield "silent", "the head's end was not noticed"
        except Halted as halt:
            if happen is not lose_head:
                yield "lost", f"the search was given up: {halt}"
            elif (took := time.monotonic() - progress.at) > LATEST:
                yield "hang", f"the head's end was said after {took:.0f} s"
    drive(run, run.budget, _images(), "cpu", None, Silent())
    yield from _faults(run, most_starts=2 if happen is lose_worker else 1)


def _faults(run: Run, most_starts: int) -> Iterator[tuple[Any, str]]:
    rows = run.rows()
    if len(rows) != TRIALS:
        yield "lost" if len(rows) < TRIALS else "twice", f"{len(rows)} trials of {TRIALS}"
    for row, trial in zip(rows, run.study.get_trials(deepcopy=False), strict=True):
        if row.state != State.COMPLETE:
            yield "lost", f"trial {row.number} is {row.state}: {row.reason}"
        if trial.user_attrs["starts"] > most_starts:
            yield "different", f"trial {row.number} is blamed for {trial.user_attrs['starts']} starts"


@contextlib.contextmanager
def _scene(rng: random.Random) -> Iterator[Scene]:
    """A head without cores, and two machines for one trial at once each. None of their processes outlives it."""
    before = set(_family(os.getpid()))
    with head() as machines:
        scene = Scene(machines, [], rng)
        try:
            scene.add()
            scene.add()
            machines.wait_for_nodes()
            yield scene
        finally:
            started = set(_family(os.getpid())) - before
            for node in machines.list_all_nodes():
                node.kill_all_processes(check_alive=False, allow_graceful=False)
            for pid in started:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)


def _family(pid: int) -> list[int]:
    """The process `pid` and all that it started."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(one for child in children for one in _family(int(child)))]


def _is_worker(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().startswith(("ray::_Inner", "ray::Worker"))
    return False


def _images() -> Dataset:
    rng = np.random.default_rng(0)
    pixels = torch.from_numpy(rng.integers(0, 255, (200, 16, 16, 3), dtype=np.uint8))
    return Dataset.split("tiny", ("a", "b", "c", "d"), Images(pixels, torch.arange(200) % 4))
