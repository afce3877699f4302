"""Every architecture of a space, one after the other."""

from __future__ import annotations

import itertools
import math
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from nas.samplers.trials import arch_of, decided_in
from searchspaces.space import Choice


class Exhaustive(BaseSampler):
    """The first architecture of `choices` that no other trial has, counted as numbers are: the last choice is first.

    So trial n is architecture n, where nobody else adds trials. After the last architecture it begins again.
    """

    def __init__(self, choices: tuple[Choice, ...]) -> None:
        self.choices = choices
        self._space = {choice.name: CategoricalDistribution(choice.options) for choice in choices}

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return dict(self._space)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        others = (other for other in study.get_trials(deepcopy=False) if other.number != trial.number)
        taken = {arch_of(other, self._space) for other in others}
        decided = decided_in(trial, self._space)
        options = [
            [decided[position]] if position in decided else range(len(choice.options))
            for position, choice in enumerate(self.choices)
        ]
        arch = next((arch for arch in itertools.product(*options) if arch not in taken), None)
        if arch is None:
            return {}
        return {choice.name: choice.options[option] for choice, option in zip(self.choices, arch, strict=True)}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Of a trial for which nothing is left."""
        names = [choice.name for choice in self.choices]
        position = names.index(param_name)
        options = self.choices[position].options
        after = math.prod(len(choice.options) for choice in self.choices[position + 1 :])
        return options[trial.number // after % len(options)]
