"""The part of a report that says what a search came to with several seeds: mean and spread of the best so far."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from nas.ledger.repeats import Spread, spread_of, without_seed
from nas.report import alike
from nas.report.charts import Series, chart
from nas.report.found import figure, reward_axis, trials_axis
from nas.report.markup import Markup, tag
from nas.report.numbers import Numbers
from nas.report.parts import key, note, section, text_table

MILESTONES = 5  # at the best so far, in the table


@dataclass(frozen=True)
class Repeated:
    """Searches that differ in their seeds alone."""

    runs: Sequence[Numbers]

    @property
    def name(self) -> str:
        """That of the set, else of all."""
        names = list(dict.fromkeys(re.sub(r"-seed\d+$", "", numbers.run.name) for numbers in self.runs))
        return ", ".join(names) if len(names) < len(self.runs) else ", ".join(n.run.name for n in self.runs)

    @property
    def first(self) -> int:
        """The number of networks after which each has one with a reward."""
        return max(numbers.steps[0].trials for numbers in self.runs)

    @property
    def last(self) -> int:
        """The number of networks that each has tried."""
        return min(len(numbers.trained) for numbers in self.runs)

    def after(self, trials: int) -> Spread | None:
        """Of the best rewards after so many networks."""
        reached = [[s.row.reward for s in numbers.steps if s.trials <= trials] for numbers in self.runs]
        return spread_of([best[-1] for best in reached if best and best[-1] is not None])

    @property
    def milestones(self) -> list[int]:
        """Some numbers of networks up to the last, each about twice the one before."""
        found = {max(self.first, round(self.last / 2**halvings)) for halvings in range(MILESTONES)}
        return sorted(found)

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        spreads = {trials: self.after(trials) for trials in self.milestones}
        return {
            "runs": [numbers.run.name for numbers in self.runs],
            "best_reward": [{"trials": trials} | asdict(spread) for trials, spread in spreads.items() if spread],
        }


def repeated(several: Sequence[Numbers]) -> list[Repeated]:
    """Those among `several` that there are with two seeds or more, and a network each by the time that one ended."""
    sets: list[list[Numbers]] = []
    for numbers in several:
        config = without_seed(numbers.run.config)
        same = next((group for group in sets if without_seed(group[0].run.config) == config), None)
        if same is None:
            sets.append(same := [])
        same.append(numbers)
    found = [Repeated(group) for group in sets if len({n.run.config.seed for n in group}) > 1]
    return [group for group in found if all(n.steps for n in group.runs) and group.first <= group.last]


def over_seeds(several: Sequence[Numbers]) -> Markup | None:
    """What the searches reached on the mean, and how far their seeds set them apart."""
    groups = repeated(several)
    if not groups:
        return None
    legend = [tag("span", None, key(colour), group.name) for colour, group in enumerate(groups)]
    milestones = sorted({trials for group in groups for trials in group.milestones})
    rows = [[group.name, str(len(group.runs)), *(_cell(group, trials) for trials in milestones)] for group in groups]
    table = text_table(
        ["best reward after", "seeds", *(f"{n:,} networks" for n in milestones)],
        rows,
        tuple(range(1, len(milestones) + 2)),
    )
    said = (
        "The line is the mean of the best so far, the band one standard deviation to either side, up to as many "
        "networks as each of the searches has tried. They differ in their seeds alone."
    )
    charts = tag("div", {"class": "charts"}, *_charts(groups))
    return section("Over seeds", tag("p", {"class": "legend"}, *legend), charts, table, note(said))


def _charts(groups: Sequence[Repeated]) -> Iterator[Markup]:
    """One of the searches whose rewards measure the same."""
    axes = alike.by_reward([group.runs[0] for group in groups])
    for same in axes:
        curves = [_curve(groups[colour], colour) for colour, _ in same]
        whose = f": {', '.join(groups[colour].name for colour, _ in same)}" if len(axes) > 1 else ""
        yield figure(f"Best so far{whose}", chart(curves, trials_axis(), reward_axis(same)))


def _curve(group: Repeated, colour: int) -> Series:
    spreads = [(trials, spread) for trials in range(group.first, group.last + 1) if (spread := group.after(trials))]
    line = [(float(trials), spread.mean) for trials, spread in spreads]
    band = [(float(t), s.mean - (s.deviation or 0.0), s.mean + (s.deviation or 0.0)) for t, s in spreads]
    return Series(colour, [], line=line, band=band)


def _cell(group: Repeated, trials: int) -> str:
    spread = group.after(trials) if group.first <= trials <= group.last else None
    if spread is None:
        return "-"
    return f"{spread.mean:.4f} ± {spread.deviation or 0.0:.4f}"
