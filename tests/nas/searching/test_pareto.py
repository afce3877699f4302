"""The front: nothing on it is beaten, all that is off it is."""

from __future__ import annotations

import dataclasses
import random

import pytest

from nas.ledger.run import TrialRow
from nas.searching.pareto import front, parse_objectives
from nas.training.trial import State


def row(number: int, accuracy: float | None, macs: int, params: int = 1, latency: float | None = None) -> TrialRow:
    return TrialRow(
        number, State.COMPLETE, "", "", accuracy, accuracy, macs, params, 1, latency, 1.0, "", None, ()
    )  # fmt: skip


def test_the_front_is_what_nobody_beats() -> None:
    rng = random.Random(0)
    rows = [row(n, rng.randrange(20) / 20, rng.randrange(20), rng.randrange(20)) for n in range(200)]
    for objectives in (("accuracy", "macs"), ("accuracy", "params"), ("accuracy", "macs", "params")):
        kept = front(rows, objectives)

        def beats(one: TrialRow, other: TrialRow, objectives: tuple[str, ...] = objectives) -> bool:
            a, b = ([-(r.accuracy or 0.0), *(getattr(r, n) for n in objectives[1:])] for r in (one, other))
            return all(x <= y for x, y in zip(a, b, strict=True)) and a != b

        assert kept and not any(beats(one, other) for one in kept for other in kept)
        for off in rows:
            if off not in kept:
                assert any(beats(one, off) or _alike(one, off, objectives) for one in kept)


def _alike(one: TrialRow, other: TrialRow, objectives: tuple[str, ...]) -> bool:
    return one.number < other.number and all(getattr(one, n) == getattr(other, n) for n in objectives)


def test_cheapest_first_and_of_equals_the_first() -> None:
    rows = [row(0, 0.9, 30), row(1, 0.5, 10), row(2, 0.5, 10), row(3, 0.4, 10), row(4, 0.7, 20)]
    assert [r.number for r in front(rows)] == [1, 4, 0]


def test_what_was_stopped_or_not_measured_is_left_out() -> None:
    stopped = dataclasses.replace(row(0, 0.9, 1), reward=None, state=State.PRUNED)
    assert front([stopped, row(1, 0.5, 2)]) == [row(1, 0.5, 2)]
    assert front([row(0, 0.5, 1), row(1, 0.4, 2, latency=0.1)], ("accuracy", "latency"))[0].number == 1


def test_accuracy_comes_first() -> None:
    assert parse_objectives("macs,accuracy") == ("accuracy", "macs")
    assert parse_objectives("accuracy,params,latency") == ("accuracy", "params", "latency")


@pytest.mark.parametrize(
    "text", ["accuracy", "macs,params", "accuracy,FLOPs", "accuracy,macs,macs", "accuracy,reward", ""]
)
def test_other_objectives_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"as in accuracy,macs|or one of your own"):
        parse_objectives(text)
