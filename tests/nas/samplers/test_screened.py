from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from nas.samplers.screened import Screened, ScreenedController, expected_improvement
from nas.samplers.sight import REFERENCE
from nas.samplers.strategy import IGNORANCE, Context, Feedback, Knowledge, Proposal
from nas.searching.published import read
from searchspaces import NASBenchMacro
from searchspaces.space import Arch, Choice

CHOICES = tuple(Choice(f"layer{i}.op", ("a", "b", "c", "d")) for i in range(8))
SECRET = (2, 0, 3, 1, 1, 2, 0, 3)


def matches(arch: Arch) -> int:
    return sum(a == b for a, b in zip(arch, SECRET, strict=True))


def search(
    evaluations: int,
    seed: int = 0,
    reward: Callable[[Arch], float] = matches,
    choices: tuple[Choice, ...] = CHOICES,
    canonical: Callable[[Arch], Arch] = tuple,
    settings: Screened = Screened(),  # noqa: B008
    workers: int = 1,
) -> tuple[ScreenedController, list[Arch]]:
    """`workers` at once, of which a random one finishes next; the architectures in the order in which they came."""
    strategy = settings.start(choices, canonical, seed)
    rng = np.random.default_rng(seed)
    taken: set[Arch] = set()
    running: list[Proposal] = []
    done: list[Arch] = []
    for number in range(evaluations):
        others = [proposal.arch for proposal in running]
        running.append(strategy.propose(Context(number, lambda arch: canonical(arch) in taken, others)))
        taken.add(canonical(running[-1].arch))
        if len(running) == workers:
            done.append(running.pop(rng.integers(workers)).arch)
            strategy.tell(Feedback(done[-1], reward(done[-1])))
    return strategy, done


def test_expected_improvement_is_what_samples_say() -> None:
    mean, deviation = np.array([0.0, 1.0, -2.0]), np.array([1.0, 0.5, 3.0])
    samples = mean + deviation * np.random.default_rng(0).standard_normal((200_000, 3))
    expected = (samples - 0.7).clip(0).mean(0)
    np.testing.assert_allclose(expected_improvement(mean, deviation, 0.7), expected, rtol=0.02)


def test_it_finds_a_secret_of_65536_in_a_hundred_evaluations() -> None:
    for seed in range(3):
        _, found = search(100, seed)
        assert max(map(matches, found)) == 8, f"seed {seed}; random: 5"
        assert len(set(found)) == 100


def test_choices_that_interact_in_a_larger_space_with_unequal_options() -> None:
    sizes = [2 + i % 5 for i in range(24)]
    choices = tuple(Choice(f"c{i}", tuple(range(size))) for i, size in enumerate(sizes))
    rng = np.random.default_rng(1)
    alone = [rng.standard_normal(size) for size in sizes]
    pairs = [rng.standard_normal(sizes[i : i + 2]) for i in range(23)]

    def reward(arch: Arch) -> float:
        singles = sum(values[option] for values, option in zip(alone, arch, strict=True))
        return float(singles + sum(pair[arch[i], arch[i + 1]] for i, pair in enumerate(pairs)))

    _, found = search(120, 0, reward, choices)
    random = [reward(tuple(int(rng.integers(size)) for size in sizes)) for _ in range(5000)]
    assert max(map(reward, found)) > max(random), "of 40 times as many"


def test_a_proposal_is_a_function_of_seed_number_what_was_told_and_what_runs() -> None:
    first, second = search(23)[0], search(23)[0]
    first.propose(Context(999, running=[SECRET]))  # asking leaves no trace
    assert first.propose(Context(30)) == second.propose(Context(30))
    assert first.propose(Context(30)) != search(23, seed=1)[0].propose(Context(30))
    drawn, _ = search(23, settings=dataclasses.replace(Screened(), climbs=0))  # else both find the surrogate's optimum
    assert drawn.propose(Context(30)) != drawn.propose(Context(60))


def test_workers_side_by_side_get_different_architectures_and_learn() -> None:
    for workers in (8, 64):
        _, found = search(60 + 2 * workers, 0, workers=workers)
        assert len(set(found)) == len(found)
        assert max(map(matches, found)) >= 7


def test_what_is_running_is_not_tried_beside_itself() -> None:
    strategy, _ = search(40)
    arch = strategy.propose(Context(100)).arch
    assert strategy.propose(Context(100, running=[arch] * 3)).arch != arch, "though repeats are welcome"


def test_what_is_fixed_stays_so() -> None:
    strategy, _ = search(20)
    for number in range(20, 30):
        arch = strategy.propose(Context(number, fixed={0: 1, 5: 3})).arch
        assert arch[0] == 1 and arch[5] == 3


