from __future__ import annotations

from collections import Counter

from nas.samplers.random_search import RandomSearch
from nas.samplers.strategy import Context
from searchspaces.space import Arch, Choice

CHOICES = (Choice("a", (1, 2, 3)), Choice("b", (1,)), Choice("c", (1, 2)))


def test_every_architecture_is_as_likely() -> None:
    strategy = RandomSearch().start(CHOICES, tuple, 0)
    counts = Counter(strategy.propose(Context(number)).arch for number in range(3000))
    assert len(counts) == 6 and min(counts.values()) > 400


def test_none_comes_twice_as_long_as_there_are_others(drive) -> None:
    archs: list[Arch] = drive(RandomSearch(), CHOICES, lambda arch: 0.0, 7)
    assert len(set(archs[:6])) == 6 and archs[6] in archs[:6]


def test_what_is_decided_stays() -> None:
    strategy = RandomSearch().start(CHOICES, tuple, 0)
    assert {strategy.propose(Context(n, fixed={0: 2})).arch for n in range(20)} == {(2, 0, 0), (2, 0, 1)}
