"""A search whose networks are as wide as predicted latency allows, by a table of a device whose times are known."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.data import Dataset
from nas.data.source import DataSource
from nas.devices.measuring import Measuring
from nas.engines import local
from nas.files import sha256_of
from nas.latencies.measuring import jobs_of, measure_all
from nas.latencies.table import Images, LatencyTable, Target, read_once
from nas.ledger.config import Budget, Config
from nas.ledger.repeats import without_seed
from nas.ledger.run import Run
from nas.network import Found
from nas.options.commands import SearchOptions
from nas.reward import Reward
from nas.searching import choices, plan
from nas.searching.control import is_control
from nas.searching.gauge import gauge_of
from nas.searching.loop import Search
from nas.searching.progress import Silent
from nas.searching.reach import check_reach
from nas.training.recipe import Recipe
from nas.training.trial import State
from searchspaces import get_space
from searchspaces.cost import shapes_only
from searchspaces.scaled import ScaledSpace
from tests.nas.latencies.test_table import Device

LIMIT = 1.2e-4


def space_within(**limits: float) -> ScaledSpace:
    space = get_space("compact", image_size=16, num_classes=4, **limits)
    assert isinstance(space, ScaledSpace)
    return space


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a finished table."""
    path = tmp_path_factory.mktemp("table") / "pi.json"
    space = space_within(max_macs=300_000)
    new = LatencyTable("compact", space.settings(), Images(16, 3, 4), Target("pytorch"), 0, (60, 20))
    measure_all(new, space, jobs_of(new, space), Device(), path).finished(space).write(path)
    return path


def config_by(file: Path, space: ScaledSpace, limit: float = LIMIT) -> Config:
    measuring = Measuring(table=str(file), table_sha256=sha256_of(file), table_error=0.1)
    recipe, limits = Recipe(batch_size=20), {"macs": 300_000.0, "latency": limit}
    return Config(
        space, "tiny", recipe, Reward(), "evolution", 0, limits=limits, measuring=measuring, num_classes=4
    )  # fmt: skip


Drive = Callable[..., Run]


@pytest.fixture
def drive(tmp_path: Path, tiny: Dataset, pretended: None) -> Drive:
    """Drives a search of a configuration until it has so many trials; its run."""

    def drive(config: Config, trials: int, name: str = "one") -> Run:
        path, budget = tmp_path / "runs" / name, Budget(trials=trials)
        run = Run.open(path) if path.exists() else Run.create(path, config, budget)
        with run.driving() as study, gauge_of(run.config, tiny, str) as gauge:
            local.run(Search(run, study, budget, Silent(), tiny, gauge=gauge), tiny)
        return Run.open(path)

    return drive


def shapes(network: object) -> dict[str, tuple[int, ...]]:
    assert isinstance(network, Found)
    with shapes_only():
        return {name: tuple(value.shape) for name, value in network.build(4, 16).state_dict().items()}


def test_networks_are_within_by_their_widths(drive: Drive, file: Path) -> None:
    by_width, refused = config_by(file, space_within(max_macs=300_000, max_latency=LIMIT)), State.PRUNED
    run = drive(by_width, 8)
    rows = [row for row in run.rows() if row.duplicate_of is None]
    assert len(rows) >= 8
    for row in rows:
        assert row.latency is not None and (row.latency <= LIMIT) == (row.state != refused)
        network = run.network(row)
        assert isinstance(network, Found) and network.text.startswith(
            f"compact@image_size=16,max_macs={row.macs},num_classes=4:"
        )
        assert network.name == f"compact:{row.id}"
        assert shapes(network) == shapes(Found(run.config.space, row.arch))
    before = drive(config_by(file, space_within(max_macs=300_000)), 8, "before")
    assert sum(row.state == refused for row in rows) < sum(row.state == refused for row in before.rows())


def test_a_run_from_before_has_its_widths(drive: Drive, file: Path) -> None:
    """Its space has no limit of latency, so that a network is as wide as the others allow, and refused above it."""
    space = space_within(max_macs=300_000)
    run = drive(config_by(file, space), 4)
    assert "max_latency" not in run.document["config"]["space"]["settings"] and run.config.space == space
    rows = run.rows()
    assert any("is more than --max-latency 0.12ms" in row.reason for row in rows)
    for row in rows:
        assert run.network(row) == Found(space, row.arch)
        assert row.macs == space.costs_at(row.arch, space.width_of(row.arch))["macs"]


def test_who_looks_at_a_run_needs_no_table(drive: Drive, file: Path, tmp_path: Path) -> None:
    copy = tmp_path / "t.json"
    copy.write_bytes(file.read_bytes())
    space = space_within(max_macs=300_000, max_latency=LIMIT)
    run = drive(config_by(copy, space), 4)
    network, best = run.network(run.best_row()), run.best_row()
    copy.unlink()
    read_once.cache_clear()
    again = Run.open(run.path)
    assert again.rows() == run.rows() and again.network(again.best_row()) == network
    assert shapes(again.network(best)) == shapes(network) and again.network(best).name == network.name
    unseen = tuple(len(choice.options) - 1 for choice in space.choices)
    with pytest.raises(ValueError, match=r"t\.json is gone: if it was moved, `nas resume` takes --latency-table"):
        again.config.space.build(unseen)


