"""A search beside its random control: whether it was better than chance."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nas.ledger.run import Run, TrialRow
from nas.report.numbers import Numbers, summary
from nas.searching.control import Comparison, compare, find, is_control

Measure = Literal["trials", "seconds"]


@dataclass(frozen=True)
class Within:
    """The best of a search, and of its control, within a `budget` that both have spent."""

    measure: Measure
    budget: float
    search: TrialRow
    random: TrialRow

    @property
    def difference(self) -> float:
        """Of the rewards."""
        return (self.search.reward or 0.0) - (self.random.reward or 0.0)


@dataclass(frozen=True)
class Control:
    """A search, and a random one that differs from it in strategy and seed alone."""

    search: Numbers
    random: Numbers

    @property
    def compared(self) -> list[Within]:
        """At equal trials and, unless results were looked up, at equal seconds of training."""
        measures: tuple[Measure, ...] = ("trials",) if self.search.run.config.table else ("trials", "seconds")
        return [within for measure in measures if (within := self._within(measure))]

    @property
    def comparison(self) -> Comparison | None:
        """How all their networks differ, and how sure that is."""
        return compare(self.search.rows, self.random.rows)

    def _within(self, measure: Measure) -> Within | None:
        """None where one had no result by the time that the other ended."""
        both = self.search, self.random
        spent = [len(n.trained) if measure == "trials" else max(n.seconds.values()) for n in both]
        reached = [[step.row for step in n.steps if getattr(step, measure) <= min(spent)] for n in both]
        return Within(measure, min(spent), reached[0][-1], reached[1][-1]) if all(reached) else None

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return (
            {"search": self.search.run.name, "random": self.random.run.name}
            | {
                f"equal_{w.measure}": {
                    w.measure: w.budget,
                    "search": summary(w.search),
                    "random": summary(w.random),
                    "difference": w.difference,
                }
                for w in self.compared
            }
            | {"comparison": self.comparison and self.comparison.to_dict()}
        )


def with_controls(runs: Sequence[Run]) -> list[Run]:
    """Each of `runs` and, after it, the control that `nas search --control` made, once that has begun; each once."""
    found: dict[str, Run] = {}
    for run in runs:
        found.setdefault(run.name, run)
        control = find(run)
        with contextlib.suppress(ValueError):
            if control and control.rows():
                found.setdefault(control.name, control)
    return list(found.values())


def controls(several: Sequence[Numbers]) -> list[Control]:
    """The random control of each search among `several` that has one there."""
    pairs = [Control(search, random) for search in several for random in several if _is_control(random, search)]
    return [pair for pair in pairs if pair.compared]


def _is_control(random: Numbers, search: Numbers) -> bool:
    return bool(search.steps and random.steps) and is_control(random.run.config, search.run.config)
