"""Optuna's trials as architectures: what our samplers read in a ledger."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial

from searchspaces.space import Arch

Distributions = dict[str, CategoricalDistribution]


def arch_of(trial: FrozenTrial, space: Distributions) -> Arch | None:
    """The trial's option indices, or None where it is not one of `space`."""
    try:
        return tuple(int(space[name].to_internal_repr(trial.params[name])) for name in space)
    except (KeyError, ValueError):
        return None


def fixed_in(trial: FrozenTrial, space: Distributions) -> dict[int, int]:
    """The parameters that the trial was enqueued with, as `{position: option}`."""
    given: Mapping[str, Any] = trial.system_attrs.get("fixed_params", {})
    names = [(position, name) for position, name in enumerate(space) if name in given]
    return {position: int(space[name].to_internal_repr(given[name])) for position, name in names}


def completion(trial: FrozenTrial) -> tuple[datetime, int]:
    """By what finished trials are in order."""
    assert trial.datetime_complete is not None
    return trial.datetime_complete, trial.number
