"""The papers' controllers: two layers, rewards as they are."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from nas.samplers.controller import Controller
from nas.samplers.papers import NAS2016, NASNET
from nas.samplers.policy_gradient import Learner, PolicyGradient
from nas.samplers.strategy import Experience
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
        learner.tell(Experience((number % 3, 0, 1, 2), reward))
    mean = sum(reward**settings.power for reward in rewards) / settings.batch  # type: ignore[operator]
    assert learner.updates[0].mean_score == pytest.approx(mean)
    assert learner.updates[0].baseline == pytest.approx(mean) == learner.baseline
    for _ in rewards:
        learner.tell(Experience((0, 0, 0, 0), 0.9))
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
        learner.tell(Experience((good,) * 4, 0.6 + 0.3 * good))
    assert float(learner.controller(actions=target).log_probs.detach().sum()) > before + 2
