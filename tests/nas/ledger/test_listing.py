"""`nas runs`: what is listed is what the ledgers say, damaged ones among them, and torch is not needed for it."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages.journal._storage import JournalOperation

from nas.data import Dataset
from nas.engines import local
from nas.files import CONFIG, JOURNAL
from nas.ledger import listing
from nas.ledger.config import Budget, Config
from nas.ledger.listing import Listed, runs_in
from nas.ledger.run import Run
from nas.samplers import distributions
from nas.searching.driver import drive
from nas.searching.loop import Search


def search(run: Run, watcher: Any, dataset: Dataset) -> Search:
    with run.driving() as study:
        done = Search(run, study, run.budget, watcher, dataset)
        local.run(done, dataset)
    return done


def only(folder: Path) -> Listed:
    (listed,) = runs_in(folder)
    return listed


class Nobody:
    """A progress that looks away."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


def test_codes_are_optunas() -> None:
    ours = (
        listing.CREATE_STUDY, listing.DELETE_STUDY, listing.NOTE_OF_STUDY,
        listing.CREATE_TRIAL, listing.SET_STATE, listing.SET_ATTRIBUTE,
    )  # fmt: skip
    assert ours == (
        JournalOperation.CREATE_STUDY, JournalOperation.DELETE_STUDY, JournalOperation.SET_STUDY_SYSTEM_ATTR,
        JournalOperation.CREATE_TRIAL, JournalOperation.SET_TRIAL_STATE_VALUES, JournalOperation.SET_TRIAL_USER_ATTR,
    )  # fmt: skip


def test_a_search_is_listed_as_its_ledger_has_it(run: Run, tiny: Dataset, pretended: None) -> None:
    folder = run.path.parent
    assert (only(folder).state, only(folder).trials, only(folder).accuracy) == ("unfinished", 0, None)
    done = search(run, Nobody(), tiny)
    listed, best = only(folder), run.best_row()
    assert (listed.name, listed.kind, listed.space, listed.strategy, listed.seed) == ("one", "search", "mnas", "ppo", 0)
    assert (listed.trials, listed.reward, listed.accuracy) == (done.done, best.reward, best.accuracy)
    ends = [trial.datetime_complete for trial in run.study.get_trials() if trial.datetime_complete]
    assert listed.state == "done" and listed.when == max(ends)


def test_what_runs_now_and_what_was_interrupted(run: Run) -> None:
    folder, space = run.path.parent, run.config.space
    with run.driving() as study:
        study.tell(study.ask(distributions(space)), 0.5)
        study.ask(distributions(space))
        assert only(folder).state == "running now"
    assert (only(folder).state, only(folder).trials, only(folder).reward) == ("unfinished", 1, 0.5)


def test_a_time_budget_is_done_when_no_other_trial_fits(tmp_path: Path, config: Config) -> None:
    run = Run.create(tmp_path / "runs" / "timed", config, Budget(seconds=25))
    for expected in ("unfinished", "done"):
        with run.driving() as study:
            trial = study.ask(distributions(config.space))
            trial.set_user_attr("seconds", 10.0 if expected == "unfinished" else 20.0)
            study.tell(trial, 0.5)
        assert only(tmp_path / "runs").state == expected


