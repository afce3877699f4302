from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from nas.samplers.policy_gradient import PPO, REINFORCE, Learner, PolicyGradient, ppo_loss, reinforce_loss
from nas.samplers.strategy import Context, Feedback
from searchspaces.chain import Chain
from searchspaces.space import Arch, Choice

CHOICES = tuple(Choice(f"layer{i}.op", ("a", "b", "c", "d")) for i in range(8))
SECRET = (2, 0, 3, 1, 1, 2, 0, 3)
WIRES = ("layer2.from1", "layer4.from1", "layer4.from3")
ALL = torch.ones(2, 3, dtype=torch.bool)  # every choice was the policy's
BOTH = pytest.mark.parametrize("settings", [REINFORCE, PPO], ids=lambda settings: settings.algorithm)


def matches(arch: Arch) -> int:
    return sum(a == b for a, b in zip(arch, SECRET, strict=True))


def train(settings: PolicyGradient, seed: int, evaluations: int, scale: float = 1.0) -> Learner:
    learner = Learner(CHOICES, settings, seed)
    for number in range(evaluations):
        proposal = learner.propose(Context(number))
        learner.tell(Feedback(proposal.arch, scale * matches(proposal.arch), proposal.log_probs))
    return learner


# ---------------------------------------------------------------------------------------- losses


def test_reinforce_gradient_is_the_advantage_and_raises_the_better_action() -> None:
    log_probs = torch.full((2, 3), -1.0, requires_grad=True)
    reinforce_loss(log_probs, torch.zeros(2, 3), torch.tensor([2.0, -1.0]), 0.0, ALL).backward()
    assert log_probs.grad is not None
    torch.testing.assert_close(-log_probs.grad * 6, torch.tensor([[2.0] * 3, [-1.0] * 3]))


def test_ppo_gradient_at_ratio_one_is_reinforces() -> None:
    log_probs = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    advantages = torch.tensor([1.0, -1.0, 0.5, 0.0])
    entropies, mask = torch.zeros(4, 3), torch.ones(4, 3, dtype=torch.bool)
    ppo = ppo_loss(log_probs, entropies, advantages, 0.0, mask, old_log_probs=log_probs.detach(), clip=0.2)
    reinforce = reinforce_loss(log_probs, entropies, advantages, 0.0, mask)
    torch.testing.assert_close(torch.autograd.grad(ppo, log_probs), torch.autograd.grad(reinforce, log_probs))


@pytest.mark.parametrize(
    ("ratio", "advantage", "learns"),
    [(1.5, 1.0, False), (0.5, -1.0, False), (1.5, -1.0, True), (0.5, 1.0, True), (1.1, 1.0, True), (0.9, -1.0, True)],
)
def test_ppo_has_no_gradient_where_the_ratio_has_gone_too_far_already(
    ratio: float, advantage: float, learns: bool
) -> None:
    log_probs = torch.tensor([[math.log(ratio)]], requires_grad=True)
    old = torch.zeros(1, 1)
    ppo_loss(log_probs, old, torch.tensor([advantage]), 0.0, ALL[:1, :1], old_log_probs=old, clip=0.2).backward()
    assert log_probs.grad is not None
    expected = -ratio * advantage if learns else 0.0
    assert log_probs.grad.item() == pytest.approx(expected)


def test_both_losses_reward_entropy() -> None:
    log_probs, advantages = torch.zeros(2, 3), torch.zeros(2)
    for entropies in (torch.zeros(2, 3), torch.ones(2, 3)):
        expected = -0.3 * entropies.mean()
        torch.testing.assert_close(reinforce_loss(log_probs, entropies, advantages, 0.3, ALL), expected)
        loss = ppo_loss(log_probs, entropies, advantages, 0.3, ALL, old_log_probs=log_probs, clip=0.2)
        torch.testing.assert_close(loss, expected)


# ---------------------------------------------------------------------------------------- learner


