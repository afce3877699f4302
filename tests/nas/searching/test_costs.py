"""Costs that a search asks for: each a target, a limit, an objective or a column; counted, measured here, or told."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.data import Dataset
from nas.devices.measuring import Measuring
from nas.engines import local
from nas.ledger.config import Budget, Config
from nas.ledger.run import Run
from nas.options.commands import SearchOptions
from nas.reward import Reward
from nas.searching import choices
from nas.searching.gauge import gauge_of
from nas.searching.loop import Search
from nas.searching.progress import Silent
from nas.training.trial import State


class Listening(Silent):
    """What is noted, as a person would read it."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def noted(self, what: str) -> None:
        self.heard.append(what)


Drive = Callable[..., tuple[Run, list[str]]]


@pytest.fixture
def drive(tmp_path: Path, tiny: Dataset, pretended: None) -> Drive:
    """Drives a search of a configuration to its end; its run, and what was noted."""

    def drive(config: Config, trials: int = 3, name: str = "one") -> tuple[Run, list[str]]:
        path, progress = tmp_path / "runs" / name, Listening()
        run = Run.open(path) if path.exists() else Run.create(path, config, Budget(trials=trials))
        with run.driving() as study, gauge_of(run.config, tiny, progress.noted) as gauge:
            search = Search(run, study, Budget(trials=trials), progress, tiny, gauge=gauge)
            local.run(search, tiny)
        return Run.open(path), [*progress.heard, search.ended]

    return drive


def script(folder: Path, text: str) -> str:
    """A command that is given the weights, and runs `text` of the shell."""
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "measure.sh").write_text(text)
    return f"cd {folder} && sh measure.sh {{state_dict}}"


def with_command(config: Config, names: str, command: str, **changes: object) -> Config:
    measuring = Measuring({names: command}, timeout=20.0, attempts=1)
    return dataclasses.replace(config, **({"measuring": measuring, "reward": Reward()} | changes))  # type: ignore[arg-type]


def test_several_costs_in_one_search(drive: Drive, config: Config, tmp_path: Path) -> None:
    command = script(tmp_path / "a", 'echo measured; echo \'{"latency": "3ms", "energy": 2e-3, "power": 7}\'')
    reward = Reward({"latency": 1e-3, "params": 1e5})
    config = with_command(config, "latency,energy,power", command, reward=reward, limits={"memory": 1e9, "power": 8.0})
    run, _ = drive(dataclasses.replace(config, also=("flash",)))
    for row in run.rows():
        told = {"latency": 0.003, "energy": 0.002, "power": 7.0}
        assert row.costs.items() >= told.items() and row.costs.keys() == {
            "macs", "params", "activations", "memory", "flash", *told
        }  # fmt: skip
        if row.reward is not None:
            assert row.accuracy is not None
            assert row.reward == pytest.approx(reward(row.accuracy, row.costs))
            assert row.to_dict()["costs"] == row.costs


