"""A strategy as an Optuna sampler, with the ledger as its only state.

What the sampler knows is a pure function of (seed, search space, finished trials in the order in which they
finished). It therefore learns lazily: whenever it is asked for a proposal it first takes in the trials that finished
since. A new sampler on an old study takes in all of them by that same code, so there is one path for a live search and
for one that is resumed after a `kill -9`, no checkpoint that could be stale or torn, and several processes may share a
study. (`after_trial` could not do this: it sees only this process's own trials, and before they are stored.)
"""

from __future__ import annotations

import math
import threading
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from nas.checks.schemas import LOG_PROBS, TRUST, UPDATE_PREFIX
from nas.samplers.screened import Screened
from nas.samplers.strategy import (
    IGNORANCE,
    Context,
    Feedback,
    Knowledge,
    Learning,
    Settings,
    Strategy,
    Update,
    derived_seed,
)
from nas.samplers.trials import Distributions, arch_of, completion, fixed_in
from searchspaces.space import Arch, Choice

TEACHES = (TrialState.COMPLETE, TrialState.PRUNED)


class StrategySampler(BaseSampler):
    """Proposes what the strategy of `settings` does, which learns from the study's finished trials.

    `choices` declares what is searched, in the controller's order. Without it the sampler infers it, as Optuna's own
    do: the categorical parameters that all finished trials have in common, sorted by name. Until there are some, and
    for parameters that are not categorical, it samples uniformly.

    No strategy proposes what the study has in `canonical` form already, running trials included, while it can help it.
    By default each architecture stands for itself; None allows repeats, which an objective of pure noise may want, and
    with which a policy that has become certain evaluates the same few for ever.

    COMPLETE trials teach with their value and PRUNED ones with their last intermediate value; FAILed ones don't teach.
    Parameters that a trial was enqueued with teach nothing of themselves. For PPO's ratio under asynchronous workers
    each trial carries its log-probabilities as an attribute; trials without it (another sampler's) are taken to be
    drawn from the policy that learns from them. What each update of a policy did is noted in the study: `updates_of`.

    Raises ValueError, when asked, in a study of more than one objective.
    """

    def __init__(
        self,
        settings: Settings = Screened(),  # noqa: B008, it is a frozen value
        seed: int = 0,
        choices: Sequence[Choice] | None = None,
        canonical: Callable[[Arch], Arch] | None = tuple,
        simplified: Callable[[Arch], Arch] | None = None,
        knowledge: Knowledge = IGNORANCE,
    ) -> None:
        self.settings = settings
        self.seed = seed
        self.choices = tuple(choices or ())
        self.canonical = canonical
        self.simplified = simplified or canonical or tuple
        self.knowledge = knowledge
        self._declared = {choice.name: CategoricalDistribution(choice.options) for choice in self.choices}
        self._inferred = IntersectionSearchSpace(include_pruned=True)
        self._lock = threading.Lock()  # `study.optimize(n_jobs=...)` asks from many threads
        self._known: _Known | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """A pickled or copied sampler is its arguments: the ledger has the rest."""
        of_space = self.choices, self.canonical, self.simplified, self.knowledge
        return StrategySampler, (self.settings, self.seed, *of_space)

    @property
    def strategy(self) -> Strategy | None:
        """What has learned so far; None before the first proposal."""
        return self._known.strategy if self._known else None

    def catch_up(self, study: Study) -> None:
        """Learn from what has finished since a proposal was asked for last: of a search that has ended, the end."""
        with self._lock:
            if space := self._known.space if self._known else self._declared:
                self._catch_up(study, space)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        if self.choices:
            return dict(self._declared)
        with self._lock:
            space = self._inferred.calculate(study)
        return {name: d for name, d in space.items() if isinstance(d, CategoricalDistribution)}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        self._raise_error_if_multi_objective(study)
        space = {name: d for name, d in search_space.items() if isinstance(d, CategoricalDistribution)}
        if not space:
            return {}
        with self._lock:
            known = self._catch_up(study, space)
            fixed = fixed_in(trial, space)
            repeats = None if self.canonical is None else known.has
            running = [arch for number, arch in known.running.items() if number != trial.number]
            proposal = known.strategy.propose(Context(trial.number, repeats, running, fixed))
        if proposal.log_probs is not None:
            log_probs = dict(zip(space, proposal.log_probs, strict=True))
            study._storage.set_trial_system_attr(trial._trial_id, LOG_PROBS, log_probs)
        if proposal.trust:
            study._storage.set_trial_system_attr(trial._trial_id, TRUST, [round(value, 3) for value in proposal.trust])
        chosen = zip(space.items(), proposal.arch, strict=True)
        return {name: distribution.to_external_repr(index) for (name, distribution), index in chosen}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        seed = derived_seed(self.seed, trial.number, zlib.crc32(param_name.encode()))
        return RandomSampler(seed).sample_independent(study, trial, param_name, param_distribution)

    def _catch_up(self, study: Study, space: Distributions) -> _Known:
        """What is known of the study, after all its finished trials."""
        # Straight from the storage: under Hyperband, `study` would show the trials of one bracket only.
        trials = study._storage.get_all_trials(study._study_id, deepcopy=False)
        if self._known is None or not self._known.is_of(study, space) or not self._known.learn(trials):
            self._known = self._begin(study, space)
            self._known.learn(trials)
        self._known.note(study)
        return self._known

    def _begin(self, study: Study, space: Distributions) -> _Known:
        declared = {choice.name: choice for choice in self.choices}
        choices = [declared.get(name) or _choice(name, distribution) for name, distribution in space.items()]
        if len(space) < len(self.choices):  # part of one (a PartialFixedSampler has fixed the rest) stands for itself
            return _Known(study, space, tuple, self.settings.start(choices, tuple, self.seed))
        strategy = self.settings.start(choices, self.simplified, self.seed, self.knowledge)
        return _Known(study, space, self.canonical or tuple, strategy)


