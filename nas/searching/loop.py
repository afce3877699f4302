"""A search: ask the strategy, have the network trained, tell the ledger; until the budget is spent.

`Search` is what an engine drives: the engine decides where trainings run, and calls `ask`, `report` and
`tell`. Nothing outlives the process but the ledger, and a search that finds trials in it goes on from them.
"""

from __future__ import annotations

import bisect
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Protocol

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from nas.checks.costs import OF_LAYERS, above_limit, kind_of, option
from nas.data.images import Dataset
from nas.devices.command import Unmeasured
from nas.devices.place import PLACE, Places
from nas.devices.slots import Measurement
from nas.ledger.config import Budget
from nas.ledger.drafts import Draft, Drafts
from nas.ledger.experience import experience_of
from nas.ledger.run import Run, TrialRow, best_of
from nas.ledger.spent import ENDED_AFTER, busy_seconds
from nas.network import Network
from nas.pruning import make_pruner
from nas.samplers import OUTSIDE, StrategySampler, distributions, make_sampler
from nas.searching.counted import counted, size_in
from nas.searching.gauge import Gauge
from nas.searching.pace import Pace
from nas.searching.published import Published
from nas.training.train import Epoch
from nas.training.trial import Clock, State, TrialResult, TrialSpec, describe
from searchspaces import Arch, Space
from searchspaces.cost import Cost

MAX_STARTS = 5  # a training that took its whole process with it so often is given up
MAX_FAILURES = 20  # in a row: it is not the networks that are broken
MAX_DUPLICATES = 200  # proposals in a row that were trained already: the strategy has nothing new


class Progress(Protocol):
    """Who watches a search: a terminal, a pipe, a program."""

    def waiting(self, what: str) -> None: ...
    def noted(self, what: str) -> None: ...
    def began(self, seconds_left: Callable[[], float | None]) -> None: ...
    def started(self, spec: TrialSpec, size: Cost) -> None: ...
    def step(self, spec: TrialSpec, epoch: int, step: int, steps: int) -> None: ...
    def epoch(self, spec: TrialSpec, epoch: Epoch) -> None: ...
    def finished(self, row: TrialRow, best: TrialRow | None, seconds_left: float | None) -> None: ...


@dataclass(frozen=True, eq=False)
class _Ahead:
    """A trial that is in the ledger, and will be trained where its network is within the limits.

    `measurement` is what that waits for; None: for nothing.
    """

    spec: TrialSpec
    arch: Arch
    measurement: Measurement | None


