"""What `nas bench` says: tables, and JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nas.bench.searches import ROUNDING, Result, Setup, Task
from nas.searching.published import ANYONES
from nas.statistics.wilcoxon import signed_rank_p
from nas.text.columns import table
from nas.text.units import format_count, format_seconds


@dataclass(frozen=True)
class Report:
    """What came of a bench, looked at after each of some numbers of `evaluations`."""

    task: Task
    results: Sequence[Result]
    evaluations: Sequence[int]
    within: float = 0.0  # regret at which a search has what it was to find

    @property
    def title(self) -> str:
        seeds = self.seeds
        return f"{self.benchmark}, {seeds} search{'es' if seeds > 1 else ''} of each strategy"

    @property
    def seeds(self) -> int:
        """Searches of each strategy."""
        return len(self.results[0].regret)

    @property
    def benchmark(self) -> str:
        """The table and the reward, in a few words."""
        known = self.task.table.benchmark
        title = f"{self.task.table.space.name}, {self.task.table.path.name}" if known is ANYONES else known.on
        if self.task.reward is None:
            return title
        target, w = self.task.reward.targets["macs"], self.task.reward.w_above
        return f"{title}, accuracy x (MACs / {format_count(target)}) ^ {w:g}"

    @property
    def unit(self) -> str:
        return "points" if self.task.reward is None else "reward x 100"

    def text(self) -> str:
        known = self.task.table.benchmark
        spread = ", mean ± standard deviation" if self.seeds > 1 else ""
        parts = [
            f"{self.title}\nRegret ({self.unit}){spread}, after so many evaluations. A search sees "
            f"{known.observed} and is judged by {known.reported}. ms: the strategy's own time, an evaluation.",
            self._regrets(),
        ]
        if self.task.before:
            parts.append(f"Elsewhere: in {' and in '.join(_before(self))}, by the same strategy with another seed.")
        parts += [self._aim(), self._needed()]
        if any(result.setup.workers > 1 for result in self.results):
            unit = "" if self.task.table.seconds else ", in mean evaluations"
            parts += [f"Simulated time until then{unit}", self._clocks()]
        at_once = sorted({result.setup.workers for result in self.results})
        for workers in at_once:
            alike = [result for result in self.results if result.setup.workers == workers]
            if len(alike) > 1 and len(alike[0].regret) > 1:
                where = f" with {workers} worker{'s' if workers > 1 else ''}" if len(at_once) > 1 else ""
                parts += [
                    f"Wilcoxon's signed-rank test after {self.evaluations[-1]:,}{where}: p of each pair by itself; "
                    "< where the row's is lower.",
                    _p_values(alike, self.evaluations[-1]),
                ]
        if self.seeds == 1:
            parts.append("one search of each shows no spread, so which strategy is better is not known: use --seeds 20")
        return "\n\n".join(parts)

    def _regrets(self) -> str:
        return table(
            ("strategy", *(f"{n:,}" for n in self.evaluations), "ms"),
            [
                (
                    label(result.setup, self.results),
                    *(_spread(result, n) for n in self.evaluations),
                    f"{1000 * result.seconds:.2f}",
                )
                for result in self.results
            ],
        )

    def _aim(self) -> str:
        """What is counted in the table of `_needed`; and whether that can be reached at all."""
        best = (
            f"a network within {self.within:g} {self.unit} of the table's best" if self.within else "the table's best"
        )
        said = (
            f"Evaluations until a search would hand over {best}, by what it is judged by, and does so to the end. "
            f"Of all: the share of searches that did. > {self.ran:,}: not within those that were run."
        )
        if self.task.floor <= self.within + ROUNDING:
            return said
        return (
            f"{said} The network that looks best in the whole table has the regret {self.task.floor:.3f}: a search "
            f"that hands over this one is not counted; --within {math.ceil(1000 * self.task.floor) / 1000:g} counts it."
        )

    def _needed(self) -> str:
        rows = [(label(result.setup, self.results), Needed.of(result, self.within)) for result in self.results]
        return table(
            ("strategy", "of all", *QUARTERS.values()),
            [
                (name, f"{100 * needed.share:.0f} %", *(self._number(needed.after[name_]) for name_ in QUARTERS))
                for name, needed in rows
            ],
        )

    def _number(self, evaluations: int | None) -> str:
        return f"> {self.ran:,}" if evaluations is None else f"{evaluations:,}"

    @property
    def ran(self) -> int:
        """Evaluations of each search."""
        return int(self.results[0].regret.shape[1])

    def _clocks(self) -> str:
        write = format_seconds if self.task.table.seconds else "{:.1f}".format
        return table(
            ("strategy", *(f"{n:,}" for n in self.evaluations)),
            [(label(r.setup, self.results), *(write(r.time(n)) for n in self.evaluations)) for r in self.results],
        )


QUARTERS = {"quarter": "a quarter", "median": "half", "three_quarters": "three quarters"}  # of the searches


@dataclass(frozen=True)
class Needed:
    """How many evaluations the searches of a setup took to what they were to find.

    `share` of them found it. `after` has the evaluations after which a quarter, half and three quarters of all had,
    those that never did included; None: more than were run.
    """

    share: float
    after: dict[str, int | None]

    @classmethod
    def of(cls, result: Result, within: float) -> Needed:
        needed = np.sort(result.needed(within))
        ranks = [-(-len(needed) * quarters // 4) - 1 for quarters in (1, 2, 3)]
        after = [int(needed[rank]) if np.isfinite(needed[rank]) else None for rank in ranks]
        return cls(float(np.isfinite(needed).mean()), dict(zip(QUARTERS, after, strict=True)))


def _spread(result: Result, evaluations: int) -> str:
    mean = f"{result.mean(evaluations):.3f}"
    return f"{mean} ± {result.deviation(evaluations):.3f}" if len(result.regret) > 1 else mean


def to_json(report: Report) -> list[dict[str, Any]]:
    """An object for each strategy and number of evaluations; `p_values`: Wilcoxon's, against each other strategy.

    `reached` is of whole searches, the same for each number: see `Needed`.
    """
    return [
        {
            "strategy": result.setup.strategy,
            "benchmark": report.benchmark,
            "evaluations": n,
            "mean_regret": result.mean(n),
            "std_regret": result.deviation(n) if report.seeds > 1 else None,
            "seeds": len(result.regret),
            "workers": result.setup.workers,
            "simulated_time": result.time(n),
            "strategy_seconds": result.seconds,
            "substitutes": result.substitutes,
            "reached": _reached(report, result),
            "p_values": {
                label(other.setup, report.results): p_value(result, other, n)
                for other in report.results
                if other is not result
            },
        }
        | ({"settings": dict(result.setup.settings)} if result.setup.settings else {})
        | ({"experience": _before(report), "played": result.setup.played} if result.setup.played else {})
        for result in report.results
        for n in report.evaluations
    ]


def _before(report: Report) -> list[str]:
    """The tables on which searches were played before."""
    return [task.table.path.name for task in report.task.before]


def _reached(report: Report, result: Result) -> dict[str, Any]:
    needed = Needed.of(result, report.within)
    return {"within": report.within, "share": needed.share, **needed.after, "evaluations": report.ran}


def p_value(result: Result, other: Result, evaluations: int) -> float:
    return signed_rank_p(result.regret[:, evaluations - 1], other.regret[:, evaluations - 1])


def label(setup: Setup, results: Sequence[Result]) -> str:
    """The strategy; and its workers, where not all have as many."""
    alike = len({result.setup.workers for result in results}) == 1
    return setup.title if alike else f"{setup.title} x{setup.workers}"


def _p_values(results: Sequence[Result], evaluations: int) -> str:
    """Of results with as many workers, the lower half of the square of all pairs."""
    labels = [result.setup.title for result in results]
    rows = [
        (name, *(_pair(result, other, evaluations) for other in results[:i]), *[""] * (len(labels) - 1 - i))
        for i, (name, result) in enumerate(zip(labels, results, strict=True))
    ]
    return table(("", *labels[:-1]), rows[1:])


def _pair(result: Result, other: Result, evaluations: int) -> str:
    mean, others = result.mean(evaluations), other.mean(evaluations)
    p = p_value(result, other, evaluations)
    return f"{'<0.0001' if p < 0.0001 else f'{p:.4f}'} {'<' if mean < others else '>' if mean > others else '='}"
