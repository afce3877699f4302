"""What a surrogate knows beside rewards: earlier searches, which mislead it for a short time at most, and losses."""

from __future__ import annotations

import numpy as np
import pytest

from nas.samplers.experience import LEAST, LOWEST, REMEMBERED, Experience
from nas.samplers.screened import Screened
from nas.samplers.sight import FARTHEST, Sight
from nas.samplers.strategy import Context, Earlier, Feedback, Knowledge, Proposal
from searchspaces.space import Arch, Choice

CHOICES = [Choice(f"c{i}", ("a", "b", "c", "d")) for i in range(7)]
BEST = (0, 1, 2, 3, 0, 1, 2)


def worth(arch: Arch) -> float:
    return float(np.mean([option == best for option, best in zip(arch, BEST, strict=True)]))


def features(arch: Arch) -> tuple[float, ...]:
    return float(arch.count(1)), float(sum(arch)), worth(arch)


def drawn(count: int = 60, seed: int = 0) -> list[Arch]:
    return [tuple(row) for row in np.random.default_rng(seed).integers(4, size=(count, 7)).tolist()]


def found(
    earlier: list[Earlier], trials: int, seed: int = 0, known: bool = False
) -> tuple[list[float], list[Proposal]]:
    """What a search is worth trial by trial, and what it proposed."""
    strategy = Screened().start(CHOICES, tuple, seed, Knowledge(features if known else None, True, earlier))
    taken: list[Proposal] = []
    for number in range(trials):
        proposal = strategy.propose(Context(number, lambda arch: arch in [before.arch for before in taken]))
        strategy.tell(Feedback(proposal.arch, 5 + 0.2 * worth(proposal.arch), proposal.log_probs))
        taken.append(proposal)
    return np.maximum.accumulate([worth(proposal.arch) for proposal in taken]).tolist(), taken


def test_the_first_trial_is_as_good_as_the_earlier_searchs_best() -> None:
    archs = drawn()
    experience = [Earlier("before", [100 * worth(arch) for arch in archs], archs)]
    with_it = np.mean([found(experience, 6, seed)[0] for seed in range(3)], axis=0)
    without = np.mean([found([], 6, seed)[0] for seed in range(3)], axis=0)
    assert with_it[0] >= max(map(worth, archs)) > without[0]
    assert with_it[-1] > without[-1]


def test_what_contradicts_itself_is_not_trusted() -> None:
    archs = drawn()
    rewards = np.random.default_rng(1).permutation([worth(arch) for arch in archs]).tolist()
    agreeing = [Earlier("good", [worth(arch) for arch in archs], archs), Earlier("shuffled", rewards, archs)]
    _, proposals = found(agreeing, 15)
    good, shuffled = proposals[-1].trust
    assert good > 0.8 and shuffled < 0.5


def test_an_earlier_search_that_misleads_is_found_out() -> None:
    archs = drawn()
    best, proposals = found([Earlier("upside down", [-worth(arch) for arch in archs], archs)], 30)
    assert proposals[0].trust[0] > 0.5 and proposals[-1].trust[0] < 0.3
    assert best[-1] >= 6 / 7


def test_networks_of_another_space_are_known_by_how_they_stand_there() -> None:
    archs = drawn()
    standings = Sight(CHOICES, tuple, Knowledge(features)).standings(archs).tolist()
    experience = [Earlier("elsewhere", [worth(arch) for arch in archs], None, standings)]
    best, _ = found(experience, 4, known=True)
    assert best[-1] > np.mean([found([], 4, seed, known=True)[0][-1] for seed in range(3)])


def test_a_proposal_is_the_same_again() -> None:
    archs = drawn()
    experience = [Earlier("before", [worth(arch) for arch in archs], archs)]
    assert found(experience, 6)[1] == found(experience, 6)[1]


