"""A line of a journal that cannot be replayed, or says what cannot be, is told from one that can."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage

from nas.data import Dataset
from nas.engines import local
from nas.files import JOURNAL
from nas.ledger.config import Budget, Config
from nas.ledger.journal import Damaged, Journal
from nas.ledger.journal_lines import Before, after, checked
from nas.ledger.listing import runs_in
from nas.ledger.run import Run
from nas.searching.loop import Search
from nas.training.trial import State
from tests.nas.conftest import Watcher

STUDY = {"op_code": 0, "worker_id": "w", "study_name": "s", "directions": [2]}
TRIAL = {"op_code": 4, "worker_id": "w", "study_id": 0, "datetime_start": "2026-01-01T00:00:00.5"}
ADDED = TRIAL | {"state": 1, "value": 0.5, "datetime_complete": "2026-01-01T00:01:00"}
ABC = '{"name": "CategoricalDistribution", "attributes": {"choices": ["a", "b", 1, null]}}'
PARAM = {
    "op_code": 5,
    "worker_id": "w",
    "trial_id": 1,
    "param_name": "x",
    "param_value_internal": 2,
    "distribution": ABC,
}
END = {"op_code": 6, "worker_id": "w", "trial_id": 1, "state": 1, "values": [0.5], "datetime_complete": "2026-01-01"}
STEP = {"op_code": 7, "worker_id": "w", "trial_id": 1, "step": 3, "intermediate_value": float("nan")}
NOTE = {"op_code": 8, "worker_id": "w", "trial_id": 1, "user_attr": {"accuracy": 0.5}}
SYSTEM = {"op_code": 9, "worker_id": "w", "trial_id": 1, "system_attr": {"policy:log_probs": {"x": -0.5}}}
OF_STUDY = {"op_code": 3, "worker_id": "w", "study_id": 0, "system_attr": {"ended_after": 3}}
BEFORE = Before(("s",), frozenset({1}), 2)


@pytest.mark.parametrize("log", [STUDY, TRIAL, ADDED, PARAM, END, STEP, NOTE, SYSTEM, OF_STUDY])
def test_what_optuna_writes_stands(log: dict[str, Any]) -> None:
    assert json.dumps(checked(log, BEFORE)) == json.dumps(log)


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ({}, "op_code must be one of"),
        ({"op_code": 99}, "op_code must be one of"),
        ({"op_code": [5]}, "op_code must be one of"),
        ({"op_code": True, "study_id": 0}, "op_code must be one of"),
        (NOTE | {"trial_id": 2}, "no line before it begins trial 2"),
        (NOTE | {"trial_id": -1}, "trial_id must be at least 0"),
        (NOTE | {"trial_id": "1"}, "trial_id must be a whole number"),
        (TRIAL | {"study_id": 1}, "no line before it begins study 1"),
        (PARAM | {"trial_id": 7}, "no line before it begins trial 7"),
        (PARAM | {"param_value_internal": 4}, "param_value_internal cannot be 4"),
        (PARAM | {"param_value_internal": 0.5}, "param_value_internal cannot be 0.5"),
        (PARAM | {"param_value_internal": float("nan")}, "param_value_internal"),
        (PARAM | {"param_value_internal": 1e300}, "param_value_internal cannot be 1e.300"),
        (PARAM | {"distribution": "{}"}, "distribution is none of Optuna's"),
        (PARAM | {"distribution": ABC.replace("null", "[]")}, "neither texts nor numbers"),
        (PARAM | {"param_name": None}, "param_name must be a text"),
        (END | {"state": 99}, "state must be at most 4"),
        (END | {"values": [0.5, 0.5]}, "as many as the objectives"),
        (END | {"values": None}, "as many as the objectives"),
        (END | {"values": ["high"]}, r"values\[0\] must be a number"),
        (END | {"datetime_complete": None}, "datetime_complete is missing"),
        (END | {"datetime_complete": "yesterday"}, "datetime_complete must be a date"),
        (STEP | {"step": 1.5}, "step must be a whole number"),
        (NOTE | {"user_attr": {}}, "user_attr must be an object with one name"),
        (NOTE | {"user_attr": [1]}, "user_attr must be an object with one name"),
        (SYSTEM | {"system_attr": {"policy:log_probs": {"x": 5}}}, "log_probs.x must be at most 0.01"),
        (OF_STUDY | {"system_attr": {"policy:update:3": {"loss": 1}}}, "policy:update:3.mean_reward is missing"),
        (OF_STUDY | {"system_attr": {"ended_after": "3"}}, "ended_after must be a whole number"),
        (STUDY | {"directions": []}, "directions must be a list of at least 1"),
        (ADDED | {"values": [0.5]}, "either value or values"),
        (ADDED | {"params": {"x": 1}}, "distributions.x is missing"),
        (ADDED | {"intermediate_values": {"first": 1}}, "by numbers of steps"),
    ],
)
def test_what_cannot_be_replayed_is_said(log: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        checked(log, BEFORE)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("accuracy", "high", "its accuracy must be a number, not 'high'"),
        ("accuracy", 1.5, "its accuracy must be at most 1"),
        ("macs", -5, "its macs must be at least 0"),
        ("seconds", float("nan"), "its seconds must be a finite number"),
        ("duplicate_of", 0.5, "its duplicate_of must be a whole number"),
        ("curve", [{}], r"its curve\[0\].images is missing"),
        ("reason", [], "its reason must be a text"),
    ],
)
def test_what_a_trial_notes_of_itself_and_cannot_be_is_said_in_its_place(name: str, value: Any, said: str) -> None:
    import re

    (words,) = checked(NOTE | {"user_attr": {name: value}}, BEFORE)["user_attr"].items()
    assert words[0] == "unreadable" and re.match(said, words[1])
    added = checked(ADDED | {"user_attrs": {name: value, "mine": 1}}, BEFORE)["user_attrs"]
    assert added["mine"] == 1 and re.match(said, added["unreadable"]) and name not in added


def test_studies_and_trials_are_counted_as_optuna_does() -> None:
    before = after(STUDY, Before())
    assert after(STUDY, before) == before
    other = after(STUDY | {"study_name": "t", "directions": [2, 1]}, before)
    assert other == Before(("s", "t"), frozenset({1, 2})) and after(TRIAL, other).trials == 1
    assert after({"op_code": 1, "study_id": 0}, other).studies == (None, "t")


def test_of_a_ledger_one_trial_alone_is_shown_as_failed(
    run: Run, tiny: Dataset, pretended: None, config: Config
) -> None:
    with run.driving() as study:
        local.run(Search(run, study, Budget(trials=4), Watcher(), tiny), tiny)
    sound = run.rows()
    complete = [row.number for row in sound if row.reward is not None]
    journal = run.path / JOURNAL
    lines = journal.read_text().splitlines()
    for number, line in enumerate(lines):
        log = json.loads(line)
        if log["op_code"] == 8 and log["trial_id"] == complete[0] and "accuracy" in log["user_attr"]:
            lines[number] = json.dumps(log | {"user_attr": {"accuracy": "high"}})
    journal.write_text("\n".join(lines) + "\n")
    opened = Run.open(run.path)
    changed = opened.rows()[complete[0]]
    assert (changed.state, changed.reward) == (State.FAILED, None)
    assert changed.reason == "its accuracy must be a number, not 'high'"
    assert [row for row in opened.rows() if row.number != complete[0]] == [
        row for row in sound if row.number != complete[0]
    ]
    (listed,) = runs_in(run.path.parent)
    assert listed.reward == max(row.reward for row in opened.rows() if row.reward is not None)


def test_every_line_of_a_journal_is_held_against_its_schema(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    study = optuna.create_study(storage=JournalStorage(Journal(path)))
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1) + trial.suggest_int("y", 0, 9), n_trials=2)
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines):
        for field in json.loads(line).keys() - {"datetime_start"}:
            damaged = {name: value for name, value in json.loads(line).items() if name != field}
            path.write_text("\n".join([*lines[:number], json.dumps(damaged), *lines[number + 1 :], ""]))
            if field == "datetime_complete" and damaged["state"] == 0:
                continue
            with pytest.raises(Damaged, match=f"damaged in line {number + 1} "):
                list(Journal(path).read_logs(0))


def test_an_update_of_a_policy_that_has_turned_away_for_good_is_no_damage() -> None:
    """Of an option that it cannot choose any more the divergence is infinite, and a search goes on."""
    noted = dict.fromkeys(("mean_reward", "mean_score", "baseline", "advantage_mean", "advantage_std"), 0.5)
    noted |= {"loss": 0.1, "entropy": 0.0, "kl": math.inf, "clip_fraction": 1.0}
    log = {"op_code": 3, "worker_id": "", "study_id": 0, "system_attr": {"policy:update:7": noted}}
    assert checked(log, Before(("one",), frozenset({1}))) == log
