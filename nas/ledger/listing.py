"""The runs in a folder, at a glance: what `nas runs` lists, without torch and without opening their spaces.

A journal is read for what is listed alone: its trials' ends, and three of their attributes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from optuna.trial import TrialState

from nas.checks import schema, schemas
from nas.files import CONFIG, JOURNAL, RESULT, is_busy, read_json
from nas.ledger.database import Unnamed, named, opened
from nas.ledger.identity import Identity, find_study
from nas.ledger.journal import Journal, lock_of
from nas.ledger.journal_lines import UNREADABLE
from nas.ledger.spent import ENDED_AFTER, busy_seconds
from nas.ledger.workload import SEARCH, kind_of
from nas.text.columns import table
from nas.text.units import format_percent, format_quality

CREATE_STUDY, DELETE_STUDY, NOTE_OF_STUDY, CREATE_TRIAL, SET_STATE, SET_ATTRIBUTE = 0, 1, 3, 4, 6, 8  # of a journal
ELSEWHERE = "in a database"  # which nobody named
RUNNING, DONE, UNFINISHED, DAMAGED = "running now", "done", "unfinished", "damaged"


@dataclass(frozen=True)
class Listed:
    """One run, or the folder of a training of `nas train`. What is not known is None."""

    name: str
    kind: str = ""  # search, comparison, scaling grid, proxy study, training
    state: str = DAMAGED
    space: str | None = None
    data: str | None = None
    strategy: str | None = None
    seed: int | None = None
    trials: int | None = None  # that ended, but for those that repeat a network or were too large
    reward: float | None = None  # of the best; with several objectives the accuracy
    accuracy: float | None = None  # of the same, 0..1, of validation images; of a training, of test images
    when: datetime | None = None  # something last happened
    reason: str = ""  # why it is damaged
    score: float | None = None  # by the metric, of what has no accuracy
    metric: str | None = None  # likewise

    def __post_init__(self) -> None:
        """Raises TypeError where a file has said something of another kind: a damaged one is no reason to list none."""
        for name, kinds in _KINDS.items():
            if not isinstance(value := getattr(self, name), kinds):
                raise TypeError(f"its {name} cannot be {str(value)[:40]!r}")

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return dataclasses.asdict(self) | {"when": self.when and self.when.isoformat(timespec="seconds")}


_KINDS: dict[str, Any] = {
    **dict.fromkeys(("space", "data", "strategy", "metric"), str | None),
    "seed": int | None,
    **dict.fromkeys(("reward", "accuracy", "score"), float | int | None),
}


@dataclass
class Seen:
    """A trial of a ledger, as far as it is read."""

    state: TrialState
    values: Sequence[float] | None = None
    datetime_complete: datetime | None = None
    user_attrs: dict[str, Any] = field(default_factory=dict)

    @property
    def is_rewarded(self) -> bool:
        """Whether it has a reward, as `nas.ledger.run.Row` has it."""
        good = self.state == TrialState.COMPLETE and UNREADABLE not in self.user_attrs
        return good and bool(self.values) and math.isfinite(self.values[0] if self.values else math.nan)

    @property
    def counts(self) -> bool:
        """Whether it is in the budget, as in a search: it ended, and neither repeats a network nor was too large."""
        return self.state.is_finished() and not {"duplicate_of", "refused"} & self.user_attrs.keys()


@dataclass
class Ledger:
    """The trials of a study."""

    trials: list[Seen] = field(default_factory=list)
    ended_after: int | None = None  # so many trials, by itself

    @property
    def counted(self) -> list[Seen]:
        return [trial for trial in self.trials if trial.counts]

    def is_done(self, budget: dict[str, Any]) -> bool:
        """Whether its search has ended by itself, and nothing came since; or would ask for no other trial."""
        return self.ended_after == len(self.trials) or _is_spent(self.counted, budget)


def runs_in(folder: Path) -> list[Listed]:
    """All in `folder`, by their names. What is damaged is among them, with the reason."""
    places = sorted(path for path in folder.glob("*") if path.is_dir())
    return [listed for place in places if (listed := _listed(place)) is not None]


def _listed(place: Path) -> Listed | None:
    """None where `place` is neither a run nor a training."""
    try:
        if (place / CONFIG).exists():
            return _run(place)
        if (place / JOURNAL).exists():
            raise ValueError(f"{place / CONFIG} is gone: restore it from a copy")
        return _training(place) if (place / RESULT).exists() else None
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        return Listed(place.name, reason=f"{type(error).__name__}: {error}")
    except (ValueError, OSError) as error:
        return Listed(place.name, reason=" ".join(str(error).split()))


def _run(place: Path) -> Listed:
    document = schema.read(place / CONFIG, schemas.RUN)
    config, budget = document["config"], document["budget"]
    space, kind = config["space"]["name"], kind_of(document["config"])
    try:
        ledger = _ledger(place, document)
    except Unnamed:
        return _elsewhere(place, config)
    trials = ledger.trials
    rewarded = [trial for trial in trials if trial.is_rewarded]
    best = max(rewarded, key=lambda trial: trial.values[0] if trial.values else 0.0, default=None)
    ends = [trial.datetime_complete for trial in trials if trial.datetime_complete]
    began = datetime.fromtimestamp((place / CONFIG).stat().st_mtime)
    return Listed(
        place.name,
        kind,
        RUNNING if is_busy(lock_of(place / JOURNAL)) else DONE if ledger.is_done(budget) else UNFINISHED,
        space if kind == SEARCH else None,
        config["data"],
        config["strategy"] if kind == SEARCH else None,
        config["seed"],
        len(ledger.counted),
        best.values[0] if best and best.values else None,
        best.user_attrs.get("accuracy") if best else None,
        max(ends, default=began),
        **_scored(best.user_attrs if best else {}, "score", "accuracy", config),
    )


def _elsewhere(place: Path, config: dict[str, Any]) -> Listed:
    """Of a run whose trials are in a database that nobody named: what its configuration says."""
    space, began = config["space"]["name"], datetime.fromtimestamp((place / CONFIG).stat().st_mtime)
    kind, data, seed = kind_of(config), config["data"], config["seed"]
    if kind == SEARCH:
        return Listed(place.name, kind, ELSEWHERE, space, data, config["strategy"], seed, when=began)
    return Listed(place.name, kind, ELSEWHERE, None, data, None, seed, when=began)


def _training(place: Path) -> Listed | None:
    """Of `nas train`; another program's result.json is passed over."""
    result = read_json(place / RESULT)
    if not {"network", "data", "test_accuracy"} <= result.keys():
        return None
    result = schema.checked(place / RESULT, schemas.RESULT, result)
    return Listed(
        place.name, "training", DONE, result["network"], result["data"], seed=result.get("seed"),
        accuracy=result["test_accuracy"], when=datetime.fromtimestamp((place / RESULT).stat().st_mtime),
        **_scored(result, "test_score", "test_accuracy", result),
    )  # fmt: skip


