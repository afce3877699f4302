"""Optuna's own samplers, made resumable."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from nas.samplers.strategy import derived_seed


class PerTrial(BaseSampler):
    """A new sampler for each trial, seeded by (seed, trial number): `PerTrial(TPESampler, seed=0)`.

    Optuna's samplers read what they know from the study; only their random state lives in the object. With a new
    object a trial, a search that is resumed proposes what it would have proposed undisturbed, and a process that
    joins a search does not repeat another's draws. A parameter that is sampled on its own has its own seed, too: a
    trial whose process died half-way through its parameters gets the same other half. `make` is called with `seed`.
    """

    def __init__(self, make: Callable[..., BaseSampler], seed: int) -> None:
        self.make = make
        self.seed = seed
        self._samplers: dict[int, BaseSampler] = {}  # of the trials that are running, by number

    def _of(self, trial: FrozenTrial) -> BaseSampler:
        if trial.number not in self._samplers:
            self._samplers[trial.number] = self.make(seed=derived_seed(self.seed, trial.number))
        return self._samplers[trial.number]

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._samplers.pop(trial.number, None)  # another study's trial of the same number
        self._of(trial).before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._of(trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._of(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        sampler = self.make(seed=derived_seed(self.seed, trial.number, zlib.crc32(param_name.encode())))
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        self._of(trial).after_trial(study, trial, state, values)
        self._samplers.pop(trial.number)
