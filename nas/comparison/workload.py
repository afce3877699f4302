"""A comparison as a workload: a network with a seed is a training, which ends with a look at the test images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from nas.comparison.design import COMPARISON, ComparisonSpace
from nas.comparison.experiment import read, second
from nas.comparison.report import to_json, to_text, write
from nas.comparison.trainings import Trainings
from nas.ledger.config import Budget, Config
from nas.ledger.run import Run
from nas.ledger.workload import Conclusion, Job, Next, Workload
from searchspaces import Arch


@dataclass(frozen=True)
class Comparison(Workload):
    """Of the networks of `comparison`."""

    comparison: ComparisonSpace
    kind: ClassVar[str] = COMPARISON
    trials: ClassVar[type[Trainings]] = Trainings
    tests: ClassVar[bool] = True

    def job(self, arch: Arch, config: Config) -> Job:
        recipe = self.comparison.recipe_of(arch[1], replace(config.recipe, image_size=self.comparison.image_size))
        network, start = self.comparison.network_of(arch), self.comparison.start_of(arch[1])
        return Job(network, recipe, self.comparison.seed_of(arch), tested=True, start=start)

    def after(self, run: Run, budget: Budget) -> Iterator[Next]:
        """The comparison at equal seconds, where that was asked for."""
        if (again := second(run)) is not None:
            yield Next(again, again.budget, f"now each network for {again.config.recipe.seconds:g} s, as {again.name}")

    def conclude(self, run: Run, ended: str, **files: Path | None) -> Conclusion:
        found = read(run)
        written = write(found, run.path, **files)
        return Conclusion("", f"\n{to_text(found)}", {"comparisons": [to_json(results) for results in found]}, written)