def _scored(values: Mapping[str, Any], score: str, accuracy: str, of: Mapping[str, Any]) -> dict[str, Any]:
    """The score and the metric, by the recipe, of what has no accuracy; else nothing."""
    if values.get(accuracy) is not None or values.get(score) is None:
        return {}
    return {"score": values[score], "metric": of["recipe"]["metric"]}


def _is_spent(counted: Sequence[Seen], budget: dict[str, Any]) -> bool:
    """Whether a search of that budget would ask for no other trial, as `nas.searching.loop` judges it."""
    if (trials := budget.get("trials")) is not None and len(counted) >= trials:
        return True
    seconds = [trial.user_attrs["seconds"] for trial in counted if "seconds" in trial.user_attrs]
    if (limit := budget.get("seconds")) is None or not seconds:
        return False
    return bool(budget.get("timing", 0.0) + busy_seconds(counted) + median(seconds) > limit)


# ------------------------------------------------------------------ ledgers


def _ledger(place: Path, document: dict[str, Any]) -> Ledger:
    """Of the run in `place`; without trials where it has not begun."""
    recorded, url = Identity.in_document(document).study, document["storage"]
    if url:
        return _in_database(named(url, None, place / CONFIG), recorded or place.name)
    if not (place / JOURNAL).exists():
        if recorded:
            raise ValueError(f"{place / JOURNAL} is gone: restore it from a copy")
        return Ledger()
    studies = _in_journal(Journal(place / JOURNAL).read_logs(0))
    name = find_study(list(studies), recorded, place.name, in_database=False)
    if name is None and (studies or recorded):
        raise ValueError(f"{place / JOURNAL} has no study called {recorded or place.name}")
    return studies[name] if name else Ledger()


