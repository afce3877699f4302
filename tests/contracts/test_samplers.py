"""What every search strategy promises, ours and Optuna's alike."""

from __future__ import annotations

import dataclasses
import pickle
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import optuna
import pytest
import torch
from optuna.samplers import BaseSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from torch import nn

from nas.samplers import STRATEGIES, distributions, make_sampler
from searchspaces.space import Arch, Choice, Space


@dataclasses.dataclass(frozen=True)
class Toy(Space):
    """7 choices with 1 to 4 options, one of two with an anchor. The last has no effect where the first is 0."""

    name: ClassVar[str] = "toy"

    @property
    def choices(self) -> tuple[Choice, ...]:
        sizes = (4, 3, 3, 1, 2, 4, 3)
        anchors = {4: "block1.op"}
        return tuple(
            Choice(f"block{i}.op", tuple(range(size)), anchor=anchors.get(i, "")) for i, size in enumerate(sizes)
        )

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        raise NotImplementedError

    def canonical(self, arch: Arch) -> Arch:
        return (*arch[:-1], 0) if arch[0] == 0 else arch


SPACE = Toy()


@pytest.fixture(params=[pytest.param(name, marks=[pytest.mark.slow] * (name == "gp")) for name in STRATEGIES])
def strategy(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def reward(arch: Arch) -> float:
    return sum(index * (position + 1) for position, index in enumerate(arch)) + 0.5 * (arch[0] == arch[2])


def study_of(sampler: BaseSampler, storage: Any = None) -> optuna.Study:
    return optuna.create_study(
        storage=storage, sampler=sampler, study_name="toy", direction="maximize", load_if_exists=True
    )


def search(study: optuna.Study, trials: int) -> list[Arch]:
    archs = []
    for _ in range(trials):
        trial = study.ask(distributions(SPACE))
        arch = SPACE.from_options(trial.params)
        study.tell(trial, reward(arch))
        archs.append(arch)
    return archs


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Any]:
    yield lambda: JournalStorage(JournalFileBackend(str(tmp_path / "journal.log")))


def test_every_proposal_is_an_architecture(strategy: str) -> None:
    for arch in search(study_of(make_sampler(strategy, SPACE, 0)), 40):
        assert SPACE.check(arch) == arch


def test_proposals_are_a_function_of_the_seed(strategy: str) -> None:
    first, again, other = (search(study_of(make_sampler(strategy, SPACE, seed)), 25) for seed in (1, 1, 2))
    assert first == again
    assert first[0] != other[0] and first != other
    assert len({arch[:2] for arch in first[:10]}) > 1, "choices and trials are drawn apart"


def test_a_search_killed_at_any_point_continues_as_if_undisturbed(strategy: str, journal: Any) -> None:
    undisturbed = search(study_of(make_sampler(strategy, SPACE, 7)), 45)
    continued: list[Arch] = []
    for trials in (1, 6, 3, 11, 0, 17, 7):  # a new process: a new storage, study and sampler
        continued += search(study_of(make_sampler(strategy, SPACE, 7), journal()), trials)
    assert continued == undisturbed


def test_a_trial_that_was_running_when_the_search_was_killed_changes_nothing_that_was_learned(
    strategy: str, journal: Any
) -> None:
    study = study_of(make_sampler(strategy, SPACE, 7), journal())
    search(study, 12)
    study.ask(distributions(SPACE))
    undisturbed = search(study, 12)
    other = study_of(make_sampler(strategy, SPACE, 7))
    search(other, 12)
    other.ask(distributions(SPACE))  # a second process takes over from here
    other.sampler = make_sampler(strategy, SPACE, 7)
    assert search(other, 12) == undisturbed


def test_results_may_come_in_any_order(strategy: str) -> None:
    def parallel() -> list[Arch]:
        study = study_of(make_sampler(strategy, SPACE, 3))
        rng = random.Random(0)
        running: list[optuna.Trial] = []
        archs = []
        for _ in range(40):
            while len(running) < 4:
                running.append(study.ask(distributions(SPACE)))
                archs.append(SPACE.from_options(running[-1].params))
            trial = running.pop(rng.randrange(4))
            study.tell(trial, reward(SPACE.from_options(trial.params)))
        return archs

    assert parallel() == parallel()


def test_failed_pruned_and_enqueued_trials_are_lived_with(strategy: str) -> None:
    study = study_of(make_sampler(strategy, SPACE, 0))
    study.enqueue_trial(SPACE.options((3, 2, 2, 0, 1, 3, 2)))
    study.enqueue_trial({"block0.op": 3})  # the rest is proposed
    for number in range(40):
        trial = study.ask(distributions(SPACE))
        if number % 5 == 2:
            study.tell(trial, state=TrialState.FAIL)
        elif number % 5 == 3:
            trial.report(1.0, step=1)
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, reward(SPACE.from_options(trial.params)))
    assert SPACE.from_options(study.trials[0].params) == (3, 2, 2, 0, 1, 3, 2)
    assert study.trials[1].params["block0.op"] == 3


def test_it_works_in_study_optimize_with_threads_and_minimising(strategy: str) -> None:
    study = optuna.create_study(sampler=make_sampler(strategy, SPACE, 0), direction="minimize")

    def objective(trial: optuna.Trial) -> float:
        return reward(tuple(trial.suggest_categorical(c.name, c.options) for c in SPACE.choices))  # type: ignore[misc]

    study.optimize(objective, n_trials=30, n_jobs=2)
    assert len(study.trials) == 30 and all(trial.state == TrialState.COMPLETE for trial in study.trials)


def test_a_pickled_sampler_proposes_the_same(strategy: str) -> None:
    study = study_of(make_sampler(strategy, SPACE, 4))
    search(study, 23)
    copy = study_of(make_sampler(strategy, SPACE, 4))
    search(copy, 23)
    copy.sampler = pickle.loads(pickle.dumps(study.sampler))
    assert search(copy, 10) == search(study, 10)


def test_no_global_random_state_is_touched_or_read(strategy: str) -> None:
    def states() -> tuple[Any, ...]:
        return random.getstate(), str(np.random.get_state()), torch.random.get_rng_state().tolist()

    before = states()
    first = search(study_of(make_sampler(strategy, SPACE, 0)), 15)
    assert states() == before
    torch.manual_seed(5)
    np.random.seed(5)
    assert search(study_of(make_sampler(strategy, SPACE, 0)), 15) == first


def test_one_sampler_may_serve_two_studies(strategy: str) -> None:
    sampler = make_sampler(strategy, SPACE, 0)
    first = search(study_of(sampler), 15)
    assert search(study_of(sampler), 15) == first


def test_an_unknown_strategy_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(
        ValueError, match=r"no strategy 'bayes': choose one of .*ppo, .*evolution, local-search, random"
    ):
        make_sampler("bayes", SPACE, 0)
