"""What is kept from one trial to the next is what would be worked out anew."""

from __future__ import annotations

import numpy as np
import pytest

from nas.samplers.candidates import Candidates
from nas.samplers.sight import Sight
from nas.samplers.strategy import Knowledge
from searchspaces.space import Arch, Choice

CHOICES = tuple(Choice(f"c{i}", (0, 1, 2)) for i in range(6))
RNG = np.random.default_rng(0)
ARCHS: list[Arch] = list(dict.fromkeys(map(tuple, RNG.integers(3, size=(40, 6)).tolist())))
TARGETS = RNG.standard_normal(len(ARCHS))


def features(arch: Arch) -> tuple[float, ...]:
    return float(sum(arch)), float(arch[0] * arch[1])


def sight() -> Sight:
    return Sight(CHOICES, tuple, Knowledge(features))


@pytest.mark.parametrize(
    "second",
    [list(range(12)), list(range(9)), [0, 1, 2, 7, 8, 9], list(range(10)), [9, 8, 7]],
    ids=["two more", "one fewer", "some gone", "the same", "others"],
)
@pytest.mark.parametrize("learned", [False, True])
def test_they_are_as_a_new_process_sees_them(second: list[int], learned: bool) -> None:
    old, new, first = sight(), sight(), list(range(10))
    candidates = Candidates(old)
    pool, later = ARCHS[20:30], [ARCHS[35], *ARCHS[24:32]]

    def condition(seen: Sight, known: list[int]) -> None:
        codes = seen.codes([ARCHS[i] for i in known])
        seen.process.condition(codes, TARGETS[known], seen.codes(ARCHS[15:17]))

    condition(old, first)
    candidates.renew(old.process.kept)
    candidates.whitened(pool)
    if learned:
        for process in (old.process, new.process):
            process.learn(old.codes([ARCHS[i] for i in first]), TARGETS[first], 3)
    condition(old, second)
    candidates.renew(old.process.kept)
    assert bool(old.process.kept) == (not learned and second[0] == first[0])
    condition(new, second)
    for found, expected in zip(
        old.process.predict_whitened(candidates.whitened(later)), new.process.predict(new.codes(later)), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-9)
