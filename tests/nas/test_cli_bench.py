"""`nas bench`, on a small table of one's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path

import pytest

from searchspaces import NASBenchMacro

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call_nas: Cli) -> Cli:
    """Calls `nas bench` in a folder with a table of the whole space: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    space = NASBenchMacro()
    lines = [
        f'"{space.format(arch)}",{50 + sum(space.canonical(arch))},{60 + sum(space.canonical(arch))},{1 + sum(arch)}e6'
        for arch in product(range(3), repeat=8)
    ]
    Path("table.csv").write_text("\n".join(["architecture,observed,reported,macs", *lines]))
    return partial(call_nas, "bench", "--space", "nasbench_macro", "--jobs", "1")


TABLE = ("--table", "table.csv")
BOTH = ("--strategy", "random", "--strategy", "evolution", "--seeds", "4", "--evaluations", "30,10")


def test_the_table_the_picture_and_what_is_said(cli: Cli) -> None:
    code, out, err = cli(*TABLE, *BOTH, "--plot", "curves.png")
    assert code == 0, err
    assert out.startswith("nasbench_macro, table.csv, 4 searches of each strategy\nRegret (points), mean ± ")
    assert "observed accuracy and is judged by reported accuracy" in " ".join(out.split())
    assert out.splitlines()[3].split() == ["strategy", "10", "30", "ms"] and "\nevolution" in out and "Wilcoxon" in out
    assert "random: 4 searches done" in err and "wrote curves.png" in err
    assert Path("curves.png").read_bytes().startswith(b"\x89PNG")


def test_json_is_all_that_is_printed(cli: Cli) -> None:
    code, out, _ = cli(*TABLE, *BOTH, "--json", "--reward", "mnas", "--target-macs", "8M", "--workers", "1,4")
    rows = json.loads(out)
    assert code == 0 and len(rows) == 2 * 2 * 2
    assert rows[0]["benchmark"] == "nasbench_macro, table.csv, accuracy x (MACs / 8M) ^ -0.07"
    assert {(row["strategy"], row["workers"]) for row in rows} == set(product(("random", "evolution"), (1, 4)))
    assert rows[0]["seeds"] == 4 and rows[0]["mean_regret"] > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*TABLE, "--strategy", "bayes"), "there is no strategy 'bayes': choose one of"),
        ((*TABLE, "--seeds", "0"), "--seeds must be at least 1"),
        ((*TABLE, "--within", "-1"), "--within must be at least 0"),
        ((*TABLE, "--jobs", "0"), "--jobs must be at least 1"),
        ((*TABLE, "--evaluations", "25,x"), "--evaluations are whole numbers from 1 on, joined by commas, not '25,x'"),
        ((*TABLE, "--workers", "0"), "--workers are whole numbers"),
        ((*TABLE, "--reward", "speed"), "--reward is accuracy or mnas"),
        ((*TABLE, "--plot", "curves.pdf"), "--plot draws to a file .png or .svg"),
        ((*TABLE, "--plot", "none/curves.png"), "--plot: there is no folder none"),
        ((*TABLE, "--strategy", "random", "--evaluations", "5000"), "the table has 3,969 different networks"),
        (("--table", "none.csv"), "cannot read none.csv: No such file"),
    ],
)
def test_a_mistake_is_one_line(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    code, out, err = cli(*arguments)
    assert code == 2 and not out and said in err and len(err.splitlines()) == 1, err


def test_settings_of_the_strategies_are_set_and_said(cli: Cli) -> None:
    options = ("--seeds", "1", "--evaluations", "12", "--strategy", "ppo", "--strategy-set", "batch=3")
    code, out, _ = cli(*TABLE, *options, "--json")
    assert code == 0 and [row["settings"] for row in json.loads(out)] == [{"batch": 3}]
    assert "ppo batch=3" in cli(*TABLE, *options)[1]
    code, _, err = cli(*TABLE, *options, "--strategy", "evolution")
    assert (
        code == 2 and "the strategy evolution has no setting 'batch'; it has population=20, sample=10, tries=20" in err
    )


def test_evaluations_are_counted_until_a_search_has_found_what_is_good_enough(cli: Cli) -> None:
    code, out, _ = cli(*TABLE, *BOTH, "--within", "4")
    assert code == 0 and "would hand over a network within 4 points of the table's best" in out
    rows = json.loads(cli(*TABLE, *BOTH, "--within", "4", "--json")[1])
    assert rows[0]["reached"]["within"] == 4 and rows[0]["reached"]["evaluations"] == 30
    assert rows[0]["reached"] == rows[1]["reached"] and rows[0]["reached"]["quarter"] <= 30


def test_a_search_may_be_played_before_on_another_table(cli: Cli) -> None:
    Path("other.csv").write_text(Path("table.csv").read_text())
    few = ("--strategy", "controller", "--strategy", "random", "--seeds", "2", "--evaluations", "1,3", "--played", "12")
    code, out, err = cli(*TABLE, *few, "--experience", "other.csv", "--experience", "nasbench_macro:table.csv")
    assert code == 0, err
    rows = [line.partition("  ")[0] for line in out.splitlines()]
    assert "controller after 12 elsewhere" in rows and "controller" in rows and "random" in rows
    assert "Elsewhere: in other.csv and in table.csv, by the same strategy with another seed." in " ".join(out.split())
    code, out, _ = cli(*TABLE, *few, "--experience", "other.csv", "--json")
    with_it = [row for row in json.loads(out) if "played" in row]
    assert [(row["strategy"], row["played"], row["experience"]) for row in with_it] == 2 * [
        ("controller", 12, ["other.csv"])
    ]
    code, _, err = cli(*TABLE, "--strategy", "random", "--experience", "other.csv")
    assert code == 2 and err == "nas: --experience is for the strategy controller: add --strategy controller\n"
    code, _, err = cli(*TABLE, "--experience", "gone.csv")
    assert code == 2 and "cannot read gone.csv" in err
