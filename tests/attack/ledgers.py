"""What a run's ledger or a training's folder holds, and whether it is what it should be after a kill."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna

from nas.ledger.run import Run
from nas.ledger.spent import ENDED_AFTER
from tests.attack.outcome import Outcome

Contents = dict[Any, Any]
"""Trials by their numbers, and what else there is by its name."""

_VOLATILE = re.compile(r".*seconds.*|starts|inference|judging|command")
"""What is no two times alike, says how often a trial was begun, or what was typed."""


def _lasting(value: Any) -> Any:
    """`value` of JSON without what is volatile."""
    if isinstance(value, dict):
        return {name: _lasting(inner) for name, inner in value.items() if not _VOLATILE.fullmatch(str(name))}
    return [_lasting(inner) for inner in value] if isinstance(value, list) else value


def _differences(found: Any, expected: Any, where: str = "") -> Iterator[str]:
    """Where two values differ, and in what."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in sorted(found.keys() | expected.keys(), key=str):
            yield from _differences(found.get(key), expected.get(key), f"{where}/{key}")
    elif found != expected:
        yield f"{where} {str(found)[:80]} in place of {str(expected)[:80]}"


def contents(path: Path) -> Contents:
    """What a run's ledger or a training's folder holds, but for times; of none, nothing."""
    if (path / "result.json").exists():
        weights = hashlib.sha256((path / "weights.safetensors").read_bytes()).hexdigest()
        return {"result": _lasting(json.loads((path / "result.json").read_text())), "weights": weights}
    if not (path / "config.json").exists():
        return {}
    run = Run.open(path, os.environ["NAS_STORAGE"] if "sqlite" in (path / "config.json").read_text() else None)
    with contextlib.chdir(path.parent.parent):
        try:
            study = run.study
        except ValueError:  # no trial yet, of a control
            return {}
        notes = study._storage.get_study_system_attrs(study._study_id)
        trials = {trial.number: _of_trial(trial) for trial in study.get_trials(deepcopy=False)}
    return trials | {name: value for name, value in notes.items() if name == ENDED_AFTER or name.startswith("policy")}


def _of_trial(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    return {
        "state": trial.state.name,
        "values": trial.values,
        "params": dict(trial.params),
        "shown": trial.intermediate_values,
        "attrs": _lasting(trial.user_attrs),
        "noted": {n: v for n, v in trial.system_attrs.items() if not n.startswith(("gp:", "fixed"))},
    }


def ended(contents: dict[Any, Any]) -> dict[int, dict[str, Any]]:
    """The trials that have ended, by number."""
    states = ("COMPLETE", "PRUNED", "FAIL")
    return {n: trial for n, trial in contents.items() if isinstance(n, int) and trial["state"] in states}


def _was_trained(trial: dict[str, Any]) -> bool:
    return trial["state"] == "COMPLETE" and "duplicate_of" not in trial["attrs"]


def judge(found: Contents, kept: Contents, expected: Contents | None, how: str, outcome: Outcome) -> None:
    """Note what is not as it should be: `kept` is what there was after the last kill, `found` what there is in the end.

    `expected` is what there is where nobody disturbs it; None where that is not always the same.
    """
    if lost := [number for number, trial in ended(kept).items() if found.get(number) != trial]:
        outcome.blame("lost", f"{how}: what was known of {lost}")
    ids = Counter(trial["attrs"].get("id") for trial in ended(found).values() if _was_trained(trial))
    if twice := [name for name, times in ids.items() if times > 1]:
        outcome.blame("twice", f"{how}: {twice}")
    if expected is not None and (differing := list(_differences(found, expected))):
        outcome.blame("different", f"{how}: {'; '.join(differing[:5])}")
