"""The papers' controllers: two layers, rewards as they are, losses of whole architectures."""

from __future__ import annotations

import dataclasses
import math

import optuna
import pytest
import torch

from nas.samplers.controller import Controller
from nas.samplers.papers import NAS2016, NASNET
from nas.samplers.policy_gradient import Learner, PolicyGradient
from nas.samplers.strategy import Context, Feedback
from nas.samplers.strategy_sampler import StrategySampler
from searchspaces.space import Choice

CHOICES = tuple(Choice(f"layer{i}.op", ("a", "b", "c")) for i in range(4))
BOTH = pytest.mark.parametrize("settings", [NAS2016, NASNET], ids=["nas2016", "nasnet"])


def test_the_controllers_are_as_large_as_the_papers() -> None:
    first, second = (Learner(CHOICES, settings, 0).controller for settings in (NAS2016, NASNET))
    assert (first.lstm.num_layers, first.lstm.hidden_size) == (2, 35)
    assert (second.lstm.num_layers, second.lstm.hidden_size) == (1, 100)
    for controller, bound in ((first, 0.08), (second, 0.1)):
        assert 0.9 * bound < max(float(p.detach().abs().max()) for p in controller.parameters()) <= bound


def test_two_layers_sample_what_they_score() -> None:
    policy = Controller(CHOICES, 16, generator=torch.Generator().manual_seed(0), layers=2, init=1.0)
    sampled = policy(40, torch.Generator().manual_seed(1))
    rescored = policy(actions=sampled.actions)
    torch.testing.assert_close(rescored.log_probs, sampled.log_probs)
    torch.testing.assert_close(rescored.entropies, sampled.entropies)


@BOTH
def test_rewards_count_by_their_power_and_the_first_mean_is_the_baseline(settings: PolicyGradient) -> None:
    learner = Learner(CHOICES, settings, 0)
    rewards = [0.5 + 0.01 * number for number in range(settings.batch)]
    for number, reward in enumerate(rewards):
        learner.tell(Feedback((number % 3, 0, 1, 2), reward))
    mean = sum(reward**settings.power for reward in rewards) / settings.batch  # type: ignore[operator]
    assert learner.updates[0].mean_score == pytest.approx(mean)
    assert learner.updates[0].baseline == pytest.approx(mean) == learner.baseline
    for _ in rewards:
        learner.tell(Feedback((0, 0, 0, 0), 0.9))
    assert learner.updates[1].baseline == pytest.approx(mean)
    expected = mean + (1 - settings.baseline_decay) * (0.9**settings.power - mean)  # type: ignore[operator]
    assert learner.baseline == pytest.approx(expected)


@BOTH
def test_a_larger_rate_learns_what_is_good(settings: PolicyGradient) -> None:
    learner = Learner(CHOICES, dataclasses.replace(settings, learning_rate=0.01), 0)
    target = torch.tensor([[1, 1, 1, 1]])
    before = float(learner.controller(actions=target).log_probs.detach().sum())
    for number in range(20 * settings.batch):
        good = number % 2
        learner.tell(Feedback((good,) * 4, 0.6 + 0.3 * good))
    assert float(learner.controller(actions=target).log_probs.detach().sum()) > before + 2


def test_the_reward_is_the_cube_of_the_best_of_the_last_five_epochs() -> None:
    """Zoph & Le 2016, section 4.1."""

    def counted(*shown: float) -> float:
        learner = Learner(CHOICES, dataclasses.replace(NAS2016, batch=1), 0)
        learner.tell(Feedback((0, 0, 0, 0), shown[-1], shown=shown))
        return learner.updates[0].mean_score

    assert counted(0.9, 0.5, 0.6, 0.8, 0.7, 0.65) == pytest.approx(0.8**3), "the first of six is too early"
    assert counted(0.4, 0.7) == pytest.approx(0.7**3)
    assert counted(0.5) == pytest.approx(0.5**3), "one epoch: the cube of its accuracy"


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_a_study_tells_what_epochs_showed_and_keeps_its_values(direction: str) -> None:
    sign = 1 if direction == "maximize" else -1
    settings = dataclasses.replace(NAS2016, batch=2)
    study = optuna.create_study(direction=direction, sampler=StrategySampler(settings, 0, CHOICES))
    space = {choice.name: optuna.distributions.CategoricalDistribution(choice.options) for choice in CHOICES}
    for _ in range(2):
        trial = study.ask(space)
        for epoch, shown in enumerate((0.2, 0.6, math.nan, 0.5), start=1):
            trial.report(sign * shown, epoch)
        study.tell(trial, sign * 0.5)
    study.ask(space)
    strategy = study.sampler.strategy  # type: ignore[attr-defined]
    assert study.trials[0].value == sign * 0.5
    assert strategy.updates[0].mean_score == pytest.approx(0.6**3)


