"""Published results: read, refused, and in the place of trainings."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.data import without_images
from nas.data.source import DataSource
from nas.engines import local
from nas.ledger.config import Budget, Config
from nas.ledger.run import Run
from nas.options.commands import SearchOptions
from nas.reward import Reward
from nas.searching.choices import choose_config
from nas.searching.driver import drive
from nas.searching.loop import Search
from nas.searching.plan import _what_a_trial_is
from nas.searching.progress import Silent
from nas.searching.published import Published, read, table_of
from nas.training.recipe import Recipe
from nas.training.trial import State
from searchspaces import Arch, Mnas, NASBench201, NASBenchMacro

MACRO = NASBenchMacro()


def accuracy(arch: Arch) -> float:
    """In %, of a made-up table: more blocks are better, and the last ones most."""
    return 50 + sum(index * position for position, index in enumerate(arch)) / 2


def write_table(path: Path, archs: list[Arch]) -> Path:
    rows = {
        "".join(map(str, arch)): {"test_acc": [accuracy(arch), 0.0, 0.0], "mean_acc": accuracy(arch) + 1}
        for arch in archs
    }
    path.write_text(json.dumps(rows))
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_table(tmp_path / "table.json", list(product(range(3), repeat=8)))


@pytest.fixture
def config(file: Path) -> Config:
    asked = SearchOptions(space="nasbench_macro", strategy="ppo", table=file)
    data = without_images("cifar10")
    return choose_config(asked, data, DataSource("cifar10"), Recipe(), Reward({"macs": 30e6}), "cpu")


# ---------------------------------------------------------------------------- reading


def test_the_published_tables_are_read_whole(published_table: Callable[[str], Path]) -> None:
    cells, networks = (read(space, published_table(space.name)) for space in (NASBench201(), MACRO))
    assert len(cells.observed) == len(cells.reported) == 5**6 and len(networks.observed) == 3**8
    assert max(cells.reported.values()) == 94.373
    assert (cells.observed[(3, 3, 4, 1, 3, 1)], cells.reported[(3, 3, 4, 1, 3, 1)]) == (82.834, 93.66)  # its second row
    assert networks.reported[(0, 2, 0, 1, 2, 1, 0, 0)] == pytest.approx(89.19666545)


def test_an_architecture_is_looked_up_itself(file: Path) -> None:
    table = read(MACRO, file)
    one, other = (0, 0, 0, 1, 0, 0, 0, 0), (0, 0, 0, 0, 1, 0, 0, 0)  # the same network
    assert MACRO.canonical(one) == MACRO.canonical(other)
    assert (table.accuracy(one), table.accuracy(other)) == (0.515, 0.52)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot read .*: No such file"),
        ("cell,val_acc_12\n|none~0|,1", "is not the table of NAS-Bench-Macro"),
        ("[1, 2]", "is not the table of NAS-Bench-Macro"),
        ('{"0212": {"test_acc": [1], "mean_acc": 1}}', "is not the table of NAS-Bench-Macro .*: architecture 0212: "),
        ('{"02121212": {"test_acc": []}}', "is not the table of NAS-Bench-Macro .*: architecture 02121212: "),
        (
            '{"02121212": {"test_acc": [NaN], "mean_acc": 1}}',
            "architecture 02121212: (observed|reported) must be a finite number",
        ),
        ('{"02121212": {"test_acc": [1e300], "mean_acc": 1}}', "architecture 02121212: observed must be at most 100"),
        ('{"02121212": {"test_acc": [1], "mean_acc": -1}}', "architecture 02121212: reported must be at least 0"),
        ('{"02121212": {"test_acc": [1], "mean_acc": true}}', "architecture 02121212: reported must be a number"),
        (
            '{"02121212": {"test_acc": [1], "mean_acc": 1, "flops": -1}}',
            "architecture 02121212: macs must be at least 0",
        ),
        ('{"02121212": {}', "is not the table of NAS-Bench-Macro .* line 1 column"),
        ("\udcff", "file is damaged in line 1: it is no text in UTF-8"),
        ('{\n"0212\0', "file is damaged in line 2: it has NUL bytes"),
    ],
)
def test_what_is_no_table_is_said(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_text(content, errors="surrogateescape")
    with pytest.raises(ValueError, match=said):
        read(MACRO, path)


def test_what_is_damaged_in_nasbench201_s_table_is_said_with_its_line(tmp_path: Path) -> None:
    space, path = NASBench201(), tmp_path / "table.csv"
    row, other = (f"{space.format(space.sample(np.random.default_rng(seed)))},1,2" for seed in (0, 1))
    for bad, said in (
        ("none,1,2", "line 3: nasbench201"),
        (row, "line 3: .* stands there twice"),
        (other.replace(",1,2", ",1,100.5"), "line 3: reported must be at most 100"),
        (other.replace(",1,2", ",1,inf"), "line 3: reported must be a finite"),
    ):
        path.write_bytes(b"\xef\xbb\xbf" + "\n".join(["cell,val_acc_12,test_acc_200", row, bad]).encode())
        with pytest.raises(ValueError, match=f"is not the table of NAS-Bench-201 .*: {said}"):
            read(space, path)
    path.write_bytes(b"\xef\xbb\xbf" + "\n".join(["cell,val_acc_12,test_acc_200", row]).encode())
    assert list(read(space, path).observed.values()) == [1.0]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("nasbench201-cifar10.csv", "cifar10"),
        ("nasbench201-cifar100.csv", "cifar100"),
        ("CIFAR-100_cells.csv", "cifar100"),
        ("cells.csv", None),
        ("cifar1000.csv", None),
        ("cifar10-and-cifar100.csv", None),
    ],
)
def test_which_images_nasbench201_s_table_is_of_is_what_its_name_says(
    tmp_path: Path, name: str, data: str | None
) -> None:
    space = NASBench201()
    (tmp_path / name).write_text(f"cell,val_acc_12,test_acc_200,seconds\n{space.format((0,) * 6)},1,2,30\n")
    table = read(space, tmp_path / name)
    assert table.benchmark.data == data and list(table.seconds.values()) == [30.0] and not table.macs
    assert table.benchmark.on == (f"NAS-Bench-201 on {data}" if data else "NAS-Bench-201")


def test_a_search_on_nasbench201_s_table_says_of_which_images_and_refuses_others(tmp_path: Path) -> None:
    space, given = NASBench201(), {"recipe": Recipe(), "reward": Reward(), "device": "cpu"}
    for name, data, said in (
        ("a-cifar100.csv", "cifar100", "validation accuracy after 12 epochs on cifar100, as it was published"),
        ("a.csv", "cifar100", "after 12 epochs on images that the file's name does not say, as it was published"),
    ):
        (tmp_path / name).write_text(f"cell,val_acc_12,test_acc_200\n{space.format((0,) * 6)},1,2\n")
        asked, images = SearchOptions(space="nasbench201", table=tmp_path / name), without_images(data)
        config = choose_config(asked, images, DataSource(data), **given)  # type: ignore[arg-type]
        assert said in _what_a_trial_is(config, images)
    asked = SearchOptions(space="nasbench201", table=tmp_path / "a-cifar100.csv")
    said = "a-cifar100.csv, of NAS-Bench-201, was measured on cifar100: search with --data cifar100"
    with pytest.raises(ValueError, match=said):
        choose_config(asked, without_images("cifar10"), DataSource("cifar10"), **given)  # type: ignore[arg-type]


def test_a_table_is_of_one_space_at_one_size(file: Path) -> None:
    with pytest.raises(ValueError, match="is not the table of NAS-Bench-201 that the space nasbench201 needs"):
        read(NASBench201(), file)
    with pytest.raises(
        ValueError, match="is no table of mnas with the columns architecture, observed, reported: it has"
    ):
        read(Mnas(), file)
    with pytest.raises(ValueError, match="at their published size: leave out --width"):
        read(NASBenchMacro(width=0.5), file)


# ---------------------------------------------------------------------------- anyone's


def test_anyones_table_of_any_space(tmp_path: Path) -> None:
    space = Mnas(width=0.1)
    archs = [space.sample(np.random.default_rng(seed)) for seed in range(3)]
    lines = [f'"{space.format(arch)}",{50 + i},{60 + i},{1000 * i},1e6,{30.5}' for i, arch in enumerate(archs)]
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(["architecture,observed,reported,params,macs,seconds", *lines]))
    table = read(space, str(path))
    assert table.path == path
    assert list(table.observed.items()) == [(arch, 50.0 + i) for i, arch in enumerate(archs)]
    assert table.reported[archs[2]] == 62.0 and table.params[archs[2]] == 2000 and table.macs[archs[0]] == 1e6
    assert table.seconds == dict.fromkeys(archs, 30.5) and table.benchmark.observed == "observed accuracy"
    assert table.accuracy(archs[1]) == 0.51


def test_anyones_table_needs_only_one_of_those_that_build_the_same_network(tmp_path: Path) -> None:
    """Its columns decide that it is no published one; a column that has gaps is as if it were not there."""
    path = tmp_path / "mine.csv"
    rows = ['"id,id,id,mb3k3,id,id,id,id",50,60,7', '"id,id,id,id,id,id,id,id",51,61,']
    path.write_text("\n".join(["architecture,observed,reported,macs", *rows]))
    table = read(MACRO, path)
    assert table.key((0, 0, 0, 0, 1, 0, 0, 0)) == (0, 0, 0, 1, 0, 0, 0, 0) and not table.macs
    with pytest.raises(ValueError, match=r"mb6k5.* is not in .*mine.csv: the search needs the whole table"):
        table.accuracy((2,) * 8)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("architecture,observed\n", "it has no column reported"),
        ("architecture,observed,reported\n", "it has no rows"),
        ("architecture,observed,reported\nid,1,1", "line 2: nasbench_macro: expected 8 parts"),
        ('architecture,observed,reported\n"id,id,id,id,id,id,id,id",,1', "line 2: could not convert"),
        (
            'architecture,observed,reported\n"id,id,id,id,id,id,id,id",1,nan',
            "line 2: (observed|reported) must be a finite number",
        ),
        ('architecture,observed,reported\n"id,id,id,id,id,id,id,id",1', "line 2: "),
        ("architecture,observed,reported" + 2 * '\n"id,id,id,id,id,id,id,id",1,1', "line 3: id.* stands there twice"),
    ],
)
def test_what_is_wrong_with_anyones_table_is_said(tmp_path: Path, rows: str, said: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(rows)
    with pytest.raises(ValueError, match=f"mine.csv is no table of nasbench_macro with the columns .*: {said}"):
        read(MACRO, path)


# ---------------------------------------------------------------------------- searching


def search(config: Config, folder: Path, trials: int) -> Run:
    run = Run.create(folder, config, Budget(trials=trials))
    said = drive(run, run.budget, without_images("cifar10"), "cpu", None, Silent())
    assert "published of the best, trial" in said and "the best in the table has 79.00 %" in said
    return run


def test_a_search_sees_the_table_and_the_cost_of_what_it_would_build(config: Config, tmp_path: Path) -> None:
    run = search(config, tmp_path / "run", 10)
    rows = [row for row in run.rows() if row.duplicate_of is None]
    assert len(rows) == 10
    for row in rows:
        assert row.state == State.COMPLETE and row.accuracy == accuracy(row.arch) / 100
        assert row.macs and row.reward == config.reward(row.accuracy, row.costs)


def test_a_search_that_was_cut_off_goes_on_as_if_it_had_not_been(config: Config, tmp_path: Path) -> None:
    whole = search(config, tmp_path / "whole", 8)
    parts = search(config, tmp_path / "parts", 3)
    opened = Run.open(parts.path)
    assert opened.config == config
    drive(opened, Budget(trials=8), without_images("cifar10"), "cpu", None, Silent())
    assert [row.arch for row in opened.rows()] == [row.arch for row in whole.rows()]


def test_a_table_may_move_and_not_change(config: Config, file: Path, tmp_path: Path) -> None:
    run = search(config, tmp_path / "run", 2)
    moved = file.rename(tmp_path / "moved.json")
    with pytest.raises(ValueError, match="cannot read"):
        table_of(run.config)
    run.config = dataclasses.replace(config, table=str(moved))
    drive(run, Budget(trials=3), without_images("cifar10"), "cpu", None, Silent())
    assert len(run.rows()) >= 3
    moved.write_text(moved.read_text() + " ")
    with pytest.raises(ValueError, match=r"moved.json has changed since the run began"):
        table_of(run.config)


def test_an_architecture_that_the_table_lacks_ends_the_search(tmp_path: Path, config: Config) -> None:
    few = Published(MACRO, tmp_path / "few", "", {}, {})
    run = Run.create(tmp_path / "run", config, Budget(trials=3))
    with run.driving() as study:
        trials = Search(run, study, run.budget, Silent(), without_images("cifar10"), few)
        with pytest.raises(ValueError, match=r"id,.*is not in .*few: the search needs the whole table"):
            local.run(trials, without_images("cifar10"))


def test_time_on_this_device_is_measured_for_a_target_of_latency(config: Config, tmp_path: Path) -> None:
    config = dataclasses.replace(config, reward=Reward({"latency": 1e-3}))
    row = search(config, tmp_path / "run", 1).rows()[0]
    assert row.latency and row.accuracy == accuracy(row.arch) / 100


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"recipe": Recipe(epochs=2)}, "trains nothing: leave out --epochs"),
        ({"dataset": without_images("cifar100")}, "was measured on cifar10: search with --data cifar10"),
        ({"width": 0.5}, "leave out --width"),
    ],
)
def test_what_a_table_has_nothing_to_say_of(file: Path, changed: dict[str, Any], said: str) -> None:
    asked = SearchOptions(space="nasbench_macro", strategy="ppo", table=file, width=changed.pop("width", None))
    given = {"dataset": without_images("cifar10"), "source": DataSource("cifar10"), "recipe": Recipe()} | changed
    with pytest.raises(ValueError, match=said):
        choose_config(asked, **given, reward=Reward(), device="cpu")
