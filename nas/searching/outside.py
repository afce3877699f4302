"""Ask and tell: other programs propose networks for a run, or train what it proposes.

What such a program gets and hands over is the same each time, in Python a dict, else JSON:

    {"trial": 7, "text": "nasbench201:...", "costs": {"macs": 7783242}}

`ask` gives some, each a trial that is kept for whoever asked. `tell` takes some, by the trial's number or the network's
text, with a result that was found elsewhere, or without one: then the network is trained here, by the run's recipe. So
a program that only proposes tells texts, and one that only trains asks and tells results. See `nas.searching.telling`.

Nothing of this is in memory: the ledger is locked while a program asks or tells, others wait for it, and each begins
from what is written. A trial that was asked for and never told is as one that a killed process left: whoever tells its
network goes on with it, and so does `nas resume`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.data.images import Dataset
from nas.devices.process import prepare
from nas.ledger.config import Budget
from nas.ledger.drafts import Draft
from nas.ledger.run import Run, TrialRow, read_arch
from nas.ledger.workload import SEARCH
from nas.network import Network
from nas.searching.driver import evaluate
from nas.searching.gauge import Gauge, gauge_of
from nas.searching.loop import Progress, Search
from nas.searching.published import table_of
from nas.searching.telling import Told, arch_in
from nas.training.trial import State
from searchspaces import Arch

if TYPE_CHECKING:
    from nas.engines.ray_tune import Cluster


@dataclass(frozen=True)
class Answer:
    """What a program is given: `rows` of the ledger, and why these are fewer than it wanted, else ""."""

    rows: list[TrialRow]
    ended: str
    best: TrialRow | None
    trials_left: int | None  # of --trials, but for those that were asked for and not told; None: that is no end
    seconds_left: float | None  # of --budget, likewise

    def to_dict(self, run: Run) -> dict[str, Any]:
        """As JSON values."""
        best = None if self.best is None else described(run, self.best)
        left = {"trials_left": self.trials_left, "seconds_left": self.seconds_left}
        return {"networks": [described(run, row) for row in self.rows], "best": best} | left | {"ended": self.ended}


def described(run: Run, row: TrialRow) -> dict[str, Any]:
    """What a program is given of a trial: what it may hand back, and what came of it, where it has ended."""
    asked: dict[str, Any] = {"trial": row.number, "text": run.text_of(row), "costs": row.costs}
    if row.state != State.RUNNING:
        names = ("state", "accuracy", "score", "loss", "seconds", "reward", "reason", "duplicate_of", "told")
        asked |= {name: getattr(row, name) for name in names}
    return asked


def ask(run: Run, budget: Budget, dataset: Dataset, count: int, progress: Progress) -> Answer:
    """Up to `count` networks that the strategy of `run` proposes, within its limits: trials that are begun, and kept.

    Raises ValueError where there is none, with why.
    """
    with _opened(run, budget, dataset, progress, 1) as search:
        search.ready(1)
        search.propose(count)
        return search.answer(run)


def tell(
    run: Run, budget: Budget, dataset: Dataset, device: str, cluster: Cluster | None, told: Sequence[Told],
    progress: Progress, cost_workers: int | None = None,
) -> Answer:  # fmt: skip
    """Note the results that are `told`, and have an engine train the networks that are told without one.

    The rows are in the order in which they are told. Raises ValueError, and does nothing, where one of them has a
    result already, or can be none; and with why, where there is nothing left to do.
    """
    prepare()
    with _opened(run, budget, dataset, progress, cost_workers) as search:
        waiting = search.found(told)
        search.note([one for one in waiting if one.told.result is not None])
        if search.queue(one for one in waiting if one.told.result is None):
            evaluate(search, dataset, device, cluster)
        return search.answer(run)


@contextmanager
def _opened(
    run: Run, budget: Budget, dataset: Dataset, progress: Progress, cost_workers: int | None
) -> Iterator[FromOutside]:
    if run.config.kind != SEARCH:
        raise ValueError(f"{run.name} is no search: only a search is asked and told")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    run.config.source.check_unchanged(dataset, "run")
    with (
        run.driving(progress.noted) as study,
        gauge_of(run.config, dataset, progress.noted, cost_workers) as gauge,
    ):
        yield FromOutside(run, study, budget, progress, dataset, gauge)


@dataclass(frozen=True)
class _Found:
    """What is told at `place`, the architecture that this is, and the trial that was asked for, where it was."""

    place: int
    told: Told
    arch: Arch
    trial: FrozenTrial | None


class FromOutside(Search):
    """The trials of a run that a program asks for, or tells. What others asked for is counted, and stays theirs."""

    def __init__(
        self, run: Run, study: optuna.Study, budget: Budget, progress: Progress, dataset: Dataset, gauge: Gauge | None
    ) -> None:
        super().__init__(run, study, budget, progress, dataset, table_of(run.config), gauge)
        self._unfinished = []
        self._asked: dict[Arch, FrozenTrial] = {}  # by the canonical form
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            arch, _ = read_arch(trial, run.config.space)
            if arch:
                self._asked[self._key(arch)] = trial
                self._being_trained[self._key(arch)] = []
        self._queue: deque[_Found] | None = None  # what is told; None: the strategy proposes
        self._at_hand: Told | None = None
        self._numbers: dict[int, int] = {}  # of the trials that were begun, by the places of what was wanted

    def propose(self, count: int) -> None:
        """Begin up to `count` trials of the run's own strategy."""
        while len(self._numbers) < count and (spec := self.ask()) is not None:
            self._numbers[len(self._numbers)] = spec.number

    def found(self, told: Sequence[Told]) -> list[_Found]:
        """Where in the run each network is. Raises ValueError where one is not, or has a result that it cannot have."""
        found: list[_Found] = []
        known = {*self._trained}
        taken: set[int] = set()  # by their numbers: who tells one network twice goes on with its trial once
        for place, one in enumerate(told):
            arch, trial = self._find(one)
            if one.result is not None and self._key(arch) in known:
                raise ValueError(f"{self.config.space.format(arch)} has a result already, and can have no other")
            known |= {self._key(arch)} if one.result is not None else set()
            found.append(_Found(place, one, arch, None if trial and trial.number in taken else trial))
            taken |= {trial.number} if trial else set()
        return found

    def note(self, found: Sequence[_Found]) -> None:
        """Write the results that are told to the ledger."""
        results = {self._key(one.arch): one.told.result for one in found}
        self.queue(found)
        while (spec := self.ask()) is not None:
            trial = self._running[spec.number]
            result = results[self._key(self.config.space.from_options(trial.params))]
            assert result is not None
            with self.run.together():
                trial.set_user_attr("told", True)
                self.tell(spec, result)

    def queue(self, found: Iterator[_Found] | Sequence[_Found]) -> bool:
        """Have these begun next, if what came before was; returns whether there is any."""
        if self._queue:
            return False
        self._queue = deque(found)
        for one in self._queue:
            if one.trial is not None:
                self._being_trained.pop(self._key(one.arch), None)
        return bool(self._queue)

    def answer(self, run: Run) -> Answer:
        """What became of it. Raises ValueError where nothing did, with why."""
        trials = self.study.get_trials(deepcopy=False)
        rows = [run.row(trials[self._numbers[place]]) for place in sorted(self._numbers)]
        ended = "" if self._queue is not None and not self._queue else self.ended
        if not rows:
            raise ValueError(f"{run.name}: {ended}")
        budget = self.budget
        trials_left = None if budget.trials is None else max(0, budget.trials - self.trained)
        seconds_left = None if budget.seconds is None else max(0.0, budget.seconds - self.seconds_spent)
        return Answer(rows, ended, self.best, trials_left, seconds_left)

    # ------------------------------------------------------------------ what a search does otherwise

    @property
    def _is_for_others(self) -> bool:
        return False

    def _spent(self) -> bool:
        if self._queue is None:
            return super()._spent()
        return not self._queue or (self._key(self._queue[0].arch) not in self._trained and super()._spent())

    def _propose(self) -> Draft | None:
        if self._queue is None:
            return super()._propose()
        one = self._queue.popleft()
        trial = one.trial or self._begin(one.arch)
        self._at_hand, self._numbers[one.place] = one.told, trial.number
        return Draft(trial, trial._trial_id)

    def _begin(self, arch: Arch) -> FrozenTrial:
        """A new trial of `arch`, in the ledger. To a strategy it is one that nothing was left to choose of."""
        options = self.config.space.options(arch)
        trial = create_trial(
            state=TrialState.RUNNING,
            params=options,
            distributions=self._space,
            system_attrs={"fixed_params": options},
        )
        storage = self.study._storage
        return storage.get_trial(storage.create_new_trial(self.study._study_id, trial))

    def _await(self, draft: Draft, key: Arch) -> None:
        """Nobody knows when a trial that was asked for is told: one that repeats it ends now."""
        if self._queue is not None or key not in self._asked:
            super()._await(draft, key)
            return
        trial = draft.enter(self.study)
        trial.set_user_attr("duplicate_of", self._asked[key].number)
        self.study.tell(trial, state=TrialState.FAIL)

    def _costs_of(self, network: Network, pixels: int, starts: int, faults: int) -> dict[str, float] | str:
        """With those that are told, where the layers do not tell them."""
        counted = super()._costs_of(network, pixels, starts, faults)
        return {**self._at_hand.costs, **counted} if self._at_hand and isinstance(counted, dict) else counted

    def _find(self, told: Told) -> tuple[Arch, FrozenTrial | None]:
        """The architecture that is told, and the trial in which it was asked for."""
        arch = None if told.text is None else arch_in(told.text, self.config)
        if told.trial is None:
            assert arch is not None
            return arch, self._asked.get(self._key(arch))
        trials = self.study.get_trials(deepcopy=False)
        if told.trial >= len(trials):
            raise ValueError(f"{self.run.name} has no trial {told.trial}: it has {len(trials)}, from 0")
        trial = trials[told.trial]
        if trial.state != TrialState.RUNNING:
            raise ValueError(f"trial {told.trial} of {self.run.name} has ended, and its result stands: tell another")
        own, fault = read_arch(trial, self.config.space)
        if not own:
            raise ValueError(f"trial {told.trial} of {self.run.name} is {fault or 'no architecture'}: tell another")
        if arch not in (None, own):
            raise ValueError(f"trial {told.trial} of {self.run.name} is of {self.config.space.format(own)}: tell that")
        return own, trial

    def _key(self, arch: Arch) -> Arch:
        return self.config.space.canonical(arch)
