"""What the lines of a journal may say: Optuna's operations, one a line, each checked before it is replayed.

Optuna replays what it finds: a line with a trial that no line began, another type or a field too few is an error deep
in it, or, worse, another ledger without a word. So each line is held against `SCHEMAS` first. What a trial notes of
itself, in its user attributes, cannot break a replay: where that is none of what `schemas.TRIAL` has, the trial has
the attribute `UNREADABLE` in its place, which says so, and counts as failed; all others stand.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, json_to_distribution
from optuna.storages.journal._storage import JournalOperation as Operation
from optuna.trial import TrialState

from nas.checks.limits import NATURAL, TEXT, Checks, Number, quoted
from nas.checks.schema import ListOf, MapOf, Moment, Object, OrNull, Real
from nas.checks.schemas import LOG_PROBS, TRIAL, UPDATE, UPDATE_PREFIX
from nas.ledger.spent import ENDED_AFTER

UNREADABLE = "unreadable"
"""Of a trial's attributes: what is wrong with another one, in words."""


class Lost(ValueError):
    """A line is about a trial that no line before it has begun."""


@dataclass(frozen=True)
class Before:
    """What the lines before one have begun: the names of the studies that there are, by their numbers, and the trials.

    `objectives` are those that any study has.
    """

    studies: tuple[str | None, ...] = ()
    objectives: frozenset[int] = frozenset()
    trials: int = 0


def checked(log: dict[str, Any], before: Before) -> dict[str, Any]:
    """The line, as it can be replayed after `before`. Raises ValueError, in words, where it cannot."""
    operation = log.get("op_code")
    if type(operation) is int and operation in _USUAL and _is_usual(log, before):
        return log
    if type(operation) is not int or operation not in SCHEMAS:
        raise ValueError(f"op_code must be one of Optuna's operations, not {quoted(operation)}")
    rest = {**log, "params": {}, "distributions": {}} if _has_usual_choices(log) else log
    SCHEMAS[operation].checked("", rest)
    trial, study = log.get("trial_id"), log.get("study_id")
    if trial is not None and trial >= before.trials:
        raise Lost(f"no line before it begins trial {trial}: one is lost")
    if study is not None and (study >= len(before.studies) or before.studies[study] is None):
        raise ValueError(f"no line before it begins study {study}: one is lost")
    if operation == Operation.SET_TRIAL_PARAM:
        _check_parameter(log["distribution"], float(log["param_value_internal"]))
    elif operation == Operation.SET_TRIAL_STATE_VALUES:
        _check_end(log, log["state"], log["values"], before)
    elif operation == Operation.SET_TRIAL_USER_ATTR:
        return {**log, "user_attr": _readable(log["user_attr"])}
    elif operation == Operation.CREATE_TRIAL:
        _check_trial(rest, before)
        return {**log, "user_attrs": _readable(log["user_attrs"])} if "user_attrs" in log else log
    return log


def after(log: Mapping[str, Any], before: Before) -> Before:
    """What there is after a line that was checked."""
    operation = log["op_code"]
    if operation in _WITHIN_A_TRIAL:
        return before
    if operation == Operation.CREATE_TRIAL:
        return replace(before, trials=before.trials + 1)
    if operation == Operation.CREATE_STUDY and log["study_name"] not in before.studies:
        many = before.objectives | {len(log["directions"])}
        return replace(before, studies=(*before.studies, log["study_name"]), objectives=many)
    if operation == Operation.DELETE_STUDY:
        kept = (None if number == log["study_id"] else name for number, name in enumerate(before.studies))
        return replace(before, studies=tuple(kept))
    return before


# ------------------------------------------------------------------ the fields


@dataclass(frozen=True)
class _One:
    """A name with its value; those that are `known` are of a kind."""

    known: Mapping[str, Checks]

    def checked(self, name: str, value: Any) -> Any:
        if not isinstance(value, Mapping) or len(value) != 1:
            raise ValueError(f"{name} must be an object with one name, not {quoted(value)}")
        return _System(self.known).checked(name, value)


