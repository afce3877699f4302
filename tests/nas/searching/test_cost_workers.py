"""Networks that are measured at the same time, while others are trained: what overlaps, and what stays as it was."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Generator
from pathlib import Path

import pytest

import nas
from nas.data import Dataset
from nas.devices.command import Unmeasured
from nas.devices.measuring import Measuring
from nas.engines import local
from nas.ledger.config import Budget, Config
from nas.ledger.run import Run
from nas.reward import Reward
from nas.searching import driver
from nas.searching.gauge import Gauge, gauge_of
from nas.searching.loop import Search
from nas.searching.progress import Silent
from nas.training.trial import State, TrialSpec
from tests.nas.conftest import pretend
from tests.nas.devices.test_shell import is_running

STAMPED = (
    'echo "start $NAS_COST_WORKER" >> stamps; '
    "for i in $(seq 100); do [ $(grep -c start stamps) -ge ${FIRST:-1} ] && break; sleep 0.1; done; sleep 0.3; "
    'echo "end $NAS_COST_WORKER" >> stamps; '
)
"""Waits until as many have begun as FIRST says, so that a slow machine does not keep them apart."""


class Listening(Silent):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def noted(self, what: str) -> None:
        self.heard.append(what)


class Bench:
    """A search whose networks are measured by a `script`, in its own folder, by so many workers at once."""

    def __init__(self, folder: Path, config: Config, tiny: Dataset) -> None:
        self.folder, self.config, self.tiny = folder, config, tiny
        self.said: list[str] = []
        self.waited = 0.0

    def drive(self, script: str, workers: int, trials: int = 4, name: str = "one", at_once: int = 1) -> Run:
        (self.folder / "measure.sh").write_text(script, "utf-8")
        command = f"cd {self.folder} && sh measure.sh {{state_dict}}"
        measuring = Measuring({"latency": command}, timeout=60.0, attempts=1, workers=workers)
        config = dataclasses.replace(self.config, measuring=measuring, reward=Reward())
        path, progress = self.folder / "runs" / name, Listening()
        run = Run.open(path) if path.exists() else Run.create(path, config, Budget(trials=trials))
        with run.driving() as study, gauge_of(run.config, self.tiny, progress.noted) as gauge:
            search = Search(run, study, Budget(trials=trials), progress, self.tiny, gauge=gauge)
            try:
                local.run(search, self.tiny)
            finally:
                assert gauge is not None
                self.said, self.waited = progress.heard, gauge.waited
        return Run.open(path)

    @property
    def stamps(self) -> list[str]:
        return (self.folder / "stamps").read_text("utf-8").splitlines()


@pytest.fixture
def bench(tmp_path: Path, config: Config, tiny: Dataset, pretended: None) -> Bench:
    return Bench(tmp_path, config, tiny)


def most_at_once(stamps: list[str]) -> int:
    running, most = 0, 0
    for stamp in stamps:
        running += 1 if stamp.startswith("start") else -1
        most = max(most, running)
    return most


@pytest.mark.parametrize("workers", [1, 3])
def test_so_many_are_measured_at_once_and_no_more(bench: Bench, workers: int) -> None:
    run = bench.drive(f"FIRST={workers}; {STAMPED} echo 1", workers)
    assert most_at_once(bench.stamps) == workers
    assert {stamp.split()[1] for stamp in bench.stamps} == {str(slot) for slot in range(workers)}
    assert all(row.latency == 1.0 for row in run.rows()) and not bench.said


def test_others_are_measured_while_one_is_trained(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first training ends when the second network was measured."""
    seen: list[int] = []

    def patient(spec: TrialSpec, *rest: object) -> Generator[object, None, object]:
        for _ in range(600):
            if seen or sum(stamp.startswith("end") for stamp in bench.stamps) > 1:
                break
            time.sleep(0.05)
        seen.append(sum(stamp.startswith("end") for stamp in bench.stamps))
        return pretend(spec, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("nas.engines.local.run_trial", patient)
    bench.drive(STAMPED + '[ "$NAS_COST_WORKER" = 1 ] && sleep 1; echo 1', workers=2)
    assert seen[0] > 1


def test_the_order_is_that_of_the_proposals(bench: Bench) -> None:
    """However long each takes: with one training at a time another time does not change the search."""
    first = bench.drive("sleep 0.$(( $(wc -c < $1) % 4 )); echo 1", 3, trials=8, name="a")
    second = bench.drive("[ $NAS_COST_WORKER = 0 ] && sleep 0.4; echo 1", 3, trials=8, name="b")
    assert [row.arch for row in first.rows()] == [row.arch for row in second.rows()]
    ended = [[trial.datetime_complete for trial in run.study.trials] for run in (first, second)]
    assert all(times == sorted(times) for times in ended)  # type: ignore[type-var]


def test_one_device_that_is_gone_holds_up_nothing_but_what_it_measures(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of worker 1, until five networks have been measured by the other one."""
    monkeypatch.setattr("nas.devices.remote.FIRST", 0.05)
    gone = (
        '[ $NAS_COST_WORKER = 1 ] && [ $(cat done 2>/dev/null | wc -l) -lt 5 ] && { echo "no route" >&2; exit 255; }\n'
    )
    run = bench.drive(gone + "sleep 0.2; echo $NAS_COST_WORKER >> done; echo 1", workers=2, trials=8)
    measured = [row for row in run.rows() if row.duplicate_of is None]
    assert all(row.latency == 1.0 for row in measured) and len(measured) == 8
    assert len(bench.said) == 2
    assert bench.said[0].startswith("the device of NAS_COST_WORKER 1 is gone, and what it measures waits for it: ")
    assert bench.said[0].endswith("no route") and "the device of NAS_COST_WORKER 1 is back after" in bench.said[1]


def test_a_device_that_all_share_is_said_to_be_gone_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.devices.remote.FIRST", 0.5)
    script = 'echo x >> calls; [ $(wc -l < calls) -lt 10 ] && { sleep 0.3; echo "no route" >&2; exit 255; }; echo 1'
    run = bench.drive(script, workers=3)
    assert all(row.latency == 1.0 for row in run.rows())
    gone, back = bench.said
    assert " is gone, and what it measures waits for it: " in gone and " is back after " in back
    assert bench.waited > 0


def test_what_was_noted_is_not_measured_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    script = "echo x >> calls; echo 1"
    with monkeypatch.context() as during:
        during.setattr("nas.engines.local.run_trial", killed)
        with pytest.raises(Killed):
            bench.drive(script, workers=2)
    before = len((bench.folder / "calls").read_text().split())
    noted = [trial for trial in Run.open(bench.folder / "runs" / "one").study.trials if "latency" in trial.user_attrs]
    assert before <= 2 and len(noted) == 1 and all(trial.user_attrs["starts"] == 1 for trial in noted)
    run = bench.drive(script, workers=2)
    measured = [row for row in run.rows() if row.duplicate_of is None]
    assert len((bench.folder / "calls").read_text().split()) <= before - len(noted) + len(measured)
    assert len(measured) == 4 and all(row.latency == 1.0 for row in measured)


def test_an_interruption_ends_what_is_measured(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(gauge: Gauge) -> None:
        pids = bench.folder / "pids"
        while not pids.exists() or len(pids.read_text().split()) < 2:
            time.sleep(0.02)
        raise KeyboardInterrupt

    with monkeypatch.context() as during:
        during.setattr(Gauge, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            bench.drive("echo $$ >> pids; sleep 60; echo 1", workers=2)
    for pid in map(int, (bench.folder / "pids").read_text().split()):
        assert not is_running(pid)


def test_refused_networks_count_as_before(bench: Bench) -> None:
    bench.config = dataclasses.replace(bench.config, limits={"latency": 1.5})
    run = bench.drive("cksum $1 | awk '{print 1 + $1 % 2}'", workers=3, trials=3)
    refused = [row for row in run.rows() if row.state == State.PRUNED]
    assert refused and all(row.latency == 2.0 for row in refused)
    assert sum(row.state != State.PRUNED and row.duplicate_of is None for row in run.rows()) == 3


def test_with_a_time_budget_nothing_is_ahead_before_a_training_has_ended(bench: Bench, tiny: Dataset, run: Run) -> None:
    with run.driving() as study:
        search = Search(run, study, Budget(seconds=100.0), Silent(), tiny)
        search.gauge = type("Many", (), {"workers": 3, "names": frozenset(), "waited": 0.0, "hear": lambda _: None})()
        spec = search.ask()
        assert spec is not None and not search._ahead
        search._seconds = [1.0]
        assert search.due() and len(search._ahead) == 2


def test_another_number_of_them_goes_on(bench: Bench, tiny: Dataset) -> None:
    """As by `nas resume`; the run stays as it began."""
    bench.drive(STAMPED + "echo 1", workers=1, trials=2)
    assert most_at_once(bench.stamps) == 1
    run = Run.open(bench.folder / "runs" / "one")
    (bench.folder / "measure.sh").write_text(f"FIRST=5; {STAMPED} echo 1", "utf-8")  # two of them are over
    driver.drive(run, Budget(trials=6), tiny, "cpu", None, Silent(), 3)
    assert most_at_once(bench.stamps) == 3
    assert Run.open(run.path).config == run.config and run.config.measuring.workers == 1


def test_a_run_without_a_command_has_no_use_for_them(run: Run) -> None:
    with pytest.raises(ValueError, match="one has no --cost-command: leave out --cost-workers"):
        nas.open(run.path).resume(cost_workers=2)


def test_each_of_them_is_tried_before_a_search(bench: Bench) -> None:
    run = bench.drive("echo 1", workers=3, trials=1)
    with gauge_of(run.config, bench.tiny, bench.said.append) as gauge:
        assert gauge is not None and gauge.check()[0] == {"latency": 1.0}
    (bench.folder / "measure.sh").write_text("[ $NAS_COST_WORKER = 2 ] && { echo no route >&2; exit 1; }; echo 1")
    with gauge_of(run.config, bench.tiny, bench.said.append) as gauge:
        assert gauge is not None
        with pytest.raises(
            Unmeasured, match=r"^NAS_COST_WORKER 2: the command that measures latency failed: .*no route"
        ):
            gauge.check()