def test_a_table_that_was_moved_is_found_by_its_content(drive: Drive, file: Path, tmp_path: Path) -> None:
    copy, moved, other = tmp_path / "t.json", tmp_path / "moved.json", tmp_path / "other.json"
    copy.write_bytes(file.read_bytes())
    run = drive(config_by(copy, space_within(max_macs=300_000, max_latency=LIMIT)), 2)
    copy.rename(moved)
    read_once.cache_clear()
    other.write_bytes(file.read_bytes() + b" ")
    again = Run.open(run.path)
    with pytest.raises(ValueError, match=r"other\.json is not the table of latencies that the run began with"):
        choices.with_latency_table_at(other, again.config)
    with pytest.raises(ValueError, match="no table of latencies that could have moved: leave out --latency-table"):
        choices.with_latency_table_at(
            moved, dataclasses.replace(again.config, space=space_within(max_macs=300_000), measuring=Measuring())
        )
    again.config = choices.with_latency_table_at(moved, again.config)
    with again.driving() as study:  # which refuses a run whose configuration is another one
        assert len(study.trials) >= 2
    assert is_control(dataclasses.replace(run.config, strategy="random"), again.config)
    assert without_seed(again.config) == without_seed(run.config)
    unseen = tuple(len(choice.options) - 1 for choice in again.config.space.choices)
    assert again.config.space.build(unseen)


def test_it_goes_on_exactly(drive: Drive, file: Path) -> None:
    config = config_by(file, space_within(max_macs=300_000, max_latency=LIMIT))
    whole = drive(config, 8, "whole")
    drive(config, 3, "parts")
    read_once.cache_clear()
    parts = drive(config, 8, "parts")

    def told(run: Run) -> list[tuple[object, ...]]:
        return [(row.arch, row.state, row.macs, row.id, row.reward) for row in run.rows()]

    assert told(whole) == told(parts)
    assert [row.latency for row in whole.rows()] == pytest.approx([row.latency for row in parts.rows()], rel=1e-9)


def test_a_limit_of_a_space_needs_what_predicts() -> None:
    with pytest.raises(ValueError, match="max_latency of compact is of predicted latency: add --latency-table FILE"):
        Config(space_within(max_latency=1e-3), "tiny", Recipe(), Reward(), "random", 0)


# ------------------------------------------------------------------ what a person asks for


def chosen(tiny: Dataset, **asked: object) -> Config:
    options = SearchOptions(space="compact", data="tiny", max_latency="1ms", **asked)  # type: ignore[arg-type]
    reward = choices.choose_reward(options)
    return choices.choose_config(options, tiny, DataSource("tiny"), Recipe(), reward, "cpu")


def test_the_width_follows_where_a_table_predicts(tiny: Dataset, file: Path) -> None:
    config = chosen(tiny, max_macs="300k", max_memory="64kB", latency_table=str(file))
    assert config.space.settings() == {
        "image_size": 16, "width": 1.0, "num_classes": 4,
        "max_macs": 300_000, "max_memory": 64_000, "max_latency": 1e-3,
    }  # fmt: skip
    again = Config.from_dict(config.to_dict())
    assert again == config and again.space.width_of((0,) * 38) == config.space.width_of((0,) * 38)  # type: ignore[attr-defined]
    assert plan._size(config) == ", each as wide as 300k MACs, 64 kB memory and 1ms of predicted latency allow"
    alone = chosen(tiny, latency_table=str(file))
    assert plan._size(alone) == ", each as wide as 1ms of predicted latency allow"


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"cost_commands": {"latency": "bench {onnx}"}},
        {"latency_runtime": "onnxruntime"},
        {"latency_table": True, "width": 0.5},
        {"latency_table": True, "settings": {"image_size": 24}},  # which the table is not of
    ],
)
def test_otherwise_it_is_a_limit_and_no_more(tiny: Dataset, file: Path, asked: dict[str, object]) -> None:
    asked = {name: str(file) if value is True else value for name, value in asked.items()}
    config = chosen(tiny, **asked)
    assert config.limits == {"latency": 1e-3} and "max_latency" not in config.space.settings()
    assert ", of up to 1ms latency" in plan._size(config)


def test_what_is_said_before(file: Path) -> None:
    config = config_by(file, space_within(max_macs=300_000, max_latency=LIMIT))
    lines = [*plan._predicted(config)]
    assert lines[0] == f"latency   predicted by {file}, ± 10.0 % on networks that it had not seen"
    assert re.fullmatch(r" {10}which were as wide as 300k MACs allow, and took 0\.\d+ms to 0\.\d+ms: .*", lines[1])
    assert lines[2] == "          the limit is of what is predicted: the device may need longer for some"
    assert [*plan._predicted(config_by(file, space_within(max_macs=300_000)))] == lines[:1]


def test_a_table_of_one_width_knows_no_other(tiny: Dataset, tmp_path: Path) -> None:
    space = get_space("compact", image_size=16)
    new = LatencyTable("compact", space.settings(), Images(16, 3, 4), Target("pytorch"), 0, (12, 8))
    path = tmp_path / "t.json"
    measure_all(new, space, jobs_of(new, space), Device(), path).finished(space).write(path)
    config = chosen(tiny, latency_table=str(path))
    assert config.space == space and ", of up to 1ms latency" in plan._size(config)
    assert [*plan._predicted(config)][1:] == [
        "          all were of one width: so widths do not follow --max-latency, as with a table by --max-macs"
    ]
    with pytest.raises(ValueError, match=r"with other settings \(.*max_macs None, not 300000"):
        gauge = gauge_of(chosen(tiny, latency_table=str(path), max_macs="300k"), tiny, str)
        with gauge:
            pass


def test_a_limit_that_few_meet_however_narrow(file: Path) -> None:
    config = config_by(file, space_within(max_latency=2e-6), 2e-6)
    config = dataclasses.replace(config, limits={"latency": 2e-6})
    (line,) = check_reach(config, 4, 16)
    assert re.search(r"only \d of 50 random networks are within --max-latency 0.002ms where they are narrowest", line)
    assert check_reach(dataclasses.replace(config, space=space_within(max_latency=1.0)), 4, 16) == []