@dataclass(frozen=True)
class _System:
    """Attributes by their names, of which those that are `known` are of a kind; or whose beginning is."""

    known: Mapping[str, Checks]

    def checked(self, name: str, value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise ValueError(f"{name} must be an object, not {quoted(value)}")
        for attribute, inner in value.items():
            kind = self.known.get(attribute.rstrip("0123456789"))
            if kind is not None:
                kind.checked(f"{name}.{attribute}", inner)
        return value


_ID = NATURAL
_STATE = Number(0, len(TrialState) - 1, whole=True)
_VALUES = ListOf(Real(), least=1)
_OF_STUDY = _One({UPDATE_PREFIX: UPDATE, ENDED_AFTER: NATURAL})
_OF_TRIAL = {LOG_PROBS: MapOf(Number(most=0.01))}  # of 1 a little more, when rounded


def _line(**fields: Checks) -> Object:
    """A line with these fields, none of which may lack; Optuna may come to write more."""
    return Object({"worker_id": TEXT, **fields}, needed=("worker_id", *fields), open=True)


SCHEMAS: dict[int, Object] = {
    Operation.CREATE_STUDY: _line(study_name=TEXT, directions=ListOf(Number(0, 2, whole=True), least=1)),
    Operation.DELETE_STUDY: _line(study_id=_ID),
    Operation.SET_STUDY_USER_ATTR: _line(study_id=_ID, user_attr=_One({})),
    Operation.SET_STUDY_SYSTEM_ATTR: _line(study_id=_ID, system_attr=_OF_STUDY),
    Operation.CREATE_TRIAL: Object(
        {
            "worker_id": TEXT,
            "study_id": _ID,
            "datetime_start": OrNull(Moment()),
            "datetime_complete": Moment(),
            "state": _STATE,
            "value": OrNull(Real()),
            "values": OrNull(_VALUES),
            "params": MapOf(Real()),
            "distributions": MapOf(TEXT),
            "user_attrs": _System({}),
            "system_attrs": _System(_OF_TRIAL),
            "intermediate_values": MapOf(Real()),
        },
        needed=("worker_id", "study_id", "datetime_start"),
        open=True,
    ),
    Operation.SET_TRIAL_PARAM: _line(trial_id=_ID, param_name=TEXT, param_value_internal=Real(), distribution=TEXT),
    Operation.SET_TRIAL_STATE_VALUES: Object(
        {
            "worker_id": TEXT,
            "trial_id": _ID,
            "state": _STATE,
            "values": OrNull(_VALUES),
            "datetime_start": OrNull(Moment()),
            "datetime_complete": OrNull(Moment()),
        },
        needed=("worker_id", "trial_id", "state", "values"),
        open=True,
    ),
    Operation.SET_TRIAL_INTERMEDIATE_VALUE: _line(trial_id=_ID, step=NATURAL, intermediate_value=Real()),
    Operation.SET_TRIAL_USER_ATTR: _line(trial_id=_ID, user_attr=_One({})),
    Operation.SET_TRIAL_SYSTEM_ATTR: _line(trial_id=_ID, system_attr=_One(_OF_TRIAL)),
    Operation.DISCARD_TRIALS: Object({}, open=True),
}
"""The fields of each operation's lines."""


_NOTE = int(Operation.SET_TRIAL_USER_ATTR)
_BEGIN = int(Operation.CREATE_TRIAL)
_USUAL = frozenset((int(Operation.SET_TRIAL_PARAM), _NOTE))
_WITHIN_A_TRIAL = frozenset(int(operation) for operation in Operation if operation >= Operation.SET_TRIAL_PARAM)

# ------------------------------------------------------------------ what fields say together


def _is_usual(log: Mapping[str, Any], before: Before) -> bool:
    """Whether the line of a parameter, or of what a trial notes of itself, is as nearly all lines of a journal are.

    That is told in a fraction of the time that it takes to say what is wrong with one that is not.
    """
    try:
        trial = log["trial_id"]
        if type(trial) is not int or not 0 <= trial < before.trials or type(log["worker_id"]) is not str:
            return False
        if log["op_code"] == _NOTE:
            ((name, value),) = log["user_attr"].items()
            return name not in TRIAL.fields or TRIAL.fields[name].checked("", value) == value
        _check_parameter(log["distribution"], log["param_value_internal"] + 0.0)
        return type(log["param_name"]) is str
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
        return False


def _has_usual_choices(log: Mapping[str, Any]) -> bool:
    """Whether the line begins a trial with choices, each of its distribution: told quickly, as above."""
    try:
        chosen, of = log["params"], log["distributions"]
        if log["op_code"] != _BEGIN or chosen.keys() != of.keys():
            return False
        for name, value in chosen.items():
            if type(value) is not int and type(value) is not float:
                return False
            _check_parameter(of[name], value + 0.0)
        return True
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
        return False


@lru_cache(maxsize=1 << 14)
def _check_parameter(distribution: str, value: float) -> None:
    """Raises ValueError where `value`, as Optuna keeps it, is none of `distribution`, which is JSON."""
    of = _distribution(distribution)
    whole = not isinstance(of, CategoricalDistribution) or value.is_integer()
    if not math.isfinite(value) or not whole or not of._contains(value):
        raise ValueError(f"param_value_internal cannot be {value:g} in {of}")


@lru_cache(maxsize=1 << 12)
def _distribution(text: str) -> BaseDistribution:
    try:
        options = json.loads(text)["attributes"].get("choices", [])
        if not all(isinstance(option, str | int | float | None) for option in options):
            raise ValueError("its options are neither texts nor numbers")
        return json_to_distribution(text)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"distribution is none of Optuna's: {quoted(text)} ({error})") from None


def _check_end(log: Mapping[str, Any], state: int, values: Any, before: Before) -> None:
    """Raises ValueError where a trial of that `state` cannot have these `values`, or lacks a time."""
    if state == TrialState.COMPLETE and len(values or ()) not in before.objectives:
        raise ValueError(f"values of a complete trial must be as many as the objectives, not {quoted(values)}")
    time = "datetime_start" if state == TrialState.RUNNING else "datetime_complete"
    if (state == TrialState.RUNNING or TrialState(state).is_finished()) and log.get(time) is None:
        raise ValueError(f"{time} is missing")


def _check_trial(log: dict[str, Any], before: Before) -> None:
    """Raises ValueError where a line begins a trial, which may have all its fields already, and they do not fit."""
    state, values, value = log.get("state", TrialState.RUNNING), log.get("values"), log.get("value")
    if values is not None and value is not None:
        raise ValueError("a trial has either value or values")
    _check_end(log, state, [value] if value is not None else values, before)
    distributions = log.get("distributions", {})
    for of in distributions.values():
        _distribution(of)
    for name, chosen in log.get("params", {}).items():
        if name not in distributions:
            raise ValueError(f"distributions.{name} is missing")
        _check_parameter(distributions[name], float(chosen))
    if wrong := [step for step in log.get("intermediate_values", {}) if not step.isdecimal()]:
        raise ValueError(f"intermediate_values are by numbers of steps, not by {quoted(wrong[0])}")


def _readable(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """`attributes` of a trial; in place of those that are not what they can be, what is wrong."""
    found: dict[str, Any] = {}
    for name, value in attributes.items():
        try:
            kind = TRIAL.fields.get(name)
            found[name] = value if kind is None else kind.checked(f"its {name}", value)
        except ValueError as error:
            found[UNREADABLE] = str(error)
    return found
