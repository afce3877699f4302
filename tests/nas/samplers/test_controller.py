from __future__ import annotations

import math

import pytest
import torch

from nas.samplers.controller import Controller
from searchspaces.space import Choice

CHOICES = (
    Choice("a.op", ("x", "y", "z")),
    Choice("a.skip", (0, 1)),
    Choice("b.op", ("x", "y", "z")),
    Choice("b.only", ("one",)),
    Choice("c.op", ("x", "y", "z", "w")),
)
SIZES = [len(choice.options) for choice in CHOICES]
LAYERS = tuple(  # three layers, each of which may read those before it
    choice
    for i in (1, 2, 3)
    for choice in (
        Choice(f"layer{i}.kernel", (1, 3, 5)),
        Choice(f"layer{i}.filters", (24, 36)),
        *(Choice(f"layer{i}.from{j}", (0, 1), kind="skip", anchor=f"layer{j}.filters") for j in range(1, i)),
    )
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def controller(tie: bool = False, hidden: int = 16, choices: tuple[Choice, ...] = CHOICES) -> Controller:
    made = Controller(choices, hidden, tie, generator())
    with torch.no_grad():  # far from uniform, so that mistakes show
        for parameter in made.parameters():
            parameter.mul_(10)
    return made


def test_every_tensor_is_batch_by_choices() -> None:
    rollout = controller()(7, generator())
    assert rollout.actions.shape == rollout.log_probs.shape == rollout.entropies.shape == (7, len(CHOICES))


@pytest.mark.parametrize("tie", [False, True])
@pytest.mark.parametrize("choices", [CHOICES, LAYERS], ids=["plain", "anchored"])
def test_rescoring_a_sampled_rollout_gives_its_log_probs_and_entropies(tie: bool, choices: tuple[Choice, ...]) -> None:
    policy = controller(tie, choices=choices)
    sampled = policy(50, generator())
    rescored = policy(actions=sampled.actions)
    torch.testing.assert_close(rescored.log_probs, sampled.log_probs)
    torch.testing.assert_close(rescored.entropies, sampled.entropies)
    assert rescored.log_probs.requires_grad and not sampled.log_probs.requires_grad


@pytest.mark.parametrize("choices", [CHOICES, LAYERS], ids=["plain", "anchored"])
def test_probabilities_of_all_architectures_sum_to_one(choices: tuple[Choice, ...]) -> None:
    actions = torch.cartesian_prod(*(torch.arange(len(choice.options)) for choice in choices))
    total = controller(choices=choices)(actions=actions).log_probs.sum(1).exp().sum()
    torch.testing.assert_close(total, torch.tensor(1.0))


def test_samples_follow_the_probabilities() -> None:
    policy = controller()
    actions = torch.cartesian_prod(*(torch.arange(size) for size in SIZES))
    expected = policy(actions=actions).log_probs.sum(1).exp()
    drawn = policy(20_000, generator()).actions
    strides = torch.tensor([math.prod(SIZES[i + 1 :]) for i in range(len(SIZES))])
    found = torch.bincount((drawn * strides).sum(1), minlength=len(actions)) / len(drawn)
    assert (found - expected).abs().max() < 0.015


def test_a_uniform_policy_has_entropy_log_n() -> None:
    policy = controller()
    torch.nn.init.zeros_(policy.heads.weight)
    torch.nn.init.zeros_(policy.heads.bias)
    rollout = policy(3, generator())
    expected = torch.tensor(SIZES).log().expand(3, -1)
    torch.testing.assert_close(rollout.entropies, expected)
    torch.testing.assert_close(rollout.log_probs, -expected)


def test_an_option_that_a_choice_lacks_is_never_sampled_and_gets_no_gradient() -> None:
    policy = controller()
    rollout = policy(2000, generator())
    assert (rollout.actions < torch.tensor(SIZES)).all()
    rescored = policy(actions=rollout.actions)
    (rescored.log_probs.sum() + rescored.entropies.sum()).backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in policy.parameters())


def test_a_choice_depends_on_those_before_it_only() -> None:
    policy = controller()
    base = torch.zeros(1, len(CHOICES), dtype=torch.long)
    changed = base.clone()
    changed[0, 2] = 1
    before, after = policy(actions=base), policy(actions=changed)
    torch.testing.assert_close(before.entropies[:, :3], after.entropies[:, :3])
    assert not torch.isclose(before.entropies[0, 4], after.entropies[0, 4])


