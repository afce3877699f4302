"""Search strategies. Each is an Optuna sampler, so it runs in any Optuna study: ours, Ray Tune's, or a stranger's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from nas.samplers.exhaustive import Exhaustive
from nas.samplers.per_trial import PerTrial
from nas.samplers.policy_gradient import PPO, REINFORCE, PolicyGradient
from nas.samplers.strategy import Settings
from nas.samplers.strategy_sampler import StrategySampler
from searchspaces.space import Space

__all__ = ["EXHAUSTIVE", "STRATEGIES", "PolicyGradient", "StrategySampler", "distributions", "make_sampler"]


def _ours(settings: Settings, space: Space, seed: int) -> BaseSampler:
    return StrategySampler(settings, seed, space.choices, space.canonical)


def _optuna(make: Callable[..., BaseSampler], space: Space, seed: int) -> BaseSampler:
    return PerTrial(make, seed)


STRATEGIES: dict[str, Callable[[Space, int], BaseSampler]] = {
    "reinforce": partial(_ours, REINFORCE),
    "ppo": partial(_ours, PPO),
    "random": partial(_optuna, RandomSampler),
    "tpe": partial(_optuna, partial(TPESampler, multivariate=True)),
}

EXHAUSTIVE = "exhaustive"  # no strategy, since nothing is chosen: all that there is, for an experiment


def make_sampler(strategy: str, space: Space, seed: int) -> BaseSampler:
    """The sampler of `strategy` for a whole study of `space`: `study.sampler = make_sampler("ppo", space, seed)`.

    Its proposal for a trial depends on the seed, the trial's number and the study's earlier trials only, so a search
    is continued by making the sampler again. Raises ValueError for an unknown strategy.
    """
    if strategy == EXHAUSTIVE:
        return Exhaustive(space.choices)
    if strategy not in STRATEGIES:
        raise ValueError(f"unknown strategy {strategy!r}; there are {', '.join(STRATEGIES)}")
    return STRATEGIES[strategy](space, seed)


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """`space` in Optuna's words: `study.ask(distributions(space))` proposes one of its architectures."""
    return {choice.name: CategoricalDistribution(choice.options) for choice in space.choices}