@pytest.mark.parametrize("storage", [None, "sqlite:///{}/ledger.db"])
def test_a_search_that_ended_by_itself_is_done_until_something_is_added(
    tmp_path: Path, config: Config, tiny: Dataset, pretended: None, storage: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where starting workers took most of the time, trials that were trained do not fill the budget."""
    monkeypatch.setenv("NAS_STORAGE", (storage or "").format(tmp_path))
    monkeypatch.setattr("nas.searching.loop.busy_seconds", lambda trials: 59.9)  # so long it took until the first trial
    run = Run.create(tmp_path / "runs" / "hasty", config, Budget(seconds=60), storage and storage.format(tmp_path))
    drive(run, run.budget, tiny, "cpu", None, Nobody())
    with run.driving() as study:
        assert sum(trial.user_attrs["seconds"] for trial in study.get_trials()) < 60
        assert only(tmp_path / "runs").state == "running now"
    assert only(tmp_path / "runs").state == "done"
    with run.driving() as study:
        study.ask(distributions(config.space))
    assert only(tmp_path / "runs").state == "unfinished"


def test_repeats_and_what_was_too_large_do_not_count_and_what_others_added_does(run: Run) -> None:
    space = run.config.space
    with run.driving() as study:
        for name in ("duplicate_of", "refused", "accuracy"):
            trial = study.ask(distributions(space))
            trial.set_user_attr(name, name == "refused" or 0)
            study.tell(trial, 0.1)
        study.add_trial(optuna.trial.create_trial(value=0.9, user_attrs={"accuracy": 0.8}))
        optuna.create_study(study_name="another", storage=run.storage()).add_trial(optuna.trial.create_trial(value=5.0))
    listed = only(run.path.parent)
    assert (listed.trials, listed.reward, listed.accuracy) == (2, 0.9, 0.8)


RESULT = {
    "network": "resnet20",
    "data": "shapes",
    "seed": 1,
    "macs": 9,
    "params": 9,
    "val_accuracy": 0.6,
    "test_accuracy": 0.7,
}


def change(path: Path, **values: Any) -> None:
    """Have the configuration of the run in `path` say these."""
    document = json.loads((path / CONFIG).read_text())
    document["config"] |= values
    (path / CONFIG).write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: (path / CONFIG).write_text("{"), "config.json is damaged in line 1"),
        (lambda path: (path / CONFIG).write_text('{"config": {}}'), "is missing"),
        (lambda path: (path / CONFIG).write_text("[]"), "config.json"),
        (lambda path: (path / CONFIG).unlink(), "config.json is gone"),
        (lambda path: (path / JOURNAL).unlink(), "journal.log is gone"),
        (lambda path: (path / JOURNAL).write_bytes(b"\0\0\0\0\n" + (path / JOURNAL).read_bytes()), "4 NUL bytes"),
        (lambda path: change(path, data=5), "config.data must be a text, not 5"),
        (lambda path: change(path, strategy=[]), "config.strategy must be a text"),
        (lambda path: change(path, space={"name": True}), "config.space"),
        (lambda path: change(path, seed="x"), "config.seed must be a whole number"),
        (lambda path: (path / JOURNAL).write_text('{"op_code": 6, "trial_id": 7}\n'), "damaged in line 1"),
    ],
)
def test_a_damaged_run_is_listed_beside_the_others(call_nas, run: Run, damage, reason: str) -> None:
    Run.create(run.path.with_name("sound"), run.config, run.budget)
    damage(run.path)
    broken, sound = runs_in(run.path.parent)
    assert broken.state == "damaged" and reason in broken.reason and sound.state == "unfinished"
    code, out, err = call_nas("runs", "--runs-dir", str(run.path.parent))
    assert code == 0 and not err and f"one is damaged: {broken.reason}" in out and "\nsound" in out


def test_kinds_and_folders_that_are_no_run(tmp_path: Path, config: Config) -> None:
    runs = tmp_path / "runs"
    made = Run.create(runs / "a", config, Budget(trials=3))
    document = json.loads((made.path / CONFIG).read_text())
    document["config"] |= {
        "space": {"name": "nas.comparison.design:ComparisonSpace", "settings": {}},
        "kind": "comparison",
    }
    (made.path / CONFIG).write_text(json.dumps(document))
    for name, content in (("b", RESULT), ("c", {})):
        (runs / name).mkdir()
        (runs / name / "result.json").write_text(json.dumps(content))
    (runs / "notes.txt").touch()
    comparison, training = runs_in(runs)
    assert (comparison.kind, comparison.space, comparison.strategy) == ("comparison", None, None)
    assert (training.kind, training.space, training.accuracy, training.state) == ("training", "resnet20", 0.7, "done")


def test_json_is_what_is_known(call_nas, run: Run) -> None:
    code, out, _ = call_nas("runs", "--json", "--runs-dir", str(run.path.parent))
    (listed,) = json.loads(out)
    assert code == 0 and listed["name"] == "one" and listed["state"] == "unfinished" and listed["reason"] == ""
    assert listed.keys() == {field.name for field in dataclasses.fields(Listed)}


def test_without_a_run_it_says_what_makes_one(call_nas, tmp_path: Path) -> None:
    code, out, _ = call_nas("runs", "--runs-dir", str(tmp_path / "none"))
    assert code == 0 and "`nas search` makes one" in out
    assert json.loads(call_nas("runs", "--json", "--runs-dir", str(tmp_path / "none"))[1]) == []


def test_it_needs_no_torch() -> None:
    code = "import nas.ledger.listing, nas.cli.runs, sys; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
