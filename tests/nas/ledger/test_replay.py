"""What our storage makes of a journal is what Optuna's own does, of any journal."""

from __future__ import annotations

import copy
import pickle
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.ledger.journal import Journal
from nas.ledger.replay import ReplayedStorage

SPACE: dict[str, BaseDistribution] = {
    "kernel": CategoricalDistribution((3, 5, 7)),
    "op": CategoricalDistribution(("conv", "pool", None, 1.5)),
    "one": CategoricalDistribution((1,)),
    "depth": IntDistribution(1, 9),
    "rate": FloatDistribution(0.001, 1.0, log=True),
}
OTHER = CategoricalDistribution((9, 11))


class Lines(BaseJournalBackend):
    """A journal in memory, which takes any lines."""

    def __init__(self, logs: Iterable[dict[str, Any]] = ()) -> None:
        self.logs = list(logs)

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        return copy.deepcopy(self.logs[log_number_from:])

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self.logs += logs


def written(seed: int, actions: int = 120) -> list[dict[str, Any]]:
    """What programs of all kinds have written: trials of samplers, of templates, enqueued ones; two studies, notes."""
    rng, backend = random.Random(seed), Lines()
    storage = JournalStorage(backend)
    studies = [storage.create_new_study([StudyDirection.MAXIMIZE] * (1 + seed % 2), f"study {n}") for n in range(2)]
    ids: list[int] = []

    def choices() -> dict[str, Any]:
        names = list(SPACE) if rng.random() < 0.7 else rng.sample(list(SPACE), rng.randint(0, len(SPACE)))
        return {name: _value(SPACE[name], rng) for name in names}

    def template(state: TrialState) -> FrozenTrial:
        params = choices()
        values = [rng.random() for _ in range(1 + seed % 2)] if state == TrialState.COMPLETE else None
        of = {name: OTHER if name == "kernel" and rng.random() < 0.1 else SPACE[name] for name in params}
        params = {name: 9 if of[name] == OTHER else value for name, value in params.items()}
        return create_trial(state=state, params=params, distributions=of, values=values, user_attrs={"seed": seed})

    for _ in range(actions):
        study = studies[rng.random() < 0.2]
        actions_of_trials = ("param", "param", "note", "system", "step", "end") if ids else ()
        action = rng.choice(("new", "new", "template", "study", *actions_of_trials))
        trial = rng.choice(ids) if ids else -1
        try:
            if action == "new":
                ids.append(storage.create_new_trial(study))
                of = choices()
                for name in of:
                    storage.set_trial_param(ids[-1], name, SPACE[name].to_internal_repr(of[name]), SPACE[name])
            elif action == "template":
                ids.append(storage.create_new_trial(study, template(rng.choice(list(TrialState)))))
            elif action == "study":
                storage.set_study_system_attr(study, f"note{rng.randrange(3)}", rng.random())
            elif action == "param":
                name = rng.choice(list(SPACE))
                of = OTHER if name == "kernel" and rng.random() < 0.3 else SPACE[name]
                storage.set_trial_param(trial, name, of.to_internal_repr(_value(of, rng)), of)
            elif action == "note":
                storage.set_trial_user_attr(trial, rng.choice(("accuracy", "reason")), rng.choice((0.5, "no", None)))
            elif action == "system":
                storage.set_trial_system_attr(trial, "policy:log_probs", {"kernel": -rng.random()})
            elif action == "step":
                storage.set_trial_intermediate_value(trial, rng.randrange(4), rng.random())
            else:
                ended = template(rng.choice(list(TrialState)))
                storage.set_trial_state_values(trial, ended.state, ended.values)
        except (optuna.exceptions.UpdateFinishedTrialError, ValueError):
            pass  # refused, and in the journal all the same: every reader passes over it
    if seed % 5 == 0:
        storage.delete_study(studies[1])
    return backend.logs


def _value(of: BaseDistribution, rng: random.Random) -> Any:
    if isinstance(of, CategoricalDistribution):
        return rng.choice(of.choices)
    return rng.randint(1, 9) if isinstance(of, IntDistribution) else rng.uniform(0.001, 1.0)


def known(storage: JournalStorage) -> list[Any]:
    """All that a storage says, in an order that counts: of studies, of their trials, of those in a state."""
    found: list[Any] = []
    for study in storage.get_all_studies():
        number = study._study_id
        found.append((study.study_name, study.directions, study.user_attrs, study.system_attrs))
        for states in (None, (TrialState.WAITING,), (TrialState.RUNNING, TrialState.WAITING), (TrialState.COMPLETE,)):
            them = storage.get_all_trials(number, deepcopy=False, states=states)
            found.append([(t, list(t.params), list(t.distributions), list(t.user_attrs)) for t in them])
    return found


@pytest.mark.parametrize("seed", range(30))
def test_any_journal_reads_as_in_optunas_own_storage(seed: int) -> None:
    logs = written(seed)
    assert known(ReplayedStorage(Lines(logs))) == known(JournalStorage(Lines(logs)))


@pytest.mark.parametrize("seed", range(30))
def test_so_does_one_that_is_read_bit_by_bit_while_it_is_written(seed: int) -> None:
    logs, rng = written(seed), random.Random(seed)
    ours, theirs = Lines(), Lines()
    storages = ReplayedStorage(ours), JournalStorage(theirs)
    while logs:
        some = rng.randint(1, 30)
        for backend in (ours, theirs):
            backend.logs += logs[:some]
        logs = logs[some:]
        assert known(storages[0]) == known(storages[1])


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_journal_is_as_damaged(seed: int) -> None:
    """Lines lost, doubled, or with a field that is gone or another: both make the same of it, or both fail."""
    logs, rng = written(seed, 40), random.Random(seed)
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(2, len(logs))
        match rng.randrange(4):
            case 0:
                del logs[place]
            case 1:
                logs.insert(place, copy.deepcopy(logs[rng.randrange(2, len(logs))]))
            case 2:
                logs[place].pop(rng.choice(list(logs[place])))
            case _:
                logs[place][rng.choice(list(logs[place]))] = rng.choice((None, 7, "x", [], {}, [1], {"a": 1}))
    outcomes: list[Any] = []
    for storage in (ReplayedStorage, JournalStorage):
        try:
            outcomes.append(known(storage(Lines(logs))))
        except Exception:
            outcomes.append("damaged")
    assert outcomes[0] == outcomes[1]


def test_what_was_seen_of_a_trial_stays_as_it_was() -> None:
    """As Optuna has it: who holds a trial does not see it change, and none changes with another."""
    logs = written(3)
    ours = Lines(logs[:60])
    storage = ReplayedStorage(ours)
    held = storage.get_all_trials(0, deepcopy=False)
    as_it_was = copy.deepcopy(held)
    ours.logs += logs[60:]
    assert storage.get_all_trials(0, deepcopy=False)[: len(held)] != as_it_was
    assert held == as_it_was


def test_equal_distributions_are_one_object() -> None:
    storage = ReplayedStorage(Lines(written(1)))
    objects: dict[BaseDistribution, int] = {}
    for trial in storage.get_all_trials(0, deepcopy=False):
        for of in trial.distributions.values():
            assert objects.setdefault(of, id(of)) == id(of)
    assert len(objects) == len(SPACE) + 1


def test_it_travels(tmp_path: Path) -> None:
    storage = ReplayedStorage(Journal(tmp_path / "journal.log"))
    study = optuna.create_study(storage=storage, study_name="one")
    study.add_trial(create_trial(value=1.0))
    travelled = pickle.loads(pickle.dumps(storage))
    assert optuna.load_study(study_name="one", storage=travelled).trials == study.trials
