"""Trials that our loop did not make: enqueued ones are trained, and what is no trial of the space is passed over."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from nas import results
from nas.cli.tables import trials_table
from nas.data import Dataset
from nas.engines import local
from nas.files import JOURNAL
from nas.ledger.config import Budget, Config
from nas.ledger.run import Run, rank
from nas.report.numbers import Numbers
from nas.report.page import page
from nas.reward import Reward
from nas.samplers import EXHAUSTIVE, STRATEGIES, distributions, make_sampler
from nas.searching.control import compare
from nas.searching.loop import Search
from nas.searching.pareto import front
from nas.training.trial import State
from searchspaces import NASBenchMacro

from .conftest import Watcher

SPACE = NASBenchMacro()
FULL = {choice.name: choice.options[2] for choice in SPACE.choices}
FIRST = SPACE.choices[0].name


def foreign(study: optuna.Study, directions: int = 1) -> None:
    """What other programs may leave in a study: eight trials, of which two are of the space and one can be one."""
    values = [0.25] * directions
    study.add_trial(create_trial(values=values))  # told without parameters
    study.tell(study.ask(), values)
    study.tell(study.ask(), state=TrialState.FAIL)
    study.add_trial(create_trial(params={"lr": 0.1}, distributions={"lr": FloatDistribution(0, 1)}, values=values))
    part = {FIRST: FULL[FIRST]}
    study.add_trial(create_trial(params=part, distributions={FIRST: distributions(SPACE)[FIRST]}, values=values))
    study.enqueue_trial({FIRST: "no such option"})
    study.enqueue_trial({"no such choice": 1})
    study.enqueue_trial({FIRST: FULL[FIRST]})
    study.enqueue_trial(FULL)
    other = dict(FULL, **{FIRST: SPACE.choices[0].options[0]})
    study.add_trial(create_trial(params=other, distributions=distributions(SPACE), values=values))
    other = dict(FULL, **{FIRST: SPACE.choices[0].options[1]})
    study.add_trial(create_trial(params=other, distributions=distributions(SPACE), values=[float("inf")] * directions))


@pytest.fixture
def make(tmp_path: Path, config: Config) -> Callable[..., Run]:
    def made(strategy: str = "random", **changes: Any) -> Run:
        settings = {"space": SPACE, "strategy": strategy, "reward": Reward()} | changes
        return Run.create(tmp_path / "runs" / "one", dataclasses.replace(config, **settings), Budget(trials=8))

    return made


def search(
    run: Run, dataset: Dataset, trials: int = 8, before: Callable[[optuna.Study], None] | None = None
) -> Watcher:
    watcher, opened = Watcher(), Run.open(run.path)
    with opened.driving() as study:
        if before:
            before(study)
        local.run(Search(opened, study, Budget(trials=trials), watcher, dataset), dataset)
    return watcher


@pytest.mark.parametrize("strategy", [*STRATEGIES, EXHAUSTIVE])
def test_every_strategy_lives_with_them(make, tiny: Dataset, pretended: None, strategy: str) -> None:
    run = make(strategy)
    search(run, tiny, trials=3)
    search(run, tiny, trials=12, before=foreign)
    rows = run.rows()
    assert all(row.state != State.RUNNING for row in rows)
    told = [row for row in rows if row.reason == "told by another program"]
    assert len(told) == 1 and told[0].reward == 0.25
    assert sum(row.architecture == SPACE.format((2,) * 8) for row in rows) == 1
    trained = [row for row in rows if row.seconds is not None and row.duplicate_of is None]
    assert len(trained) == 12 - 2  # the two that another program told count as trained


def test_enqueued_trials_are_trained_in_their_order_before_new_ones(make, tiny: Dataset, pretended: None) -> None:
    run = make()
    begun = search(run, tiny, trials=4, before=foreign).begun
    params = [trial.params for trial in run.study.trials if trial.number in begun[:2]]
    assert begun[:2] == [7, 8] and params[0][FIRST] == FULL[FIRST] and params[1] == FULL


def test_what_is_enqueued_while_it_searches_is_trained_next(make, tiny: Dataset, pretended: None) -> None:
    run = make()

    class Other(Watcher):
        def finished(self, row: Any, best: Any, seconds_left: float | None) -> None:
            super().finished(row, best, seconds_left)
            if row.number == 1:
                Run.open(run.path).study.enqueue_trial(FULL)

    watcher = Other()
    with run.driving() as study:
        local.run(Search(run, study, Budget(trials=4), watcher, tiny), tiny)
    assert run.rows()[2].architecture == SPACE.format((2,) * 8) and len(run.rows()) == 4


@pytest.mark.parametrize("strategy", ["random", "controller"])
def test_what_another_program_tells_of_a_trial_under_way_stands(
    make, tiny: Dataset, pretended: None, strategy: str
) -> None:
    run = make(strategy)

    class Other(Watcher):
        def epoch(self, spec: Any, epoch: Any) -> None:
            if spec.number == 1:
                Run.open(run.path).study.tell(1, 0.125)

    with run.driving() as study:
        local.run(Search(run, study, Budget(trials=4), Other(), tiny), tiny)
    rows = run.rows()
    assert len(rows) == 4 and (rows[1].reward, rows[1].reason) == (0.125, "told by another program")


def test_what_is_broken_is_named_and_marked(make, tiny: Dataset, pretended: None) -> None:
    run = make()
    watcher = search(run, tiny, before=foreign)
    reasons = {row.number: row.reason for row in run.rows() if row.state == State.FAILED and not row.arch}
    assert sorted(reasons) == [0, 1, 2, 3, 4, 5, 6]
    assert [reasons[n] for n in (0, 1, 2)] == ["no architecture: it has no parameters"] * 3
    assert re.search("has no choice called lr", reasons[3]) and re.search(r"\w+ is missing", reasons[4])
    assert re.search("is 'no such option'; it can be", reasons[5]) and "no choice called no such choice" in reasons[6]
    assert run.rows()[10].reason == "its reward is inf" and run.rows()[10].reward is None
    trials = run.study.trials
    assert [trials[n].state for n in (5, 6)] == [TrialState.FAIL] * 2  # those that had not ended are so in the ledger
    assert [trials[n].user_attrs["reason"] for n in (5, 6)] == [reasons[5], reasons[6]]
    assert [row.number for row in watcher.rows[:2]] == [5, 6]  # and are said while it searches


def test_everything_that_reads_a_ledger_lives_with_them(make, tiny: Dataset, pretended: None) -> None:
    run = make(data="cifar10")
    search(run, tiny, before=foreign)
    opened = results.Run.open(run.path)
    assert len(opened.trials) == len([row for row in opened.rows() if row.arch]) and opened.best.reward
    assert all(trial.reward is not None for trial in opened.top(3))
    rows = rank(opened.rows())
    assert "told by another program" in trials_table(rows) and front(rows) and compare(rows, rows)
    json.dumps([row.to_dict() for row in rows])
    numbers = Numbers.of(opened)
    json.dumps(numbers.to_dict())
    html = page([numbers])
    assert "no architecture: it has no parameters" in html
    assert numbers.failures["no architecture: it has no parameters"] == 3


@pytest.mark.parametrize("strategy", ["controller", "nsga2", "tpe", "random"])
def test_so_does_a_search_of_a_front(make, tiny: Dataset, pretended: None, strategy: str) -> None:
    run = make(strategy, objectives=("accuracy", "macs"))
    search(run, tiny, before=lambda study: foreign(study, directions=2))
    assert all(row.state != State.RUNNING for row in run.rows()) and run.best_row().accuracy


def test_a_trial_whose_parameter_is_lost_is_passed_over(make, tiny: Dataset, pretended: None) -> None:
    run = make()
    search(run, tiny, trials=2)
    run.study.enqueue_trial({})  # its parameters are lines of their own, as all were in older versions
    search(run, tiny, trials=5)
    journal = run.path / JOURNAL
    lines = journal.read_text().splitlines(keepends=True)
    lost = next(n for n, line in enumerate(lines) if '"trial_id":2' in line and f'"{FIRST}"' in line)
    journal.write_text("".join(lines[:lost] + lines[lost + 1 :]))
    row = run.rows()[2]
    assert (row.state, row.reward, row.arch) == (State.FAILED, None, ()) and f"{FIRST} is missing" in row.reason
    search(run, tiny, trials=8)
    assert sum(row.state == State.COMPLETE for row in run.rows()) >= 5


def test_enqueued_trials_show_in_the_ledger_until_they_are_trained(make) -> None:
    run = make()
    run.study.enqueue_trial(FULL)
    assert [(row.state, row.arch) for row in run.rows()] == [(State.WAITING, ())]
    assert results.Run.open(run.path).trials == []


def test_other_options_of_a_choice_first_are_said_since_optuna_adds_nothing_then(make, tiny: Dataset) -> None:
    run = make()
    of = CategoricalDistribution(("a", "b"))
    run.study.add_trial(create_trial(params={FIRST: "a"}, distributions={FIRST: of}, value=0.5))
    with pytest.raises(
        ValueError, match=rf"trial 0, of another program, is the first with {FIRST}, .* Start a new run"
    ):
        search(run, tiny)
    assert [row.state for row in run.rows()] == [State.FAILED]


def test_other_options_of_a_choice_later_are_passed_over(make, tiny: Dataset, pretended: None) -> None:
    run = make()
    search(run, tiny, trials=2)
    of = CategoricalDistribution(("a", "b"))
    run.study.add_trial(create_trial(params={FIRST: "a"}, distributions={FIRST: of}, value=0.5))
    number = FloatDistribution(0, 9)
    run.study.add_trial(create_trial(params={FIRST: 2.0}, distributions={FIRST: number}, state=TrialState.RUNNING))
    search(run, tiny, trials=4)
    assert [row.state for row in run.rows()[2:4]] == [State.FAILED] * 2 and len(run.rows()) >= 6


@pytest.mark.parametrize("strategy", ["tpe", "gp", "nsga2"])
def test_optuna_s_samplers_still_see_what_trials_have_in_common(strategy: str) -> None:
    """One trial without parameters, and they would sample each on its own for ever."""
    study = optuna.create_study(direction="maximize", sampler=make_sampler(strategy, SPACE, 0))
    for number in range(3):
        params = dict(FULL, **{FIRST: SPACE.choices[0].options[number]})
        study.add_trial(create_trial(params=params, distributions=distributions(SPACE), value=float(number)))
    study.add_trial(create_trial(value=1.0))
    trial = study.ask()
    assert set(study.sampler.infer_relative_search_space(study, study.trials[trial.number])) == set(FULL)


def test_all_is_trained_once_where_another_program_took_a_number() -> None:
    study = optuna.create_study(sampler=make_sampler(EXHAUSTIVE, SPACE, 0))
    study.add_trial(create_trial(value=1.0))
    study.enqueue_trial(SPACE.options((0,) * 7 + (2,)))
    asked = [SPACE.from_options(study.ask(distributions(SPACE)).params) for _ in range(4)]
    assert [arch[-2:] for arch in asked] == [(0, 2), (0, 0), (0, 1), (1, 0)]