def test_a_told_cost_above_its_limit_is_not_trained(
    drive: Drive, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = script(tmp_path / "a", 'wc -c < "$1"')
    run, _ = drive(with_command(config, "size", command, limits={"size": 60_000.0}))
    refused = [row for row in run.rows() if row.state == State.PRUNED]
    assert refused and all(row.others["size"] > 60_000 and row.seconds is None for row in refused)
    assert "more than --max size 60k" in refused[0].reason and refused[0].reason.startswith("not trained: size ")
    assert all(row.others["size"] <= 60_000 for row in run.rows() if row not in refused)
    monkeypatch.setattr("nas.searching.loop.MAX_DUPLICATES", 4)
    run, said = drive(with_command(config, "size", command, limits={"size": 1.0}), name="two")
    least = min(row.others["size"] for row in run.rows())
    assert f"the least size refused was {least / 1000:.3g}k (trial" in said[-1] and "--max size is 1" in said[-1]


def test_objectives_may_be_told(drive: Drive, config: Config, tmp_path: Path) -> None:
    command = script(tmp_path / "a", "echo 5mJ")
    run, _ = drive(with_command(config, "energy", command, objectives=("accuracy", "energy", "memory")))
    values = [trial.values for trial in run.study.trials if trial.values]
    assert values and all(value[1] == 0.005 and value[2] > 100 for value in values)


def test_a_network_that_cannot_be_measured_is_a_failed_trial(drive: Drive, config: Config, tmp_path: Path) -> None:
    """As one that the device has no operation for: the smallest network is measured, and no other one is."""
    command = script(
        tmp_path / "a", '[ $(wc -c < "$1") -lt 4000 ] && echo 1 || { echo no such operation >&2; exit 3; }'
    )
    run, said = drive(with_command(config, "latency", command), trials=2)
    reasons = {row.reason for row in run.rows()}
    assert all(row.state == State.FAILED for row in run.rows())
    assert reasons == {"the command that measures latency failed: it ended with code 3: no such operation"}
    assert said[:-1] == []


def test_a_device_that_is_gone_is_waited_for(
    drive: Drive, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.devices.remote.FIRST", 0.0)
    counting = (
        "echo x >> calls; n=$(wc -l < calls); [ $n -gt 2 ] && [ $n -lt 6 ] && { echo gone >&2; exit 255; }; echo 1"
    )
    run, said = drive(with_command(config, "latency", script(tmp_path / "a", counting)))
    assert all(row.latency == 1.0 for row in run.rows()) and len(run.rows()) >= 3
    assert len(said) == 3 and "the device is gone, and the search waits for it" in said[0] and "is back" in said[1]


def test_what_was_measured_is_not_measured_again(
    drive: Drive, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the process died in the training that followed."""
    config = with_command(config, "latency", script(tmp_path / "a", "echo x >> calls; echo 1"))

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as during:
        during.setattr("nas.searching.loop.Search.stepped", killed)
        during.setattr("nas.engines.local.run_trial", killed)
        with pytest.raises(Killed):
            drive(config)
    assert len((tmp_path / "a" / "calls").read_text().split()) == 1
    run, _ = drive(config)
    measured = [row for row in run.rows() if row.duplicate_of is None]
    assert len((tmp_path / "a" / "calls").read_text().split()) == len(measured)
    assert all(row.latency == 1.0 for row in measured)


def test_a_network_that_is_too_slow_here_is_not_trained(tmp_path: Path, config: Config, tiny: Dataset) -> None:
    """It is measured where it would be trained, so that engine says it."""
    config = dataclasses.replace(config, reward=Reward(), limits={"latency": 1e-9})
    run = Run.create(tmp_path / "one", config, Budget(trials=2))
    with run.driving() as study:
        search = Search(run, study, run.budget, Silent(), tiny)
        search._refusals = 199  # of 200
        local.run(search, tiny)
    (row,) = run.rows()
    assert row.state == State.PRUNED and row.latency is not None and "more than --max-latency 1e-06ms" in row.reason
    assert "none of the last 200 networks was within the limits" in search.ended and search.done == 0


# ------------------------------------------------------------------ what a person asks for


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"max_energy": "2mJ"}, "nothing here measures energy: add --cost-command energy='COMMAND {onnx}'"),
        ({"limits": {"power": 3}}, "nothing here measures power"),
        ({"targets": {"Power": 3}}, "or one of your own in small letters, as in power; not 'Power'"),
        ({"max_memory": "64kB", "limits": {"memory": 5}}, "--max-memory and --max memory=... are the same"),
        ({"max_memory": "many"}, "--max-memory: 'many' is not an amount of memory"),
        ({"objectives": "accuracy,power"}, "nothing here measures power"),
        ({"costs": "power"}, "nothing here measures power"),
        ({"cost_commands": {"latency": "bench"}}, "--cost-command latency: the command takes no network"),
        ({"cost_timeout": 5.0}, "--cost-timeout is of --cost-command"),
        ({"cost_workers": 2}, "--cost-workers are of --cost-command"),
        ({"cost_workers": 0}, "--cost-workers must be"),
        (
            {"cost_commands": {"latency": "a {onnx}", "latency,energy": "b {onnx}"}},
            "--cost-command tells latency twice",
        ),
        (
            {"cost_commands": {"latency": "a {onnx}"}, "latency_runtime": "onnxruntime"},
            "--cost-command latency and --latency-runtime both say how latency is found out",
        ),
        ({"target_memory": "65kB", "max_memory": "64kB"}, "--target-memory is above --max-memory 64 kB"),
    ],
)
def test_mistakes_are_named_before_the_data_are_read(asked: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError) as error:
        choices.check_ahead(SearchOptions(**asked))
    assert message in str(error.value)


def test_all_that_is_asked_for() -> None:
    asked = SearchOptions(
        max_memory="64kB", limits={"power": "3k"}, target_latency="5ms", targets={"flash": "1MB"},
        cost_commands={"power, energy": "x {onnx}"}, costs=["activations"],
    )  # fmt: skip
    reward = choices.choose_reward(asked)
    assert reward.targets == {"flash": 1e6, "latency": 0.005}
    assert choices.choose_limits(asked, reward) == {"memory": 64_000.0, "power": 3000.0}
    assert choices.choose_costs(asked) == ("activations",)
    assert choices.choose_measuring(asked) == Measuring({"power,energy": "x {onnx}"})
