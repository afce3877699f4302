"""Search strategies. Each is an Optuna sampler, so it runs in any Optuna study: ours, Ray Tune's, or a stranger's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, TPESampler

from nas.options.names import OUTSIDE
from nas.samplers.bananas import Bananas
from nas.samplers.evolution import Evolution
from nas.samplers.exhaustive import Exhaustive
from nas.samplers.local_search import LocalSearch
from nas.samplers.papers import NAS2016, NASNET
from nas.samplers.per_trial import PerTrial
from nas.samplers.policy_gradient import PPO, REINFORCE, PolicyGradient
from nas.samplers.preferences import PreferenceSampler
from nas.samplers.prior import weighted
from nas.samplers.random_search import RandomSearch
from nas.samplers.screened import Screened
from nas.samplers.settings import changed, read
from nas.samplers.strategy import Earlier, Knowledge, Settings
from nas.samplers.strategy_sampler import StrategySampler
from searchspaces.space import Space

__all__ = [
    "EXHAUSTIVE",
    "OUTSIDE",
    "STRATEGIES",
    "PolicyGradient",
    "StrategySampler",
    "check_strategy",
    "distributions",
    "draws_by_itself",
    "has_policy",
    "has_surrogate",
    "make_sampler",
    "read_settings",
    "weighted",
]

OptunaSampler = Callable[..., BaseSampler]  # called with a `seed`

STRATEGIES: dict[str, Settings | OptunaSampler] = {  # ours by their settings, and Optuna's own
    "controller": Screened(),
    "reinforce": REINFORCE,
    "ppo": PPO,
    "nas2016": NAS2016,
    "nasnet": NASNET,
    "bananas": Bananas(),
    "evolution": Evolution(),
    "local-search": LocalSearch(),
    "random": RandomSearch(),
    "tpe": partial(TPESampler, multivariate=True, group=True),
    "gp": GPSampler,
    "nsga2": NSGAIISampler,
}

EXHAUSTIVE = "exhaustive"  # no strategy, since nothing is chosen: all that there is, for an experiment


def make_sampler(
    strategy: str,
    space: Space,
    seed: int,
    objectives: int = 1,
    settings: Mapping[str, Any] | None = None,
    earlier: Sequence[Earlier] = (),
    losses: bool = False,
    prior: Sequence[str] = (),
) -> BaseSampler:
    """The sampler of `strategy` for a whole study of `space`: `study.sampler = make_sampler("ppo", space, seed)`.

    Its proposal for a trial depends on the seed, the trial's number and the study's earlier trials only, so a search
    is continued by making the sampler again. Where there are several objectives, accuracy is the first and the others
    are costs. `settings` are the strategy's, as of `read_settings`, and `prior` is as of `nas.samplers.prior`. Raises
    ValueError for an unknown strategy, and for settings that it has not.
    """
    if strategy == EXHAUSTIVE:
        return Exhaustive(space.choices)
    chosen = RandomSearch() if strategy == OUTSIDE else check_strategy(strategy, settings)
    if isinstance(chosen, Settings):
        sampler = StrategySampler if objectives == 1 else PreferenceSampler
        knowledge = Knowledge.of_space(space, earlier, losses)
        choices = weighted(space.choices, prior)
        return sampler(chosen, seed, choices, space.canonical, space.simplified, knowledge)
    return PerTrial(chosen, seed, {choice.name: CategoricalDistribution(choice.options) for choice in space.choices})


def check_strategy(name: str, settings: Mapping[str, Any] | None = None) -> Settings | OptunaSampler:
    """One of `STRATEGIES`, with `settings` in place of its own.

    Raises ValueError where there is none of that name, or it has no such settings.
    """
    if name not in STRATEGIES:
        raise ValueError(f"there is no strategy {name!r}: choose one of {', '.join(STRATEGIES)}")
    return changed(STRATEGIES[name], read_settings(name, settings)) if settings else STRATEGIES[name]


def read_settings(strategy: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """What was `given` of a strategy's settings, by their full names, each of its type: `{"entropy": "0.01"}`.

    Raises ValueError for a setting that it has not, and a value that it may not be.
    """
    chosen = check_strategy(strategy)
    if given and not isinstance(chosen, Settings):
        raise ValueError(f"the strategy {strategy} is Optuna's and has no settings here: leave out --strategy-set")
    if not given:
        return {}
    try:
        values = read(chosen, given, strategy)
        changed(chosen, values)
    except ValueError as error:
        raise ValueError(f"--strategy-set: {error}") from None
    return values


def has_policy(strategy: str) -> bool:
    """Whether it learns by updates of a policy."""
    return isinstance(STRATEGIES.get(strategy), PolicyGradient | Screened)


def has_surrogate(strategy: str) -> bool:
    """Whether it predicts what untried networks are worth, and learns of earlier searches therefore."""
    return isinstance(STRATEGIES.get(strategy), Screened)


def draws_by_itself(strategy: str) -> bool:
    """Whether it is Optuna's own, which knows of no prior."""
    return strategy != OUTSIDE and not isinstance(STRATEGIES.get(strategy), Settings)


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """`space` in Optuna's words: `study.ask(distributions(space))` proposes one of its architectures."""
    return {choice.name: CategoricalDistribution(choice.options) for choice in space.choices}
