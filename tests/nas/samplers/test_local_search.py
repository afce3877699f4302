from __future__ import annotations

from nas.samplers.local_search import LocalSearch
from nas.samplers.random_search import RandomSearch
from nas.samplers.strategy import Context, Feedback
from searchspaces.space import Arch, Choice

CHOICES = tuple(Choice(f"layer{i}.op", ("a", "b", "c")) for i in range(6))
NEIGHBOURS = 12
BEST = (2, 0, 1, 1, 0, 2)


def matches(arch: Arch) -> float:
    return float(sum(a == b for a, b in zip(arch, BEST, strict=True)))


def distance(a: Arch, b: Arch) -> int:
    return sum(x != y for x, y in zip(a, b, strict=True))


def test_one_climb_finds_the_top_of_a_hill_without_others(drive) -> None:
    for seed in range(5):
        archs = drive(LocalSearch(), CHOICES, matches, 60, seed)
        assert BEST in archs
        climbing = archs[: archs.index(BEST) + 1]
        best = [max(climbing[:n], key=matches) for n in range(1, len(climbing))]
        assert all(distance(arch, at) == 1 for arch, at in zip(climbing[1:], best, strict=True))


def test_it_goes_to_the_first_better_neighbour_and_not_to_an_equal_one() -> None:
    strategy = LocalSearch().start(CHOICES, tuple, 0)
    strategy.tell(Feedback((0,) * 6, 1.0))
    strategy.tell(Feedback((0, 0, 0, 0, 0, 1), 1.0))
    assert strategy.climbs[0].arch == (0,) * 6
    strategy.tell(Feedback((0, 0, 0, 0, 0, 2), 1.1))
    assert strategy.climbs[0].arch == (0, 0, 0, 0, 0, 2) and len(strategy.climbs) == 1


def test_at_a_local_optimum_it_begins_anew(drive) -> None:
    archs = drive(LocalSearch(), CHOICES, lambda arch: -float(sum(arch)) if arch == (0,) * 6 else 0.0, 60)
    first, second = archs[0], archs[NEIGHBOURS + 1]
    assert all(distance(arch, first) == 1 for arch in archs[1 : NEIGHBOURS + 1]), "all are equally good"
    assert distance(second, first) > 1
    assert all(distance(arch, second) == 1 for arch in archs[NEIGHBOURS + 2 : NEIGHBOURS + 10])


def test_a_late_result_counts_where_it_is_better_than_where_the_climb_is() -> None:
    strategy = LocalSearch().start(CHOICES, tuple, 0)
    strategy.tell(Feedback((0,) * 6, 1.0))
    strategy.tell(Feedback((1, 0, 0, 0, 0, 0), 2.0))
    strategy.tell(Feedback((0, 1, 0, 0, 0, 0), 1.5))  # a neighbour of where it was
    assert [climb.reward for climb in strategy.climbs] == [2.0]
    strategy.tell(Feedback((0, 2, 0, 0, 0, 0), 3.0))
    assert [climb.arch for climb in strategy.climbs] == [(0, 2, 0, 0, 0, 0)]


def test_workers_share_the_best_climb_and_then_help_the_next() -> None:
    strategy = LocalSearch().start(CHOICES, tuple, 0)
    strategy.tell(Feedback((0,) * 6, 1.0))
    strategy.tell(Feedback((2,) * 6, 2.0))
    running: list[Arch] = []
    for number in range(2 * NEIGHBOURS + 1):
        running.append(strategy.propose(Context(number, running=running)).arch)
    assert all(distance(arch, (2,) * 6) == 1 for arch in running[:NEIGHBOURS])
    assert all(distance(arch, (0,) * 6) == 1 for arch in running[NEIGHBOURS:-1])
    assert len(set(running)) == 2 * NEIGHBOURS + 1


def test_neighbours_that_are_the_same_thing_are_not_looked_at_twice() -> None:
    strategy = LocalSearch().start(CHOICES, lambda arch: tuple(sorted(arch)), 0)
    strategy.tell(Feedback((0,) * 6, 1.0))
    looked_at = []
    for number in range(2):
        looked_at.append(strategy.propose(Context(number)).arch)
        strategy.tell(Feedback(looked_at[-1], 0.0))
    assert {tuple(sorted(arch)) for arch in looked_at} == {(0,) * 5 + (1,), (0,) * 5 + (2,)}
    assert distance(strategy.propose(Context(2)).arch, (0,) * 6) > 1


def test_choices_that_are_decided_stay_so() -> None:
    strategy = LocalSearch().start(CHOICES, tuple, 0)
    strategy.tell(Feedback((0,) * 6, 1.0))
    for number in range(10):
        arch = strategy.propose(Context(number, fixed={0: 0, 3: 1})).arch
        assert (arch[0], arch[3]) == (0, 1)


def test_a_climb_begins_at_the_best_of_so_many(drive) -> None:
    archs = drive(LocalSearch(initial=4), CHOICES, matches, 30)
    assert archs[:4] == drive(RandomSearch(), CHOICES, matches, 4)
    assert distance(archs[4], max(archs[:4], key=matches)) == 1
    anew = drive(LocalSearch(initial=4), CHOICES, lambda arch: 0.0, 25)
    climb, start = anew[0], anew[4 + NEIGHBOURS]
    assert all(distance(arch, climb) == 1 for arch in anew[4 : 4 + NEIGHBOURS] if arch not in anew[:4])
    assert distance(start, climb) > 1, "the next climb has its own four"
