"""All architectures, in order, whatever was interrupted."""

from __future__ import annotations

import optuna

from nas.samplers import EXHAUSTIVE, STRATEGIES, distributions, make_sampler
from searchspaces import NASBench201
from searchspaces.nasbench_macro import NASBenchMacro


def test_trial_n_is_architecture_n() -> None:
    space = NASBenchMacro()
    study = optuna.create_study(sampler=make_sampler(EXHAUSTIVE, space, 0))
    archs = [space.from_options(study.ask(distributions(space)).params) for _ in range(30)]
    assert archs == sorted(set(archs)) and archs[0] == (0,) * 8 and archs[1] == (0,) * 7 + (1,)


def test_after_the_last_it_begins_again() -> None:
    space = NASBench201()
    sampler = make_sampler(EXHAUSTIVE, space, 0)
    study = optuna.create_study(sampler=sampler)
    trial = study.ask()
    frozen = study.trials[0]
    for number, digit in ((space.size - 1, 4), (space.size, 0)):
        frozen.number = number
        for name, distribution in distributions(space).items():
            value = sampler.sample_independent(study, frozen, name, distribution)
            assert value == space.choices[0].options[digit]
    assert trial.number == 0


def test_it_is_no_strategy_that_a_search_can_have() -> None:
    assert EXHAUSTIVE not in STRATEGIES
