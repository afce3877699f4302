from __future__ import annotations

import dataclasses
import datetime
import math
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from optuna.distributions import CategoricalDistribution
from optuna.samplers import PartialFixedSampler, RandomSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

from nas.checks.schemas import LOG_PROBS, UPDATE_PREFIX
from nas.samplers import STRATEGIES
from nas.samplers.evolution import Evolution
from nas.samplers.policy_gradient import PPO, REINFORCE, Learner, PolicyGradient
from nas.samplers.screened import POLICY, Screened
from nas.samplers.strategy import Learning, Settings
from nas.samplers.strategy_sampler import StrategySampler, updates_of
from searchspaces.space import Choice

CHOICES = tuple(Choice(f"layer{i}.op", ("a", "b", "c", "d")) for i in range(6))
DISTRIBUTIONS = {choice.name: CategoricalDistribution(choice.options) for choice in CHOICES}
SECRET = dict(zip(DISTRIBUTIONS, "cadbbc", strict=True))
BOTH = pytest.mark.parametrize("settings", [REINFORCE, PPO], ids=lambda settings: settings.algorithm)


def errors(params: dict[str, Any]) -> int:
    return sum(params[name] != option for name, option in SECRET.items())


def ask_and_tell(study: optuna.Study, trials: int) -> None:
    for _ in range(trials):
        trial = study.ask(DISTRIBUTIONS)
        study.tell(trial, errors(trial.params))


def weights(sampler: StrategySampler) -> Sequence[torch.Tensor]:
    assert isinstance(sampler.strategy, Learner)
    return [parameter.detach() for parameter in sampler.strategy.controller.parameters()]


def equal(first: StrategySampler, second: StrategySampler) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(first), weights(second), strict=True))


def same_as_fresh(study: optuna.Study) -> bool:
    """Whether the live sampler knows exactly what a new one learns from the study's ledger."""
    live = study.sampler
    assert isinstance(live, StrategySampler)
    fresh = StrategySampler(live.settings, live.seed, live.choices, live.canonical)
    study.ask(DISTRIBUTIONS)
    study.sampler = fresh
    study.ask(DISTRIBUTIONS)
    return equal(live, fresh)


@BOTH
def test_a_strangers_study_is_learned_without_a_declaration(settings: PolicyGradient) -> None:
    def objective(trial: optuna.Trial) -> float:
        optimizer = trial.suggest_categorical("optimizer", [None, "sgd", "adam", True])
        layers = [trial.suggest_categorical(f"layer{i}", ["a", "b", "c"]) for i in range(6)]
        rate = trial.suggest_float("rate", 0.0, 1.0)
        if optimizer == "sgd":
            trial.suggest_categorical("momentum", [0.0, 0.9])
        return 3 * (optimizer is not None) + sum(layer != "b" for layer in layers) + 0.01 * rate

    late = []
    for seed in range(3):
        study = optuna.create_study(sampler=StrategySampler(settings, seed=seed))
        study.optimize(objective, n_trials=300)
        late.append(np.mean([trial.value for trial in study.trials[-50:]]))
        assert "rate" not in study.trials[-1].system_attrs[LOG_PROBS]
    assert max(late) < 4.2, f"{late}; random: 6.3"


@BOTH
def test_it_beats_random_in_a_declared_study(settings: PolicyGradient) -> None:
    def late_mean(sampler: optuna.samplers.BaseSampler) -> float:
        study = optuna.create_study(sampler=sampler)
        ask_and_tell(study, 250)
        return float(np.mean([trial.value for trial in study.trials[-50:]]))

    for seed in range(3):
        assert late_mean(StrategySampler(settings, seed, CHOICES)) < late_mean(RandomSampler(seed)) - 1


