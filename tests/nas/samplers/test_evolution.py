from __future__ import annotations

from nas.samplers.evolution import AgingEvolution, Evolution
from nas.samplers.random_search import RandomSearch
from nas.samplers.strategy import Context, Feedback
from searchspaces.space import Arch, Choice

CHOICES = tuple(Choice(f"layer{i}.op", tuple(range(2 + i % 4))) for i in range(10))
BEST = tuple(i % len(choice.options) for i, choice in enumerate(CHOICES))


def matches(arch: Arch) -> int:
    return sum(a == b for a, b in zip(arch, BEST, strict=True))


def distance(a: Arch, b: Arch) -> int:
    return sum(x != y for x, y in zip(a, b, strict=True))


def started(rewards: list[float], population: int = 4, sample: int = 50) -> AgingEvolution:
    """One that was told architectures of these rewards; the n-th is n in its last choice."""
    strategy = Evolution(population, sample).start(CHOICES, tuple, 0)
    for number, reward in enumerate(rewards):
        strategy.tell(Feedback((0,) * 7 + (number, 0, 0), reward))
    return strategy


def test_it_finds_more_than_random_search(drive) -> None:
    found, control = (
        [max(map(matches, drive(settings, CHOICES, matches, 150, seed))) for seed in range(5)]
        for settings in (Evolution(), RandomSearch())
    )
    assert sum(found) >= sum(control) + 10 and min(found) >= 8


def test_it_begins_at_random_until_the_population_is_known(drive) -> None:
    evolution, random = (drive(s, CHOICES, matches, 25) for s in (Evolution(20, 5), RandomSearch()))
    assert evolution[:20] == random[:20] and evolution[20:] != random[20:]


def test_a_mutant_differs_in_one_choice_from_the_best_of_the_sample() -> None:
    strategy = started([0.1, 0.4, 0.2, 0.3])
    mutants = {strategy.propose(Context(number)).arch for number in range(60)}
    parent = (0,) * 7 + (1, 0, 0)
    assert {distance(mutant, parent) for mutant in mutants} == {1}
    assert len(mutants) > 15, "any choice, any option"


def test_the_oldest_dies_however_good_it_is() -> None:
    strategy = started([0.9, 0.4, 0.2, 0.3, 0.1])
    assert [feedback.reward for feedback in strategy.population] == [0.4, 0.2, 0.3, 0.1]
    assert strategy.propose(Context(0)).arch[7] in (1, 0, 2, 3, 4)
    assert distance(strategy.propose(Context(0)).arch, (0,) * 7 + (1, 0, 0)) == 1


def test_where_all_neighbours_are_known_it_goes_a_step_further() -> None:
    strategy = started([0.1, 0.1, 0.1, 0.9])
    parent = (0,) * 7 + (3, 0, 0)
    arch = strategy.propose(Context(9, lambda arch: distance(arch, parent) <= 1)).arch
    assert distance(arch, parent) == 2


def test_choices_that_are_decided_stay_so_and_what_runs_is_no_parent() -> None:
    strategy = started([0.1, 0.4, 0.2, 0.3])
    fixed = {0: 1, 9: 2}
    arch = strategy.propose(Context(3, running=[BEST], fixed=fixed)).arch
    assert (arch[0], arch[9]) == (1, 2) and distance(arch, (1, *(0,) * 6, 1, 0, 2)) == 1
    everything = dict(enumerate(BEST))
    assert strategy.propose(Context(3, fixed=everything)).arch == BEST


def test_choices_of_one_option_are_left_alone() -> None:
    choices = (Choice("a", (1,)), Choice("b", (1, 2)))
    strategy = Evolution(1, 1).start(choices, tuple, 0)
    strategy.tell(Feedback((0, 0), 1.0))
    assert {strategy.propose(Context(number)).arch for number in range(5)} == {(0, 1)}
