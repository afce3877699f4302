"""Processes that die at any of their writes, and what the same commands make of what they leave.

A try runs a command in a process that ends at one of its writes, without a word and without tidying up: before it,
after it, or in the middle, with part of the bytes in the file. Sometimes what goes on from there ends so, too. Then the
run is resumed to its end, and its ledger held against that of a process which nobody disturbed: all must be equal but
times. `moments` kills from outside instead, whenever.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

import matplotlib.pyplot  # noqa: F401, since every process is a fork of this one: they need not import it each
import optuna
import scipy.optimize  # noqa: F401
import torch
from sqlalchemy import event
from sqlalchemy.engine import Engine

from nas.ledger.run import Run
from nas.samplers import STRATEGIES
from tests.attack.ledgers import contents, judge
from tests.attack.mutations import nas
from tests.attack.outcome import Outcome
from tests.attack.specimens import COMPARISON, DATA, PROXIES, SCALING, SHORT, Command, pictures
from tests.attack.tiny import Wide

SECONDS = 120  # that a command may take, for what takes some seconds
KILLED = 137  # the exit code of a process that ended at a write

WIDE = "tests.attack.tiny:Wide"
TABLE = ("search", "--space", WIDE, "--evaluator", "table", "--table", "wide.csv", "--name", "x")
TRAINED = ("search", *DATA, "--space", "compact", "--max-macs", "300k", *SHORT, "--name", "x")
FRONT = ("--objectives", "accuracy,macs")
PROPOSALS = {"gp": "16", "tpe": "16", "nsga2": "56"}  # more than these begin with at random
FRONTS = ("controller", "evolution", "gp", "nsga2", "random", "tpe")


@dataclass(frozen=True)
class Workload:
    """A command whose process dies, in a folder that `prepare` has filled, and what it leaves in `ledgers`."""

    name: str
    command: Command
    prepare: Callable[[], None] = lambda: None
    ledgers: tuple[str, ...] = ("runs/x",)

    @property
    def goes_on(self) -> Command:
        """What a user types then: to go on with what there is, or the same again where there is nothing yet."""
        if self.command[0] == "resume":
            return self.command
        name = self.command[self.command.index("--out" if self.command[0] == "train" else "--name") + 1]
        begun = Path(name, "training.json") if self.command[0] == "train" else Path("runs", name, "config.json")
        return ("resume", name) if begun.exists() else self.command


def _enqueue() -> None:
    """A run of two trials, and three that a person wants next: whole, in part, and open."""
    assert not nas(*TABLE, "--strategy", "gp", "--trials", "12")
    study, choices = Run.open("runs/x").study, Wide().choices
    study.enqueue_trial({choice.name: choice.options[1] for choice in choices})
    study.enqueue_trial({choices[2].name: choices[2].options[2]})
    study.enqueue_trial({})


LOOKED_UP = (
    *(Workload(f"search, {s}", (*TABLE, "--strategy", s, "--trials", PROPOSALS.get(s, "12"))) for s in STRATEGIES),
    *(
        Workload(f"search of a front, {s}", (*TABLE, *FRONT, "--strategy", s, "--trials", PROPOSALS.get(s, "12")))
        for s in FRONTS
    ),
    Workload("search with enqueued trials", ("resume", "x", "--trials", "18"), _enqueue),
    Workload("search in a database", (*TABLE, "--trials", "6", "--storage", "sqlite:///x.sqlite")),
)
WORKLOADS = (
    *LOOKED_UP,
    Workload("search that trains and prunes", (*TRAINED, "--epochs", "3", "--pruner", "asha", "--trials", "6")),
    Workload("search and its control", (*TRAINED, "--trials", "4", "--control"), ledgers=("runs/x", "runs/x-random")),
    Workload(
        "comparison",
        ("compare", "resnet8@0.1", *COMPARISON[2:], "--ensemble"),
        ledgers=("runs/cmp",),
    ),
    Workload("grid of scalings", SCALING, ledgers=("runs/grid",)),
    Workload("proxy study", PROXIES, ledgers=("runs/study",)),
    Workload("training", ("train", "resnet8@0.1", *DATA, *SHORT, "--epochs", "3", "--out", "t"), ledgers=("t",)),
)


def attack(tries: int, seed: int, folder: Path) -> Iterator[Outcome]:
    """So many kills, shared out evenly over `WORKLOADS`; a few, over some that train nothing, drawn by seed."""
    torch.set_num_threads(1)  # processes are forked: there must be no other thread
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    few = random.Random(seed).sample(LOOKED_UP, min(tries, len(LOOKED_UP)))
    chosen = WORKLOADS if tries >= len(WORKLOADS) else few
    known = {"XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "200", "NAS_STORAGE": "sqlite:///x.sqlite"}
    known["NAS_TRUST_SPACE"] = WIDE
    with mock.patch.dict(os.environ, known), contextlib.chdir(folder):
        os.environ.pop("NAS_RUNS", None)
        pictures(folder / "pictures")
        _write_table(folder / "wide.csv")
        for number, workload in enumerate(chosen):
            outcome = Outcome("kills", workload.name)
            bench = Bench.of(workload, folder)
            for attempt in range(number, tries, len(chosen)):
                outcome.tries += 1
                bench.attempt(f"{seed}:{attempt}", outcome)
            print(f"{workload.name}: {outcome.tries} kills, {dict(outcome.counts)}", file=sys.stderr)
            yield outcome


def _write_table(path: Path) -> None:
    """Results of every network of the space, made up."""
    rng, space = random.Random(0), Wide()
    archs = product(*(range(len(choice.options)) for choice in space.choices))
    rows = [f'"{space.format(arch)}",{rng.uniform(50, 90):.2f},{rng.uniform(50, 90):.2f}' for arch in archs]
    path.write_text("\n".join(["architecture,observed,reported", *rows]) + "\n")


# ------------------------------------------------------------------ one try


@dataclass(frozen=True)
class Bench:
    """A workload with what it gives where nobody disturbs it, and how many writes that takes."""

    workload: Workload
    folder: Path
    expected: dict[str, Any]
    writes: int

    @classmethod
    def of(cls, workload: Workload, folder: Path) -> Bench:
        home = folder / "undisturbed"
        _prepare(workload, folder, home)
        counted = home / "writes"
        code, said = _ran(workload.command, home, Cut(log=counted))
        assert code == 0, f"nas {' '.join(workload.command)}: {said}"
        expected = {path: contents(home / path) for path in workload.ledgers}
        writes = int(counted.read_text())
        shutil.rmtree(home)
        return cls(workload, folder, expected, writes)

    def attempt(self, seed: str, outcome: Outcome) -> None:
        """Kill it once or more, let it end, and note what is not as it should be."""
        rng, home = random.Random(seed), self.folder / "killed"
        _prepare(self.workload, self.folder, home)
        how, command = f"{seed}:", self.workload.command
        kept: dict[str, Any] = {}
        for _ in range(1 + (rng.random() < 0.3)):
            at = rng.randint(1, self.writes)
            way = rng.choice(("before", "within", "after"))
            how += f" killed {way} write {at},"
            code, said = _ran(command, home, Cut(at, way, rng.random()))
            if code not in (0, KILLED):
                outcome.blame(*_fault(code, said, how))
                return
            kept = {path: contents(home / path) for path in self.workload.ledgers}
            with contextlib.chdir(home):
                command = self.workload.goes_on
        code, said = _ran(command, home, Cut())
        if code != 0:
            outcome.blame(*_fault(code, said, how))
        else:
            for path, expected in self.expected.items():
                judge(contents(home / path), kept[path], expected, f"{how} {path}", outcome)
        shutil.rmtree(home)


def _prepare(workload: Workload, folder: Path, home: Path) -> None:
    """The folder `home` as the workload finds it."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    for shared in ("pictures", "wide.csv"):
        (home / shared).symlink_to(folder / shared)
    with contextlib.chdir(home), Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        workload.prepare()