class Search:
    """The trials of `run`, asked and told in any order, several at once where the engine has workers.

    Trials that a killed process left unfinished are asked for first, then those that were enqueued, by any program, and
    then the architectures of a person's own that the configuration has.
    What is no trial of the space is noted as failed where it has not ended, and passed over. A network that is in the
    ledger already is not trained again: its trial gets the result of the one that trained it (`duplicate_of`),
    and counts for nothing in the budget. With a table of published results nothing is trained at all.

    Where a `gauge` measures several networks at once, so many are proposed ahead of their trainings, and measured while
    others are trained. As long as one is trained at a time, they are trained in the order of their proposals.
    """

    def __init__(
        self,
        run: Run,
        study: optuna.Study,
        budget: Budget,
        progress: Progress,
        dataset: Dataset,
        table: Published | None = None,
        gauge: Gauge | None = None,
    ) -> None:
        self.run, self.budget, self.progress = run, budget, progress
        self._drafts = Drafts(study._storage)
        self.study = study = self._drafts.study(study.study_name)
        self.config, self.table = run.config, table
        self.num_classes = dataset.num_classes
        self.channels = dataset.channels
        self.image_size = run.config.recipe.size_on(dataset)
        self.ended = ""  # why, once `ask` has given None
        objectives = len(self.config.directions)
        study.sampler = make_sampler(
            self.config.strategy, self.config.space, self.config.seed, objectives, self.config.strategy_settings,
            [earlier.for_search(self.config) for earlier in experience_of(run).runs],
            self.config.learns_from_losses, self.config.prior,
        )  # fmt: skip
        study.pruner = make_pruner(self.config.pruner, self.config.recipe.epochs)

        trials = study.get_trials(deepcopy=False)
        check_options(trials, self.config.space)
        self._space = distributions(self.config.space)
        self._enqueued = deque(self.config.space.parse(text) for text in self.config.enqueue)
        self._unfinished = [t._trial_id for t in reversed(trials) if t.state == TrialState.RUNNING]
        begun = [trial for trial in trials if not trial.state.is_finished()]
        self._reported = {t.number: t.last_step for t in begun if t.last_step is not None}  # the last epochs
        self._running: dict[int, Trial] = {}
        self._being_trained: dict[Arch, list[Trial]] = {}  # and who else waits for the same network
        self._trained: dict[Arch, int] = {}  # the trial, by its id: a search is long, and the ledger has the rest
        self._done = 0
        self._seconds: list[float] = []  # of those that are done, sorted
        self._best: TrialRow | None = None
        for trial in trials:
            if trial.state.is_finished():
                self._remember(trial)
        self._seconds_before = budget.timing + busy_seconds(trials)
        self._places = Places(study)
        self.gauge = gauge
        self._ahead: list[_Ahead] = []  # proposed, and not known to be within the limits yet
        self._due: TrialSpec | None = None  # what `ask` gives next
        self._in_vain = 0  # proposals in a row of which no training came
        clock = Clock(self.config.measuring.runtime, self.config.limits.get("latency"))
        self._clock = clock if self.config.times_networks else None
        self._failures = 0  # in a row, in this process
        self._refusals = 0  # likewise
        self._least: dict[str, tuple[float, int]] = {}  # of the costs by which networks were refused, and the trial
        self._began = time.monotonic()
        self._pace = Pace()

    # ------------------------------------------------------------------ what an engine calls

    def ready(self, at_once: int) -> None:
        """Note that so many trials can be trained at once from now on."""
        self._pace.at_once = at_once
        self.progress.began(self.seconds_left)

    def resized(self, at_once: int) -> None:
        """Note that machines came or went, so that so many trials are trained at once from now on."""
        self._pace.at_once = at_once

    def waiting(self, what: str) -> None:
        """Note that nothing goes on, since `what` is waited for."""
        self.progress.waiting(what)

    def ask(self) -> TrialSpec | None:
        """The next training to do; None when the budget is spent or the strategy has nothing new."""
        while not self.due():
            assert self.gauge is not None
            self.gauge.wait()
        spec, self._due, self._in_vain = self._due, None, 0
        return spec

    def due(self) -> bool:
        """Whether `ask` would answer at once; if not, the networks that come next are being measured.

        To be called now and then until it is so: it takes what was measured, and proposes what is to be.
        """
        while self._due is None:
            self._propose_ahead()
            if self.gauge is not None:
                self.gauge.hear()
            if (one := self._measured()) is None:
                return not self._ahead
            self._ahead.remove(one)
            if self._is_affordable(one):
                self._due = one.spec
        return True

    def _propose_ahead(self) -> None:
        """Propose until so many networks as can be measured at once are, or until there is an end."""
        most = 1 if self.gauge is None else self.gauge.workers
        if self.budget.seconds is not None and not self._seconds:  # how long trainings take is not known yet
            most = max(1, min(most, self._pace.at_once - len(self._running) + len(self._ahead)))
        while len(self._ahead) < most:
            if self._in_vain >= MAX_DUPLICATES:
                too_large = " or too large" if self.config.limits else ""
                said = f"the strategy proposed {MAX_DUPLICATES} trained{too_large} networks in a row"
                self.ended = f"{said}: it has nothing new{self._least_refused()}"
                return
            if self._spent():
                return
            self._in_vain += 1
            with self.run.together():
                draft = self._propose()
                if draft is None:
                    continue
                arch = self.config.space.from_options(draft.trial.params)
                key = self.config.space.canonical(arch)
                if key in self._trained:
                    self._tell_duplicate(draft.enter(self.study), self.study._storage.get_trial(self._trained[key]))
                    continue
                if key in self._being_trained:
                    self._await(draft, key)
                    continue
                spec = self._start(draft, arch)
            if spec is not None:
                self._ahead.append(_Ahead(spec, arch, self._measurement(spec, arch)))

    def _await(self, draft: Draft, key: Arch) -> None:
        """Have a trial that repeats a network under way wait for what comes of that."""
        self._being_trained[key].append(draft.enter(self.study))

    def _measurement(self, spec: TrialSpec, arch: Arch) -> Measurement | None:
        """Of the network of `spec`, begun now; None where all that could be measured is known."""
        noted = _costs_in(self._running[spec.number].user_attrs)
        if self.gauge is None or self.gauge.names <= noted.keys():
            return None
        return self.gauge.begin(spec.network, arch, spec.recipe.image_size)

    def _measured(self) -> _Ahead | None:
        """The first that can be judged; None where that is to be waited for.

        Where one is trained at a time it is the first of all, so that another time does not change the order. Only what
        waits for a device that is gone lets others pass.
        """
        for one in self._ahead:
            if one.measurement is None or one.measurement.done:
                return one
            if self._pace.at_once == 1 and not one.measurement.stuck:
                return None
        return None

    def stepped(self, spec: TrialSpec, epoch: int, step: int, steps: int) -> None:
        """Note that a training is at this `step` of `steps` of an epoch; the first such note says that it has begun."""
        self._pace.begun(spec.number, time.monotonic())
        self.progress.step(spec, epoch, step, steps)

    def report(self, spec: TrialSpec, epoch: Epoch) -> bool:
        """Note the reward that an epoch showed. True asks to stop the trial.

        A trial that is started again reports again, and is not asked about what it had gone beyond. One that is through
        with its last epoch is complete.
        """
        self.progress.epoch(spec, epoch)
        if self.config.objectives:  # Optuna has no pruning with several
            return False
        trial, before = self._running[spec.number], self._reported.get(spec.number, 0)
        if self._ended(trial):
            return True
        if epoch.number > before:
            self._reported[spec.number] = epoch.number
            trial.report(self._values(trial, epoch.quality, epoch.loss, epoch.latency)[0], epoch.number)
        return before <= epoch.number < spec.recipe.epochs and trial.should_prune()

    def retried(self, spec: TrialSpec, reason: str, blamed: bool) -> None:
        """Note that a trial is started once more, and why; one start is as none where its network is not `blamed`."""
        if not self._ended(trial := self._running[spec.number]):
            if blamed:
                self._count_start(trial)
            trial.set_user_attr("reason", f"{reason}; trained again")

    def take_back(self) -> None:
        """Note that what is under way has not begun, after an interruption: a network is not to blame for that."""
        for trial in self._running.values():
            if not self._ended(trial):
                trial.set_user_attr("starts", max(0, int(trial.user_attrs.get("starts", 0)) - 1))

    def device_failed(self) -> None:
        """Note that the device broke while it trained what is under way: see `nas.devices.halted`.

        That has not begun, and is trained step by step when it does. Where it happens again and again with one network,
        that is given up.
        """
        self.take_back()
        ahead = {one.spec.number for one in self._ahead}
        for number, trial in self._running.items():
            if number not in ahead and not self._ended(trial):
                trial.set_user_attr("device_faults", _device_faults(trial) + 1)

    def tell(self, spec: TrialSpec, result: TrialResult) -> None:
        """Write what came of a trial to the ledger, and to those that waited for the same network."""
        trial = self._running.pop(spec.number)
        self._reported.pop(spec.number, None)
        self._pace.ended(spec.number, result.seconds, time.monotonic())
        with self.run.together():
            frozen = self._ended(trial) or self._tell_result(trial, result)
            row = self._remember(frozen)
            for twin in self._being_trained.pop(self.config.space.canonical(row.arch)):
                if not self._ended(twin):
                    self._tell_duplicate(twin, frozen)
        self._failures = self._failures + 1 if result.state == State.FAILED else 0
        self._refusals = self._refusals if result.refused else 0
        self.progress.finished(row, self.best, self.seconds_left())

    def note_end(self) -> None:
        """Note in the ledger that the search has ended by itself, and after how many trials: `nas runs` says so.

        What the last trials taught the strategy is in the ledger then, too.
        """
        if isinstance(self.study.sampler, StrategySampler):
            self.study.sampler.catch_up(self.study)
        if self._failures < MAX_FAILURES:
            after = len(self.study.get_trials(deepcopy=False))
            self.study._storage.set_study_system_attr(self.study._study_id, ENDED_AFTER, after)

    # ------------------------------------------------------------------ where it stands

    @property
    def done(self) -> int:
        """Trials that have ended, duplicates not counted."""
        return self._done

    @property
    def trained(self) -> int:
        """Networks trained or being trained, duplicates not counted."""
        return self._done + len(self._being_trained)

    @property
    def best(self) -> TrialRow | None:
        return self._best

    @property
    def interrupted(self) -> str:
        """What an end right now means, in words: how far it came, and which trials will have to begin anew."""
        best = self.best
        done = f"{self.done} trial{'s' if self.done > 1 else ''}"
        so_far = f"stopped after {done}" if self.done else "stopped before any trial was done"
        if best is not None:
            so_far = f"{so_far}, the best {best.in_words}"
        match sorted(self._running):
            case []:
                return f"{so_far}."
            case [number]:
                return f"{so_far}. Trial {number} was under way, and will begin anew."
            case [*numbers, last]:
                those = f"Trials {', '.join(map(str, numbers))} and {last}"
                return f"{so_far}. {those} were under way, and will begin anew."
        raise AssertionError

    @property
    def seconds_spent(self) -> float:
        """Time spent on this run by this process and those before it, but for what a device was waited for."""
        waited = self.gauge.waited if self.gauge else 0.0
        return self._seconds_before + time.monotonic() - self._began - waited

    def seconds_left(self) -> float | None:
        """Until the budget is spent, as far as one can tell; None before the first trial is done."""
        left = [] if self.budget.seconds is None else [max(0.0, self.budget.seconds - self.seconds_spent)]
        if self.budget.trials is not None:
            trials = self._pace.seconds_for(max(0, self.budget.trials - self._done), time.monotonic())
            left += [] if trials is None else [trials]
        return min(left, default=None)

    # ------------------------------------------------------------------ asking

    def _spent(self) -> bool:
        """Whether there is no trial, or not the time for one, left; or nothing works any more."""
        self.ended = ""
        if len(self._trained) + len(self._being_trained) >= self.config.space.size:
            self.ended = f"that is all there is in the space {self.config.space.name}"
        elif self.budget.trials is not None and self.trained >= self.budget.trials:
            self.ended = "that is all that --trials allows"
        elif self._is_for_others:
            self.ended = f"nothing was asked for besides: `nas tell {self.run.name} TEXT` trains what you propose"
        elif self.budget.seconds is not None and self._would_end_late(self.budget.seconds):
            self.ended = "the time budget is spent"
        elif self._refusals >= MAX_DUPLICATES:
            self.ended = f"none of the last {MAX_DUPLICATES} networks was within the limits{self._least_refused()}"
        elif self._failures >= MAX_FAILURES:
            self.ended = f"the last {MAX_FAILURES} of them all failed, which `nas top {self.run.name}` explains"
        return bool(self.ended)

    @property
    def _is_for_others(self) -> bool:
        """Whether only other programs propose, and none has a trial in the ledger that is to be trained."""
        if self.config.strategy != OUTSIDE or self._unfinished:
            return False
        keys = {self.config.space.canonical(arch) for arch in self._enqueued}
        if keys - self._trained.keys() - self._being_trained.keys():
            return False
        return not self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))

    def _least_refused(self) -> str:
        """Of the costs by which networks were refused, the least that was found, and where."""
        said = [
            f"the least {kind_of(cost).title} refused was {kind_of(cost).format(figure)} (trial {number}), and "
            f"{option('max', cost)} is {kind_of(cost).format(self.config.limits[cost])}"
            for cost, (figure, number) in self._least.items()
        ]
        return f"; {'; '.join(said)}" if said and self._best is None else ""

    def _would_end_late(self, budget: float) -> bool:
        """A trial proposed now would end after the budget, judged by the median trial; the first one may.

        So it may where timing networks took all of a budget of a few seconds.
        """
        if not self.trained:
            return False
        turns = 1 + len(self._ahead) / self._pace.at_once  # what is ahead will be trained before it
        return self.seconds_spent + (turns * _middle(self._seconds) if self._seconds else 0.0) > budget

    def _propose(self) -> Draft | None:
        """The next trial with its choices; None where it can have none, and has been noted as failed.

        One that a killed process left has all its choices, or gets the same ones now: what a sampler proposes depends
        on the seed, the trial's number and the finished trials alone.
        """
        begun = self._next()
        if begun is None:
            return self._drafts.propose(self.study, self._space, self._new())
        if fault := fault_of(begun, self.config.space):
            self._pass_over(begun, fault)
            return None
        if begun.params.keys() >= self._space.keys():
            return Draft(begun, begun._trial_id)
        return self._drafts.propose(self.study, self._space, begun)

    def _next(self) -> FrozenTrial | None:
        """A trial that a killed process left, else one that was enqueued, begun now; None where there is neither."""
        trial_id = self._unfinished.pop() if self._unfinished else self.study._pop_waiting_trial_id()
        return None if trial_id is None else self.study._storage.get_trial(trial_id)

    def _new(self) -> FrozenTrial:
        """A trial that has no choice but those that the space says, begun: it is not in the ledger.

        Or it has all those of the next architecture of a person's own, which are first, but for what a space fixes
        whole, as the original is.
        """
        number = len(self.study.get_trials(deepcopy=False))
        fixed = self.config.space.fixed(number)
        if len(fixed) < len(self._space) and (own := self._own()) is not None:
            fixed = self.config.space.options(own)
        trial = create_trial(state=TrialState.RUNNING, system_attrs={"fixed_params": fixed} if fixed else {})
        trial.number = number
        return trial

    def _own(self) -> Arch | None:
        """The next architecture of a person's own that no trial has yet."""
        while self._enqueued:
            key = self.config.space.canonical(arch := self._enqueued.popleft())
            if key not in self._trained and key not in self._being_trained:
                return arch
        return None

    def _pass_over(self, frozen: FrozenTrial, fault: str) -> None:
        self.study._storage.set_trial_user_attr(frozen._trial_id, "reason", fault)
        row = self.run.row(self.study.tell(frozen.number, state=TrialState.FAIL))
        self.progress.finished(row, self.best, self.seconds_left())

    def _start(self, draft: Draft, arch: Arch) -> TrialSpec | None:
        """The training of `arch`, entered in the ledger; None where it has failed or been refused before it began."""
        job = self.config.job(arch)
        network, recipe, seed = job.network, job.recipe, job.seed
        starts = int(draft.trial.user_attrs.get("starts", 0)) + 1
        faults = _device_faults(draft.trial)
        costs = self._costs_of(network, recipe.image_size or self.image_size, starts, faults)
        notes = {
            "architecture": self.config.space.format(arch),
            "id": self.config.space.short_id(arch),  # what takes long to find out is in the ledger
            "seed": seed,
            "starts": starts,
        }
        trial = draft.enter(self.study, notes | (_noted(draft.trial, costs) if isinstance(costs, dict) else {}))
        published = self.table.accuracy(arch) if self.table else None
        spec = TrialSpec(
            trial.number,
            network,
            recipe,
            seed,
            self._clock,
            published,
            evaluate_at=job.evaluate_at,
            tested=job.tested,
            recorded=faults == 0,
            start=job.start,
            trained=job.trained,
        )
        self._running[trial.number] = trial
        self._being_trained[self.config.space.canonical(arch)] = []
        if not isinstance(costs, dict):
            self.tell(spec, TrialResult(State.FAILED, 0.0, reason=costs))
            return None
        return None if self._is_refused(trial, arch, costs) else spec

    def _costs_of(self, network: Network, pixels: int, starts: int, faults: int) -> dict[str, float] | str:
        """What an image costs in `network`, as its layers tell, or why that is not to be trained."""
        try:
            if starts > MAX_STARTS:
                raise RuntimeError(f"the process died {MAX_STARTS} times while it trained this network")
            if faults >= MAX_STARTS:
                raise RuntimeError(f"the device failed {MAX_STARTS} times while it trained this network")
            build = partial(network.build, self.num_classes, pixels)
            costs = counted(build, pixels, self.channels, self.config.costs)
            self.config.reward.check(costs)
        except Exception as error:
            return describe(error)
        return costs

    def _is_affordable(self, one: _Ahead) -> bool:
        """Whether the network is to be trained, by what was measured of it; that is noted."""
        trial = self._running[one.spec.number]
        if one.measurement is not None:
            try:
                found = self._told(one.measurement)
            except Unmeasured as error:
                self.tell(one.spec, TrialResult(State.FAILED, 0.0, reason=str(error)))
                return False
            with self.run.together():
                for name, value in _noted(trial, found).items():
                    trial.set_user_attr(name, value)
                if self._is_refused(trial, one.arch, found):
                    return False
        self.progress.started(one.spec, size_in(trial.user_attrs))
        return True

    def _told(self, measurement: Measurement) -> dict[str, float]:
        """What is told of a network. Raises Unmeasured where it cannot be measured, or has no reward with that."""
        found = measurement.found()
        try:
            self.config.reward.check(found)
        except ValueError as error:
            raise Unmeasured(str(error)) from None
        return found

    def _is_refused(self, trial: Trial, arch: Arch, costs: Mapping[str, float]) -> bool:
        """End `trial` untrained where its network costs more than is allowed. The strategy learns a reward of 0."""
        above = [cost for cost, limit in self.config.limits.items() if costs.get(cost, 0) > limit]
        if not above:
            return False
        del self._running[trial.number], self._being_trained[self.config.space.canonical(arch)]
        self._note_refusal(trial, above[0], costs[above[0]])
        self._remember(self.study.tell(trial, state=TrialState.PRUNED))
        return True

    def _note_refusal(self, trial: Trial, cost: str, figure: float) -> None:
        self._refusals += 1
        self._least[cost] = min((figure, trial.number), self._least.get(cost, (figure, trial.number)))
        trial.set_user_attr("reason", above_limit(cost, figure, self.config.limits[cost]))
        trial.set_user_attr("refused", True)
        if not self.config.objectives:
            trial.report(0.0, 0)

    def _count_start(self, trial: Trial) -> int:
        starts = int(trial.user_attrs.get("starts", 0)) + 1
        trial.set_user_attr("starts", starts)
        return starts

    # ------------------------------------------------------------------ telling

    def _ended(self, trial: Trial) -> FrozenTrial | None:
        """What another program has told of a trial while it was trained here; it stands, since it cannot be changed."""
        frozen = self.study._storage.get_trial(trial._trial_id)
        return frozen if frozen.state.is_finished() else None

    def _values(self, trial: Trial, quality: float, loss: float | None, latency: float | None) -> list[float]:
        """What the ledger is told: the objectives, or the reward alone."""
        reward = self.config.reward
        costs = _costs_in(trial.user_attrs) | ({} if latency is None else {"latency": latency})
        if self.config.objectives:
            bent = reward(quality, costs) if reward.targets else quality
            return [bent, *(costs[name] for name in self.config.objectives[1:])]
        return [reward(reward.quality(quality, loss), costs)]

    def _tell_result(self, trial: Trial, result: TrialResult) -> FrozenTrial:
        found = {"accuracy": result.accuracy, "score": result.score, "loss": result.loss, "latency": result.latency}
        for name, value in found.items():
            if value is not None:
                trial.set_user_attr(name, value)
        trial.set_user_attr("seconds", round(result.seconds, 3))
        if result.place is not None:
            trial.set_user_attr(PLACE, self._places.number_of(result.place))
        if result.reason:
            trial.set_user_attr("reason", result.reason)
        if result.single_steps:
            trial.set_user_attr("single_steps", result.single_steps)
        if result.curve:
            trial.set_user_attr("curve", [asdict(point) for point in result.curve])
        if result.refused:
            assert result.latency is not None
            self._note_refusal(trial, "latency", result.latency)
        if result.state == State.COMPLETE:
            assert result.quality is not None
            return self.study.tell(trial, self._values(trial, result.quality, result.loss, result.latency))
        return self.study.tell(trial, state=_TOLD[result.state])

    def _tell_duplicate(self, trial: Trial, original: FrozenTrial) -> None:
        """End `trial` with the result of `original`, which trained the same network."""
        for name in ("id", "accuracy", "score", "loss", "latency", *OF_LAYERS, "costs", "reason", "told"):
            if name in original.user_attrs:
                trial.set_user_attr(name, original.user_attrs[name])
        trial.set_user_attr("duplicate_of", original.number)
        if original.state == TrialState.PRUNED and original.last_step is not None:
            trial.report(original.intermediate_values[original.last_step], original.last_step)
        values = original.values if original.state == TrialState.COMPLETE else None  # else Optuna wants none
        self.study.tell(trial, values, original.state)

    def _remember(self, trial: FrozenTrial) -> TrialRow:
        row = self.run.row(trial)
        if row.arch and row.duplicate_of is None:
            if "refused" not in trial.user_attrs:
                self._count(row)
            self._trained[self.config.space.canonical(row.arch)] = trial._trial_id
        return row

    def _count(self, row: TrialRow) -> None:
        """Note one more that is done."""
        self._done += 1
        self._best = best_of([row] if self._best is None else [self._best, row])
        if row.seconds is not None:
            bisect.insort(self._seconds, row.seconds)


