"""One search with several seeds: NAME-seed0, NAME-seed1, ... differ in their seeds alone. Each is a run as any other.

How good a strategy is one search does not say: chance decides much of it. So a set of them has a mean and a spread.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from nas.checks.limits import SEEDS
from nas.files import CONFIG, is_taken
from nas.ledger.config import Config, without_places
from nas.ledger.run import Run, TrialRow, best_of

LIMIT = 1e100  # of a value that has a mean with others


def check(seeds: int, control: bool) -> None:
    """Raises ValueError where there cannot be a set of so many, or what is asked for beside it."""
    SEEDS.checked("--seeds", seeds)
    if seeds > 1 and control:
        raise ValueError(
            "--control stands beside one search: leave it out, search with --strategy random and the same --seeds as "
            "well, and set both side by side with `nas report`"
        )


def places(path: Path, seeds: range) -> dict[Path, int]:
    """Where the searches of the set `path` go, with their seeds.

    Of a single seed it is `path` itself. Raises ValueError where a set has no room.
    """
    if len(seeds) == 1:
        return {path: seeds[0]}
    found = {path.with_name(f"{path.name}-seed{seed}"): seed for seed in seeds}
    for place in (path, *found):
        if is_taken(place):
            raise ValueError(f"{place} exists: `nas resume {path.name}` continues it, --name starts another")
    return found


def find(path: Path) -> list[Path]:
    """The folders of the set `path` in the order of their seeds; none where that is a run itself, or there is none."""
    if (path / CONFIG).exists():
        return []
    found = {}
    for place in path.parent.glob(f"{glob.escape(path.name)}-seed*"):
        match = re.fullmatch(r"-seed(\d+)", place.name.removeprefix(path.name))
        if match and (place / CONFIG).exists():
            found[int(match[1])] = place
    return [found[seed] for seed in sorted(found)]


def name_of(run: Run) -> str:
    """By what `run` is resumed: its own name, or that of the set that it is one of."""
    whole = run.path.with_name(re.sub(r"-seed\d+$", "", run.name))
    return whole.name if len(find(whole)) > 1 else run.name


def without_seed(config: Config) -> dict[str, Any]:
    """What searches of one set have alike."""
    return without_places(config.to_dict()) | {"seed": 0}


def check_alike(runs: Sequence[Run]) -> None:
    """Raises ValueError where `runs` differ in more than their seeds."""
    for run in runs[1:]:
        if without_seed(run.config) != without_seed(runs[0].config) or run.budget != runs[0].budget:
            raise ValueError(
                f"{runs[0].name} and {run.name} differ in more than their seeds, so they have no mean: name one of them"
            )


@dataclass(frozen=True)
class Summary:
    """The best of each run of a set by its name, None where it has none; and what they show together."""

    name: str
    bests: dict[str, TrialRow | None]

    @classmethod
    def of(cls, name: str, runs: Sequence[Run]) -> Summary:
        """Raises ValueError where `runs` differ in more than their seeds."""
        check_alike(runs)
        return cls(name, {run.name: best_of(run.rows()) for run in runs})

    def figures(self, name: str) -> list[float]:
        """`reward` or `accuracy` of the bests that there are."""
        values = [getattr(best, name) for best in self.bests.values() if best]
        return [value for value in values if value is not None]

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        bests = {name: best and best.to_dict() for name, best in self.bests.items()}
        spreads = {name: spread_of(self.figures(name)) for name in ("reward", "accuracy")}
        return {"set": self.name, "bests": bests} | {name: s and asdict(s) for name, s in spreads.items()}


@dataclass(frozen=True)
class Spread:
    """Of `n` values; a single one has no standard deviation."""

    mean: float
    deviation: float | None
    n: int


def spread_of(values: Sequence[float]) -> Spread | None:
    """None of no value; an infinite or huge one, of another program, has no mean and is left out."""
    values = [value for value in values if abs(value) < LIMIT]
    if not values:
        return None
    return Spread(fmean(values), stdev(values) if len(values) > 1 else None, len(values))
