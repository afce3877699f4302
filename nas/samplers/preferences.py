"""A strategy of ours for several objectives: accuracy, and costs to keep low.

A strategy knows one reward. MnasNet's makes one of accuracy and cost for a given target (Tan et al. 2018, arXiv
1807.11626, equation 3), so here each trial has a target of its own, drawn anew: log-uniform from the cheapest tenth
of what was seen to the dearest. Everything seen is scored by the reward for that target, whatever it was once proposed
for, and the strategy is begun anew, told these rewards, and asked. So each result serves all targets.

The paper has two exponents w. Its hard constraint is taken (0 below the target, -1 above): then every network of a
front is the best for some target, which for the soft one (-0.07) only those on its convex part are.

The price is that a proposal costs as much as telling all results once, see docs/search.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState

from nas.samplers.strategy import IGNORANCE, Context, Feedback, Knowledge, Settings, derived_seed
from nas.samplers.trials import arch_of, completion, fixed_in
from searchspaces.space import Arch, Choice

Array = NDArray[np.float64]
SPREAD = (0.1, 0.9)  # quantiles of the costs seen, between which targets are
LIMIT = 1e100  # a value beyond it stands for none: products with it would overflow


class PreferenceSampler(BaseSampler):
    """Proposes what the strategy of `settings` does for a target that is drawn for each trial.

    For a study whose first objective is to be maximised and positive, the others minimised and positive. Its proposal
    is a function of the seed, the trial's number and the study's earlier trials. None is a repeat of a trial in
    `canonical` form; `simplified` is as of `StrategySampler`. A trial with an infinite value, or without a cost,
    teaches nothing.
    """

    def __init__(
        self,
        settings: Settings,
        seed: int,
        choices: Sequence[Choice],
        canonical: Callable[[Arch], Arch],
        simplified: Callable[[Arch], Arch] | None = None,
        knowledge: Knowledge = IGNORANCE,
    ) -> None:
        self.settings, self.seed, self.choices = settings, seed, tuple(choices)
        self.canonical, self.simplified, self.knowledge = canonical, simplified or canonical, knowledge
        self._space = {choice.name: CategoricalDistribution(choice.options) for choice in self.choices}

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return dict(self._space)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        # One whose process died while it was proposed lacks choices, and has no architecture.
        known = [(t, arch) for t in study.get_trials(deepcopy=False) if (arch := arch_of(t, self._space)) is not None]
        others = [(t, arch) for t, arch in known if t.number != trial.number]
        told = [(t, arch) for t, arch in others if t.state == TrialState.COMPLETE and _can_be_scored(t.values)]
        told.sort(key=lambda pair: completion(pair[0]))
        strategy = self.settings.start(self.choices, self.simplified, self.seed, self.knowledge)
        if told:
            rewards = scored(np.array([t.values for t, _ in told]), derived_seed(self.seed, trial.number))
            for (earlier, arch), reward in zip(told, rewards.tolist(), strict=True):
                strategy.tell(Feedback(arch, reward, fixed=frozenset(fixed_in(earlier, self._space))))
        taken = {self.canonical(arch) for _, arch in others}
        running = [arch for t, arch in others if not t.state.is_finished()]
        fixed = fixed_in(trial, self._space)
        context = Context(trial.number, lambda arch: self.canonical(arch) in taken, running, fixed)
        arch = strategy.propose(context).arch
        return {choice.name: choice.options[option] for choice, option in zip(self.choices, arch, strict=True)}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Of a parameter that is none of the choices."""
        return RandomSampler(derived_seed(self.seed, trial.number)).sample_independent(
            study, trial, param_name, param_distribution
        )


def _can_be_scored(values: Sequence[float]) -> bool:
    accuracy, *costs = values
    return abs(accuracy) < LIMIT and all(0 < cost < LIMIT for cost in costs)


def scored(values: Array, seed: int) -> Array:
    """The rewards `[n]` of `values` `[n, 1 + costs]`, accuracies and their costs, for targets that `seed` draws."""
    accuracies, costs = values[:, 0], values[:, 1:]
    low, high = np.log(np.quantile(costs, SPREAD, axis=0))
    targets = np.exp(np.random.default_rng(seed).uniform(low, high))
    rewards: Array = accuracies * np.minimum(1.0, targets / costs).prod(axis=1)
    return rewards
