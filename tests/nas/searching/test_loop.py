"""A search asks, tells and remembers; interrupted anywhere, it goes on as if nothing had happened."""

from __future__ import annotations

import dataclasses
import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from optuna.storages.journal import JournalFileBackend
from torch import nn

from nas.data import Dataset
from nas.engines import local
from nas.files import JOURNAL
from nas.ledger.config import Budget, Config
from nas.ledger.run import Run, TrialRow
from nas.reward import Reward
from nas.searching.loop import MAX_FAILURES, MAX_STARTS, Search, busy_seconds
from nas.searching.progress import Silent
from nas.training.recipe import Recipe
from nas.training.train import Epoch, OnStep
from nas.training.trial import Clock, State, TrialResult, TrialSpec
from searchspaces import SPACES, Arch, Chain, Choice, Space
from searchspaces.layers import conv, head, network


class Killed(BaseException):
    """What a `kill -9` looks like from within: nothing after it runs."""


def go_on(run: Run, dataset: Dataset, budget: Budget | None = None) -> Search:
    """Drive `run`, as a new process would, to the end."""
    opened = Run.open(run.path)
    with opened.driving() as study:
        search = Search(opened, study, budget or opened.budget, Silent(), dataset)
        local.run(search, dataset)
    return search


def but_for_times(run: Run) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.to_dict().items() if k != "seconds"} for row in run.rows()]


def test_what_is_above_the_limit_is_not_trained_and_counts_for_nothing(
    tmp_path: Path, config: Config, tiny: Dataset, pretended: None
) -> None:
    limited = Run.create(
        tmp_path / "runs" / "two", dataclasses.replace(config, limits={"macs": 700_000}), Budget(trials=6)
    )
    assert go_on(limited, tiny, Budget(trials=3)).done == 3
    search = go_on(limited, tiny)  # another process: what was refused stays so
    rows = limited.rows()
    refused = [row for row in rows if row.reason.startswith("not trained")]
    assert search.done == 6 and refused and len(rows) == 6 + len(refused)
    assert all(row.state == State.PRUNED and row.macs is not None and row.macs > 700_000 for row in refused)
    assert all(row.macs is not None and row.macs <= 700_000 for row in rows if row not in refused)


