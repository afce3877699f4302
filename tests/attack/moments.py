"""`kill -9` from outside, at any moment: the process that a person started is gone, and `nas resume` goes on.

Where one process trains, what comes of it is held against what an undisturbed one gives. With several workers the order
of what is proposed is the machine's: there nothing may be lost or trained twice, and the end is the one asked for.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.attack.ledgers import Contents, contents, ended, judge
from tests.attack.outcome import Outcome
from tests.attack.specimens import DATA, SHORT, Command, pictures

SECONDS = 300.0  # that a command may take, for what takes some
TRIALS = 8
SEARCH = ("search", *DATA, "--space", "compact", "--max-macs", "300k", *SHORT, "--trials", str(TRIALS), "--name", "x")


@dataclass(frozen=True)
class Target:
    """A command, what goes on with it, and the folder that it fills. `repeated`: it always fills it alike."""

    name: str
    command: Command
    goes_on: Command
    folder: str
    repeated: bool = True

    def begins(self, home: Path) -> bool:
        """Whether there is something to go on with."""
        return any((home / self.folder / name).exists() for name in ("config.json", "training.json"))


TARGETS = (
    Target("search", SEARCH, ("resume", "x"), "runs/x"),
    Target("training", ("train", "resnet8@0.1", *DATA, "--batch-size", "8", "--epochs", "20", "--out", "t"),
           ("resume", "t"), "t"),
    Target("search on two workers", (*SEARCH, "--workers", "2"), ("resume", "x", "--workers", "2"), "runs/x", False),
)  # fmt: skip


def attack(tries: int, seed: int, folder: Path) -> Iterator[Outcome]:
    """So many kills, shared out evenly over `TARGETS`."""
    pictures(folder / "pictures")
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    environment.pop("NAS_RUNS", None)
    for number, target in enumerate(TARGETS[:tries]):
        outcome = Outcome("moments", target.name)
        bench = Bench.of(target, folder, environment)
        for attempt in range(number, tries, len(TARGETS)):
            outcome.tries += 1
            bench.attempt(f"{seed}:{attempt}", outcome)
        print(f"{target.name}: {outcome.tries} kills, {dict(outcome.counts)}", file=sys.stderr)
        yield outcome


@dataclass(frozen=True)
class Bench:
    """A target with what it gives where nobody disturbs it, and the seconds that takes from its beginning on."""

    target: Target
    folder: Path
    environment: Mapping[str, str]
    expected: Contents
    seconds: float

    @classmethod
    def of(cls, target: Target, folder: Path, environment: Mapping[str, str]) -> Bench:
        home = _home(folder)
        process = _started(target.command, home, environment)
        began = _wait_until_it_begins(target, home, process)
        code = process.wait(SECONDS)
        assert code == 0, f"nas {' '.join(target.command)}: {(home / 'said').read_text()}"
        expected = contents(home / target.folder)
        return cls(target, folder, environment, expected, time.monotonic() - began)

    def attempt(self, seed: str, outcome: Outcome) -> None:
        """Kill it once or more, let it end, and note what is not as it should be."""
        rng, home, target = random.Random(seed), _home(self.folder), self.target
        command, how, kept = target.command, f"{seed}:", Contents()
        for _ in range(1 + (rng.random() < 0.3)):
            process = _started(command, home, self.environment)
            began = _wait_until_it_begins(target, home, process)
            seconds = rng.uniform(0, self.seconds)
            time.sleep(max(0.0, began + seconds - time.monotonic()))
            process.send_signal(signal.SIGKILL)
            process.wait()
            how += f" killed after {seconds:.2f} s,"
            kept = contents(home / target.folder)
            command = target.goes_on if target.begins(home) else target.command
        process = _started(command, home, self.environment)
        try:
            code = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            outcome.blame("hang", f"{how} no end in {SECONDS:g} s")
            return
        said = (home / "said").read_text("utf-8", "replace")
        found = contents(home / target.folder)
        if code != 0:
            kind = "crash" if code < 0 else "traceback" if "Traceback" in said else "lost"
            outcome.blame(kind, f"{how} exit code {code}: {said.strip().rpartition(chr(10))[2][:300]}")
        elif not target.repeated and len(ended(found)) < TRIALS:
            outcome.blame("lost", f"{how} {len(ended(found))} trials ended, of {TRIALS}")
        else:
            judge(found, kept, self.expected if target.repeated else None, how, outcome)


def _home(folder: Path) -> Path:
    """An empty folder with images."""
    home = folder / "home"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    (home / "pictures").symlink_to(folder / "pictures")
    return home


def _started(command: Command, home: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-c", "from nas.cli import main; main()", *command]
    with (home / "said").open("wb") as said:
        return subprocess.Popen(words, cwd=home, env=environment, stdout=said, stderr=said)


def _wait_until_it_begins(target: Target, home: Path, process: subprocess.Popen[bytes]) -> float:
    """When it had something to go on with, or had ended: it takes seconds until its packages are imported."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until and process.poll() is None and not target.begins(home):
        time.sleep(0.02)
    return time.monotonic()