def _in_journal(logs: Iterable[dict[str, Any]]) -> dict[str, Ledger]:
    """Each study by its name, as Optuna's `JournalStorage` replays them."""
    names: list[str] = []
    studies: list[Ledger] = []
    trials: list[Seen] = []
    for log in logs:
        operation = log["op_code"]
        if operation == CREATE_STUDY and log["study_name"] not in names:
            names.append(log["study_name"])
            studies.append(Ledger())
        elif operation == DELETE_STUDY:
            names[log["study_id"]] = ""
        elif operation == NOTE_OF_STUDY:
            if ENDED_AFTER in log["system_attr"]:
                studies[log["study_id"]].ended_after = log["system_attr"][ENDED_AFTER]
        elif operation == CREATE_TRIAL:
            values = log.get("values") or (None if log.get("value") is None else [log["value"]])
            state = TrialState(log.get("state", TrialState.RUNNING))
            trials.append(Seen(state, values, _moment(log.get("datetime_complete")), log.get("user_attrs", {})))
            studies[log["study_id"]].trials.append(trials[-1])
        elif operation in (SET_STATE, SET_ATTRIBUTE):
            _note(log, trials[log["trial_id"]])
    return {name: study for name, study in zip(names, studies, strict=True) if name}


def _note(log: dict[str, Any], trial: Seen) -> None:
    if trial.state.is_finished():  # told once more, by a process that came too late
        return
    trial.user_attrs |= log.get("user_attr", {})
    if "state" in log:
        trial.state, trial.values = TrialState(log["state"]), log["values"]
        trial.datetime_complete = _moment(log.get("datetime_complete"))


def _moment(text: str | None) -> datetime | None:
    """In local time, as Optuna has it."""
    return None if text is None else datetime.fromisoformat(text).astimezone().replace(tzinfo=None)


def _in_database(url: str, name: str) -> Ledger:
    import optuna

    try:
        study = optuna.load_study(study_name=name, storage=opened(url, new=False))
        found, notes = study.get_trials(deepcopy=False), study._storage.get_study_system_attrs(study._study_id)
    except Exception as error:  # of SQLAlchemy, of a driver that is not installed, of the database
        raise ValueError(f"cannot read it in its database: {type(error).__name__}") from None
    trials = [Seen(t.state, t.values if t.state == TrialState.COMPLETE else None, t.datetime_complete, t.user_attrs)
              for t in found]  # fmt: skip
    return Ledger(trials, notes.get(ENDED_AFTER))


# ------------------------------------------------------------------ in words


def runs_table(runs: Sequence[Listed]) -> str:
    """What `nas runs` prints, a search by its space; why some are damaged stands below."""
    header = ("name", "what", "data", "strategy", "trials", "best", "state", "when")
    rows = [
        (
            run.name,
            (run.space if run.kind == SEARCH else run.kind) or "-",
            run.data or "-",
            run.strategy or "-",
            "-" if run.trials is None else f"{run.trials:,}",
            format_percent(run.accuracy)
            if run.metric is None
            else f"{run.metric} {format_quality(run.metric, run.score)}",
            run.state,
            f"{run.when:%b %d %H:%M}" if run.when else "-",
        )
        for run in runs
    ]
    listed = table(header, rows, words=("name", "what", "data"))
    damaged = [f"{run.name} is damaged: {run.reason}" for run in runs if run.state == DAMAGED]
    return "\n".join([listed, *([""] if damaged else []), *damaged])
