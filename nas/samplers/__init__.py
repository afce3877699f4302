"""Search strategies. Each is an Optuna sampler, so it runs in any Optuna study: ours, Ray Tune's, or a stranger's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec

from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, TPESampler

from nas.samplers.evolution import Evolution
from nas.samplers.exhaustive import Exhaustive
from nas.samplers.local_search import LocalSearch
from nas.samplers.papers import NAS2016, NASNET
from nas.samplers.per_trial import PerTrial
from nas.samplers.policy_gradient import PPO, REINFORCE, PolicyGradient
from nas.samplers.preferences import PreferenceSampler
from nas.samplers.random_search import RandomSearch
from nas.samplers.screened import Screened
from nas.samplers.strategy import Settings
from nas.samplers.strategy_sampler import StrategySampler
from searchspaces.space import Space

__all__ = [
    "EXHAUSTIVE",
    "STRATEGIES",
    "PolicyGradient",
    "StrategySampler",
    "check_strategy",
    "distributions",
    "has_policy",
    "make_sampler",
]

OptunaSampler = Callable[..., BaseSampler]  # called with a `seed`

STRATEGIES: dict[str, Settings | OptunaSampler] = {  # ours by their settings, and Optuna's own
    "controller": Screened(),
    "reinforce": REINFORCE,
    "ppo": PPO,
    "nas2016": NAS2016,
    "nasnet": NASNET,
    "evolution": Evolution(),
    "local-search": LocalSearch(),
    "random": RandomSearch(),
    "tpe": partial(TPESampler, multivariate=True, group=True),
    "gp": GPSampler,
    "nsga2": NSGAIISampler,
}

EXHAUSTIVE = "exhaustive"  # no strategy, since nothing is chosen: all that there is, for an experiment


def make_sampler(strategy: str, space: Space, seed: int, objectives: int = 1) -> BaseSampler:
    """The sampler of `strategy` for a whole study of `space`: `study.sampler = make_sampler("ppo", space, seed)`.

    Its proposal for a trial depends on the seed, the trial's number and the study's earlier trials only, so a search
    is continued by making the sampler again. Where there are several objectives, accuracy is the first and the others
    are costs. Raises ValueError for an unknown strategy.
    """
    if strategy == EXHAUSTIVE:
        return Exhaustive(space.choices)
    chosen = check_strategy(strategy)
    if isinstance(chosen, Settings):
        sampler = StrategySampler if objectives == 1 else PreferenceSampler
        return sampler(chosen, seed, space.choices, space.canonical, space.simplified)
    return PerTrial(chosen, seed, {choice.name: CategoricalDistribution(choice.options) for choice in space.choices})


def check_strategy(name: str) -> Settings | OptunaSampler:
    """One of `STRATEGIES`. Raises ValueError where there is none of that name, or its packages are not installed."""
    if name not in STRATEGIES:
        raise ValueError(f"there is no strategy {name!r}: choose one of {', '.join(STRATEGIES)}")
    if name == "gp" and find_spec("scipy") is None:
        raise ValueError("the strategy gp, Optuna's Gaussian process, needs scipy: pip install 'nas[gp]'")
    return STRATEGIES[name]


def has_policy(strategy: str) -> bool:
    """Whether it learns by updates of a policy."""
    return isinstance(STRATEGIES.get(strategy), PolicyGradient | Screened)


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """`space` in Optuna's words: `study.ask(distributions(space))` proposes one of its architectures."""
    return {choice.name: CategoricalDistribution(choice.options) for choice in space.choices}
