"""A table of latencies: drawn, measured, interrupted and gone on with, read, refused, and asked."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from torch import nn

from nas.files import sha256_of
from nas.latencies.measuring import Job, jobs_of, left, measure_all
from nas.latencies.table import ByTable, Images, LatencyTable, Target, read_once
from searchspaces import Space, get_space
from searchspaces.kernels import part_of
from searchspaces.scaled import ScaledSpace
from tests.nas.latencies.test_predictor import seconds_of

SPACE = cast(ScaledSpace, get_space("compact", max_macs=500_000, image_size=16))
NEW = LatencyTable("compact", SPACE.settings(), Images(16, 3, 10), Target("pytorch"), 0, (40, 12))


class Device:
    """One whose times are known; its n-th measurement may fail."""

    def __init__(self, *fails: int) -> None:
        self.asked, self.fails = 0, fails

    def __call__(self, module: nn.Module, image_size: int, channels: int) -> float:
        self.asked += 1
        if self.asked in self.fails:
            raise ValueError(f"no answer to {self.asked}")
        return (seconds_of(part_of(module, channels, image_size)) + 20e-6) * (1.01 if self.asked % 2 else 1.0)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> LatencyTable:
    """A finished one, in a file."""
    path = tmp_path_factory.mktemp("table") / "pi.json"
    found = measure_all(NEW, SPACE, jobs_of(NEW, SPACE), Device(), path).finished(SPACE)
    found.write(path)
    return LatencyTable.read(path)


def test_what_is_drawn() -> None:
    jobs = jobs_of(NEW, SPACE)
    assert jobs == jobs_of(NEW, SPACE) and jobs != jobs_of(replace(NEW, seed=1), SPACE)
    networks = [job.arch for job in jobs if job.part is None]
    rows = [job for job in jobs if job.part is not None]
    assert len(networks) == 24 and len(set(networks)) == 12
    assert len(rows) == len(set(rows)) == 40
    assert not {job.arch for job in rows} & set(networks)


def test_a_space_that_has_no_rows_has_networks_alone() -> None:
    space = get_space("nasnet", image_size=16)
    table = LatencyTable("nasnet", space.settings(), Images(16, 3, 10), Target("pytorch"), 0, (40, 8))
    assert [job.part for job in jobs_of(table, space)] == [None] * 16


def test_a_space_of_few_networks() -> None:
    tiny = LatencyTable("nasbench201", {}, Images(32, 3, 10), Target("pytorch"), 0, (0, 10_000))
    with pytest.raises(ValueError, match="make --networks fewer"):
        jobs_of(tiny, _Few())


class _Few(type(SPACE)):  # type: ignore[misc]
    def canonical(self, arch: tuple[int, ...]) -> tuple[int, ...]:
        return (0,) * len(arch)


def test_it_predicts_what_it_has_not_seen(table: LatencyTable) -> None:
    assert table.error is not None
    rng, seen = random.Random(9), {one.arch for one in table.measured}
    archs = [arch for arch in (SPACE.canonical(SPACE.sample(rng)) for _ in range(15)) if arch not in seen]
    predicted = [table.predict(SPACE, arch) for arch in archs]
    truth = [Device()(SPACE.build(arch, 10, 16), 16, 3) for arch in archs]
    off = np.mean([abs(one.seconds / its - 1) for one, its in zip(predicted, truth, strict=True)])
    assert off < 0.3
    assert {one.error for one in predicted} == {table.error.mape}
    assert " ± " in str(predicted[0])
    noise = table.noise()
    assert noise is not None and noise.mape <= 0.011
    rivals = table.rivals(SPACE)
    assert [*rivals] == ["multiply-adds", "multiply-adds and activations", "the sum of the rows"]
    assert table.error.mape < rivals["multiply-adds"].mape


def test_what_is_read_predicts_the_same(table: LatencyTable, tmp_path: Path) -> None:
    table.write(tmp_path / "again.json")
    again = LatencyTable.read(tmp_path / "again.json")
    assert again == table
    arch = SPACE.sample(random.Random(3))
    assert again.predict(SPACE, arch) == table.predict(SPACE, arch)


def test_a_table_of_something_else(table: LatencyTable) -> None:
    table.check(SPACE, 16)
    table.check(SPACE, 16, target=Target("pytorch", name="a laptop"))  # what it is called is not what it is
    others: list[tuple[Space, tuple[int, ...], Target | None, str]] = [
        (get_space("mnas"), (16,), None, "of the space compact, not of mnas"),
        (get_space("compact", image_size=16), (16,), None, r"other settings \(max_macs 500000, not None\)"),
        (SPACE, (32,), None, "of 3x16x16 images of 10 classes, not of 3x32x32 images of 10 classes"),
        (SPACE, (16, 1), None, "not of 1x16x16"),
        (SPACE, (16, 3, 7), None, "of 7 classes"),
        (SPACE, (16,), Target("onnxruntime"), "by pytorch on cpu, 1 thread, not by onnxruntime"),
        (SPACE, (16,), Target("pytorch", 4), "not by pytorch on cpu, 4 threads"),
        (SPACE, (16,), Target("command", 1, "command", "latency=x {onnx}"), "not by the command latency=x"),
    ]
    for space, shape, target, said in others:
        with pytest.raises(ValueError, match=said) as caught:
            table.check(space, *shape, target=target)  # type: ignore[misc]
        assert "measure a table for this by nas latency-table" in str(caught.value)


def test_networks_within_other_limits(table: LatencyTable) -> None:
    """Their rows are as any others of the space, and are predicted at the widths that they have."""
    assert table.limits == {"macs": 500_000}
    wider, slower = replace(SPACE, max_macs=2_000_000), replace(SPACE, max_macs=None, max_latency=1e-4)
    for space in (wider, slower):
        table.check(space, 16)
    arch = SPACE.sample(random.Random(4))
    assert table.predict(wider, arch) != table.predict(SPACE, arch)
    assert table.seconds_at(slower, arch, SPACE.width_of(arch)) == table.predict(SPACE, arch).seconds


def test_a_file_is_read_once(table: LatencyTable, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    table.write(path)
    says = ByTable(str(path), sha256_of(path))
    arch = SPACE.sample(random.Random(4))
    seconds = says(SPACE, arch, SPACE.width_of(arch))
    assert seconds == table.predict(SPACE, arch).seconds
    path.unlink()
    assert read_once(str(path), says.sha256) == table and says(SPACE, arch, SPACE.width_of(arch)) == seconds
    with pytest.raises(ValueError, match="is gone: if it was moved"):
        read_once(str(path), "another")
    table.write(path)
    with pytest.raises(ValueError, match="is not the table of latencies that the run began with"):
        read_once(str(path), "another")


def test_no_table_at_all(table: LatencyTable, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with pytest.raises(ValueError, match="cannot read"):
        LatencyTable.read(path)
    table.write(path)
    document = json.loads(path.read_text("utf-8"))
    wrong = [
        ("[]", "is damaged"),
        ("{}", "format is missing"),
        (json.dumps({**document, "format": 9}), "a newer version of nas"),
        (json.dumps({**document, "more": 9}), "newer version of nas, or edited"),
        (json.dumps({**document, "measured": document["measured"][:3]}), "too few measurements"),
        (json.dumps({**document, "error": None}), "is not finished: it has 52 measurements of 64"),
        (json.dumps({**document, "error": {"mape": -1, "spearman": 0}}), "error.mape must be at least 0"),
        (path.read_text("utf-8").replace('"seconds":[', '"seconds":[0,', 1), "seconds"),
    ]
    for text, said in wrong:
        path.write_text(text, "utf-8")
        with pytest.raises(ValueError, match=said) as caught:
            LatencyTable.read(path)
        assert "\n" not in str(caught.value)


def test_networks_that_are_built_otherwise_now(table: LatencyTable) -> None:
    first, *others = table.measured
    changed = table.with_measured([first._replace(macs=first.macs + 1), *others])
    with pytest.raises(ValueError, match="as they were built by nas"):
        changed.predict(SPACE, first.arch)


def test_it_is_gone_on_with(tmp_path: Path) -> None:
    path, jobs = tmp_path / "t.json", jobs_of(NEW, SPACE)

    class Stopping(Device):
        def __call__(self, module: nn.Module, image_size: int, channels: int) -> float:
            if self.asked == 20:
                raise KeyboardInterrupt
            return super().__call__(module, image_size, channels)

    with pytest.raises(KeyboardInterrupt):
        measure_all(NEW, SPACE, jobs, Stopping(), path)
    with pytest.raises(ValueError, match=r"is not finished: it has 1?[0-9]+ measurements of 64"):
        LatencyTable.read(path)
    begun = LatencyTable.read_unfinished(path)
    assert begun.measurements == 20 and left(begun, jobs) == jobs[20:]
    device, told = Device(), list[int]()
    done = measure_all(begun, SPACE, left(begun, jobs), device, path, tell=lambda n, _: told.append(n))
    assert device.asked == 44 and told == list(range(21, 65))
    assert left(done, jobs) == []
    assert sorted(map(len, (one.seconds for one in done.networks))) == [2] * 12


def test_budget(tmp_path: Path) -> None:
    done = measure_all(NEW, SPACE, jobs_of(NEW, SPACE), Device(), tmp_path / "t.json", budget=0)
    assert done.measurements <= 1
    with pytest.raises(ValueError, match="a table has at least 12 and 8: give it more --budget"):
        done.finished(SPACE)


def test_what_cannot_be_measured_is_left_out(tmp_path: Path) -> None:
    jobs, problems = jobs_of(NEW, SPACE)[:10], list[str]()
    done = measure_all(NEW, SPACE, jobs, Device(2, 3, 5), tmp_path / "t.json", tell=lambda _, p: problems.append(p))
    assert done.measurements == 7
    assert list(filter(None, problems)) == ["no answer to 2", "no answer to 3", "no answer to 5"]
    with pytest.raises(ValueError, match="3 measurements failed one after the other, the last by this: no answer to 4"):
        measure_all(NEW, SPACE, jobs, Device(2, 3, 4), tmp_path / "t.json")
    assert LatencyTable.read_unfinished(tmp_path / "t.json").measurements == 1


def test_a_network_s_time_is_the_least(tmp_path: Path) -> None:
    arch = SPACE.canonical(SPACE.sample(random.Random(0)))
    times = iter([0.002, 0.001])
    done = measure_all(NEW, SPACE, [Job(arch, None)] * 2, lambda *_: next(times), tmp_path / "t.json")
    assert done.measured[0].seconds == (0.002, 0.001) and done.measured[0].least == 0.001
