"""What the lines of a journal come to: Optuna's studies and trials, without what takes long of very many.

Optuna makes a new object of every choice of every trial, and a copy of a trial for every line that says something of
it, since somebody may hold the trial as it was. A ledger of 20,000 trials of 40 choices has 800,000 choices, of a few
dozen kinds, and whoever opens it holds no trial yet. So choices from the same options are one object here, and a trial
is changed in place as long as nobody can have seen it. All else is Optuna's own, and what comes out is the same.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.storages import JournalStorage
from optuna.storages.journal._storage import JournalStorageReplayResult
from optuna.trial import FrozenTrial, TrialState

ENDED = [state for state in TrialState if state.is_finished()]
Log = dict[str, Any]  # a line of a journal


class ReplayedStorage(JournalStorage):
    """Optuna's storage in a journal, which reads it as a `Replay`."""

    def _sync_with_backend(self) -> None:
        if not isinstance(self._replay_result, Replay):  # Optuna has just begun one, here or where it was unpickled
            self._replay_result = Replay(self._worker_id_prefix)
        super()._sync_with_backend()


class Replay(JournalStorageReplayResult):
    """The studies and trials that the lines read so far come to."""

    def __init__(self, worker_id_prefix: str) -> None:
        super().__init__(worker_id_prefix)
        self._distributions: dict[str, BaseDistribution] = {}  # by their JSON
        self._fitting: set[tuple[int, str, str]] = set()  # by study, name and JSON: those that Optuna took before
        self._of_last: dict[str, BaseDistribution] = {}  # all those of the last trial that ended
        self._unseen: set[int] = set()  # trials that began in the lines that are being read
        self._open: dict[int, None] = {}  # trials that have not ended, in order

    def apply_logs(self, logs: Any) -> None:
        self._unseen.clear()
        try:
            super().apply_logs(logs)
        finally:
            self._unseen.clear()

    def get_all_trials(self, study_id: int, states: Container[TrialState] | None) -> list[FrozenTrial]:
        """Those of a study that are in one of `states`, without a look at those that cannot be."""
        if states is None and len(self._studies) == self._next_study_id == 1 and study_id in self._studies:
            return list(self._trials.values())
        if states is None or study_id not in self._studies or any(state in states for state in ENDED):
            return super().get_all_trials(study_id, states)
        trials = [self._trials[trial_id] for trial_id in self._open if self._trial_id_to_study_id[trial_id] == study_id]
        return [trial for trial in trials if trial.state in states]

    # ------------------------------------------------------------------ one method for each kind of line

    def _apply_create_trial(self, log: Log) -> None:
        if log["study_id"] not in self._studies:  # it was deleted
            super()._apply_create_trial(log)
            return
        distributions = {name: self._distribution(text) for name, text in log.get("distributions", {}).items()}
        params = {name: distributions[name].to_external_repr(value) for name, value in log.get("params", {}).items()}
        trial_id = len(self._trials)
        super()._apply_create_trial(log | {"distributions": {}, "params": {}})
        trial = self._trials[trial_id]
        trial.distributions, trial.params = distributions, params
        self._unseen.add(trial_id)
        self._open[trial_id] = None
        self._settle(trial)

    def _apply_set_trial_param(self, log: Log) -> None:
        trial_id = log["trial_id"]
        if not self._trial_exists_and_updatable(trial_id, log):
            return
        name, text = log["param_name"], log["distribution"]
        distribution = self._distribution(text)
        fits = (self._trial_id_to_study_id[trial_id], name, text)
        if trial_id not in self._unseen or fits not in self._fitting:
            before = self._trials[trial_id]
            super()._apply_set_trial_param(log)
            if self._trials[trial_id] is before:  # it does not fit
                return
            self._fitting.add(fits)
        trial = self._trials[trial_id]
        trial.params[name] = distribution.to_external_repr(log["param_value_internal"])
        trial.distributions[name] = distribution

    def _apply_set_trial_state_values(self, log: Log) -> None:
        super()._apply_set_trial_state_values(log)
        if log["trial_id"] in self._open:
            self._settle(self._trials[log["trial_id"]])

    def _apply_set_trial_user_attr(self, log: Log) -> None:
        if log["trial_id"] in self._unseen and self._trial_exists_and_updatable(log["trial_id"], log):
            _note(self._trials[log["trial_id"]].user_attrs, log["user_attr"])
        else:
            super()._apply_set_trial_user_attr(log)

    def _apply_set_trial_system_attr(self, log: Log) -> None:
        if log["trial_id"] in self._unseen and self._trial_exists_and_updatable(log["trial_id"], log):
            _note(self._trials[log["trial_id"]].system_attrs, log["system_attr"])
        else:
            super()._apply_set_trial_system_attr(log)

    # ------------------------------------------------------------------ what is shared

    def _distribution(self, text: str) -> BaseDistribution:
        """The one object for all that are `text` in JSON."""
        if text not in self._distributions:
            self._distributions[text] = json_to_distribution(text)
        return self._distributions[text]

    def _settle(self, trial: FrozenTrial) -> None:
        """Where `trial` has ended, and changes no more: have it share its distributions with the one before it."""
        if trial.state.is_finished():
            del self._open[trial._trial_id]
            if trial.distributions != self._of_last or list(trial.distributions) != list(self._of_last):
                self._of_last = trial.distributions
            trial.distributions = self._of_last


def _note(attributes: dict[str, Any], new: dict[str, Any]) -> None:
    """Put the one attribute that a line has to the others of its trial."""
    ((name, value),) = new.items()
    attributes[name] = value