def test_tied_choices_share_rows_where_kind_and_options_agree() -> None:
    tied, untied = controller(tie=True), controller()
    assert tied.rows[0].tolist()[:3] == tied.rows[2].tolist()[:3]
    assert set(tied.rows[4].tolist()).isdisjoint(tied.rows[0].tolist())  # the same kind, other options
    assert tied.heads.out_features == 3 + 2 + 1 + 4
    assert untied.heads.out_features == sum(SIZES)


def test_randomness_comes_from_the_generator_alone() -> None:
    state = torch.random.get_rng_state()
    first, second = controller(), controller()
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert torch.equal(first(9, generator(1)).actions, second(9, generator(1)).actions)
    assert not torch.equal(first(9, generator(1)).actions, first(9, generator(2)).actions)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_heat_makes_rare_options_likelier_and_leaves_the_log_probs_the_policys() -> None:
    policy = controller()
    rows = 4000
    temperature = torch.cat([torch.ones(rows), torch.full((rows,), 100.0)])
    rollout = policy(2 * rows, generator(), temperature=temperature)
    cold, hot = rollout.actions[:rows, 0], rollout.actions[rows:, 0]
    counts = torch.bincount(hot, minlength=3) / rows
    assert (counts - 1 / 3).abs().max() < 0.03
    assert (torch.bincount(cold, minlength=3) / rows - 1 / 3).abs().max() > 0.03
    torch.testing.assert_close(rollout.log_probs, policy(actions=rollout.actions).log_probs.detach())


# ---------------------------------------------------------------------------- choices with an anchor


@torch.no_grad()
def states_of(policy: Controller, actions: torch.Tensor) -> torch.Tensor:
    """The LSTM's states `[B, T, hidden]`, one step after the other."""
    inputs, state, states = policy.start.expand(len(actions), 1, -1), None, []
    for step in range(actions.shape[1]):
        out, state = policy.lstm(inputs, state)
        states.append(out)
        inputs = policy.embedding(policy.rows[step, actions[:, step]])[:, None]
    return torch.cat(states, dim=1)


def test_a_skip_is_the_papers_attention_between_two_states() -> None:
    """sigmoid(v . tanh(W_prev h_j + W_curr h_i)); h_j: when layer j's filters had been read, h_i: at the choice."""
    policy = controller(choices=LAYERS)
    rollout = policy(20, generator())
    states = states_of(policy, rollout.actions)
    names = [choice.name for choice in LAYERS]
    assert policy.pair_score is not None
    v, w_prev, w_curr = (getattr(policy.pair_score, name).weight for name in ("v", "prev", "curr"))
    for i, j in ((2, 1), (3, 1), (3, 2)):
        step = names.index(f"layer{i}.from{j}")
        h_j, h_i = states[:, names.index(f"layer{j}.filters") + 1], states[:, step]
        yes = torch.sigmoid(torch.tanh(h_j @ w_prev.T + h_i @ w_curr.T) @ v[0])
        chosen = torch.where(rollout.actions[:, step] == 1, yes, 1 - yes)
        torch.testing.assert_close(rollout.log_probs[:, step], chosen.log())
        torch.testing.assert_close(rollout.entropies[:, step], -(yes * yes.log() + (1 - yes) * (1 - yes).log()))


def test_gradients_of_skips_reach_the_attention_and_the_anchors() -> None:
    policy = controller(choices=LAYERS)
    skip = [choice.name for choice in LAYERS].index("layer3.from1")
    policy(actions=policy(20, generator()).actions).log_probs[:, skip].sum().backward()
    assert policy.pair_score is not None
    for parameter in (*policy.pair_score.parameters(), *policy.lstm.parameters(), policy.embedding.weight):
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0
    assert policy.heads.weight.grad is not None and not policy.heads.weight.grad.any()


def test_without_anchors_there_is_no_attention() -> None:
    assert controller().pair_score is None
    assert not any("pair_score" in name for name, _ in controller().named_parameters())


@pytest.mark.parametrize("missing", ["layer1.filters", "layer2.filters"])
def test_a_skip_whose_anchor_is_not_asked_for_is_a_choice_like_any(missing: str) -> None:
    policy = controller(choices=tuple(choice for choice in LAYERS if choice.name != missing))
    rollout = policy(50, generator())
    torch.testing.assert_close(policy(actions=rollout.actions).log_probs, rollout.log_probs, check_stride=False)
    assert len(policy.anchors) < 3


def test_an_anchor_that_comes_later_is_none() -> None:
    assert controller(choices=LAYERS[::-1]).pair_score is None


def test_no_choices_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one choice"):
        Controller([])