class _Known:
    """What a strategy has been told of a study, trial by trial, each looked at until it has finished."""

    def __init__(
        self, study: Study, space: Distributions, canonical: Callable[[Arch], Arch], strategy: Strategy
    ) -> None:
        self.space, self.canonical, self.strategy = space, canonical, strategy
        self.running: dict[int, Arch] = {}  # by the trial's number
        self._study = (study._storage, study._study_id)
        self._sign = -1 if study.direction == StudyDirection.MINIMIZE else 1
        self._taken: set[Arch] = set()  # canonical
        self._unfinished: list[int] = []  # positions in the study's trials
        self._seen = 0  # how many trials have been looked at
        self._last: tuple[datetime, int] | None = None  # the last completion that was learned from
        self._completed_by: list[int] = []  # the trial after which each update of a policy was made
        self._noted: int | None = None  # how many of them are in the study; None: not looked at yet

    def is_of(self, study: Study, space: Distributions) -> bool:
        return self._study == (study._storage, study._study_id) and self.space == space

    def has(self, arch: Arch) -> bool:
        return self.canonical(arch) in self._taken

    def learn(self, trials: Sequence[FrozenTrial]) -> bool:
        """Take in what has finished since; False, and nothing done, where that came before what was learned already.

        So it is where another machine's clock dates a trial into the past: then all is learned anew, in order.
        """
        news = [(position, trials[position]) for position in (*self._unfinished, *range(self._seen, len(trials)))]
        finished = sorted((t for _, t in news if t.state in TEACHES), key=completion)
        if finished and self._last and completion(finished[0]) < self._last:
            return False
        self._seen = len(trials)
        self._unfinished = [position for position, trial in news if not trial.state.is_finished()]
        self.running = {}
        for _, trial in news:
            if (arch := arch_of(trial, self.space)) is not None:
                self._taken.add(self.canonical(arch))
                if not trial.state.is_finished():
                    self.running[trial.number] = arch
        for trial in finished:
            self._tell(trial)
            self._last = completion(trial)
        return True

    def _tell(self, trial: FrozenTrial) -> None:
        arch, value = arch_of(trial, self.space), _value(trial)
        if arch is None or value is None:
            return
        log_probs = trial.system_attrs.get(LOG_PROBS, {})
        known = [log_probs[name] for name in self.space] if log_probs.keys() == self.space.keys() else None
        stopped = trial.state == TrialState.PRUNED and bool(trial.last_step)  # step 0: before any training
        fixed = frozenset(fixed_in(trial, self.space))
        shown = tuple(self._sign * v for _, v in sorted(trial.intermediate_values.items()) if not math.isnan(v))
        seconds = None if "duplicate_of" in trial.user_attrs else trial.user_attrs.get("seconds")
        loss = trial.user_attrs.get("loss")
        self.strategy.tell(Feedback(arch, self._sign * value, known, fixed, stopped, shown, seconds, loss))
        if isinstance(self.strategy, Learning) and len(self.strategy.updates) > len(self._completed_by):
            self._completed_by.append(trial.number)

    def note(self, study: Study) -> None:
        """Write to the study what the updates did that it has no note of: a replay makes those again that it has."""
        if not self._completed_by or not isinstance(self.strategy, Learning):
            return
        if self._noted is None:
            self._noted = len(updates_of(study))
        for number in range(self._noted, len(self._completed_by)):
            update = replace(self.strategy.updates[number], trial=self._completed_by[number])
            study._storage.set_study_system_attr(study._study_id, f"{UPDATE_PREFIX}{number}", asdict(update))
        self._noted = max(self._noted, len(self._completed_by))


def updates_of(study: Study) -> list[Update]:
    """What each update of the policy did that the trials of `study` were proposed by, in order.

    None where the strategy has no policy, or the study was made before this was noted.
    """
    noted = study._storage.get_study_system_attrs(study._study_id)
    numbers = sorted(int(name.removeprefix(UPDATE_PREFIX)) for name in noted if name.startswith(UPDATE_PREFIX))
    return [Update(**noted[f"{UPDATE_PREFIX}{number}"]) for number in numbers]


def _choice(name: str, distribution: CategoricalDistribution) -> Choice:
    """A stranger's parameter: its options may be anything, so they are told apart by their index."""
    return Choice(name, tuple(f"{index}:{option}" for index, option in enumerate(distribution.choices)))


def _value(trial: FrozenTrial) -> float | None:
    """What the trial showed: its value, or its last intermediate value; None where it showed no number."""
    value = trial.value
    if value is None and trial.last_step is not None:
        value = trial.intermediate_values[trial.last_step]
    return None if value is None or not math.isfinite(value) else value