@BOTH
def test_a_loss_is_of_the_sum_over_choices(settings: PolicyGradient) -> None:
    """-(1 / m) sum_k (A_k sum_t log pi + w sum_t H), whose step we take here with plain gradient descent."""
    learner, expected = (Learner(CHOICES, dataclasses.replace(settings, batch=2, epochs=1), 0) for _ in range(2))
    learner.optimizer, archs, rewards = (
        torch.optim.SGD(learner.controller.parameters(), 0.1),
        [(0, 1, 2, 0), (1,) * 4],
        [0.9, 0.5],
    )
    for arch, reward in zip(archs, rewards, strict=True):
        learner.tell(Feedback(arch, reward))
    rollout = expected.controller(actions=torch.tensor(archs))
    powers = torch.tensor([reward**settings.power for reward in rewards])  # type: ignore[operator]
    total = (powers - powers.mean()) * rollout.log_probs.sum(1) + settings.entropy_weight * rollout.entropies.sum(1)
    (-total.mean()).backward()
    for mine, theirs in zip(learner.controller.parameters(), expected.controller.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs - 0.1 * theirs.grad)


def test_ppo_clips_the_ratio_of_the_whole_architecture() -> None:
    """Four choices, each 10 % likelier than when it was proposed: none has left the clip by itself, the product has."""
    settings = dataclasses.replace(NASNET, batch=2, epochs=1, entropy_weight=0.0, init=0.0)
    stale, arch = [math.log(1 / 3 / 1.1)] * 4, (0, 1, 2, 0)
    for joint, learns in ((True, False), (False, True)):
        learner = Learner(CHOICES, dataclasses.replace(settings, joint=joint), 0)
        learner.tell(Feedback(arch, 1.0, stale))
        learner.tell(Feedback((1,) * 4, 0.0, [math.log(1 / 3 * 1.1)] * 4))
        moved = learner.controller(actions=torch.tensor([arch])).log_probs.detach().sum() - 4 * math.log(1 / 3)
        assert bool(moved.abs() > 1e-4) == learns
        assert learner.updates[0].clip_fraction == (1.0 if joint else 0.0)


def test_a_ratio_without_bounds_leaves_a_policy_of_numbers() -> None:
    learner = Learner(CHOICES, dataclasses.replace(NASNET, batch=2), 0)
    for reward in (0.9, 0.1, 0.9, 0.1):
        learner.tell(Feedback((0, 1, 2, 0), reward, [-60.0] * 4))
    assert all(parameter.isfinite().all() for parameter in learner.controller.parameters())


def test_what_was_decided_for_the_policy_is_no_part_of_the_sum() -> None:
    learner = Learner(CHOICES, dataclasses.replace(NAS2016, batch=2, tie=False, learning_rate=0.01), 0)
    before = learner.controller(actions=torch.tensor([[1] * 4])).log_probs.detach()[0, 0]
    for _ in range(40):
        learner.tell(Feedback((1,) * 4, 0.9, fixed=frozenset({0})))
        learner.tell(Feedback((0, 2, 2, 2), 0.5))
    after = learner.controller(actions=torch.tensor([[1] * 4])).log_probs.detach()[0]
    assert after[1:].min() > before + 0.2


@BOTH
def test_huge_and_infinite_rewards_leave_a_policy_that_is_of_numbers(settings: PolicyGradient) -> None:
    learner = Learner(CHOICES, dataclasses.replace(settings, batch=4), 0)
    for number in range(24):
        arch = learner.propose(Context(number)).arch
        learner.tell(Feedback(arch, (math.inf, -math.inf, 1.7e308, 0.5 + 0.1 * arch[0])[number % 4]))
    assert all(parameter.isfinite().all() for parameter in learner.controller.parameters())
    assert all(math.isfinite(value) for value in dataclasses.astuple(learner.updates[-1])[:-1])
