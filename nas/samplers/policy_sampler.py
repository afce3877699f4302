"""The learned policy as an Optuna sampler, with the ledger as its only state.

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
from datetime import datetime
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from nas.samplers.policy_gradient import PPO, Experience, Learner, PolicyGradient, derived_seed
from searchspaces.space import Arch, Choice

Distributions = dict[str, CategoricalDistribution]

TEACHES = (TrialState.COMPLETE, TrialState.PRUNED)
LOG_PROBS = "policy:log_probs"  # the trial attribute {choice: log-probability of its option when it was proposed}


class PolicySampler(BaseSampler):
    """Proposes by rolling out a policy that policy gradients train on the study's finished trials.

    `choices` declares what is searched, in the controller's order. Without it the sampler infers it, as Optuna's own
    do: the categorical parameters that all finished trials have in common, sorted by name. Until there are some, and
    for parameters that are not categorical, it samples uniformly.

    A proposal whose `canonical` form the study has already, running trials included, is drawn again, `settings.tries`
    times at most. By default each architecture stands for itself; None allows repeats, which an objective of pure noise
    may want, and with which a policy that has become certain evaluates the same few for ever.

    COMPLETE trials teach with their value and PRUNED ones with their last intermediate value; FAILed ones don't teach.
    For PPO's ratio under asynchronous workers each trial carries its log-probabilities as an attribute; trials without
    it (enqueued ones, another sampler's) are taken to be drawn from the policy that learns from them.

    Raises ValueError, when asked, in a study of more than one objective.
    """

    def __init__(
        self,
        settings: PolicyGradient = PPO,
        seed: int = 0,
        choices: Sequence[Choice] | None = None,
        canonical: Callable[[Arch], Arch] | None = tuple,
    ) -> None:
        self.settings = settings
        self.seed = seed
        self.choices = tuple(choices or ())
        self.canonical = canonical
        self._inferred = IntersectionSearchSpace(include_pruned=True)
        self._lock = threading.Lock()  # `study.optimize(n_jobs=...)` asks from many threads
        self._space: Distributions = {}
        self._learner: Learner | None = None
        self._learned: list[tuple[datetime, int]] = []  # the completions that the learner has taken in, in order
        self._noted: set[int] = set()  # the numbers of the trials whose
        self._taken: set[Arch] = set()  # canonical architectures these are

    def __reduce__(self) -> tuple[Any, ...]:
        """A pickled or copied sampler is its arguments: the ledger has the rest."""
        return PolicySampler, (self.settings, self.seed, self.choices, self.canonical)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        if self.choices:
            return {choice.name: CategoricalDistribution(choice.options) for choice in self.choices}
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
            # Straight from the storage: under Hyperband, `study` would show the trials of one bracket only.
            trials = study._storage.get_all_trials(study._study_id, deepcopy=False)
            learner = self._catch_up(study.direction, trials, space)
            proposal = learner.propose(trial.number, self._repeats(trials))
        if "fixed_params" not in trial.system_attrs:
            log_probs = dict(zip(space, proposal.log_probs, strict=True))
            study._storage.set_trial_system_attr(trial._trial_id, LOG_PROBS, log_probs)
        chosen = zip(space.items(), proposal.arch, strict=True)
        return {name: distribution.to_external_repr(index) for (name, distribution), index in chosen}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        seed = derived_seed(self.seed, trial.number, zlib.crc32(param_name.encode()))
        return RandomSampler(seed).sample_independent(study, trial, param_name, param_distribution)

    def _catch_up(self, direction: StudyDirection, trials: list[FrozenTrial], space: Distributions) -> Learner:
        """The learner, after all finished trials.

        It starts anew where what it learned is no longer the beginning of the study: another search space, another
        study, or a trial that another machine's clock dates before one that was already learned from.
        """
        finished = sorted((t for t in trials if t.state in TEACHES), key=_completion)
        order = [_completion(trial) for trial in finished]
        if self._learner is None or space != self._space or self._learned != order[: len(self._learned)]:
            declared = {choice.name: choice for choice in self.choices}
            choices = [declared.get(name) or _choice(name, distribution) for name, distribution in space.items()]
            self._learner = Learner(choices, self.settings, self.seed)
            self._space, self._learned, self._noted, self._taken = space, [], set(), set()
        for trial in finished[len(self._learned) :]:
            arch, value = _arch(trial, space), _value(trial)
            if arch is not None and value is not None:
                log_probs = trial.system_attrs.get(LOG_PROBS, {})
                reward = -value if direction == StudyDirection.MINIMIZE else value
                known = log_probs.keys() == space.keys()
                self._learner.tell(Experience(arch, reward, [log_probs[name] for name in space] if known else None))
        self._learned = order
        return self._learner

    def _repeats(self, trials: list[FrozenTrial]) -> Callable[[Arch], bool] | None:
        """Tells whether the study has an architecture already; None where repeats are allowed."""
        canonical = self.canonical
        if canonical is None:
            return None
        if len(self._space) < len(self.choices):  # part of an architecture: a PartialFixedSampler has fixed the rest
            canonical = tuple
        for trial in trials:
            if trial.number not in self._noted and (arch := _arch(trial, self._space)) is not None:
                self._noted.add(trial.number)
                self._taken.add(canonical(arch))
        return lambda arch: canonical(arch) in self._taken


def _choice(name: str, distribution: CategoricalDistribution) -> Choice:
    """A stranger's parameter: its options may be anything, so they are told apart by their index."""
    return Choice(name, tuple(f"{index}:{option}" for index, option in enumerate(distribution.choices)))


def _completion(trial: FrozenTrial) -> tuple[datetime, int]:
    assert trial.datetime_complete is not None
    return trial.datetime_complete, trial.number


def _arch(trial: FrozenTrial, space: Distributions) -> Arch | None:
    """The trial's option indices, or None where it is not one of `space`."""
    try:
        return tuple(int(space[name].to_internal_repr(trial.params[name])) for name in space)
    except (KeyError, ValueError):
        return None


def _value(trial: FrozenTrial) -> float | None:
    """What the trial showed: its value, or its last intermediate value; None where it showed no number."""
    value = trial.value
    if value is None and trial.last_step is not None:
        value = trial.intermediate_values[trial.last_step]
    return None if value is None or math.isnan(value) else value
