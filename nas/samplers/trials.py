"""Optuna's trials as architectures: what our samplers read in a ledger."""

from __future__ import annotations

import contextlib
import math
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
    """The parameters of `space` that the trial was enqueued with, as `{position: option}`."""
    return _options(trial.system_attrs.get("fixed_params", {}), space)


def decided_in(trial: FrozenTrial, space: Distributions) -> dict[int, int]:
    """Those, and the ones that it has already: of a trial whose process died while it was proposed."""
    return fixed_in(trial, space) | _options(trial.params, space)


def _options(given: Any, space: Distributions) -> dict[int, int]:
    """What of `given`, which any program may have written, is an option of `space`."""
    found = {}
    for position, name in enumerate(space):
        if isinstance(given, Mapping) and name in given:
            with contextlib.suppress(ValueError):
                found[position] = int(space[name].to_internal_repr(given[name]))
    return found


def is_stray(trial: FrozenTrial, space: Distributions) -> bool:
    """Whether a trial ended that says nothing of `space`: another program's, or one of which a line was lost."""
    if not trial.state.is_finished():
        return False
    return arch_of(trial, space) is None or not all(map(math.isfinite, trial.values or ()))


def completion(trial: FrozenTrial) -> tuple[datetime, int]:
    """By what finished trials are in order."""
    assert trial.datetime_complete is not None
    return trial.datetime_complete, trial.number
