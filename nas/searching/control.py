"""Does a search beat random search? An equal budget on the same space, recipe, seed and limits, and how they differ.

The control is a run of its own beside the search, see `nas.ledger.beside`: NAME-random for NAME.

How sure a difference is comes from resampling both runs' networks (the bootstrap, Efron 1979): had each drawn as many
again from what it found, how would the bests differ? Resampling the control alone would not do. A search that is random
itself has the better best in every second case, and the best of a resampled control never exceeds its best: by that
measure it would win every second time.

The 99 % limits of the resampled differences are given as the 95 % interval. The bootstrap is too sure of a best-of-n:
of two random searches of 10 to 200 networks each, its 95 % limits called one better than the other in 12 to 16 of 100
cases, its 99 % ones in 5 to 7. For medians they are wider than they need be.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.files import is_taken
from nas.ledger import beside
from nas.ledger.config import Config, differences, without_places
from nas.ledger.run import Run, TrialRow
from nas.statistics.differences import Interval
from nas.text.columns import table
from nas.text.units import format_points

Rewards = NDArray[np.float64]

RANDOM = "random"
_WITHOUT: dict[str, Any] = {"experience": (), "experience_sha256": None, "enqueue": (), "prior": ()}
"""What random search is without: all that somebody knew before. So that is judged as a part of the search."""
TOP = 5
RESAMPLES = 4000
ENOUGH = 10  # networks of each: of fewer, resampling shows what they had in common, and no chance
LIMITS = (0.005, 0.995)  # quantiles of the resampled differences

FIGURES: dict[str, Callable[[Rewards], float]] = {
    "best": lambda rewards: float(rewards.max()),
    f"mean of the best {TOP}": lambda rewards: float(np.sort(rewards)[-TOP:].mean()),
    "median": lambda rewards: float(np.median(rewards)),
}


# ------------------------------------------------------------------ the second run


def create(run: Run) -> Run:
    """The control of the new `run`, beside it, with its budget. Raises ValueError where there is something already."""
    config = dataclasses.replace(run.config, strategy=RANDOM, strategy_settings={}, final=None, **_WITHOUT)
    storage = run.database() if run.in_database else None
    return Run.create(place(run.path), config, run.budget, storage, of=run.identity.id)


def complete(run: Run) -> Run | None:
    """The control of `run`; made now, where a process died between making the two. None where it has none.

    Raises ValueError where that cannot be told, since the ledger of `run` is lost or damaged.
    """
    found = find(run)
    if found is None and run.identity.beside == place(run.path).name and run.is_untouched:
        return create(run)
    return found


def check(config: Config, path: Path) -> None:
    """Raises ValueError where a control of a run of `config` in `path` would say nothing, or has no room."""
    check_room(path)
    if config.strategy == RANDOM:
        raise ValueError("--control compares with random search: choose another --strategy, or leave it out")
    if config.objectives:
        raise ValueError("--control compares one reward: leave out --objectives, or give a --target-macs instead")


def check_room(path: Path) -> None:
    """Raises ValueError where there is something already where the control of the run in `path` goes."""
    if is_taken(place(path)):
        raise ValueError(f"{place(path)} exists, where the control goes: choose another --name")


def find(run: Run) -> Run | None:
    """The control of `run`, if one was begun."""
    return beside.find(run, RANDOM, lambda control: is_control(control.config, run.config))


def place(path: Path) -> Path:
    """Where the control of the run in `path` is made."""
    return beside.usual_place(path, RANDOM)


def is_control(control: Config, search: Config) -> bool:
    """Whether `control` is of a random search that differs from `search` in strategy and seed alone."""
    if control.strategy != RANDOM or search.strategy == RANDOM:
        return False
    apart = {"strategy": "", "strategy_settings": {}, "seed": 0, "final": None, **_WITHOUT}
    first, second = (without_places(config.to_dict()) | apart for config in (search, control))
    return not differences(first, second)


# ------------------------------------------------------------------ the comparison


@dataclass(frozen=True)
class Figure:
    """One figure of both runs' rewards. `difference` is the search's minus the control's."""

    name: str
    search: float
    random: float
    difference: Interval


@dataclass(frozen=True)
class Comparison:
    """A search beside its control, of which `search` and `random` networks were trained to the end."""

    search: int
    random: int
    figures: tuple[Figure, ...]  # of `FIGURES`
    told: int = 0  # of those of the search: their results are from outside, not of its recipe

    @property
    def verdict(self) -> str:
        """The words that a person reads, about the best: it is what a search hands over."""
        best = self.figures[0].difference
        if min(self.search, self.random) < ENOUGH:
            few = f"which may be chance: that takes {ENOUGH} networks of each to say"
            return f"no difference from random shown: {format_points(best.estimate)} points, {few}"
        points = 100 * best.estimate, 100 * best.low, 100 * best.high
        interval = f"(95 % interval {points[1]:+.1f} to {points[2]:+.1f})"
        if best.shows:
            return f"{'better' if best.low > 0 else 'worse'} than random by {abs(points[0]):.1f} points {interval}"
        return f"no difference from random shown: {format_points(best.estimate)} points {interval}"

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return dataclasses.asdict(self) | {"verdict": self.verdict}


def compare(search: Sequence[TrialRow], random: Sequence[TrialRow]) -> Comparison | None:
    """The trials of a search beside those of its control; None where one has no result."""
    both = [rewards_of(rows) for rows in (search, random)]
    if not all(len(rewards) for rewards in both):
        return None
    figures = (Figure(name, of(both[0]), of(both[1]), _interval(of, *both)) for name, of in FIGURES.items())
    told = sum(row.told for row in search if row.reward is not None and row.duplicate_of is None)
    return Comparison(len(both[0]), len(both[1]), tuple(figures), told)


def rewards_of(rows: Sequence[TrialRow]) -> Rewards:
    """Of the different networks that were trained to the end."""
    return np.array([row.reward for row in rows if row.reward is not None and row.duplicate_of is None])


def _interval(figure: Callable[[Rewards], float], search: Rewards, random: Rewards) -> Interval:
    estimate = figure(search) - figure(random)
    if min(len(search), len(random)) < ENOUGH:
        return Interval(estimate, -1.0, 1.0)  # all that it can be
    rng = np.random.default_rng(0)
    drawn = [[figure(rng.choice(run, len(run))) for _ in range(RESAMPLES)] for run in (search, random)]
    low, high = np.quantile(np.subtract(drawn[0], drawn[1]), LIMITS)
    return Interval(estimate, float(low), float(high))


def to_text(comparison: Comparison) -> str:
    """What `nas search --control` prints."""
    header = ("reward", "search", "random", "difference", "95 % interval")
    few = min(comparison.search, comparison.random) < ENOUGH
    rows = [
        (f.name, f"{f.search:.4f}", f"{f.random:.4f}", f"{d.estimate:+.4f}", "-" if few else _signed(d))
        for f, d in ((figure, figure.difference) for figure in comparison.figures)
    ]
    counted = f"{comparison.search} networks trained to the end in the search, {comparison.random} in its control"
    if comparison.told:
        counted += f". {comparison.told} results of the search were told from outside, not trained by its recipe"
    return f"{table(header, rows)}\n\n{counted}.\n{comparison.verdict}"


def _signed(interval: Interval) -> str:
    return f"{interval.low:+.4f} to {interval.high:+.4f}"