def test_rewards_are_told_in_the_units_of_the_earlier_ones() -> None:
    archs = drawn(40)
    earlier = Earlier("before", [float(i) for i in range(40)], archs)
    sight = Sight(CHOICES, tuple, Knowledge(earlier=[earlier]))
    experience = Experience([earlier], sight)
    deviation = 19.5 / 1.349  # from quartile to quartile
    np.testing.assert_allclose(experience.scores([10.0, 20.0, 30.0]), [-10 / deviation, 0, 10 / deviation])
    assert experience.scores([-np.inf, 0.0, 1.0])[0] == LOWEST
    assert experience.codes.shape == (40, 29) and set(experience.codes[:, -1]) == {1.0}
    assert experience.archs[0] == archs[-1] and abs(experience.targets.mean()) < 1e-9
    assert experience.scores([]).shape == (0,)


@pytest.mark.parametrize("searches", [1, 20])
def test_of_much_experience_the_best_and_a_sample_of_the_rest_are_told(searches: int) -> None:
    archs = drawn(700)
    earlier = [Earlier(f"{i}", [float(-j) for j in range(700)], archs) for i in range(searches)]
    sight = Sight(CHOICES, tuple, Knowledge(earlier=earlier))
    experience = Experience(earlier, sight)
    most = max(LEAST, REMEMBERED // searches)
    assert most / 2 < len(experience.targets) / searches <= most
    assert experience.archs[: most // 2] == archs[: most // 2]
    assert max(archs.index(arch) for arch in experience.archs) > 600


def test_what_stands_far_out_is_cut_and_what_another_space_has_not_is_average() -> None:
    sight = Sight(CHOICES, tuple, Knowledge(features, True, [Earlier("before", [1.0], None, [(0.0,)])]))
    far, near = sight.of_others([(1e9, -1e9), (1.0, 0.5)], 1)
    assert list(far[28:31]) == [FARTHEST, -FARTHEST, 0] and list(near[28:31]) == [1, 0.5, 0]
    assert not far[:28].any() and far[-1] == 1


def noisy(seed: int, losses: bool) -> float:
    """How good the network of the best expectation is, where rewards are mostly noise and losses are not."""
    rng, archs = np.random.default_rng(seed), drawn(40, seed)
    strategy = Screened().start(CHOICES, tuple, seed, Knowledge(losses=losses))
    for arch in archs:
        reward = worth(arch) + 0.3 * rng.normal()
        strategy.tell(Feedback(arch, reward, loss=2 - worth(arch) + 0.02 * rng.normal()))
    codes, targets = strategy.beliefs[0].known()
    strategy.beliefs[0].process.condition(codes, targets, codes[:0])
    mean, _ = strategy.beliefs[0].process.predict(strategy.beliefs[0].sight.codes(archs))
    return float(np.corrcoef(mean, [worth(arch) for arch in archs])[0, 1])


def test_losses_are_a_second_signal() -> None:
    with_them, without = (np.mean([noisy(seed, losses) for seed in range(3)]) for losses in (True, False))
    assert with_them > without + 0.05


def test_losses_that_are_not_known_are_missed_by_nobody() -> None:
    def proposed(loss: float | None) -> list[Arch]:
        strategy = Screened().start(CHOICES, tuple, 0, Knowledge(losses=True))
        archs = []
        for number in range(6):
            archs.append(strategy.propose(Context(number)).arch)
            strategy.tell(Feedback(archs[-1], worth(archs[-1]), loss=loss if number % 2 else None))
        return archs

    assert len(proposed(None)) == len(proposed(1.0)) == 6


def test_earlier_searches_and_losses_go_together() -> None:
    archs = drawn()
    earlier = [Earlier("before", [worth(arch) for arch in archs], archs)]
    strategy = Screened().start(CHOICES, tuple, 0, Knowledge(None, True, earlier, losses=True))
    for number in range(5):
        proposal = strategy.propose(Context(number))
        assert len(proposal.trust) == 1, "of the earlier search, not of losses"
        strategy.tell(Feedback(proposal.arch, worth(proposal.arch), loss=1 - worth(proposal.arch)))
    assert set(strategy.beliefs[0].known()[0][:, -1]) == {0.0, 1.0, 2.0}
