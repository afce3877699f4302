"""A run's folder: `config.json`, which says how to repeat it, and `journal.log`, in which every trial is.

The ledger is the only state. It is an Optuna journal (or a database, where a team gives a URL), so
optuna-dashboard and any Optuna script open it as it is; a search is continued from nothing else.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState

from nas.config import Budget, Config, differences
from nas.files import write_atomically
from nas.journal import Journal, sole_writer
from nas.network import Network
from nas.trial import State, describe
from searchspaces import Arch

CONFIG, JOURNAL = "config.json", "journal.log"
_MAY_CHANGE = ("data_dir", "device", "table")  # of a configuration: where things are, what computes


@dataclass(frozen=True)
class Row:
    """One trial of the ledger, as `nas top` shows it. `reason` says why a trial failed or what befell it."""

    number: int
    state: State
    id: str
    architecture: str
    accuracy: float | None  # validation, 0..1
    reward: float | None  # with several objectives the accuracy
    macs: int | None
    params: int | None
    activations: int | None
    latency: float | None  # seconds for one image
    seconds: float | None
    reason: str
    duplicate_of: int | None  # the trial that had trained the same network
    arch: Arch = dataclasses.field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(Row) if f.name != "arch"}


class Run:
    """One run on disk: its configuration, its budget and its ledger, `study`.

    Anyone may read it at any time. To write to it, be inside `driving()`.
    """

    def __init__(self, path: str | Path, config: Config, budget: Budget, storage_url: str | None) -> None:
        self.path, self.config, self.budget, self.storage_url = Path(path), config, budget, storage_url

    @property
    def name(self) -> str:
        return self.path.name

    # ------------------------------------------------------------------ making, finding, driving

    @classmethod
    def create(cls, path: str | Path, config: Config, budget: Budget, storage_url: str | None = None) -> Self:
        """A new run in the new folder `path`. Raises ValueError where that exists or cannot be made."""
        run = cls(path, config, budget, storage_url)
        path = run.path
        if storage_url:
            run._claim()  # before there is a folder
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            raise ValueError(f"{path} exists: `nas resume {path.name}` continues it, --name starts another") from None
        except OSError as error:
            raise ValueError(f"cannot make the folder {path}: {error.strerror}; choose another --runs-dir") from None
        document = {
            "config": config.to_dict(),
            "budget": dataclasses.asdict(budget),
            "storage": storage_url,
            "versions": versions(),
            "command": sys.argv,
        }
        try:
            write_atomically(path / CONFIG, json.dumps(document, indent=2) + "\n")
        except OSError:
            path.rmdir()
            raise
        return run

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """The run in `path`. Raises ValueError where there is none, or its config.json is damaged."""
        path = Path(path)
        try:
            document = json.loads((path / CONFIG).read_text(encoding="utf-8"))
            return cls(path, Config.from_dict(document["config"]), Budget(**document["budget"]), document["storage"])
        except (FileNotFoundError, NotADirectoryError):
            known = ", ".join(sorted(p.parent.name for p in path.parent.glob(f"*/{CONFIG}")))
            there = f"there are {known}" if known else "there are none yet, `nas search` makes one"
            raise ValueError(f"no run called {path.name} in {path.parent}: {there}") from None
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path / CONFIG} is damaged ({error}): restore it from a copy") from None

    @contextlib.contextmanager
    def driving(self) -> Iterator[optuna.Study]:
        """The ledger, to write to. Raises ValueError where another process does, or the config was edited.

        The ledger keeps the configuration that its trials were made under: another would mix two searches. Where
        the data or the table is and what computes may change.
        """
        with sole_writer(self.path / JOURNAL):
            with self._naming_damage():
                study = optuna.create_study(
                    study_name=self.name,
                    storage=self.storage(),
                    directions=self.config.directions,
                    load_if_exists=True,
                )
            now = self.config.to_dict()
            began = study.user_attrs.get("config")
            began = began and Config.from_dict(began).to_dict()  # with the defaults of what came later
            if began is None:
                study.set_user_attr("config", now)
            elif changed := differences(began, now | {where: began.get(where) for where in _MAY_CHANGE}):
                raise ValueError(
                    f"{self.path / CONFIG} was edited since the run began ({'; '.join(changed)}): "
                    "undo that, or start a new run with the new settings"
                )
            yield study

    @property
    def study(self) -> optuna.Study:
        """The ledger, to read. Raises ValueError where there is none yet or it is damaged."""
        try:
            with self._naming_damage():
                return optuna.load_study(study_name=self.name, storage=self.storage())
        except KeyError:
            raise ValueError(f"{self.name} has no trial yet: `nas resume {self.name}` starts it") from None

    @contextlib.contextmanager
    def _naming_damage(self) -> Iterator[None]:
        try:
            yield
        except json.JSONDecodeError as error:
            raise ValueError(f"{self.path / JOURNAL} is damaged ({error}): restore it from a copy") from None

    def _claim(self) -> None:
        """Make the study in the database. Raises ValueError where another run has its name there."""
        try:
            optuna.create_study(study_name=self.name, storage=self.storage(), directions=self.config.directions)
        except optuna.exceptions.DuplicatedStudyError:
            raise ValueError(f"the database has a run called {self.name} already: choose another --name") from None

    def storage(self) -> BaseStorage:
        """Where the ledger is, opened anew."""
        if self.storage_url:
            try:
                return RDBStorage(self.storage_url)
            except Exception as error:  # of SQLAlchemy, of a driver that is not installed, of the database
                raise ValueError(f"cannot open the database of --storage: {describe(error)}") from None
        return JournalStorage(self._journal)

    @cached_property
    def _journal(self) -> Journal:
        return Journal(self.path / JOURNAL)

    def together(self) -> AbstractContextManager[None]:
        """Within it, what is noted of trials reaches the ledger at once, see `Journal.together`."""
        return contextlib.nullcontext() if self.storage_url else self._journal.together()

    # ------------------------------------------------------------------ reading

    def rows(self) -> list[Row]:
        """Every trial, in the order in which they were proposed."""
        return [self.row(trial) for trial in self.study.get_trials(deepcopy=False)]

    def row(self, trial: FrozenTrial) -> Row:
        """`trial` of the ledger in our words."""
        attrs, space = trial.user_attrs, self.config.space
        proposed = len(trial.params) == len(space.choices)  # one killed while it was proposed has fewer
        arch = space.from_options(trial.params) if proposed else ()
        return Row(
            number=trial.number,
            state=_STATES[trial.state],
            id=attrs.get("id") or (space.short_id(arch) if proposed else ""),
            architecture=space.format(arch) if proposed else "",
            accuracy=attrs.get("accuracy"),
            reward=trial.values[0] if trial.state == TrialState.COMPLETE else None,
            macs=attrs.get("macs"),
            params=attrs.get("params"),
            activations=attrs.get("activations"),
            latency=attrs.get("latency"),
            seconds=attrs.get("seconds"),
            reason=attrs.get("reason", ""),
            duplicate_of=attrs.get("duplicate_of"),
            arch=arch,
        )

    def best_row(self) -> Row:
        """The completed trial of the highest reward; with several objectives, of the highest accuracy.

        Raises ValueError where there is none.
        """
        best = best_of(self.rows())
        if best is None:
            raise ValueError(f"{self.name} has no completed trial: `nas top {self.name}` shows what it has")
        return best

    def network(self, row: Row) -> Network:
        """What trial `row` trained."""
        return self.config.network(row.arch)


def folder_of(name: str, runs_dir: str | Path) -> Path:
    """Where the run `name` is: in `runs_dir`; where it has a slash, it is the folder itself."""
    return Path(name) if "/" in name else Path(runs_dir) / name


def rank(rows: list[Row]) -> list[Row]:
    """The best reward first, trials without one last; of equals, the first to be proposed."""
    return sorted(rows, key=_standing)


def best_of(rows: list[Row]) -> Row | None:
    """The first of `rank(rows)`, if it has a reward."""
    best = min(rows, key=_standing, default=None)
    return best if best is not None and best.reward is not None else None


def _standing(row: Row) -> tuple[bool, float, int]:
    return row.reward is None, -(row.reward or 0.0), row.number


_STATES = {
    TrialState.COMPLETE: State.COMPLETE,
    TrialState.PRUNED: State.PRUNED,
    TrialState.FAIL: State.FAILED,
    TrialState.RUNNING: State.RUNNING,
    TrialState.WAITING: State.RUNNING,
}


def versions() -> dict[str, str]:
    """What computes here: packages, Python and the machine."""
    packages = {name: version(name) for name in ("nas", "torch", "optuna", "numpy")}
    return packages | {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": str(os.cpu_count()),
    }
