"""Trials that are proposed first, and enter the ledger whole then.

Optuna begins a trial in its storage, and writes each choice there as its sampler makes it. A process that dies in
between leaves half a trial, and a sampler that minds what is running, as Optuna's Gaussian process does, finds its own
earlier half there when it is asked again. So a sampler is asked here for a draft, which is in memory alone: what is
killed leaves nothing of it, and is asked again for what it would have been asked. What enters a journal is one line, of
which all is there or nothing, and no longer one a choice; in a database it is one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from optuna import Study, load_study
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

_ID = -1  # of the draft: no storage has such a trial


@dataclass(frozen=True)
class Draft:
    """A trial with all its choices. `trial_id` is that of the ledger's trial which it completes; None: it has none."""

    trial: FrozenTrial
    trial_id: int | None

    def enter(self, study: Study, notes: Mapping[str, Any] | None = None) -> Trial:
        """The trial in the ledger of `study`, with `notes` as attributes of its own."""
        storage, draft = study._storage, self.trial
        if self.trial_id is None:
            draft.user_attrs.update(notes or {})
            return Trial(study, storage.create_new_trial(study._study_id, draft))
        trial, there = Trial(study, self.trial_id), storage.get_trial(self.trial_id)
        for name, value in _news(draft.system_attrs, there.system_attrs):  # first: who has all choices is not asked
            storage.set_trial_system_attr(self.trial_id, name, value)
        for name, of in draft.distributions.items():
            if name not in there.params:
                storage.set_trial_param(self.trial_id, name, of.to_internal_repr(draft.params[name]), of)
        for name, value in _news(notes or {}, there.user_attrs):
            trial.set_user_attr(name, value)
        return trial


def _news(now: Mapping[str, Any], before: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in now.items() if name not in before or before[name] != value]


class Drafts:
    """A storage of which one trial, while it is proposed, is in memory alone: all else is as in `storage`.

    A trial that is in `storage` already, and for which the draft is, is seen there as it was before anything was
    proposed for it.
    """

    def __init__(self, storage: BaseStorage) -> None:
        self._storage = storage
        self._draft: FrozenTrial | None = None
        self._is_new = False  # the draft is for no trial of `storage`

    def study(self, name: str) -> Study:
        """The study of that name, in which `propose` works."""
        return load_study(study_name=name, storage=cast(BaseStorage, self))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def propose(self, study: Study, space: Mapping[str, BaseDistribution], begun: FrozenTrial) -> Draft:
        """The choices of `study`'s sampler for `begun`, of which the number counts, and the parameters that are fixed.

        What it has chosen already stays: other programs begin trials, too.
        """
        draft = create_trial(state=TrialState.RUNNING, system_attrs=_fixed(begun))
        draft.number, draft._trial_id, draft.user_attrs = begun.number, _ID, dict(begun.user_attrs)
        self._draft, self._is_new = draft, begun._trial_id == _ID
        try:
            trial = Trial(study, _ID)
            for name, of in space.items():
                trial._suggest(name, of)
        finally:
            self._draft = None
        draft.params |= begun.params
        draft.distributions |= begun.distributions
        return Draft(draft, None if begun._trial_id == _ID else begun._trial_id)

    # ------------------------------------------------------------------ what Optuna calls while it proposes

    def get_trial(self, trial_id: int) -> FrozenTrial:
        return self._draft if trial_id == _ID and self._draft else self._storage.get_trial(trial_id)

    def get_trial_system_attrs(self, trial_id: int) -> dict[str, Any]:
        return self.get_trial(trial_id).system_attrs

    def get_all_trials(self, study_id: int, *args: Any, **options: Any) -> list[FrozenTrial]:
        trials = self._storage.get_all_trials(study_id, *args, **options)
        if self._draft is None or self._is_new:
            return trials
        number = self._draft.number
        return [_as_begun(trial) if trial.number == number else trial for trial in trials]

    def set_trial_param(self, trial_id: int, name: str, internal: float, of: BaseDistribution) -> None:
        if trial_id != _ID:
            self._storage.set_trial_param(trial_id, name, internal, of)
            return
        draft = self.get_trial(_ID)
        draft.params[name], draft.distributions[name] = of.to_external_repr(internal), of

    def set_trial_system_attr(self, trial_id: int, name: str, value: Any) -> None:
        if trial_id == _ID:
            self.get_trial(_ID).system_attrs[name] = value
        else:
            self._storage.set_trial_system_attr(trial_id, name, value)


def _as_begun(trial: FrozenTrial) -> FrozenTrial:
    """`trial` without what was proposed for it."""
    begun = create_trial(state=trial.state, system_attrs=_fixed(trial))
    begun.number, begun._trial_id = trial.number, trial._trial_id
    return begun


def _fixed(trial: FrozenTrial) -> dict[str, Any]:
    return {name: value for name, value in trial.system_attrs.items() if name == "fixed_params"}
