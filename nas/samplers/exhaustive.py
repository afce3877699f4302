"""Every architecture of a space, one after the other."""

from __future__ import annotations

import math
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from searchspaces.space import Choice


class Exhaustive(BaseSampler):
    """Trial n is the architecture n of `choices`, counted as the digits of a number are: the last choice changes first.

    After the last architecture it begins again.
    """

    def __init__(self, choices: tuple[Choice, ...]) -> None:
        self.choices = choices

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        names = [choice.name for choice in self.choices]
        position = names.index(param_name)
        options = self.choices[position].options
        after = math.prod(len(choice.options) for choice in self.choices[position + 1 :])
        return options[trial.number // after % len(options)]