@BOTH
def test_an_update_makes_the_better_architecture_likelier(settings: PolicyGradient) -> None:
    learner = Learner(CHOICES, dataclasses.replace(settings, batch=2, entropy_weight=0.0), seed=0)
    good, bad = (0,) * 8, (1,) * 8
    actions = torch.tensor([good, bad])
    before = learner.controller(actions=actions).log_probs.sum(1)
    learner.tell(Feedback(good, 90.0))
    assert not learner.updates
    learner.tell(Feedback(bad, 10.0))
    after = learner.controller(actions=actions).log_probs.sum(1)
    assert after[0] > before[0] and after[1] < before[1]


@BOTH
def test_a_reward_is_judged_against_the_moving_average_of_scores(settings: PolicyGradient) -> None:
    learner = Learner(CHOICES, dataclasses.replace(settings, batch=1, entropy_weight=0.0), seed=0)
    learner.baseline = 1.0
    before = learner.controller(actions=torch.tensor([SECRET])).log_probs.sum()
    learner.tell(Feedback(SECRET, 5.0))  # the only reward so far: its score is 0, below the baseline
    assert learner.controller(actions=torch.tensor([SECRET])).log_probs.sum() < before
    assert learner.baseline == pytest.approx(settings.baseline_decay)


@BOTH
def test_it_learns_a_secret_that_random_search_does_not_find(settings: PolicyGradient) -> None:
    for seed in range(4):
        learner = train(settings, seed, 600)
        found = np.mean([matches(learner.propose(Context(number)).arch) for number in range(1000, 1050)])
        assert found > 5.5, f"seed {seed}: {found} of 8 (random: 2)"


@BOTH
def test_it_learns_which_layers_to_connect(settings: PolicyGradient) -> None:
    choices = Chain(layers=4).choices
    wanted = {i: name in WIRES for i, name in enumerate(c.name for c in choices) if choices[i].anchor}

    def right(arch: Arch) -> int:
        return sum(arch[i] == yes for i, yes in wanted.items())

    for seed in range(2):
        learner = Learner(choices, settings, seed)
        for number in range(200):
            proposal = learner.propose(Context(number))
            learner.tell(Feedback(proposal.arch, right(proposal.arch), proposal.log_probs))
        found = np.mean([right(learner.propose(Context(number)).arch) for number in range(1000, 1050)])
        assert found > 5, f"seed {seed}: {found} of 6 (random: 3)"


@BOTH
def test_the_scale_of_the_rewards_does_not_matter(settings: PolicyGradient) -> None:
    first, second = train(settings, 3, 60), train(settings, 3, 60, scale=1e-6)
    assert first.propose(Context(60)) == second.propose(Context(60))


def test_an_infinite_reward_is_the_worst_and_breaks_nothing() -> None:
    learner = Learner(CHOICES, PPO, seed=0)
    for number in range(40):
        proposal = learner.propose(Context(number))
        reward = -math.inf if proposal.arch[0] == 0 else float(matches(proposal.arch))
        learner.tell(Feedback(proposal.arch, reward))
    assert all(parameter.isfinite().all() for parameter in learner.controller.parameters())


@BOTH
def test_a_proposal_is_a_function_of_seed_number_and_what_was_learned(settings: PolicyGradient) -> None:
    first, second = train(settings, 5, 30), train(settings, 5, 30)
    first.propose(Context(999))  # asking leaves no trace
    assert first.propose(Context(30)) == second.propose(Context(30))
    assert first.propose(Context(30)) != first.propose(Context(31))
    assert first.propose(Context(30)) != train(settings, 6, 30).propose(Context(30))


def test_repeats_are_drawn_again() -> None:
    learner = Learner(CHOICES[:2], PPO, seed=0)
    taken: set[Arch] = set()
    for number in range(16):
        taken.add(learner.propose(Context(number, taken.__contains__)).arch)
    assert len(taken) >= 15  # of 16
    everything = learner.propose(Context(99, lambda arch: True))
    assert len(everything.arch) == 2


