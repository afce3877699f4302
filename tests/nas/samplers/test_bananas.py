from __future__ import annotations

import numpy as np
import pytest
import torch

from nas.samplers import check_strategy
from nas.samplers.bananas import BOUND, Bananas, Ensemble, NeuralSearch, _targets
from nas.samplers.random_search import RandomSearch
from nas.samplers.strategy import Context, Feedback
from searchspaces.space import Arch, Choice

CHOICES = tuple(Choice(f"layer{i}.op", ("a", "b", "c")) for i in range(6))
BEST = (2, 0, 1, 1, 0, 2)
QUICK = Bananas(epochs=20, layers=2)


def matches(arch: Arch) -> float:
    return float(sum(a == b for a, b in zip(arch, BEST, strict=True)))


def distance(a: Arch, b: Arch) -> int:
    return sum(x != y for x, y in zip(a, b, strict=True))


def started(results: int, settings: Bananas = QUICK) -> NeuralSearch:
    """One that was told so many random architectures."""
    strategy = settings.start(CHOICES, tuple, 0)
    rng = np.random.default_rng(3)
    while len(strategy._known) < results:
        arch = tuple(map(int, rng.integers(3, size=6)))
        if arch not in strategy._known:
            strategy.tell(Feedback(arch, matches(arch)))
    return strategy


def test_it_finds_the_best_where_random_search_does_not(drive) -> None:
    found, control = (
        [BEST in drive(settings, CHOICES, matches, 60, seed) for seed in range(5)]
        for settings in (Bananas(), RandomSearch())
    )
    assert all(found) and sum(control) <= 2


def test_it_begins_at_random_and_then_goes_in_rounds(drive) -> None:
    ours, random = (drive(settings, CHOICES, matches, 40) for settings in (QUICK, RandomSearch()))
    assert ours[:10] == random[:10] and ours[10:20] != random[10:20]
    parent = max(ours[:10], key=matches)
    assert np.mean([distance(arch, parent) for arch in ours[10:20]]) < 3, "its mutants"


def test_a_round_s_results_change_nothing_before_its_end() -> None:
    one, other = started(10), started(10)
    first = one.propose(Context(10)).arch
    assert other.propose(Context(10)).arch == first
    one.tell(Feedback(first, 100.0))
    other.tell(Feedback(first, -100.0))
    for number in range(11, 20):
        arch = one.propose(Context(number)).arch
        assert other.propose(Context(number)).arch == arch
        for strategy in (one, other):
            strategy.tell(Feedback(arch, 1.0))
    assert [one.propose(Context(20)).arch] != [other.propose(Context(20)).arch], "the next has learned from them"


def test_a_round_is_the_same_whoever_asks_for_it_first() -> None:
    early, late = started(10), started(10)
    early.propose(Context(10))
    for strategy in (early, late):
        strategy.tell(Feedback(BEST, 6.0))
    assert early.propose(Context(11)).arch == late.propose(Context(11)).arch


def test_what_is_known_or_running_is_not_proposed_again_even_where_repeats_are_welcome() -> None:
    strategy = started(10)
    running: list[Arch] = []
    for number in range(10, 40):
        arch = strategy.propose(Context(number, running=running)).arch
        assert arch not in strategy._known and arch not in running
        running.append(arch)


def test_choices_that_are_decided_stay_so() -> None:
    strategy = started(20)
    for number in range(20, 30):
        arch = strategy.propose(Context(number, fixed={0: 1, 3: 2})).arch
        assert (arch[0], arch[3]) == (1, 2)


def test_where_candidates_run_out_it_draws() -> None:
    strategy = started(10, Bananas(epochs=1, candidates=1, mutations=0.001))
    assert len(strategy.propose(Context(10)).arch) == 6


def test_choices_of_one_option_are_left_alone() -> None:
    choices = (Choice("a", (1,)), Choice("b", tuple(range(40))))
    strategy = QUICK.start(choices, tuple, 0)
    for option in range(12):
        strategy.tell(Feedback((0, option), float(option)))
    assert {strategy.propose(Context(number)).arch[0] for number in range(12, 16)} == {0}


def test_mutants_change_so_many_choices_in_the_mean() -> None:
    strategy = Bananas(candidates=4000).start(CHOICES, tuple, 0)
    mutants = strategy._mutants(BEST, np.random.default_rng(0))
    assert (mutants != np.array(BEST)).sum(1).mean() == pytest.approx(1.5, abs=0.1)
    assert set(mutants[:, 0].tolist()) == {0, 1, 2}