@BOTH
def test_a_replay_from_disk_learns_the_very_same_weights(settings: PolicyGradient, tmp_path: Path) -> None:
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "journal.log")))
    study = optuna.create_study(storage=storage, sampler=StrategySampler(settings, 1, CHOICES, canonical=tuple))
    for trials in (1, settings.batch - 2, 1, 1, settings.batch + 3, 17):  # batches empty, half full, full
        ask_and_tell(study, trials)
        live = study.sampler
        storage = JournalStorage(JournalFileBackend(str(tmp_path / "journal.log")))
        fresh = StrategySampler(settings, 1, CHOICES, canonical=tuple)
        again = optuna.load_study(study_name=study.study_name, storage=storage, sampler=fresh)
        first, second = study.ask(DISTRIBUTIONS), again.ask(DISTRIBUTIONS)
        assert isinstance(live, StrategySampler)
        assert equal(live, fresh)
        study.tell(first, state=TrialState.FAIL)
        again.tell(second, state=TrialState.FAIL)


@pytest.mark.parametrize("settings", [PPO, Screened(policy=dataclasses.replace(POLICY, batch=4))])
def test_what_updates_did_is_noted_once_however_often_it_is_replayed(settings: Settings, tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"

    def opened() -> optuna.Study:
        storage = JournalStorage(JournalFileBackend(str(journal)))
        sampler = StrategySampler(settings, 1, CHOICES)
        return optuna.create_study(storage=storage, study_name="s", sampler=sampler, load_if_exists=True)

    for trials in (3, 9, 1, 6):  # each time by a process of its own
        ask_and_tell(opened(), trials)
    whole = opened()
    ask_and_tell(whole, 1)
    noted = updates_of(whole)
    batch = settings.policy.batch if isinstance(settings, Screened) else PPO.batch
    assert [update.trial for update in noted] == [batch * n - 1 for n in range(1, 19 // batch + 1)]
    assert journal.read_text().count(UPDATE_PREFIX) == len(noted)
    assert isinstance(whole.sampler, StrategySampler) and isinstance(whole.sampler.strategy, Learning)
    for made, read in zip(whole.sampler.strategy.updates, noted, strict=True):
        assert dataclasses.replace(made, trial=read.trial) == read


def test_the_last_batch_is_noted_without_another_proposal() -> None:
    study = optuna.create_study(sampler=StrategySampler(PPO, 0, CHOICES))
    assert isinstance(study.sampler, StrategySampler)
    study.sampler.catch_up(study)  # of nothing
    ask_and_tell(study, 2 * PPO.batch)
    assert len(updates_of(study)) == 1
    study.sampler.catch_up(study)
    assert len(updates_of(study)) == 2


def test_a_strategy_without_a_policy_notes_nothing() -> None:
    study = optuna.create_study(sampler=StrategySampler(Evolution(), 0, CHOICES))
    ask_and_tell(study, 30)
    assert updates_of(study) == []


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize("name", [name for name, settings in STRATEGIES.items() if isinstance(settings, Settings)])
def test_any_value_of_a_strangers_study_is_taken(name: str, direction: str) -> None:
    values = [sys.float_info.max, math.inf, -math.inf, math.nan, -sys.float_info.max]

    def objective(trial: optuna.Trial) -> float:
        drawn = [trial.suggest_categorical(f"x{i}", [0, 1, 2]) for i in range(4)]
        return values[trial.number % 7] if trial.number % 7 < 5 else float(sum(drawn))

    settings = STRATEGIES[name]
    assert isinstance(settings, Settings)
    study = optuna.create_study(direction=direction, sampler=StrategySampler(settings, 0))
    study.optimize(objective, 50)
    assert len(study.trials) == 50
    assert all(math.isfinite(v) for update in updates_of(study) for v in dataclasses.astuple(update))


@BOTH
def test_results_are_learned_in_the_order_in_which_they_came(settings: PolicyGradient) -> None:
    sampler = StrategySampler(settings, 0, CHOICES)
    study = optuna.create_study(sampler=sampler)
    rng = np.random.default_rng(0)
    running = [study.ask(DISTRIBUTIONS) for _ in range(5)]
    learner = sampler.strategy
    for _ in range(40):
        trial = running.pop(rng.integers(5))
        study.tell(trial, errors(trial.params))
        running.append(study.ask(DISTRIBUTIONS))
    assert sampler.strategy is learner, "it went on from what it had learned"
    assert same_as_fresh(study)


def test_two_processes_that_share_a_study_learn_the_same(tmp_path: Path) -> None:
    studies = []
    for _ in range(2):
        storage = JournalStorage(JournalFileBackend(str(tmp_path / "journal.log")))
        sampler = StrategySampler(PPO, 0, CHOICES)
        studies.append(optuna.create_study(storage=storage, study_name="shared", sampler=sampler, load_if_exists=True))
    for turn in range(24):
        ask_and_tell(studies[turn % 2], 1 + turn % 3)
    trials = [study.ask(DISTRIBUTIONS) for study in studies]
    first, second = (study.sampler for study in studies)
    assert isinstance(first, StrategySampler) and isinstance(second, StrategySampler)
    assert equal(first, second)
    assert trials[0].params != trials[1].params


def test_a_trial_that_turns_up_in_the_past_is_put_in_its_place() -> None:
    study = optuna.create_study(sampler=StrategySampler(PPO, 0, CHOICES))
    ask_and_tell(study, 25)
    old = create_trial(value=0, params=SECRET, distributions=dict(DISTRIBUTIONS))
    old.datetime_start = old.datetime_complete = datetime.datetime(2020, 1, 1)
    study.add_trial(old)
    assert same_as_fresh(study)


def study_of(trials: list[optuna.trial.FrozenTrial]) -> StrategySampler:
    """A sampler that learned from `trials`."""
    sampler = StrategySampler(dataclasses.replace(PPO, batch=1), 0, CHOICES)
    study = optuna.create_study(sampler=sampler)
    study.add_trials(trials)
    study.ask(DISTRIBUTIONS)
    return sampler


def trial(state: TrialState, value: float | None = None, shown: dict[int, float] | None = None, **params: str) -> Any:
    return create_trial(
        state=state, value=value, params=SECRET | params, distributions=dict(DISTRIBUTIONS), intermediate_values=shown
    )


def test_what_teaches_and_what_does_not() -> None:
    complete = trial(TrialState.COMPLETE, 2.0)
    untaught = study_of([])
    pruned = trial(TrialState.PRUNED, shown={1: 9.0, 2: 2.0})
    assert equal(study_of([complete]), study_of([pruned]))
    assert not equal(study_of([complete]), untaught)
    assert equal(study_of([trial(TrialState.FAIL)]), untaught)
    assert equal(study_of([trial(TrialState.PRUNED)]), untaught)
    assert equal(study_of([trial(TrialState.PRUNED, shown={1: float("nan")})]), untaught)
    elsewhere = create_trial(value=1.0, params={"x": "a"}, distributions={"x": CategoricalDistribution(["a"])})
    assert equal(study_of([elsewhere, complete]), study_of([complete]))


def test_minimise_and_maximise_are_mirrors() -> None:
    samplers = []
    for direction, sign in (("minimize", 1), ("maximize", -1)):
        study = optuna.create_study(direction=direction, sampler=StrategySampler(PPO, 0, CHOICES))
        for _ in range(31):
            asked = study.ask(DISTRIBUTIONS)
            study.tell(asked, sign * errors(asked.params))
        samplers.append(study.sampler)
    assert equal(*samplers)


def test_each_trial_carries_the_log_probs_that_it_was_proposed_with() -> None:
    study = optuna.create_study(sampler=StrategySampler(PPO, 0, CHOICES))
    ask_and_tell(study, 1)
    log_probs = study.trials[0].system_attrs[LOG_PROBS]
    assert log_probs.keys() == DISTRIBUTIONS.keys()
    assert np.allclose(list(log_probs.values()), np.log(1 / 4), atol=0.2)


def test_what_a_trial_was_enqueued_with_is_kept_and_teaches_nothing_of_itself() -> None:
    study = optuna.create_study(sampler=StrategySampler(PPO, 0, CHOICES, canonical=None))
    for _ in range(60):
        study.enqueue_trial({"layer0.op": SECRET["layer0.op"]})
        asked = study.ask(DISTRIBUTIONS)
        assert asked.params["layer0.op"] == SECRET["layer0.op"]
        study.tell(asked, errors(asked.params))
    study.ask(DISTRIBUTIONS)
    assert isinstance(study.sampler, StrategySampler) and isinstance(study.sampler.strategy, Learner)
    right = [choice.options.index(SECRET[choice.name]) for choice in CHOICES]
    chances = study.sampler.strategy.controller(actions=torch.tensor([right])).log_probs[0].detach().exp()
    assert abs(float(chances[0]) - 0.25) < 0.05, "of the given choice nothing was learned"
    assert float(chances[1:].mean()) > 0.35, "of the others it was"


def test_learning_compares_with_the_log_probs_that_a_trial_carries() -> None:
    def learned_from(log_probs: dict[str, float]) -> StrategySampler:
        trials = [trial(TrialState.COMPLETE, 3.0), trial(TrialState.COMPLETE, 2.0)]
        trials[1].system_attrs = {LOG_PROBS: log_probs}
        return study_of(trials)

    without = study_of([trial(TrialState.COMPLETE, 3.0), trial(TrialState.COMPLETE, 2.0)])
    assert equal(learned_from({"of another space": -1.0}), without)
    assert not equal(learned_from(dict.fromkeys(SECRET, -4.0)), without)


def test_repeats_are_avoided_also_of_running_trials_and_other_forms() -> None:
    def canonical(arch: tuple[int, ...]) -> tuple[int, ...]:
        return (*arch[:-1], 0)  # the last choice has no effect

    study = optuna.create_study(sampler=StrategySampler(PPO, 0, CHOICES[:4], canonical))
    distributions = {choice.name: DISTRIBUTIONS[choice.name] for choice in CHOICES[:4]}
    seen = set()
    for _ in range(48):  # of 64 networks
        asked = study.ask(distributions)
        seen.add(tuple(asked.params.values())[:-1])
    assert len(seen) == 48


def test_parameters_that_are_not_choices_are_drawn_apart_and_again_alike() -> None:
    def objective(trial: optuna.Trial) -> float:
        return trial.suggest_float("x", 0, 1) + trial.suggest_float("y", 0, 1)

    params = []
    for _ in range(2):
        study = optuna.create_study(sampler=StrategySampler(PPO, 0))
        study.optimize(objective, n_trials=5)
        params.append([trial.params for trial in study.trials])
    assert params[0] == params[1]
    assert len({value for trial in params[0] for value in trial.values()}) == 10


def test_other_optuna_parts_combine_with_it() -> None:
    pruner = optuna.pruners.HyperbandPruner(max_resource=9)
    base = StrategySampler(PPO, 0, CHOICES, canonical=tuple)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(sampler=PartialFixedSampler({"layer2.op": "d"}, base), pruner=pruner)

    def objective(trial: optuna.Trial) -> float:
        params = {name: trial.suggest_categorical(name, "abcd") for name in DISTRIBUTIONS}
        for step in range(9):
            trial.report(errors(params), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return errors(params)

    study.optimize(objective, n_trials=40)
    assert {trial.params["layer2.op"] for trial in study.trials} == {"d"}
    assert isinstance(base.strategy, Learner)
    assert len(base.strategy.updates) == 39 // PPO.batch  # all brackets teach, and none twice


def test_two_objectives_are_refused() -> None:
    study = optuna.create_study(directions=["minimize", "maximize"], sampler=StrategySampler(PPO, 0, CHOICES))
    with pytest.raises(ValueError, match="multi-objective"):
        study.ask(DISTRIBUTIONS)
