"""A run's folder: `config.json`, which says how to repeat it, and `journal.log`, in which every trial is.

The ledger is the only state. It is an Optuna journal (or a database, where a team gives a URL), so
optuna-dashboard and any Optuna script open it as it is; a search is continued from nothing else.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

import nas
from nas.checks import schema, schemas
from nas.checks.costs import OF_LAYERS, in_order
from nas.files import BEGINNING, CONFIG, EXPERIENCE, JOURNAL, is_left_behind, write_atomically, write_new
from nas.joint.fields import as_text, in_words
from nas.joint.space import values_in
from nas.ledger.config import Budget, Config, differences, without_places
from nas.ledger.database import has_secret, named, opened, public, without_secrets
from nas.ledger.identity import Identity, find_study
from nas.ledger.journal import Damaged, Journal, lock_of, sole_writer
from nas.ledger.journal_lines import UNREADABLE
from nas.ledger.replay import ReplayedStorage
from nas.ledger.trust import is_own
from nas.network import Network
from nas.text.units import format_count, format_percent, format_quality
from nas.training.trial import State, describe
from searchspaces import Arch, Space
from searchspaces.space import Option

RUN = "run"  # a study's attribute: the id of the run that it is the ledger of
TOLD_FROM_OUTSIDE = "told from outside, not trained by the recipe"
_BEGAN = "config"  # likewise: the configuration with which it was driven first


@dataclass(frozen=True)
class TrialRow:
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
    score: float | None = dataclasses.field(default=None, kw_only=True)  # by the metric, at most 1; None: accuracy
    metric: str = dataclasses.field(default="accuracy", kw_only=True)
    loss: float | None = dataclasses.field(default=None, kw_only=True)  # of its training, in the last epoch
    others: Mapping[str, float] = dataclasses.field(
        default_factory=dict, hash=False, kw_only=True
    )  # costs, by their names
    told: bool = dataclasses.field(default=False, kw_only=True)  # its result is from outside, not of the run's recipe
    recipe: Mapping[str, Option] = dataclasses.field(
        default_factory=dict, hash=False, kw_only=True
    )  # what it has of one by itself, where the search chooses that, by the names of fields

    @property
    def quality(self) -> float | None:
        """What it is judged by, at most 1: its accuracy, or the recipe's metric."""
        return self.accuracy if self.score is None else self.score

    @property
    def costs(self) -> dict[str, float]:
        """The figures of all costs that are known, by their names."""
        own = {name: getattr(self, name) for name in (*OF_LAYERS, "latency")}
        return {name: figure for name, figure in own.items() if figure is not None} | dict(self.others)

    @property
    def further(self) -> dict[str, float]:
        """Of these, those that are not found with every network; in the order of tables."""
        known = self.costs
        return {name: known[name] for name in in_order(known) if name not in OF_LAYERS}

    @property
    def judged(self) -> str:
        """`61.2 %`, or `macro-f1 61.2 %`."""
        return (
            format_percent(self.quality)
            if self.score is None
            else f"{self.metric} {format_quality(self.metric, self.score)}"
        )

    @property
    def in_words(self) -> str:
        """`61.2 % at 9.81M MACs (trial 3)`, with its own recipe `61.2 % at 9.81M MACs, lr 0.1 (trial 3)`."""
        own = f", {in_words(self.recipe)}" if self.recipe else ""
        return f"{self.judged} at {format_count(self.macs)} MACs{own} (trial {self.number})"

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        apart = ("arch", "others", "recipe")
        own = {f.name: getattr(self, f.name) for f in dataclasses.fields(TrialRow) if f.name not in apart}
        return own | ({"recipe": dict(self.recipe)} if self.recipe else {}) | {"costs": self.costs}


def costs_shown(rows: Iterable[TrialRow]) -> tuple[str, ...]:
    """The costs that a table of `rows` has columns for: MACs and parameters, and all others found but activations."""
    return in_order({"macs", "params", *(name for row in rows for name in row.further)})


