"""Trials that are proposed in memory and enter the ledger whole: whatever a kill leaves, the same trials come of it."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.storages.journal._storage import JournalOperation as Operation

from nas.data import Dataset
from nas.engines import local
from nas.files import JOURNAL
from nas.ledger.config import Budget, Config
from nas.ledger.run import Run
from nas.reward import Reward
from nas.samplers import STRATEGIES
from nas.searching.loop import Search
from searchspaces import NASBenchMacro
from tests.nas.conftest import Watcher

TRIALS = 12  # Optuna's Gaussian process begins with the eleventh
FRONT = ("accuracy", "macs")
SPACE = NASBenchMacro()
Make = Callable[..., Run]


@pytest.fixture
def make(tmp_path: Path, config: Config, pretended: None) -> Make:
    def made(strategy: str, objectives: tuple[str, ...] = ()) -> Run:
        settings = {"space": SPACE, "strategy": strategy, "reward": Reward(), "objectives": objectives}
        return Run.create(tmp_path / "runs" / "one", dataclasses.replace(config, **settings), Budget(trials=TRIALS))

    return made


def search(path: Path, dataset: Dataset, trials: int = TRIALS) -> list[dict[str, Any]]:
    """What the ledger says when the search has ended, but for times."""
    run = Run.open(path)
    with run.driving() as study:
        local.run(Search(run, study, Budget(trials=trials), Watcher(), dataset), dataset)
    found = [(t.number, t.state, t.params, t.values, t.user_attrs, t.intermediate_values) for t in run.study.trials]
    return [
        (*rest, {name: value for name, value in attrs.items() if name not in ("seconds", "starts")}, shown)
        for *rest, attrs, shown in found
    ]


def goes_on_alike(run: Run, lines: list[str], cut: int, dataset: Dataset, expected: Any) -> None:
    copy = shutil.copytree(run.path, run.path.with_name("cut"))
    (copy / JOURNAL).write_text("".join(lines[:cut]) + lines[cut][: len(lines[cut]) // 2])
    assert search(copy, dataset) == expected, f"cut within line {cut + 1}: {lines[cut][:200]}"
    shutil.rmtree(copy)


def last_trial(lines: list[str]) -> int:
    """Where the last trial begins."""
    return max(n for n, line in enumerate(lines) if json.loads(line)["op_code"] == Operation.CREATE_TRIAL)


def test_a_trial_begins_as_one_line(make: Make, tiny: Dataset) -> None:
    run = make("controller")
    search(run.path, tiny, trials=3)
    lines = (run.path / JOURNAL).read_text().splitlines()
    log = json.loads(lines[last_trial(lines)])
    assert log["params"].keys() == log["distributions"].keys() == {choice.name for choice in SPACE.choices}
    assert log["user_attrs"].keys() >= {"architecture", "id", "seed", "starts", "macs", "params"}
    assert not [line for line in lines if json.loads(line)["op_code"] == Operation.SET_TRIAL_PARAM]


@pytest.mark.parametrize(("strategy", "objectives"), [*((s, ()) for s in STRATEGIES), ("gp", FRONT), ("nsga2", FRONT)])
def test_cut_within_any_line_it_goes_on_alike(
    make: Make, tiny: Dataset, strategy: str, objectives: tuple[str, ...]
) -> None:
    run = make(strategy, objectives)
    expected = search(run.path, tiny)
    lines = (run.path / JOURNAL).read_text().splitlines(keepends=True)
    for cut in range(last_trial(lines), len(lines)):
        goes_on_alike(run, lines, cut, tiny, expected)


@pytest.mark.parametrize("strategy", ["controller", "gp", "tpe", "nsga2"])
def test_what_older_versions_left_half_proposed_is_proposed_alike(make: Make, tiny: Dataset, strategy: str) -> None:
    """They wrote a line for each choice, after what the sampler notes for others that run."""
    run = make(strategy)
    expected = search(run.path, tiny)
    lines = (run.path / JOURNAL).read_text().splitlines(keepends=True)
    begins = last_trial(lines)
    old = [*lines[:begins], *as_older_versions(json.loads(lines[begins]), TRIALS - 1)]
    for cut in range(begins + 1, len(old)):
        goes_on_alike(run, old, cut, tiny, expected)


def as_older_versions(log: dict[str, Any], trial: int) -> list[str]:
    """The line that begins a trial as the lines that said it before."""
    common = {"worker_id": log["worker_id"]}
    begun = {name: log[name] for name in ("op_code", "worker_id", "study_id", "datetime_start")}
    notes = [
        common | {"op_code": Operation.SET_TRIAL_SYSTEM_ATTR, "trial_id": trial, "system_attr": {name: value}}
        for name, value in log["system_attrs"].items()
    ]
    choices = [
        common
        | {"op_code": Operation.SET_TRIAL_PARAM, "trial_id": trial, "param_name": name}
        | {"param_value_internal": value, "distribution": log["distributions"][name]}
        for name, value in log["params"].items()
    ]
    return [json.dumps(line) + "\n" for line in (begun, *notes, *choices)]


def test_what_a_person_enqueued_is_completed_alike_wherever_it_is_cut(make: Make, tiny: Dataset) -> None:
    run = make("gp")
    search(run.path, tiny, trials=11)
    first, second = SPACE.choices[:2]
    run.study.enqueue_trial({first.name: first.options[1], second.name: second.options[0]})
    whole = shutil.copytree(run.path, run.path.with_name("whole"))
    expected = search(whole, tiny)
    assert expected[-1][2][first.name] == first.options[1]
    lines = (whole / JOURNAL).read_text().splitlines(keepends=True)
    for cut in range(last_trial(lines) + 1, len(lines)):
        goes_on_alike(run, lines, cut, tiny, expected)
