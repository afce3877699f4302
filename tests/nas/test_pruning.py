"""Pruners stop what is behind at its rung, compare like with like, and keep nothing but what the ledger has."""

from __future__ import annotations

from collections import Counter

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from nas.pruning import PRUNERS, SuccessiveHalving, hyperband, make_pruner


def asked(pruner: SuccessiveHalving, curve: list[float], direction: str = "maximize", **others: list[float]) -> bool:
    """Whether a trial of `curve` is stopped after its last epoch, where there were `others` before it."""
    study = optuna.create_study(direction=direction)
    for number, values in enumerate([*others.values(), curve]):
        state = TrialState.RUNNING if number == len(others) else TrialState.PRUNED
        steps = dict(enumerate(values, start=1))
        trial = create_trial(
            state=state,
            params={"x": 0.0},
            distributions={"x": FloatDistribution(0, 1)},
            intermediate_values=steps,
        )
        study.add_trial(trial)
    return pruner.prune(study, study.get_trials()[-1])


def test_a_third_goes_on_at_each_rung() -> None:
    asha = SuccessiveHalving(epochs=10)
    assert asha.rungs(0) == [1, 3, 9] and asha.rungs(1) == [3, 9]
    before = {f"t{i}": [i / 10] for i in range(8)}
    assert not asked(asha, [0.65], **before)  # the second best of nine, of which three go on
    assert not asked(asha, [0.55], **before) and asked(asha, [0.45], **before)
    assert not asked(asha, [0.0, 0.0], **before)  # between rungs nobody is stopped
    assert asked(asha, [0.9, 0.9, 0.1], a=[0.1, 0.2, 0.3], **before)  # it is behind those that came as far
    assert asked(asha, [float("nan")], **before)


def test_the_first_goes_on_and_then_the_best_of_few() -> None:
    asha = SuccessiveHalving(epochs=3)
    assert not asked(asha, [0.1])
    assert not asked(asha, [0.2], a=[0.1]) and asked(asha, [0.05], a=[0.1])


def test_lower_is_better_where_the_study_says_so() -> None:
    assert asked(SuccessiveHalving(epochs=3), [0.2], "minimize", a=[0.1])
    assert not asked(SuccessiveHalving(epochs=3), [0.05], "minimize", a=[0.1])


@pytest.mark.parametrize("epochs", [2, 3, 4, 9, 27, 30])
def test_nobody_is_asked_after_the_last_epoch(epochs: int) -> None:
    pruner = hyperband(epochs)
    for bracket in set(pruner.brackets):
        assert all(rung < epochs for rung in pruner.rungs(bracket))
    assert 1 in pruner.rungs(0)


def test_hyperbands_brackets_take_turns_in_the_papers_shares() -> None:
    # Li et al. 2016, table 1 for R = 81, eta = 3: n = 81, 34, 15, 8, 5 in the brackets s = 4 ... 0.
    assert [Counter(hyperband(81).brackets)[b] for b in range(5)] == [81, 34, 15, 8, 5]
    early = Counter(hyperband(9).brackets[:6])
    assert len(early) == 3 and early[0] == 3  # each bracket has some from early on, the most daring half


def test_brackets_are_compared_within_themselves() -> None:
    both = SuccessiveHalving(epochs=9, brackets=(0, 1))
    assert asked(both, [0.1], a=[0.9], b=[0.0])  # trial 2 beside trial 0
    assert not asked(both, [0.1], a=[0.9])  # trial 1 is not looked at before epoch 3
    assert not asked(both, [0.1, 0.1, 0.1], a=[0.9, 0.9, 0.9])


@pytest.mark.parametrize("name", [name for name in PRUNERS if name != "none"])
def test_one_epoch_has_nothing_to_compare(name: str) -> None:
    with pytest.raises(ValueError, match="add --epochs 3, say"):
        make_pruner(name, 1)


def test_none_is_for_any_training_and_a_stranger_is_refused() -> None:
    make_pruner("none", 1)
    with pytest.raises(ValueError, match="choose one of none, asha, hyperband, median"):
        make_pruner("hyperbrand", 3)
