"""A search as a workload: every architecture is a network, trained as all others; its random control follows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from nas.ledger.config import Budget, Config
from nas.ledger.run import Run
from nas.ledger.workload import SEARCH, Conclusion, Job, Next, Workload
from nas.network import Found
from nas.searching import control
from nas.searching.loop import Search
from searchspaces import Arch, Space


@dataclass(frozen=True)
class SearchWorkload(Workload):
    """Of the networks of `space`."""

    space: Space
    kind: ClassVar[str] = SEARCH
    trials: ClassVar[type[Search]] = Search

    def job(self, arch: Arch, config: Config) -> Job:
        return Job(Found(self.space, arch), config.recipe, config.seed)

    def after(self, run: Run, budget: Budget) -> Iterator[Next]:
        """The random search with an equal budget, where one was asked for."""
        if (random := control.complete(run)) is not None:
            random.config = dataclasses.replace(random.config, table=run.config.table)  # which may have moved
            yield Next(random, budget, f"now random search with an equal budget, as {random.name}")

    def conclude(self, run: Run, ended: str, **files: Path | None) -> Conclusion:
        called = f"{run.name}{run.permissions}"
        then = f"`nas compare {called}` sets the best beside hand-designed networks"
        said = f"\n{ended}. `nas top {called}` lists them, {then}."
        random = control.find(run)
        if random is None:
            return Conclusion(said)
        compared = control.compare(run.rows(), random.rows())
        text = "no comparison with random search: one of the two has no network that was trained to the end"
        if compared is not None:
            text = f"\n{run.name} beside {random.name}\n\n{control.to_text(compared)}"
        return Conclusion(said, text, {"run": run.name, "control": compared and compared.to_dict()})