class Run:
    """One run on disk: its configuration, its budget and its ledger, `study`.

    Anyone may read it at any time. To write to it, be inside `driving()`.
    """

    def __init__(
        self, path: str | Path, config: Config, budget: Budget, document: dict[str, Any], storage_url: str | None = None
    ) -> None:
        self.path, self.config, self.budget = Path(path), config, budget
        self.storage_url = storage_url  # as a person named it; None where nobody did
        self.document, self.identity = document, Identity.in_document(document)

    @property
    def name(self) -> str:
        """What its folder is called."""
        return self.path.name

    # ------------------------------------------------------------------ making, finding, driving

    @classmethod
    def create(
        cls,
        path: str | Path,
        config: Config,
        budget: Budget,
        storage_url: str | None = None,
        of: str = "",
        beside: str = "",
        experience: str | None = None,
    ) -> Self:
        """A new run in the new folder `path`, with its ledger. Raises ValueError where that exists or cannot be made.

        `of` and `beside` are of its `Identity`, `experience` is the text of the file of that name. Of `storage_url` the
        password is not kept, see `nas.ledger.database`.
        """
        path = Path(path)
        private = storage_url is not None and has_secret(storage_url)
        document = {
            "format": schemas.RUN_FORMAT,
            **Identity.new(path.name, of, beside).to_dict(),
            "config": config.to_dict(),
            "budget": dataclasses.asdict(budget),
            "storage": None if storage_url is None else public(storage_url),
            "versions": versions(),
            "command": without_secrets(sys.argv),
        }
        run = cls(path, config, budget, document, storage_url)
        made = _make_folder(path)
        try:
            (path / BEGINNING).touch()
            if experience is not None:
                write_atomically(path / EXPERIENCE, experience)
            write_new(path / CONFIG, json.dumps(document, indent=2) + "\n", private)  # now it is a run
        except FileExistsError:  # another process was first, and goes on
            raise ValueError(_exists(path)) from None
        except BaseException:
            run._unmake(made)
            raise
        try:
            run._begin_ledger()
        except BaseException:
            (path / CONFIG).unlink()
            run._unmake(made)
            raise
        return run

    def _unmake(self, made: bool) -> None:
        """Leave nothing of a run that could not be made: where the folder was there, that stays."""
        for name in (BEGINNING, EXPERIENCE, JOURNAL, lock_of(self.path / JOURNAL).name):
            with contextlib.suppress(OSError):
                (self.path / name).unlink()
        if made:
            shutil.rmtree(self.path, ignore_errors=True)

    @classmethod
    def open(cls, path: str | Path, storage_url: str | None = None) -> Self:
        """The run in `path`. Raises ValueError where there is none, or its config.json is damaged.

        `storage_url` is the database that a person says its ledger is in, see `nas.ledger.database.named`.
        """
        path = Path(path)
        path = path.resolve() if path.name in ("", "..") else path
        if not (path / CONFIG).is_file():
            known = ", ".join(sorted(p.parent.name for p in path.parent.glob(f"*/{CONFIG}")))
            there = f"there are {known}" if known else "there are none yet, `nas search` makes one"
            raise ValueError(f"no run called {path.name} in {path.parent}: {there}")
        document = schema.read(path / CONFIG, schemas.RUN)
        try:
            config, budget = Config.from_dict(document["config"]), Budget(**document["budget"])
        except ValueError as error:
            raise ValueError(f"{path / CONFIG}: {error}") from None
        return cls(path, config, budget, document, storage_url)

    @contextlib.contextmanager
    def driving(self, waiting: Callable[[str], None] | None = None) -> Iterator[optuna.Study]:
        """The ledger, to write to. Raises ValueError where another process does, or the config was edited.

        With `waiting` another process is waited for, see `nas.files.sole_process`.

        The ledger keeps the configuration that its trials were made under: another would mix two searches. Where
        the data or the table is and what computes may change.
        """
        began_before = self._began_before
        beginning = (self.path / BEGINNING).exists()
        with sole_writer(self.path / JOURNAL, beginning, waiting):
            study = (None if beginning else self._found(began_before)) or self._begin_ledger()
            now = self.config.to_dict()
            began = study.user_attrs.get(_BEGAN)
            if began is None:
                study.set_user_attr(_BEGAN, now)
            elif changed := self._changes_since(began):
                raise ValueError(
                    f"{self.path / CONFIG} was edited since the run began ({'; '.join(changed)}): "
                    "undo that, or start a new run with the new settings"
                )
            self._bring_up_to_date(study)
            yield study

    def _changes_since(self, began: Any) -> list[str]:
        """What differs from the configuration that it `began` with, as the ledger has that."""
        values = schema.checked(self.path / JOURNAL, schemas.CONFIG, began)
        before = Config.from_dict(values).to_dict()  # with the defaults of what came later
        return differences(without_places(before), without_places(self.config.to_dict()))

    def _bring_up_to_date(self, study: optuna.Study) -> None:
        """Have the `config.json` of an older version name its study, so that it can be moved, and no password."""
        now, private = dict(self.document), self.in_database and has_secret(self.document["storage"])
        if not self.identity.study:
            now = {"study": study.study_name} | now
        if private:
            now |= {"storage": public(now["storage"]), "command": without_secrets(now.get("command", []))}
        if now != self.document:
            self.document, self.identity = now, Identity.in_document(now)
            write_atomically(self.path / CONFIG, json.dumps(now, indent=2) + "\n", private)

    # ------------------------------------------------------------------ the ledger

    @property
    def study(self) -> optuna.Study:
        """The ledger, to read. Raises ValueError where there is none yet, or it is lost or damaged."""
        study = self._found(self._began_before)
        if study is None:
            raise ValueError(f"{self.name} has no trial yet: `nas resume {self.name}` starts it")
        return study

    @property
    def permissions(self) -> str:
        """What is added to a command that opens it, where its space is a person's own, or it is in a database."""
        space = self.config.space.reference
        trust = f" --trust-space {space}" if is_own(space) else ""
        return f"{trust} --storage {public(self.document['storage'])}" if self.in_database else trust

    @property
    def in_database(self) -> bool:
        """Whether its ledger is in a database, not in a journal of its own."""
        return bool(self.document["storage"])

    @property
    def _began_before(self) -> bool:
        """Whether there must be a ledger: an older version made it when the run was first driven.

        None need be there where the process that made the run was killed before it had made that.
        """
        return not (self.path / BEGINNING).exists() and bool(
            self.identity.study or self.in_database or lock_of(self.path / JOURNAL).exists()
        )

    @property
    def is_untouched(self) -> bool:
        """Whether nobody has driven it yet. Raises ValueError where its ledger is lost or damaged."""
        study = self._found(self._began_before)
        return study is None or _BEGAN not in study.user_attrs

    def _found(self, must: bool) -> optuna.Study | None:
        """The ledger. None where there is none yet; where there `must` be one, that is a ValueError."""
        storage = self.storage() if self.in_database or (self.path / JOURNAL).exists() else None
        names = optuna.get_all_study_names(storage) if storage else []
        name = find_study(names, self.identity.study, self.name, self.in_database)
        if storage and name:
            return optuna.load_study(study_name=name, storage=storage)
        if names or must:
            raise ValueError(self._missing(names))
        return None

    def _missing(self, names: Sequence[str]) -> str:
        """What to do where the ledger has the studies `names` and none of them is this run's."""
        recorded, config = self.identity.study, self.path / CONFIG
        there = f"it has {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}" if names else "it has none"
        if self.in_database:
            then = "restore it, or start a new run"
            if not recorded:
                then = f'if the folder had another name when the run began, add "study": "THAT NAME" to {config}'
            return f"the database of {self.name} has no study called {recorded or self.name}, {there}: {then}"
        journal = self.path / JOURNAL
        if not names:
            gone = "is empty" if journal.exists() else "is gone"
            return (
                f"{journal} {gone}, and with it the trials of {self.name}: restore it from a copy, or start a new run"
            )
        if recorded:
            return f"{journal} has no study called {recorded}, as {config} says, {there}: it is of another run"
        return (
            f'{journal} has several studies, {", ".join(names)}: add "study": "ITS NAME" to {config} for the right one'
        )

    def _begin_ledger(self) -> optuna.Study:
        """Make the study, or take the one that a killed process made of this run and put nothing in.

        Raises ValueError where the database has one of that name that is another's.
        """
        name, storage = self.identity.study or self.name, self.storage(new=True)
        try:
            study = optuna.create_study(study_name=name, storage=storage, directions=self.config.directions)
            self._sign(study)
        except optuna.exceptions.DuplicatedStudyError:
            study = optuna.load_study(study_name=name, storage=storage)
            self._take(study)
        (self.path / BEGINNING).unlink(missing_ok=True)
        return study

    def _sign(self, study: optuna.Study) -> None:
        """Have the new `study` say whose it is. One that cannot is not left behind."""
        try:
            study.set_user_attr(RUN, self.identity.id)
        except BaseException:
            optuna.delete_study(study_name=study.study_name, storage=study._storage)
            raise

    def _take(self, study: optuna.Study) -> None:
        """Take the `study` of this name, if it is this run's or nobody's. Raises ValueError where it is another's."""
        whose = study.user_attrs.get(RUN)
        if whose is None and not study.user_attrs and not study.get_trials(deepcopy=False):
            study.set_user_attr(RUN, self.identity.id)  # made by a process that was killed in the next instant
        elif whose != self.identity.id:
            raise ValueError(_taken(study.study_name))

    def database(self) -> str:
        """The URL of the database that it is in. Raises ValueError where no person named that, see `database`."""
        return named(self.document["storage"], self.storage_url, self.path / CONFIG)

    def storage(self, new: bool = False) -> BaseStorage:
        """Where the ledger is, opened anew. Raises ValueError where it cannot be, or is damaged.

        A database is one that a person named, and it is not made here, but for a `new` run.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would say of each study that it has been made
        if self.in_database:
            return opened(self.database(), new)
        try:
            return ReplayedStorage(self._journal)
        except Damaged:
            raise
        except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
            raise Damaged(self._journal.path, self._journal.last_line, describe(error)) from None

    @cached_property
    def _journal(self) -> Journal:
        return Journal(self.path / JOURNAL)

    def together(self) -> AbstractContextManager[None]:
        """Within it, what is noted of trials reaches the ledger at once, see `Journal.together`."""
        return contextlib.nullcontext() if self.in_database else self._journal.together()

    # ------------------------------------------------------------------ reading

    def rows(self) -> list[TrialRow]:
        """Every trial, in the order in which they were proposed."""
        return [self.row(trial) for trial in self.study.get_trials(deepcopy=False)]

    def row(self, trial: FrozenTrial) -> TrialRow:
        """`trial` of the ledger in our words."""
        attrs, space = trial.user_attrs, self.config.space
        arch, fault = read_arch(trial, space)
        fault = fault or attrs.get(UNREADABLE, "")
        reward = trial.values[0] if trial.state == TrialState.COMPLETE and not fault else None
        if reward is not None and not math.isfinite(reward):
            fault, reward = f"its reward is {reward}", None
        elsewhere = "told by another program" if reward is not None and "accuracy" not in attrs else ""
        elsewhere = TOLD_FROM_OUTSIDE if attrs.get("told") else elsewhere
        return TrialRow(
            number=trial.number,
            state=State.FAILED if fault else _STATES[trial.state],
            id=attrs.get("id") or (space.short_id(arch) if arch else ""),
            architecture=space.format(arch) if arch else "",
            accuracy=attrs.get("accuracy"),
            reward=reward,
            macs=attrs.get("macs"),
            params=attrs.get("params"),
            activations=attrs.get("activations"),
            latency=attrs.get("latency"),
            seconds=attrs.get("seconds"),
            reason=attrs.get("reason") or fault or elsewhere or _single_steps(attrs),
            duplicate_of=attrs.get("duplicate_of"),
            arch=arch,
            score=attrs.get("score"),
            metric=self.config.recipe.metric,
            loss=attrs.get("loss"),
            others=attrs.get("costs", {}),
            told=bool(attrs.get("told")),
            recipe=values_in(space, arch) if arch else {},
        )

    def best_row(self) -> TrialRow:
        """The completed trial of the highest reward; with several objectives, of the highest accuracy.

        Raises ValueError where there is none.
        """
        best = best_of(self.rows())
        if best is None:
            raise ValueError(f"{self.name} has no completed trial: `nas top {self.name}` shows what it has")
        return best

    def network(self, row: TrialRow) -> Network:
        """What trial `row` trained."""
        return self.config.network(row.arch, row.macs)

    def text_of(self, row: TrialRow) -> str:
        """What a person can type for it: the network, and where a trial has one of its own, the recipe."""
        return f"{self.network(row).text}{as_text(row.recipe)}"


def check_database(url: str, names: Sequence[str]) -> None:
    """Raises ValueError where the database at `url` cannot be opened, or has one of `names`, of new runs."""
    storage = opened(url, new=True)
    taken = {summary.study_name: summary for summary in optuna.get_all_study_summaries(storage)}
    for name in names:
        if name in taken and (taken[name].user_attrs or taken[name].n_trials):
            raise ValueError(_taken(name))


def _taken(name: str) -> str:
    return (
        f"the database has a run called {name} already: choose another --name, or have Optuna remove that one: "
        f"optuna delete-study --study-name {name} --storage URL"
    )


def _make_folder(path: Path) -> bool:
    """Make a new run's folder; returns whether there was none. Raises ValueError where there is one, or cannot be one.

    What a process left that was killed while it made a run is no run, and its name is free.
    """
    try:
        path.mkdir(parents=True)
    except FileExistsError:
        if not is_left_behind(path):
            raise ValueError(_exists(path)) from None
        return False
    except OSError as error:
        raise ValueError(f"cannot make the folder {path}: {error.strerror}; choose another --runs-dir") from None
    return True


def _exists(path: Path) -> str:
    return f"{path} exists: `nas resume {path.name}` continues it, --name starts another"


def folder_of(name: str, runs_dir: str | Path) -> Path:
    """Where the run `name` is: in `runs_dir`; where it has a slash, it is the folder itself.

    Raises ValueError for an empty name, as a variable of a shell has that was not set.
    """
    if not name or name.isspace():
        raise ValueError(f"{name!r} names no run and no network: it is empty")
    return Path(name) if "/" in name else Path(runs_dir) / name


def rank(rows: list[TrialRow]) -> list[TrialRow]:
    """The best reward first, trials without one last; of equals, the less bad by a metric that is below zero, then the
    first to be proposed.
    """
    return sorted(rows, key=_standing)


def best_of(rows: list[TrialRow]) -> TrialRow | None:
    """The first of `rank(rows)`, if it has a reward."""
    best = min(rows, key=_standing, default=None)
    return best if best is not None and best.reward is not None else None


def _standing(row: TrialRow) -> tuple[bool, float, float, int]:
    below_zero = min(0.0, row.quality or 0.0)  # as r2 may be: all such networks have the reward 0
    return row.reward is None, -(row.reward or 0.0), -below_zero, row.number


_STATES = {
    TrialState.COMPLETE: State.COMPLETE,
    TrialState.PRUNED: State.PRUNED,
    TrialState.FAIL: State.FAILED,
    TrialState.RUNNING: State.RUNNING,
    TrialState.WAITING: State.WAITING,
}


def read_arch(trial: FrozenTrial, space: Space) -> tuple[Arch, str]:
    """The architecture of `trial`, and what is wrong with the trial: nothing, where it has one or is to get one.

    Other programs put trials into a ledger, with other parameters or none; and a line of it may be lost.
    """
    if not trial.params and trial.state.is_finished():
        return (), "no architecture: it has no parameters"
    try:
        return space.from_options(trial.params), ""
    except ValueError as error:
        return (), f"no architecture: {error}" if trial.state.is_finished() else ""


def versions() -> dict[str, str]:
    """What computes here: packages, Python and the machine."""
    return {
        "nas": nas.__version__,
        **{name: version(name) for name in ("torch", "optuna", "numpy")},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": str(os.cpu_count()),
    }


def _single_steps(attrs: Mapping[str, Any]) -> str:
    why = attrs.get("single_steps")
    return f"trained step by step: {why}" if why else ""
