"""A strategy of ours in a study of accuracy and costs: it finds a front, and goes on where it was killed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from torch import nn

from nas.samplers import distributions, make_sampler
from nas.samplers.preferences import PreferenceSampler, scored
from nas.samplers.strategy import Context, Feedback, Proposal, Settings
from searchspaces import Arch, Choice, Space


@dataclass(frozen=True)
class Toy(Space):
    """5 choices of 4 options."""

    name: ClassVar[str] = "toy"

    @property
    def choices(self) -> tuple[Choice, ...]:
        return tuple(Choice(f"block{i}.op", tuple(range(4))) for i in range(5))

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        raise NotImplementedError


SPACE = Toy()
OURS = ["controller", "evolution", "local-search", "ppo", "random"]


def figures(arch: Arch) -> tuple[float, float, float]:
    """Accuracy, and two costs: what is larger is more accurate, and dearer; the last choice is free."""
    size = sum(arch[:-1])
    return (1 + size + arch[-1]) / 30, 10.0 * 1.5**size, 1.0 + size


def study_of(strategy: str, seed: int = 0, storage: Any = None) -> optuna.Study:
    return optuna.create_study(
        study_name="toy",
        storage=storage,
        sampler=make_sampler(strategy, SPACE, seed, 3),
        directions=["maximize", "minimize", "minimize"],
        load_if_exists=True,
    )


def search(study: optuna.Study, trials: int) -> list[Arch]:
    archs = []
    for _ in range(trials):
        trial = study.ask(distributions(SPACE))
        archs.append(SPACE.from_options(trial.params))
        study.tell(trial, figures(archs[-1]))
    return archs


@pytest.mark.parametrize("strategy", OURS)
def test_a_search_that_is_killed_goes_on_and_repeats_nothing(strategy: str, tmp_path: Path) -> None:
    undisturbed = search(study_of(strategy), 20)
    journal = str(tmp_path / "journal.log")
    continued = [
        arch
        for trials in (3, 0, 10, 7)
        for arch in search(study_of(strategy, storage=JournalStorage(JournalFileBackend(journal))), trials)
    ]
    assert continued == undisturbed and len(set(undisturbed)) == 20
    assert search(study_of(strategy, seed=1), 20) != undisturbed


def test_what_it_proposes_follows_the_target() -> None:
    """A strategy that proposes the best it was told: it is the most accurate below the target of its trial."""
    told: list[dict[Arch, float]] = []

    class Repeats(Settings):
        def start(self, choices: Any, canonical: Any, seed: int, features: Any = None) -> Repeats:
            told.append({})
            return self

        def tell(self, feedback: Feedback) -> None:
            told[-1][feedback.arch] = feedback.reward

        def propose(self, context: Context) -> Proposal:
            rng = random.Random(context.number)
            known = max(told[-1], key=told[-1].__getitem__) if context.number > 30 else SPACE.sample(rng)
            return Proposal(known)

    study = optuna.create_study(
        sampler=PreferenceSampler(Repeats(), 0, SPACE.choices, SPACE.canonical),
        directions=["maximize", "minimize", "minimize"],
    )
    proposed = search(study, 80)[31:]
    assert len(set(proposed)) > 2
    values = {trial.number: trial.values for trial in study.get_trials()}
    for arch in set(proposed):  # each is on the front of the first ones
        mine = figures(arch)
        assert not any(a > mine[0] and m < mine[1] and p < mine[2] for a, m, p in values.values())


def test_rewards_are_mnasnets_for_targets_between_the_costs_seen() -> None:
    values = np.array([[0.5, 10.0], [0.6, 100.0], [0.7, 1000.0]])
    for seed in range(20):
        rewards = scored(values, seed)
        assert rewards[0] == 0.5  # the cheapest is below any target
        assert rewards[2] < 0.7 and rewards[1] <= 0.6
        target = 1000 * rewards[2] / 0.7
        assert np.quantile([10, 100, 1000], 0.1) <= target <= np.quantile([10, 100, 1000], 0.9)
    assert len({int(np.argmax(scored(values, seed))) for seed in range(20)}) > 1


def test_failed_running_and_given_choices_are_lived_with() -> None:
    study = study_of("evolution")
    study.enqueue_trial({SPACE.choices[0].name: SPACE.choices[0].options[1]})  # the rest is proposed
    first = study.ask(distributions(SPACE))
    assert SPACE.from_options(first.params)[0] == 1
    study.tell(first, state=TrialState.FAIL)
    running = [study.ask(distributions(SPACE)) for _ in range(4)]
    assert len({SPACE.from_options(trial.params) for trial in running}) == 4
    for trial in running:
        study.tell(trial, figures(SPACE.from_options(trial.params)))
    assert len(set(search(study, 10))) == 10


def test_values_that_are_no_figures_teach_nothing_and_break_nothing() -> None:
    study = study_of("controller")
    strange = [(1.7e308, 1.0, 1.0), (0.5, float("inf"), 1.0), (0.5, 0.0, 1.0), (0.5, 1.0, -2.0), (0.5, 1e300, 1.0)]
    for number in range(15):
        trial = study.ask(distributions(SPACE))
        arch = SPACE.from_options(trial.params)
        study.tell(trial, strange[number] if number < len(strange) else figures(arch))
    assert len(study.trials) == 15