def _fault(code: int, said: str, how: str) -> tuple[Any, str]:
    last = said.strip().rpartition("\n")[2][:300]
    if code == -signal.SIGALRM:
        return "hang", f"{how} no end in {SECONDS} s"
    if code < 0:
        return "crash", f"{how} {signal.Signals(-code).name}"
    return ("traceback" if "Traceback" in said else "lost"), f"{how} exit code {code}: {last}"


# ------------------------------------------------------------------ a process that dies


_WRITES = ("fsync", "replace", "rename", "mkdir", "unlink", "truncate", "ftruncate", "symlink")
_truncate = os.truncate


@dataclass
class Cut:
    """The write `at` which a process dies: before it, after it, or `within` it, when part of its bytes is in the file.

    0: it does not. Writes are counted all the same, and how many there were is left in the file `log`.
    """

    at: int = 0
    way: str = ""
    part: float = 0.0
    log: Path | None = None
    count: int = 0
    _sizes: dict[str, int] = field(default_factory=dict)  # of files, when they were last forced to disk

    @contextlib.contextmanager
    def holding(self) -> Iterator[None]:
        """Count what this process writes, and die where that is said."""
        with contextlib.ExitStack() as stack:
            for name in _WRITES:
                stack.enter_context(mock.patch.object(os, name, self._counted(name, getattr(os, name))))
            commit = self._counted("commit", lambda connection: None)  # called before it is done
            event.listen(Engine, "commit", commit)
            stack.callback(event.remove, Engine, "commit", commit)
            yield
        if self.log:
            self.log.write_text(str(self.count))

    def _counted(self, name: str, do: Callable[..., Any]) -> Callable[..., Any]:
        def write(*arguments: Any, **options: Any) -> Any:
            self.count += 1
            file = _path_of(arguments[0]) if name == "fsync" else ""
            if self.count != self.at:
                done = do(*arguments, **options)
                if file:
                    self._sizes[file] = Path(file).stat().st_size
                return done
            if self.way == "within" and file:
                before = self._sizes.get(file, 0)
                _truncate(file, before + int(self.part * max(0, Path(file).stat().st_size - before)))
            elif self.way == "after":
                do(*arguments, **options)
            os._exit(KILLED)

        return write


def _path_of(descriptor: int) -> str:
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


def _ran(command: Command, home: Path, cut: Cut) -> tuple[int, str]:
    """The exit code of a command in a process of its own, and what it said."""
    said = home.parent / "said"
    pid = os.fork()
    if not pid:
        _run_and_exit(command, home, cut, said)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), said.read_text("utf-8", "replace")


def _run_and_exit(command: Command, home: Path, cut: Cut, said: Path) -> NoReturn:
    """In a child process."""
    code = 1
    try:
        file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for number in (1, 2):
            os.dup2(file, number)
        sys.stdout = sys.stderr = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        os.chdir(home)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(SECONDS)
        with cut.holding():
            code = nas(*command)
    finally:
        sys.stdout.flush()
        os._exit(code)
