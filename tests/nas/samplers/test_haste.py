"""What trainings are expected to take, and that a search in haste prefers what is quick, of equals."""

from __future__ import annotations

import numpy as np

from nas.samplers.haste import Pace
from nas.samplers.screened import Screened, ScreenedController
from nas.samplers.sight import Sight
from nas.samplers.strategy import Context, Feedback
from searchspaces.space import Arch, Choice

CHOICES = [Choice(f"c{i}", ("a", "b", "c")) for i in range(6)]


def seconds(arch: Arch) -> float:
    return 10.0 * 3.0 ** (arch[0] - 1)


def test_seconds_are_expected_in_units_of_their_mean() -> None:
    pace = Pace(Sight(CHOICES, tuple), 400)
    pace.learn(5)
    assert list(pace.seconds([(0,) * 6])) == [1.0], "nothing is known"
    for row in np.random.default_rng(0).integers(3, size=(40, 6)).tolist():
        pace.tell(tuple(row), seconds(tuple(row)))
        pace.learn(5)
    quick, slow = pace.seconds([(0, 1, 1, 1, 1, 1), (2, 1, 1, 1, 1, 1)])
    assert 5 < slow / quick < 13, "it is 9"
    assert pace.seconds([]).shape == (0,)


def test_the_latest_are_remembered() -> None:
    pace = Pace(Sight(CHOICES, tuple), 3)
    for number in range(9):
        pace.tell((number % 3,) * 6, 10.0**number)
    assert np.allclose([log for _, log in pace._told], np.log(10) * np.array([6, 7, 8]))


def test_equal_seconds_change_nothing() -> None:
    pace = Pace(Sight(CHOICES, tuple), 400)
    for number in range(5):
        pace.tell((number % 3,) * 6, 0.0)
        pace.learn(5)
    assert np.allclose(pace.seconds([(0,) * 6, (2,) * 6]), 1.0)


def test_a_proposal_depends_on_what_was_told_alone() -> None:
    def begun() -> ScreenedController:
        return Screened(haste=0.5).start(CHOICES, tuple, 0)

    lived, told = begun(), list[Feedback]()
    for number in range(12):
        arch = lived.propose(Context(number)).arch
        told.append(Feedback(arch, float(np.mean(arch)), seconds=seconds(arch)))
        lived.tell(told[-1])
    told_again = begun()
    for feedback in told:
        told_again.tell(feedback)
    assert told_again.propose(Context(12)) == lived.propose(Context(12))


def spent(haste: float, seed: int) -> float:
    """Of trials whose reward has nothing to do with the choice that decides how long they take."""
    strategy, taken = Screened(haste=haste).start(CHOICES, tuple, seed), set[Arch]()
    total = 0.0
    for number in range(25):
        arch = strategy.propose(Context(number, lambda arch: arch in taken)).arch
        taken.add(arch)
        total += seconds(arch)
        strategy.tell(Feedback(arch, float(np.mean(arch[1:])), seconds=seconds(arch)))
    return total


def test_of_equals_the_quick_ones_are_tried() -> None:
    unhurried, hasty = (np.mean([spent(haste, seed) for seed in range(3)]) for haste in (0.0, 1.0))
    assert hasty < 0.7 * unhurried


def test_without_seconds_haste_changes_nothing() -> None:
    def proposed(haste: float) -> list[Arch]:
        strategy, archs = Screened(haste=haste).start(CHOICES, tuple, 0), list[Arch]()
        for number in range(8):
            archs.append(strategy.propose(Context(number)).arch)
            strategy.tell(Feedback(archs[-1], float(np.mean(archs[-1]))))
        return archs

    assert proposed(0.0) == proposed(1.0)