def test_an_early_stopped_training_is_no_result() -> None:
    strategy = started(10)
    before = strategy.propose(Context(10)).arch
    strategy.tell(Feedback(BEST, 100.0, stopped=True))
    assert len(strategy._told) == 10 and strategy.propose(Context(10)).arch == before


# ---------------------------------------------------------------------------- the ensemble


@pytest.mark.parametrize("loss", ["mae", "mape"])
def test_the_gradient_is_that_of_autograd(loss: str) -> None:
    rng = np.random.default_rng(0)
    ensemble = Ensemble(7, Bananas(networks=3, layers=4, hidden=5, loss=loss), rng)  # type: ignore[arg-type]
    for _, bias in ensemble.layers:
        bias[:] = rng.normal(size=bias.shape) / 10
    codes = rng.random((3, 6, 7)).astype(np.float32)
    targets = rng.random((3, 6)).astype(np.float32) + 0.2
    ensemble.differentiate(codes, targets)

    layers = [tuple(torch.tensor(part, requires_grad=True) for part in layer) for layer in ensemble.layers]
    x = torch.from_numpy(codes)
    for weights, bias in layers[:-1]:
        x = torch.relu(x @ weights + bias)
    errors = ((x @ layers[-1][0] + layers[-1][1])[..., 0] - torch.from_numpy(targets)).abs()
    (errors / torch.from_numpy(targets) if loss == "mape" else errors).mean(1).sum().backward()
    expected = torch.cat([part.grad.flatten() for layer in layers for part in layer])  # type: ignore[union-attr]
    assert torch.from_numpy(ensemble.gradient) == pytest.approx(expected, abs=1e-5)
    assert expected.abs().sum() > 0.1


def test_a_step_is_adam_s() -> None:
    settings = Bananas(networks=2, layers=1, hidden=4, epochs=7, batch=100)
    ensemble, rng = Ensemble(5, settings, np.random.default_rng(0)), np.random.default_rng(1)
    codes, targets = rng.random((9, 5)).astype(np.float32), rng.random(9).astype(np.float32) + 0.2
    weights = torch.tensor(ensemble.flat)
    twin = Ensemble(5, settings, np.random.default_rng(0))
    adam = torch.optim.Adam([weights], 0.01, (0.9, 0.99), eps=1e-7)
    for _ in range(7):
        twin.flat[:] = weights.numpy()
        twin.differentiate(np.stack([codes] * 2), np.stack([targets] * 2))
        weights.grad = torch.tensor(twin.gradient)
        adam.step()
    ensemble.fit(codes, targets, np.random.default_rng(2))
    assert ensemble.flat == pytest.approx(weights.numpy(), abs=1e-4)


def test_the_ensemble_learns_and_its_networks_differ() -> None:
    rng = np.random.default_rng(0)
    ensemble = Ensemble(6, Bananas(), rng)
    codes = rng.integers(2, size=(60, 6)).astype(np.float32)
    targets = codes @ np.array([1, 2, 3, 0, 0, 1], np.float32) + np.float32(0.2)
    before = np.abs(ensemble.predict(codes) - targets).mean()
    ensemble.fit(codes, targets, rng)
    predicted = ensemble.predict(codes)
    assert predicted.shape == (5, 60) and np.abs(predicted - targets).mean() < before / 5
    assert predicted.std(0).max() > 0


def test_targets_do_not_depend_on_the_scale_of_rewards_and_stand_above_the_bound() -> None:
    targets = _targets([0.1, 0.5, 0.9])
    assert targets == pytest.approx(_targets([-10.0, 30.0, 70.0]), abs=1e-5)
    assert targets.min() == pytest.approx(BOUND) and targets.argmin() == 2
    assert _targets([0.5, 0.5]) == pytest.approx([BOUND, BOUND])
    assert (_targets([np.inf, 0.3, 0.7, -np.inf]) == _targets([0.7, 0.3, 0.7, 0.3])).all()
    assert np.isfinite(_targets([1e308, -1e308, 0.0])).all() and np.isfinite(_targets([np.inf, -np.inf])).all()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"networks": 1}, "networks must be at least 2"),
        ({"learning_rate": 0.0}, "learning_rate must be "),
        ({"loss": "mse"}, "loss"),
        ({"mutations": -1.0}, "mutations must be "),
    ],
)
def test_settings_are_checked(changed: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Bananas(**changed)  # type: ignore[arg-type]


def test_settings_are_read_by_name() -> None:
    assert check_strategy("bananas", {"loss": "mape", "networks": "3"}) == Bananas(loss="mape", networks=3)
