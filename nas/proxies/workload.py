"""A study of proxies as a workload: a network, a training of so long and a seed are one training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from nas.ledger.config import Config
from nas.ledger.run import Run
from nas.ledger.workload import Conclusion, Job, Workload
from nas.proxies.report import to_json, to_text, write
from nas.proxies.results import results
from nas.proxies.study import STUDY_OF_PROXIES, ProxyStudy
from nas.searching.loop import Search
from searchspaces import Arch


@dataclass(frozen=True)
class Study(Workload):
    """Of the networks and trainings of `study`."""

    study: ProxyStudy
    kind: ClassVar[str] = STUDY_OF_PROXIES
    trials: ClassVar[type[Search]] = Search

    def job(self, arch: Arch, config: Config) -> Job:
        study = self.study
        recipe, seed = study.recipe_of(arch, config.recipe), study.seed_of(arch)
        start = config.start if study.inherits(arch) else None
        return Job(study.network_of(arch), recipe, seed, study.evaluations_of(arch), start=start)

    def conclude(self, run: Run, ended: str, **files: Path | None) -> Conclusion:
        found = results(run)
        written = write(found, run.path)
        said = f"\n{ended}. `nas top {run.name}` lists the trainings.\n" if ended else ""
        return Conclusion(said, to_text(found), to_json(found), written)
