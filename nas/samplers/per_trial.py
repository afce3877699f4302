"""Optuna's own samplers, made resumable."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Container, Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from nas.samplers.strategy import derived_seed
from nas.samplers.trials import Distributions, is_stray


class PerTrial(BaseSampler):
    """A new sampler for each trial, seeded by (seed, trial number): `PerTrial(TPESampler, seed=0)`.

    Optuna's samplers read what they know from the study; only their random state lives in the object. With a new
    object a trial, a search that is resumed proposes what it would have proposed undisturbed, and a process that
    joins a search does not repeat another's draws. A parameter that is sampled on its own has its own seed, too: a
    trial whose process died half-way through its parameters gets the same other half. `make` is called with `seed`.

    With a `space`, trials that ended and say nothing of it are hidden from the sampler. One is enough for Optuna's to
    take the parameters for unrelated: they sample what *all* trials have in common.
    """

    def __init__(self, make: Callable[..., BaseSampler], seed: int, space: Distributions | None = None) -> None:
        self.make = make
        self.seed = seed
        self.space = space
        self._samplers: dict[int, BaseSampler] = {}  # of the trials that are running, by number
        self._strays: _Strays | None = None

    def _of(self, trial: FrozenTrial) -> BaseSampler:
        if trial.number not in self._samplers:
            self._samplers[trial.number] = self.make(seed=derived_seed(self.seed, trial.number))
        return self._samplers[trial.number]

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._samplers.pop(trial.number, None)  # another study's trial of the same number
        self._of(trial).before_trial(self._seen(study), trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._of(trial).infer_relative_search_space(self._seen(study), trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._of(trial).sample_relative(self._seen(study), trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        sampler = self.make(seed=derived_seed(self.seed, trial.number, zlib.crc32(param_name.encode())))
        return sampler.sample_independent(self._seen(study), trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        self._of(trial).after_trial(study, trial, state, values)
        self._samplers.pop(trial.number)

    def _seen(self, study: Study) -> Study:
        if self.space is None:
            return study
        if self._strays is None or not self._strays.are_of(study):
            self._strays = _Strays(study, self.space)
        numbers = self._strays.found_in(study.get_trials(deepcopy=False))
        return _WithoutStrays(study, numbers) if numbers else study


class _Strays:
    """The trials of a study that say nothing of `space`. Each is looked at until it has ended, and never again."""

    def __init__(self, study: Study, space: Distributions) -> None:
        self._study = (study._storage, study._study_id)
        self._space = space
        self._seen = 0  # how many trials have been looked at
        self._open: list[int] = []  # positions of those that had not ended
        self._numbers: set[int] = set()

    def are_of(self, study: Study) -> bool:
        return self._study == (study._storage, study._study_id)

    def found_in(self, trials: Sequence[FrozenTrial]) -> set[int]:
        """Their numbers; `trials` are all of the study."""
        news = [(position, trials[position]) for position in (*self._open, *range(self._seen, len(trials)))]
        self._numbers.update(trial.number for _, trial in news if is_stray(trial, self._space))
        self._open = [position for position, trial in news if not trial.state.is_finished()]
        self._seen = len(trials)
        return self._numbers


class _WithoutStrays(Study):
    """`study` as a sampler is to see it, in the way of Optuna's own Hyperband."""

    def __init__(self, study: Study, strays: set[int]) -> None:
        super().__init__(study.study_name, study._storage, study.sampler, study.pruner)
        self._thread_local = study._thread_local  # in which Optuna keeps trials while one is proposed
        self._strays = strays

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        trials = super()._get_trials(deepcopy, states, use_cache)
        return [trial for trial in trials if trial.number not in self._strays]