def _middle(ordered: Sequence[float]) -> float:
    """The median."""
    half = len(ordered) // 2
    return (ordered[half] + ordered[~half]) / 2


def _costs_in(attrs: Mapping[str, Any]) -> dict[str, float]:
    """All that a trial's attributes say of its network's costs."""
    return {name: attrs[name] for name in (*OF_LAYERS, "latency") if name in attrs} | dict(attrs.get("costs", {}))


def _noted(trial: Trial | FrozenTrial, costs: Mapping[str, float]) -> dict[str, Any]:
    """`costs` as a trial's attributes, beside what it has already."""
    own = {name: costs[name] for name in (*OF_LAYERS, "latency") if name in costs}
    others = trial.user_attrs.get("costs", {}) | {name: cost for name, cost in costs.items() if name not in own}
    return own | ({"costs": others} if others else {})


def _device_faults(trial: Trial | FrozenTrial) -> int:
    return int(trial.user_attrs.get("device_faults", 0))


_TOLD = {State.FAILED: TrialState.FAIL, State.PRUNED: TrialState.PRUNED}


def fault_of(trial: FrozenTrial, space: Space) -> str:
    """Why `trial`, which is to be trained, can be no architecture of `space`, by what it was given; else nothing."""
    fixed = trial.system_attrs.get("fixed_params", {})
    given = fixed | trial.params if isinstance(fixed, dict) else {"fixed_params": fixed}
    try:
        space.from_options({choice.name: choice.options[0] for choice in space.choices} | given)
    except ValueError as error:
        return f"no architecture: {error}"
    strange = [name for name, of in distributions(space).items() if trial.distributions.get(name, of) != of]
    return f"no architecture: {', '.join(strange)} was chosen from other options" if strange else ""


def check_options(trials: Sequence[FrozenTrial], space: Space) -> None:
    """Raises ValueError where a parameter in the ledger has first had other options than in `space`.

    Optuna adds no trial to a study then.
    """
    ours, seen = distributions(space), set()
    for trial in trials:
        for name, of in trial.distributions.items():
            if name in ours and name not in seen and of != ours[name]:
                raise ValueError(
                    f"trial {trial.number}, of another program, is the first with {name}, and has it from {of}: "
                    "Optuna adds no trial with other options to this ledger. Start a new run"
                )
            seen.add(name)