def test_a_limit_that_nothing_meets_ends_the_search(
    tmp_path: Path, config: Config, tiny: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.searching.loop.MAX_DUPLICATES", 5)
    limited = Run.create(tmp_path / "runs" / "two", dataclasses.replace(config, limits={"macs": 1.0}), Budget(trials=6))
    search = go_on(limited, tiny)
    assert search.done == 0 and search.ended.startswith(
        "the strategy proposed 5 trained or too large networks in a row: it has nothing new; the least MACs refused"
    )


def test_a_search_trains_as_many_networks_as_it_may(run: Run, tiny: Dataset, pretended: None) -> None:
    search = go_on(run, tiny)
    rows = run.rows()
    assert len(rows) == 12 and search.ended == "that is all that --trials allows"
    assert {row.state for row in rows} == {State.COMPLETE, State.FAILED}
    assert all(row.macs and row.params and row.activations for row in rows)
    best = run.best_row()
    assert best.reward == max(row.reward for row in rows if row.reward is not None)
    assert search.best == best
    failed = next(row for row in rows if row.state == State.FAILED)
    assert failed.reason == "it was to fail" and failed.reward is None


def test_the_same_search_twice_gives_the_same_ledger(run: Run, config: Config, tiny: Dataset, pretended: None) -> None:
    other = Run.create(run.path.parent / "two", config, Budget(trials=12))
    go_on(run, tiny)
    go_on(other, tiny)
    assert but_for_times(run) == but_for_times(other)
    third = Run.create(run.path.parent / "three", dataclasses.replace(config, seed=1), Budget(trials=12))
    go_on(third, tiny)
    assert but_for_times(run) != but_for_times(third)


GROWING = Chain(image_size=16, pooling=0, grow_every=3, grow_from=2)


FIVE_EPOCHS = {"recipe": Recipe(batch_size=20, epochs=5)}
A_FRONT = {"reward": Reward(), "objectives": ("accuracy", "macs")}


@pytest.mark.parametrize(
    ("strategy", "changes"),
    [
        *((strategy, {}) for strategy in ("ppo", "random", "tpe")),
        *((strategy, {"space": GROWING}) for strategy in ("ppo", "tpe")),
        *(("ppo", {"pruner": pruner} | FIVE_EPOCHS) for pruner in ("asha", "hyperband", "median")),
        *((strategy, A_FRONT) for strategy in ("evolution", "nsga2")),
    ],
)
def test_killed_anywhere_it_goes_on_as_if_nothing_had_happened(
    strategy: str,
    changes: dict[str, Any],
    tmp_path: Path,
    config: Config,
    tiny: Dataset,
    pretended: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Dies at random writes to the journal, half of them cut off, until the search is through."""
    config = dataclasses.replace(config, strategy=strategy, **changes)
    undisturbed = Run.create(tmp_path / "undisturbed", config, Budget(trials=12))
    go_on(undisturbed, tiny)

    run = Run.create(tmp_path / "killed", config, Budget(trials=12))
    rng, append = random.Random(0), JournalFileBackend.append_logs
    lives = [0]

    def dies_at_some_point(self: JournalFileBackend, logs: list[dict[str, Any]]) -> None:
        lives[0] -= 1
        if lives[0] == 0:
            if rng.random() < 0.5:
                text = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
                with (run.path / "journal.log").open("a") as journal:
                    journal.write(text[: rng.randrange(len(text))])
            raise Killed
        append(self, logs)

    deaths = 0
    monkeypatch.setattr(JournalFileBackend, "append_logs", dies_at_some_point)
    while True:
        lives[0] = rng.randrange(2, 12)
        try:
            go_on(run, tiny)
            break
        except Killed:
            deaths += 1
    assert deaths >= 3
    assert but_for_times(run) == but_for_times(undisturbed)


@pytest.mark.parametrize("strategy", ["ppo", "random", "tpe"])
def test_networks_get_deeper_as_the_space_has_it_whatever_the_strategy(
    strategy: str, tmp_path: Path, config: Config, tiny: Dataset, pretended: None
) -> None:
    space = Chain(image_size=16, layers=8, grow_every=4, grow_from=4)
    run = Run.create(tmp_path / "one", dataclasses.replace(config, space=space, strategy=strategy), Budget(trials=12))
    go_on(run, tiny, Budget(trials=3))
    go_on(run, tiny, Budget(trials=9))
    go_on(run, tiny)
    depths = {0: 4, 1: 6, 2: 8}
    for row in run.rows():
        assert space.depth(row.arch) == depths[min(row.number // 4, 2)]
        assert row.architecture.startswith(f"n{space.depth(row.arch)},") and space.canonical(row.arch) == row.arch


def test_a_training_that_keeps_killing_its_process_is_given_up(
    run: Run, tiny: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(spec: TrialSpec, dataset: Dataset, on_step: OnStep) -> Any:
        raise Killed

    monkeypatch.setattr("nas.engines.local.run_trial", dies)
    for _ in range(MAX_STARTS):
        with pytest.raises(Killed):
            go_on(run, tiny)
    with pytest.raises(Killed):  # by now of the next trial
        go_on(run, tiny)
    assert [row.state for row in run.rows()] == [State.FAILED, State.RUNNING]
    assert f"died {MAX_STARTS} times" in run.rows()[0].reason


def test_a_new_total_goes_beyond_the_old_end(run: Run, tiny: Dataset, pretended: None) -> None:
    go_on(run, tiny)
    assert go_on(run, tiny, Budget(trials=12)).ended and len(run.rows()) == 12
    go_on(run, tiny, Budget(trials=15))
    assert len(run.rows()) == 15


@dataclasses.dataclass(frozen=True)
class Tiny(Space):
    """Four architectures, two networks: the second choice has no effect."""

    image_size: int = 16
    name: ClassVar[str] = "tiny"

    @property
    def choices(self) -> tuple[Choice, ...]:
        return Choice("a.filters", (8, 16)), Choice("a.colour", ("red", "blue"))

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        return network(conv(int(self.choices[0].options[arch[0]])), head(num_classes))

    def canonical(self, arch: Arch) -> Arch:
        return arch[0], 0


@pytest.fixture
def tiny_run(tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setitem(SPACES, "tiny", Tiny)
    config = dataclasses.replace(config, space=Tiny(), strategy="random")
    return Run.create(tmp_path / "tiny", config, Budget(trials=10))


@pytest.mark.parametrize("strategy", ["ppo", "nsga2"])
def test_what_was_enqueued_in_part_is_completed_alike_after_a_cut_at_any_line(
    strategy: str, tmp_path: Path, config: Config, tiny: Dataset, pretended: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the strategy notes of a trial it does not note of one that has all its choices: it comes before them."""
    monkeypatch.setitem(SPACES, "tiny", Tiny)
    run = Run.create(tmp_path / "one", dataclasses.replace(config, space=Tiny(), strategy=strategy), Budget(trials=2))
    go_on(run, tiny, Budget(trials=1))
    journal = run.path / JOURNAL
    for _ in range(2):
        run.study.enqueue_trial({"a.colour": "blue"})
    begun = journal.read_text().count("\n")
    go_on(run, tiny)
    lines = journal.read_text().splitlines(keepends=True)

    def noted() -> list[dict[str, Any]]:
        return [trial.system_attrs for trial in run.study.trials]

    expected = but_for_times(run), noted()
    for cut in range(begun, len(lines)):
        journal.write_text("".join(lines[:cut]) + lines[cut][:-5])
        go_on(run, tiny)
        assert (but_for_times(run), noted()) == expected, f"cut within line {cut + 1}: {lines[cut]}"


def test_no_network_is_trained_twice(tiny_run: Run, tiny: Dataset, pretended: None) -> None:
    search = go_on(tiny_run, tiny)
    rows = tiny_run.rows()
    trained = [row for row in rows if row.duplicate_of is None]
    assert len(trained) == 2 and "nothing new" in search.ended
    for row in rows:
        if row.duplicate_of is not None:
            original = rows[row.duplicate_of]
            assert (row.reward, row.accuracy, row.id) == (original.reward, original.accuracy, original.id)


def test_a_twin_of_a_running_trial_waits_for_it(tiny_run: Run, tiny: Dataset) -> None:
    with tiny_run.driving() as study:
        search = Search(tiny_run, study, Budget(trials=10), Silent(), tiny)
        first, second = search.ask(), search.ask()
        assert first and second and first.network != second.network
        assert search.ask() is None  # all there is, is running: nothing new to give a third worker
        search.tell(first, TrialResult(State.COMPLETE, 1.0, 0.5, 1.0))
        search.tell(second, TrialResult(State.FAILED, 1.0, reason="broke"))
    rows = tiny_run.rows()
    assert {row.state for row in rows} == {State.COMPLETE, State.FAILED}
    assert {row.duplicate_of for row in rows} == {None, first.number, second.number}


def test_a_network_that_cannot_be_built_is_a_failed_trial(
    run: Run, tiny: Dataset, pretended: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Space, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        raise ValueError("these channels do not add up")

    monkeypatch.setattr("searchspaces.mnas.Mnas.build", broken)
    go_on(run, tiny, Budget(trials=3))
    assert [row.reason for row in run.rows()] == ["ValueError: these channels do not add up"] * 3


def test_a_search_in_which_everything_fails_ends(run: Run, tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Space, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        raise ValueError("no")

    monkeypatch.setattr("searchspaces.mnas.Mnas.build", broken)
    search = go_on(run, tiny, Budget(trials=1000))
    assert len(run.rows()) == MAX_FAILURES and "all failed" in search.ended


def test_a_twin_of_a_stopped_trial_is_stopped(tiny_run: Run, tiny: Dataset) -> None:
    with tiny_run.driving() as study:
        search = Search(tiny_run, study, Budget(trials=10), Silent(), tiny)
        first, _ = search.ask(), search.ask()
        assert first and search.ask() is None  # which leaves twins waiting
        search.report(first, Epoch(1, 1.0, 0.3, 100, 1.0))
        search.tell(first, TrialResult(State.PRUNED, 1.0, 0.3, 1.0, reason="stopped after epoch 1"))
    assert next(row.state for row in tiny_run.rows() if row.duplicate_of == first.number) == State.PRUNED


def test_a_stopped_trial_is_in_the_ledger(
    run: Run, tiny: Dataset, pretended: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = Search.report

    def stop_all(self: Search, spec: TrialSpec, epoch: Epoch) -> bool:
        return not report(self, spec, epoch)

    monkeypatch.setattr(Search, "report", stop_all)
    go_on(run, tiny, Budget(trials=2))
    assert [(row.state, row.reason) for row in run.rows()] == [(State.PRUNED, "stopped after epoch 1")] * 2


def test_time_runs_out_before_a_trial_that_would_end_late(run: Run, tiny: Dataset) -> None:
    with run.driving() as study:
        search = Search(run, study, Budget(seconds=100), Silent(), tiny)
        spec = search.ask()
        assert spec
        search.tell(spec, TrialResult(State.COMPLETE, 60.0, 0.5, 1.0))
        search._seconds_before = 30.0  # as if so long had passed
        assert search.ask()
        search._seconds_before = 50.0
        assert search.ask() is None and "time budget is spent" in search.ended


def test_the_time_that_timing_took_is_part_of_the_budget(run: Run, tiny: Dataset) -> None:
    with run.driving() as study:
        search = Search(run, study, Budget(seconds=100, timing=9.0), Silent(), tiny)
        assert search.seconds_spent == pytest.approx(9.0, abs=1.0)
        left = search.seconds_left()
        assert left is not None and left == pytest.approx(91.0, abs=1.0)


def test_the_time_left_is_that_of_all_workers_from_their_first_step_on(
    run: Run, tiny: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("nas.searching.loop.time.monotonic", lambda: now)
    with run.driving() as study:
        search = Search(run, study, Budget(trials=10), Silent(), tiny)
        search.ready(at_once=2)
        first, second = search.ask(), search.ask()
        assert first and second and search.seconds_left() is None
        now += 30.0  # for which workers are being started
        search.stepped(first, 1, 1, 9)
        search.stepped(second, 1, 1, 9)
        now += 10.0
        search.tell(first, TrialResult(State.COMPLETE, 10.0, 0.5, 1.0))
        search.tell(second, TrialResult(State.COMPLETE, 10.0, 0.5, 1.0))
        assert search.seconds_left() == pytest.approx(8 * 10 / 2)
        both = Search(run, study, Budget(trials=100, seconds=45), Silent(), tiny)
        now += 5.0
        assert both.seconds_left() == pytest.approx(45 - busy_seconds(study.get_trials()) - 5.0)


def test_an_interruption_says_what_it_costs(run: Run, tiny: Dataset) -> None:
    with run.driving() as study:
        search = Search(run, study, Budget(trials=10), Silent(), tiny)
        assert search.interrupted == "stopped before any trial was done."
        specs = [search.ask() for _ in range(3)]
        assert search.interrupted == (
            "stopped before any trial was done. Trials 0, 1 and 2 were under way, and will begin anew."
        )
        for spec in specs[:2]:
            assert spec
            search.tell(spec, TrialResult(State.COMPLETE, 1.0, 0.5 + spec.number / 10, 1.0))
        assert search.interrupted.startswith("stopped after 2 trials, the best ")
        assert search.interrupted.endswith("). Trial 2 was under way, and will begin anew.")


def test_interruptions_are_no_fault_of_a_network(run: Run, tiny: Dataset) -> None:
    for _ in range(MAX_STARTS + 2):
        with run.driving() as study:
            search = Search(run, study, Budget(trials=1), Silent(), tiny)
            assert search.ask() is not None
            search.take_back()
    assert [row.reason for row in run.rows()] == [""]


def test_faults_of_the_device_are_no_fault_of_a_network(run: Run, tiny: Dataset) -> None:
    """It is trained step by step from then on; where the device always breaks of it, it is given up."""
    recorded = []
    for _ in range(MAX_STARTS):
        with run.driving() as study:
            search = Search(run, study, Budget(trials=1), Silent(), tiny)
            spec = search.ask()
            assert spec is not None and spec.number == 0
            recorded.append(spec.recorded)
            search.device_failed()
        assert [(row.state, row.reason) for row in run.rows()] == [(State.RUNNING, "")]
    assert recorded == [True] + [False] * (MAX_STARTS - 1)
    assert run.study.trials[0].user_attrs["starts"] == 0
    with run.driving() as study:
        Search(run, study, Budget(trials=2), Silent(), tiny).ask()
    assert run.rows()[0].reason == f"RuntimeError: the device failed {MAX_STARTS} times while it trained this network"


def test_why_steps_were_taken_one_by_one_is_in_the_ledger(run: Run, tiny: Dataset) -> None:
    why = "it draws random numbers in Python"
    with run.driving() as study:
        search = Search(run, study, Budget(trials=2), Silent(), tiny)
        for result in (
            TrialResult(State.COMPLETE, 1.0, 0.5, 1.0, single_steps=why),
            TrialResult(State.PRUNED, 1.0, 0.5, 1.0, reason="stopped after epoch 1", single_steps=why),
        ):
            spec = search.ask()
            assert spec is not None
            search.tell(spec, result)
    assert [trial.user_attrs["single_steps"] for trial in run.study.trials] == [why, why]
    assert [row.reason for row in run.rows()] == [f"trained step by step: {why}", "stopped after epoch 1"]


def test_time_spent_side_by_side_counts_once(run: Run, tiny: Dataset) -> None:
    with run.driving() as study:
        search = Search(run, study, Budget(trials=3), Silent(), tiny)
        specs = [search.ask() for _ in range(2)]
        for spec in specs:
            assert spec
            search.tell(spec, TrialResult(State.COMPLETE, 60.0, 0.5, 1.0))
        assert busy_seconds(study.get_trials()) == pytest.approx(60.0, abs=2.0)


@pytest.fixture
def ask_and_tell(run: Run, tiny: Dataset) -> Callable[[str], TrialRow]:
    def go(reason: str) -> TrialRow:
        with run.driving() as study:
            search = Search(run, study, Budget(trials=1), Silent(), tiny)
            spec = search.ask()
            assert spec
            search.retried(spec, reason, blamed=True)
            search.tell(spec, TrialResult(State.COMPLETE, 1.0, 0.5, 1.0))
        return run.rows()[0]

    return go


def test_what_befell_a_trial_stays_in_the_ledger(ask_and_tell: Callable[[str], TrialRow]) -> None:
    row = ask_and_tell("its worker died")
    assert row.state == State.COMPLETE and row.reason == "its worker died; trained again"


def test_what_is_compared_is_the_reward_and_what_came_to_its_last_epoch_is_complete(
    tmp_path: Path, config: Config, tiny: Dataset
) -> None:
    config = dataclasses.replace(config, pruner="asha", recipe=Recipe(batch_size=20, epochs=2), strategy="random")
    run = Run.create(tmp_path / "one", config, Budget(trials=3))
    with run.driving() as study:
        search = Search(run, study, run.budget, Silent(), tiny)
        first, second = search.ask(), search.ask()
        assert first and second
        sizes = {trial.number: trial.user_attrs["macs"] for trial in study.get_trials()}
        larger, smaller = sorted((first, second), key=lambda spec: -sizes[spec.number])
        assert not search.report(larger, Epoch(1, 1.0, 0.5, 100, 1.0))
        assert not search.report(smaller, Epoch(1, 1.0, 0.499, 100, 1.0))  # of the higher reward, since it costs less
        shown = study.get_trials()[smaller.number].intermediate_values[1]
        assert shown == pytest.approx(config.reward(0.499, {"macs": sizes[smaller.number]}))
        third = search.ask()
        assert third and search.report(third, Epoch(1, 1.0, 0.1, 100, 1.0))
        assert not search.report(smaller, Epoch(2, 1.0, 0.6, 200, 2.0))
        assert not search.report(larger, Epoch(2, 1.0, 0.1, 200, 2.0))


def test_the_measured_time_counts_in_what_an_epoch_showed(tmp_path: Path, config: Config, tiny: Dataset) -> None:
    config = dataclasses.replace(config, reward=Reward({"latency": 0.001}), recipe=Recipe(batch_size=20, epochs=2))
    run = Run.create(tmp_path / "one", config, Budget(trials=1))
    with run.driving() as study:
        search = Search(run, study, run.budget, Silent(), tiny)
        spec = search.ask()
        assert spec and spec.clock == Clock("pytorch")
        search.report(spec, Epoch(1, 1.0, 0.5, 100, 1.0, latency=0.002))
        assert study.get_trials()[0].intermediate_values == {1: pytest.approx(config.reward(0.5, {"latency": 0.002}))}


def test_trainings_may_be_judged_by_their_loss(tmp_path: Path, config: Config, tiny: Dataset) -> None:
    config = dataclasses.replace(
        config, reward=Reward({"macs": 1e6}, signal="loss"), recipe=Recipe(batch_size=20, epochs=2)
    )
    run = Run.create(tmp_path / "one", config, Budget(trials=2))
    with run.driving() as study:
        search = Search(run, study, run.budget, Silent(), tiny)
        first, second = search.ask(), search.ask()
        assert first and second
        search.report(first, Epoch(1, 2.0, 0.1, 100, 1.0))
        macs = study.get_trials()[0].user_attrs["macs"]
        assert study.get_trials()[0].intermediate_values == {
            1: pytest.approx(config.reward(math.exp(-2), {"macs": macs}))
        }
        search.tell(first, TrialResult(State.COMPLETE, 1.0, accuracy=0.1, loss=0.5))
        search.tell(second, TrialResult(State.COMPLETE, 1.0, accuracy=0.9, loss=5.0))
        assert search.best and search.best.number == first.number and search.best.accuracy == 0.1


def test_a_stopped_trial_and_its_twin_teach_what_it_showed(tiny_run: Run, tiny: Dataset) -> None:
    with tiny_run.driving() as study:
        search = Search(tiny_run, study, Budget(trials=10), Silent(), tiny)
        first, _ = search.ask(), search.ask()
        assert first and search.ask() is None  # which leaves twins waiting
        search.report(first, Epoch(1, 1.0, 0.3, 100, 1.0))
        search.tell(first, TrialResult(State.PRUNED, 1.0, 0.3, 1.0, reason="stopped after epoch 1"))
        alike = [t for t in study.get_trials() if first.number in (t.number, t.user_attrs.get("duplicate_of"))]
        reward = alike[0].intermediate_values[1]
        assert len(alike) > 1 and {t.value for t in alike} == {reward} and reward > 0


def test_several_objectives_are_told_each_for_itself_and_the_best_is_the_most_accurate(
    tmp_path: Path, config: Config, tiny: Dataset, pretended: None
) -> None:
    config = dataclasses.replace(config, strategy="random", reward=Reward(), objectives=("accuracy", "macs"))
    run = Run.create(tmp_path / "one", config, Budget(trials=6))
    go_on(run, tiny)
    rows = {row.number: row for row in run.rows()}
    complete = [trial for trial in run.study.get_trials() if trial.state.name == "COMPLETE"]
    assert complete
    for trial in complete:
        row = rows[trial.number]
        assert trial.values == [row.accuracy, row.macs] and row.reward == row.accuracy
    assert run.best_row().accuracy == max(rows[trial.number].accuracy or 0.0 for trial in complete)
    assert Run.open(run.path).config == config


def test_what_is_too_large_is_left_out_of_a_front(
    tmp_path: Path, config: Config, tiny: Dataset, pretended: None
) -> None:
    config = dataclasses.replace(config, limits={"macs": 700_000}, reward=Reward(), objectives=("accuracy", "macs"))
    run = Run.create(tmp_path / "one", config, Budget(trials=4))
    assert go_on(run, tiny).done == 4
    refused = [row for row in run.rows() if row.reason.startswith("not trained")]
    assert refused and all(row.state == State.PRUNED and row.reward is None for row in refused)
