"""What a grid search of compound scaling found, from its ledger, and how sure that is.

Everything here is of validation images: the test set is for networks that were chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import median

from nas.ledger.run import Run, TrialRow
from nas.scale.grid import COMPOUND, GRID_OF_SCALINGS, ScalingGrid, kind, name_of
from nas.statistics.differences import LEARNED, Fit, Interval
from nas.training.trial import State
from scaling.compound import Compound

CONFIDENCE = 0.95


@dataclass(frozen=True)
class TripleResult:
    """A network of the grid and the validation accuracy (0..1) of each of its trainings that ended, by seed."""

    compound: Compound
    same: tuple[Compound, ...]  # triples that build this network, too
    image_size: int
    params: int | None  # None before its first training
    macs: int | None
    accuracies: dict[int, float]
    failures: dict[int, str]  # the reasons, by seed
    costs: dict[str, float] = field(default_factory=dict)  # that were asked for; latency of the middle training

    @property
    def name(self) -> str:
        return name_of(self.compound)


@dataclass(frozen=True)
class GridResults:
    """The results of a grid, the base's first. `seeds` is how often each network is to be trained."""

    run: str
    base: str
    data: str
    seeds: int
    all: tuple[TripleResult, ...]
    num_classes: int | None = None
    costs: tuple[str, ...] = ()  # columns beside parameters and multiply-adds

    @cached_property
    def fit(self) -> Fit[Compound] | None:
        """None before the first training has ended."""
        observed = {(r.compound, seed): a for r in self.all for seed, a in r.accuracies.items()}
        return Fit.of(observed) if observed else None

    @property
    def trained(self) -> list[TripleResult]:
        return [result for result in self.all if result.accuracies]

    @property
    def compounds(self) -> list[TripleResult]:
        """The triples that were trained, the best first."""
        found = [result for result in self.trained if kind(result.compound) == COMPOUND]
        return sorted(found, key=lambda result: -self.level(result))

    @property
    def learned(self) -> bool:
        """Whether any network is above chance, as far as the number of classes is known."""
        least = LEARNED / self.num_classes if self.num_classes else 0.0
        return any(self.level(result) > least for result in self.trained)

    @property
    def against_best(self) -> list[Interval]:
        """The best triple's differences from every other network that grew; none where one seed shows no spread."""
        best = self.compounds[:1]
        rivals = [r for r in self.trained if r not in best and kind(r.compound) != "base"]
        return [interval for rival in rivals for first in best if (interval := self.difference(first, rival))]

    @property
    def is_shown(self) -> bool:
        """Whether the best triple is shown to be better than anything else that grew."""
        return any(interval.shows for interval in self.against_best)

    @property
    def missing(self) -> int:
        """Trainings that have not ended."""
        return sum(self.seeds - len(r.accuracies) - len(r.failures) for r in self.all)

    def level(self, result: TripleResult) -> float:
        """Its accuracy with an average seed: the mean, where no training is missing."""
        assert self.fit is not None
        return self.fit.level(result.compound)

    def difference(self, first: TripleResult, second: TripleResult) -> Interval | None:
        return self.fit.difference(first.compound, second.compound, CONFIDENCE) if self.fit else None

    def ratio(self, result: TripleResult) -> float | None:
        """Its measured multiply-adds to the base's."""
        base = self.all[0].macs
        return result.macs / base if result.macs and base else None


def results(run: Run) -> GridResults:
    """What is in a grid's ledger, at any time. Raises ValueError where `run` is no grid."""
    space = grid_of(run)
    rows = [row for row in run.rows() if row.arch]
    found = []
    for compound in space.compounds:
        of_it = [row for row in rows if space.compound(row.arch) == compound]
        done = {space.seed_of(row.arch): row for row in of_it if row.state != State.RUNNING}
        complete = {seed: row for seed, row in done.items() if row.state == State.COMPLETE}
        size = next((row for row in of_it if row.macs), None)
        found.append(
            TripleResult(
                compound,
                space.same_as(compound),
                space.image_size_of(compound),
                size.params if size else None,
                size.macs if size else None,
                {seed: row.accuracy for seed, row in complete.items() if row.accuracy is not None},
                {seed: row.reason for seed, row in done.items() if seed not in complete},
                _costs_of(of_it, run.config.also),
            )
        )
    config = run.config
    classes = config.num_classes or len(config.validation or ()) or None  # the first was not always noted
    columns = tuple(name for name in config.also if name not in ("params", "macs"))
    return GridResults(run.name, space.base, config.data, space.seeds, tuple(found), classes, columns)


def _costs_of(rows: Sequence[TrialRow], names: Sequence[str]) -> dict[str, float]:
    """Of a network, of which these are trainings: counted ones are the same in each."""
    known = {name: [row.costs[name] for row in rows if name in row.costs] for name in names}
    return {name: median(figures) for name, figures in known.items() if figures}


def grid_of(run: Run) -> ScalingGrid:
    """The grid that `run` trains. Raises ValueError where it is another search."""
    if run.config.kind != GRID_OF_SCALINGS:
        raise ValueError(f"{run.name} searches {run.config.space.name}: a grid of triples is one of nas scale --search")
    grid: ScalingGrid = run.config.workload.grid  # type: ignore[attr-defined]
    return grid


def best_compound(run: Run) -> Compound:
    """The triple of the highest accuracy. Raises ValueError where none is trained, or `run` is no grid."""
    compounds = results(run).compounds
    if not compounds:
        raise ValueError(f"{run.name} has trained no triple yet: `nas resume {run.name}` continues it")
    return compounds[0].compound
