"""What `nas bench` says: tables, and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nas.bench.searches import Result, Setup, Task
from nas.statistics.wilcoxon import signed_rank_p
from nas.text.columns import table
from nas.text.units import format_count, format_seconds


@dataclass(frozen=True)
class Report:
    """What came of a bench, looked at after each of some numbers of `evaluations`."""

    task: Task
    results: Sequence[Result]
    evaluations: Sequence[int]

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
        title = f"{self.task.table.space.name}, {self.task.table.path.name}" if known.data is None else known.title
        if self.task.reward is None:
            return title
        return f"{title}, accuracy x (MACs / {format_count(self.task.reward.target)}) ^ {self.task.reward.w_above:g}"

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

    def _clocks(self) -> str:
        write = format_seconds if self.task.table.seconds else "{:.1f}".format
        return table(
            ("strategy", *(f"{n:,}" for n in self.evaluations)),
            [(label(r.setup, self.results), *(write(r.time(n)) for n in self.evaluations)) for r in self.results],
        )


def _spread(result: Result, evaluations: int) -> str:
    mean = f"{result.mean(evaluations):.3f}"
    return f"{mean} ± {result.deviation(evaluations):.3f}" if len(result.regret) > 1 else mean


def to_json(report: Report) -> list[dict[str, Any]]:
    """An object for each strategy and number of evaluations; `p_values`: Wilcoxon's, against each other strategy."""
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
            "p_values": {
                label(other.setup, report.results): p_value(result, other, n)
                for other in report.results
                if other is not result
            },
        }
        | ({"settings": dict(result.setup.settings)} if result.setup.settings else {})
        for result in report.results
        for n in report.evaluations
    ]


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