def test_a_certain_policy_still_finds_what_is_new() -> None:
    learner = Learner(CHOICES, PPO, seed=0)
    with torch.no_grad():
        learner.controller.heads.bias[::4] += 12.0
    certain = learner.propose(Context(0)).arch
    assert all(learner.propose(Context(number)).arch == certain for number in range(20))
    taken: set[Arch] = set()
    for number in range(200):
        taken.add(learner.propose(Context(number, taken.__contains__)).arch)
    assert len(taken) > 190


def test_a_stale_log_prob_is_what_ppo_compares_with() -> None:
    stale = [math.log(0.05)] * 8  # the policy at about 0.25 is far above already: clipped, so nothing is learned
    settings = dataclasses.replace(PPO, batch=2, epochs=1, entropy_weight=0.0)
    learner = Learner(CHOICES, settings, seed=0)
    before = learner.controller(actions=torch.tensor([SECRET])).log_probs
    learner.tell(Feedback(SECRET, 1.0, stale))
    learner.tell(Feedback((0,) * 8, 0.0, [math.log(0.95)] * 8))
    after = learner.controller(actions=torch.tensor([SECRET])).log_probs
    torch.testing.assert_close(before, after)
    assert learner.updates[0].clip_fraction == 1.0


def test_the_best_so_far_are_learned_as_examples() -> None:
    def chance_of_the_best(settings: PolicyGradient) -> float:
        learner = Learner(CHOICES, dataclasses.replace(settings, batch=2), seed=0)
        learner.tell(Feedback(SECRET, 9.0))
        for number in range(21):
            learner.tell(Feedback(learner.propose(Context(number)).arch, 0.0))
        return float(learner.controller(actions=torch.tensor([SECRET])).log_probs.detach().exp().mean())

    assert chance_of_the_best(dataclasses.replace(REINFORCE, queue=1)) > 0.6 > 2 * chance_of_the_best(REINFORCE)


def test_examples_teach_nothing_where_they_were_given() -> None:
    settings = dataclasses.replace(REINFORCE, batch=1, entropy_weight=0.0, queue=3)
    learner = Learner(CHOICES, settings, seed=0)
    for _ in range(10):
        learner.tell(Feedback(SECRET, 1.0, fixed=frozenset({0})))
    chances = learner.controller(actions=torch.tensor([SECRET])).log_probs[0].detach().exp()
    assert abs(float(chances[0]) - 0.25) < 0.05 and float(chances[1:].min()) > 0.4


def test_the_record_tells_what_each_update_did() -> None:
    learner = train(PPO, 0, 400)
    first, last = learner.updates[0], learner.updates[-1]
    assert len(learner.updates) == 400 // PPO.batch
    assert last.mean_reward > first.mean_reward
    assert last.entropy < first.entropy <= math.log(4)
    assert first.kl > 0 and 0 <= first.clip_fraction <= 1
    assert first.mean_score == pytest.approx(0.0, abs=0.1)
    assert last.advantage_mean == pytest.approx(last.mean_score - last.baseline)
    assert 0 < last.advantage_std < 3 and last.trial is None


def test_the_record_of_a_loss_is_of_the_last_step() -> None:
    learner = Learner(CHOICES, dataclasses.replace(REINFORCE, batch=2, entropy_weight=0.3), seed=0)
    before = learner.controller(actions=torch.tensor([SECRET, (0,) * 8]))
    learner.tell(Feedback(SECRET, 1.0))
    learner.tell(Feedback((0,) * 8, 0.0))
    update = learner.updates[0]
    scores = torch.tensor([update.advantage_std, -update.advantage_std])  # of two ranks, around 0
    expected = reinforce_loss(before.log_probs, before.entropies, scores, 0.3, torch.ones(2, 8, dtype=torch.bool))
    assert update.loss == pytest.approx(float(expected.detach()))
