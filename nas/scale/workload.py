"""A grid of scalings as a workload: a triple with a seed is a training of the network that grew by it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from nas.ledger.config import Config
from nas.ledger.run import Run
from nas.ledger.workload import Conclusion, Job, Workload
from nas.scale.grid import GRID_OF_SCALINGS, ScalingGrid
from nas.scale.report import to_json, to_text, write
from nas.scale.results import results
from nas.searching.loop import Search
from searchspaces import Arch


@dataclass(frozen=True)
class Grid(Workload):
    """Of the triples of `grid`."""

    grid: ScalingGrid
    kind: ClassVar[str] = GRID_OF_SCALINGS
    trials: ClassVar[type[Search]] = Search

    def job(self, arch: Arch, config: Config) -> Job:
        recipe = replace(config.recipe, image_size=self.grid.pixels_of(arch))
        return Job(self.grid.network_of(arch), recipe, self.grid.seed_of(arch))

    def conclude(self, run: Run, ended: str, **files: Path | None) -> Conclusion:
        found = results(run)
        written = write(found, run.path)
        said = f"\n{ended}. `nas top {run.name}` lists them.\n" if ended else ""
        return Conclusion(said, to_text(found), to_json(found), written)
