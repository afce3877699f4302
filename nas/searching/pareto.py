"""The Pareto front: the networks than which none is better in everything."""

from __future__ import annotations

from collections.abc import Sequence

from nas.checks.costs import COSTS, check_cost
from nas.ledger.run import TrialRow
from nas.text.units import parse_names

ACCURACY = "accuracy"
REWARD = "reward"  # accuracy bent by the targets of other costs
ACCURACY_AND_MACS = (ACCURACY, "macs")


def front(rows: Sequence[TrialRow], objectives: Sequence[str] = ACCURACY_AND_MACS) -> list[TrialRow]:
    """Those of `rows` that no other beats: none is as good in all `objectives` and better in one. Cheapest first.

    The first objective, accuracy or the reward, is high where it is good, the others low. Rows without one of them are
    left out, and so are those that are not complete. Of equals the first stays.
    """
    known = [row for row in rows if row.reward is not None and all(n in row.costs for n in objectives[1:])]
    return [known[number] for number in unbeaten([_figures(row, objectives) for row in known])]


def unbeaten(figures: Sequence[Sequence[float]]) -> list[int]:
    """The numbers of those that no other beats, in order. All figures are low where they are good.

    Of equals the first stays.
    """
    kept: list[int] = []
    for number in sorted(range(len(figures)), key=lambda number: (*figures[number], number)):
        # None is beaten by a later one.
        if not any(all(a <= b for a, b in zip(figures[other], figures[number], strict=True)) for other in kept):
            kept.append(number)
    return kept


def parse_objectives(text: str) -> tuple[str, ...]:
    """`accuracy,macs`: accuracy, which comes first, and costs. Raises ValueError for anything else."""
    names = parse_names(text)
    costs = [name for name in names if name not in (ACCURACY, REWARD)]
    if len(names) != len(costs) + 1 or not costs or len(set(names)) != len(names):
        raise ValueError(f"--objectives are accuracy and some of {', '.join(COSTS)}, as in accuracy,macs; not {text!r}")
    return next(name for name in names if name not in costs), *(check_cost(cost) for cost in costs)


def _figures(row: TrialRow, objectives: Sequence[str]) -> tuple[float, ...]:
    """Low where they are good: the costs, then the accuracy or the reward."""
    assert row.quality is not None and row.reward is not None
    good = row.reward if objectives[0] == REWARD else row.quality
    return (*(row.costs[name] for name in objectives[1:]), -good)
