"""What an attack found: how often it tried, and what went wrong, each with the words that repeat it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["lost", "twice", "different", "traceback", "hang", "crash", "silent"]

KINDS: dict[Kind, str] = {
    "lost": "a trial, or a result, that was in the ledger is gone",
    "twice": "a network was trained again whose result was known",
    "different": "what came out is not what an undisturbed run gives",
    "traceback": "the user sees Python's innards",
    "hang": "no end within the time that is given",
    "crash": "the process died of a signal that nobody sent",
    "silent": "a wrong value was taken without a word",
}
"""What can go wrong, and what that means."""


@dataclass(frozen=True)
class Fault:
    """One thing that went wrong. `how` repeats it: the seed, the number of the try, what was done."""

    kind: Kind
    how: str


@dataclass
class Outcome:
    """What so many `tries` of an `attack` on a `target` gave."""

    attack: str
    target: str
    tries: int = 0
    faults: list[Fault] = field(default_factory=list)

    def blame(self, kind: Kind, how: str) -> None:
        """Note a fault."""
        self.faults.append(Fault(kind, how))

    @property
    def counts(self) -> Counter[Kind]:
        """How many faults there are of each kind."""
        return Counter(fault.kind for fault in self.faults)


Attack = Callable[[int, int, Path], Iterator[Outcome]]
"""So many tries, a seed, and an empty folder to work in -> what each target gave."""


def table(outcomes: Iterable[Outcome]) -> str:
    """The outcomes in Markdown, one row each, and their sum."""
    rows = list(outcomes)
    total = Outcome("all", "", sum(row.tries for row in rows), [fault for row in rows for fault in row.faults])
    lines = [
        f"| attack | on | tries | {' | '.join(KINDS)} |",
        f"|---|---|--:|{'--:|' * len(KINDS)}",
        *(_line(row) for row in [*rows, total]),
    ]
    return "\n".join(lines)


def _line(row: Outcome) -> str:
    return f"| {row.attack} | {row.target} | {row.tries:,} | {' | '.join(str(row.counts[kind]) for kind in KINDS)} |"
