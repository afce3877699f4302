"""A search as a workload: every architecture is a network, trained as all others; its random control follows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from nas.joint.space import JointSpace, parts_of
from nas.ledger import finals
from nas.ledger.config import Budget, Config
from nas.ledger.run import Run
from nas.ledger.spent import ENDED_AFTER
from nas.ledger.workload import SEARCH, Conclusion, Job, Next, Workload
from nas.network import network_of
from nas.samplers import OUTSIDE
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
        space, network = parts_of(self.space, arch)
        recipe = self.space.recipe_of(arch) if isinstance(self.space, JointSpace) else config.recipe
        whole = network_of(space, network, config.head)
        return Job(whole, recipe, config.seed, start=config.start, trained=config.trains)

    def is_over(self, run: Run, budget: Budget) -> bool:
        """Where a final network was asked for: once that has begun, or the search has ended by itself before."""
        if run.config.final is None:
            return False
        return finals.has_begun(run) or (budget == run.budget and has_ended(run))

    def after(self, run: Run, budget: Budget) -> Iterator[Next]:
        """Longer trainings of its best networks, and the random search with an equal budget: what was asked for."""
        if run.config.final is not None:
            from nas.final import ranking  # of a floor above

            if (longer := ranking.complete(run)) is not None:
                yield Next(longer, longer.budget, ranking.announced(run, longer))
        if (random := control.complete(run)) is not None:
            now = run.config  # whose tables may have moved
            random.config = dataclasses.replace(random.config, table=now.table, measuring=now.measuring)
            if run.config.strategy == OUTSIDE:  # whose budget was what other programs made of it
                budget = Budget(trials=max(1, counted_in(run)))
            yield Next(random, budget, f"now random search with an equal budget, as {random.name}")

    def conclude(self, run: Run, ended: str, **files: Path | None) -> Conclusion:
        if run.config.final is not None:
            from nas.final import shipping  # of a floor above

            return shipping.conclude(run, ended)
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


def counted_in(run: Run) -> int:
    """Trials of `run` that count in its budget."""
    trials = run.study.get_trials(deepcopy=False)
    return sum(
        trial.state.is_finished() and not {"duplicate_of", "refused"} & trial.user_attrs.keys() for trial in trials
    )


def has_ended(run: Run) -> bool:
    """Whether `run` has ended by itself, and nobody has added a trial since."""
    if run.is_untouched:
        return False
    study = run.study
    after = study._storage.get_study_system_attrs(study._study_id).get(ENDED_AFTER)
    return bool(after == len(study.get_trials(deepcopy=False)))
