"""A search beside its random control: what is said is true of the numbers, and of two random searches rarely more."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from nas.ledger.config import Budget, Config
from nas.ledger.run import Run, TrialRow
from nas.reward import Reward
from nas.searching import control
from nas.training.trial import State


def rows(rewards: list[float]) -> list[TrialRow]:
    return [TrialRow(n, State.COMPLETE, "", "", r, r, 1, 1, 1, None, 1.0, "", None, ()) for n, r in enumerate(rewards)]


def drawn(count: int, mean: float, seed: int) -> list[TrialRow]:
    return rows(np.random.default_rng(seed).normal(mean, 0.02, count).tolist())


def test_a_search_that_is_clearly_better_is_called_so() -> None:
    found = control.compare(drawn(40, 0.8, 0), drawn(40, 0.7, 1))
    assert found
    best = found.figures[0]
    assert best.difference.estimate == pytest.approx(best.search - best.random)
    assert best.difference.low <= best.difference.estimate <= best.difference.high
    assert found.verdict.startswith(f"better than random by {100 * best.difference.estimate:.1f} points (95 % interval")
    worse = control.compare(drawn(40, 0.7, 1), drawn(40, 0.8, 0))
    assert worse and worse.verdict.startswith("worse than random by")


def test_of_two_random_searches_one_is_seldom_called_better(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "RESAMPLES", 400)
    called = [control.compare(drawn(30, 0.7, seed), drawn(30, 0.7, 1000 + seed)) for seed in range(100)]
    verdicts = [found.verdict for found in called if found]
    assert len(verdicts) == 100 and sum(not verdict.startswith("no difference") for verdict in verdicts) <= 12


@pytest.mark.parametrize("in_database", [False, True])
def test_a_control_that_was_not_made_before_the_process_died_is_made(
    in_database: bool, tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db" if in_database else None
    monkeypatch.setenv("NAS_STORAGE", url or "")
    path = tmp_path / "one"
    Run.create(path, config, Budget(trials=3), url, beside=control.place(path).name)
    run = Run.open(path)
    made = control.complete(run)
    assert made and (made.path, made.config.strategy, made.in_database) == (control.place(path), "random", in_database)
    found = control.complete(run)
    assert found and found.identity == made.identity


def test_one_that_was_lost_is_not_made_again(tmp_path: Path, config: Config) -> None:
    path = tmp_path / "one"
    run = Run.create(path, config, Budget(trials=3), beside=control.place(path).name)
    with run.driving():
        pass
    assert control.complete(run) is None
    alone = Run.create(tmp_path / "two", config, Budget(trials=3))
    assert control.complete(alone) is None


@pytest.mark.parametrize("networks", [1, 3, 9])
def test_of_few_networks_no_difference_is_shown(networks: int) -> None:
    """A single network, drawn again and again, is always as good: that says nothing of chance."""
    found = control.compare(rows([0.9] * networks), drawn(40, 0.5, 0))
    assert found and found.verdict.startswith("no difference from random shown: +")
    assert found.verdict.endswith("points, which may be chance: that takes 10 networks of each to say")
    assert not any(figure.difference.shows for figure in found.figures)


def test_repeats_failures_and_stopped_trials_do_not_count() -> None:
    some = rows([0.5, 0.6])
    repeat = dataclasses.replace(some[1], number=2, duplicate_of=1)
    stopped = dataclasses.replace(some[0], number=3, reward=None, state=State.PRUNED)
    found = control.compare([*some, repeat, stopped], rows([0.4]))
    assert found and (found.search, found.random) == (2, 1)
    assert control.compare([stopped], some) is None


def test_the_same_rows_give_the_same_interval() -> None:
    assert control.compare(drawn(12, 0.5, 0), drawn(12, 0.5, 1)) == control.compare(
        drawn(12, 0.5, 0), drawn(12, 0.5, 1)
    )


def test_the_control_is_beside_the_run_and_found_again(run: Run) -> None:
    assert control.find(run) is None
    control.check(run.config, run.path)
    made = control.create(run)
    assert made.name == "one-random" and made.budget == run.budget
    assert made.config == dataclasses.replace(run.config, strategy="random")
    found = control.find(Run.open(run.path))
    assert found and found.path == made.path and control.find(made) is None
    with pytest.raises(ValueError, match="one-random exists, where the control goes: choose another --name"):
        control.check(run.config, run.path)


def test_a_run_that_differs_in_more_is_no_control(run: Run, config: Config) -> None:
    other = dataclasses.replace(config, strategy="random", limits={"macs": 5e6})
    Run.create(run.path.with_name("one-random"), other, Budget(trials=3))
    assert control.find(run) is None


def test_where_it_would_say_nothing_it_is_refused(config: Config, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="choose another --strategy"):
        control.check(dataclasses.replace(config, strategy="random"), tmp_path / "one")
    with pytest.raises(ValueError, match="leave out --objectives"):
        control.check(dataclasses.replace(config, reward=Reward(), objectives=("accuracy", "macs")), tmp_path / "one")