def test_where_all_is_fixed_there_is_nothing_to_choose() -> None:
    strategy, _ = search(10)
    assert strategy.propose(Context(30, fixed=dict(enumerate(SECRET)))).arch == SECRET


def test_choices_without_effect_are_merged_before_the_surrogate_sees_them() -> None:
    def canonical(arch: Arch) -> Arch:
        return (*arch[:4], 0, 0, 0, 0) if arch[0] else arch

    strategy, found = search(60, canonical=canonical)
    assert len({canonical(arch) for arch in found}) == 60
    codes, _ = strategy.beliefs[0].known()
    assert len(np.unique(codes, axis=0)) == 60


def test_it_remembers_the_best_and_the_latest() -> None:
    settings = dataclasses.replace(Screened(), remembered=20)
    strategy, found = search(60, settings=settings)
    codes, targets = strategy.beliefs[0].known()
    assert 10 <= len(codes) <= 20
    held = {tuple(code) for code in strategy.beliefs[0].process.codes([*found[-10:], max(found, key=matches)]).tolist()}
    assert held <= {tuple(code) for code in codes.tolist()}
    assert len(targets) == len(codes) and targets.max() > 1.5


def test_infinite_and_equal_rewards_break_nothing() -> None:
    strategy, found = search(40, reward=lambda arch: -math.inf if arch[0] == 0 else 1.0)
    assert np.mean([arch[0] == 0 for arch in found[20:]]) < 0.15
    assert np.isfinite(strategy.beliefs[0].process.log).all()


def test_a_space_is_searched_to_its_end_and_beyond() -> None:
    _, found = search(20, reward=lambda arch: float(sum(arch)), choices=CHOICES[:2])
    assert len(set(found)) == 16


def test_it_is_near_the_best_of_a_table_after_fifty_evaluations(published_table: Callable[[str], Path]) -> None:
    table = read(NASBenchMacro(), published_table("nasbench_macro"))
    regrets = []
    for seed in range(6):
        _, found = search(50, seed, table.observed.__getitem__, table.space.choices, table.space.canonical)
        best = max(found, key=table.observed.__getitem__)
        regrets.append(max(table.reported.values()) - table.reported[best])
    assert np.mean(regrets) < 0.2, f"{regrets}; random: 0.38, PPO: 0.20"


def test_a_stopped_training_teaches_the_policy_alone() -> None:
    choices = tuple(Choice(f"block{i}.op", (0, 1, 2)) for i in range(4))
    told, untold = (Screened().start(choices, tuple, 0) for _ in range(2))
    for option in (0, 1):
        feedback = Feedback((option,) * 4, float(option))
        told.tell(feedback)
        untold.tell(feedback)
    for _ in range(told.settings.policy.batch):
        told.tell(Feedback((2,) * 4, 0.5, stopped=True))
    assert told.learner.updates and not untold.learner.updates
    assert all((a == b).all() for a, b in zip(told.beliefs[0].known(), untold.beliefs[0].known(), strict=True))


def test_it_looks_at_few_networks_where_that_takes_long() -> None:
    """And at none twice; where it does not, at the whole pool."""
    seen: list[Arch] = []

    def features(arch: Arch) -> tuple[float, ...]:
        seen.append(arch)
        return tuple(map(float, arch))

    looked_at = {}
    for quick in (False, True):
        strategy = Screened().start(CHOICES, tuple, 0, Knowledge(features, quick))
        for number in range(12):
            proposal = strategy.propose(Context(number))
            strategy.tell(Feedback(proposal.arch, matches(proposal.arch)))
        looked_at[quick] = len(seen)
        assert len(seen) - len(set(seen)) <= REFERENCE, "those that features are measured by may be in a pool"
        seen.clear()
    assert looked_at[False] < 20 + 9 * 90 + 12 < 1500 < looked_at[True]


def test_features_help_where_the_reward_is_of_them() -> None:
    """Of 65,536 architectures the best by a figure of theirs that no single choice tells."""

    def parity(arch: Arch) -> float:
        return -abs(sum(arch) - 3.0) - abs(arch.count(0) - 5)

    def best_of(features: Knowledge) -> float:
        rewards = []
        for seed in range(3):
            strategy = Screened().start(CHOICES, tuple, seed, features)
            for number in range(14):
                arch = strategy.propose(Context(number)).arch
                rewards.append(parity(arch))
                strategy.tell(Feedback(arch, rewards[-1]))
        return float(np.mean(rewards))

    seen = Knowledge(lambda arch: (float(sum(arch)), float(arch.count(0))))
    assert best_of(seen) > best_of(IGNORANCE)
