"""`nas compare`: what it prints and writes; a mistake is one clear line and exit code 2."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.data import Dataset
from nas.ledger.run import Run
from nas.network import Found
from searchspaces import Mnas

Cli = Callable[..., tuple[int, str, str]]
SMALL = ("--data", "tiny", "--epochs", "1", "--batch-size", "20")


@pytest.fixture
def cli(tmp_path: Path, tiny: Dataset, monkeypatch: pytest.MonkeyPatch, call_nas: Cli) -> Cli:
    """Calls `nas` in an empty folder, where every data set is the tiny one: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NAS_RUNS", raising=False)
    monkeypatch.setattr("nas.data.load", lambda name, data_dir=None, **how: tiny)
    monkeypatch.setattr("nas.data.load_test", lambda name, data_dir=None, **how: tiny.val)
    return call_nas


def test_a_comparison_from_end_to_end(cli: Cli, tmp_path: Path) -> None:
    search = ("search", "--space", "compact", "--max-macs", "300k", "--batch-size", "20", "--trials", "2")
    assert cli(*search, "--name", "one")[0] == 0
    code, out, err = cli(
        "compare", "one", "resnet8", "highway19", "--match-macs", *SMALL, "--seeds", "2", "--equal-seconds"
    )
    assert code == 0, err
    assert "highway19 is left out: " in err and "no width multiplier" in err
    for said in (
        " found  ", "seeds     2 of each network: 4 trainings", "to test, once (±", "; at 16 pixels",
        "results   runs/compare-1/, then at equal seconds runs/compare-1-seconds/", "seed 1, resnet8@",
        "at equal training images", "at equal training seconds", "one:best against resnet8@", "up to ",
        "wrote runs/compare-1/comparison.md, runs/compare-1/comparison.csv",
    ):  # fmt: skip
        assert said in out, said
    assert "reward" not in out.partition("one:best had")[0] and "the one hand-designed network of at most" in out

    code, out, err = cli("compare", "--report", "compare-1", "--markdown", "a.md", "--csv", "a.csv", "--json")
    images, seconds = json.loads(out)["comparisons"]
    assert code == 0 and (images["equal"], seconds["equal"]) == ("images", "seconds"), err
    assert images["missing"] == seconds["missing"] == 0 and images["networks"][0]["n"] == 2
    assert "| one:best |" in (tmp_path / "a.md").read_text() and "one:best" in (tmp_path / "a.csv").read_text()
    code, out, _ = cli("resume", "compare-1")
    assert code == 0 and "one:best against resnet8@" in out and "trial " not in out

    code, _, err = cli("compare", "one", "--name", "compare-1", *SMALL)
    assert code == 2 and "runs/compare-1 exists: `nas resume compare-1` continues it" in err
    assert len(err.splitlines()) == 1


def test_one_that_was_stopped_is_resumed(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from nas.engines import local

    real = local.run_trial
    monkeypatch.setattr(
        local,
        "run_trial",
        lambda spec, *how: (_ for _ in ()).throw(KeyboardInterrupt) if spec.number else real(spec, *how),
    )
    code, out, _ = cli("compare", "resnet8@0.1", "resnet8@0.2", *SMALL, "--seeds", "1", "--name", "c", "--ensemble")
    assert code == 130 and "`nas resume c` continues" in out
    code, out, _ = cli("compare", "--report", "c")
    assert code == 0 and "missing: 1 of 2 trainings; `nas resume c` continues" in out
    monkeypatch.setattr(local, "run_trial", real)
    code, out, err = cli("resume", "c")
    assert code == 0 and "all 2 together" in out and "missing" not in out, err


def test_without_references_named_those_by_default_are_narrowed(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.json").write_text(Found(Mnas(width=0.1, image_size=16), (0,) * 42).to_json())
    monkeypatch.setattr("nas.comparison.candidates.BY_DEFAULT", "resnet8")  # of three
    code, out, err = cli("compare", "a.json", *SMALL, "--seeds", "1", "--json")
    *trials, last = [json.loads(line) for line in out.splitlines()]
    assert code == 0, err
    names = [row["network"] for row in last["comparisons"][0]["networks"]]
    assert len(trials) == len(names) and any(name.startswith("resnet8@") for name in names)
    assert all(row["macs"] <= last["comparisons"][0]["networks"][0]["macs_budget"] for row in trials)
    assert "test_accuracy" not in trials[0]
    code, out, err = cli("compare", "a.json", "--baselines", "", *SMALL, "--seeds", "1")
    assert code == 0 and "no other network was trained that it could be compared with" in out, err


def test_a_picture_is_written_where_it_is_wanted(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    code, _, err = cli("compare", "resnet8@0.2", *SMALL, "--seeds", "1", "--plot", "c.svg", "--name", "c")
    assert code == 0 and "<svg" in (tmp_path / "c.svg").read_text(), err
    assert not (tmp_path / "runs" / "c" / "comparison.png").exists()


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ((), "nothing to compare: name a run, a trial (RUN:17) or a baseline (resnet20)"),
        (("nothing",), "'nothing' is no network: name a baseline"),
        (("resnet8", "--seeds", "0"), "--seeds must be at least 1, not 0"),
        (("resnet8", "--match-macs"), "--match-macs is for networks beside a found one"),
        (("resnet8", "inception_v3"), "inception_v3 needs images of at least 75 pixels"),
        (("resnet8", "--subset", "1k"), "--subset asked for 1,000 images; tiny has 180"),
        (("resnet8", "--plot", "a.gif"), "--plot writes .png or .svg, not a.gif"),
        (("resnet8", "--csv", "there/a.csv"), "there is no folder there for a.csv: make it first"),
        (("resnet8", "--name", "a:b"), "a run cannot be called 'a:b'"),
        (("--report", "nothing"), "no run called nothing"),
        (("absent.json",), "cannot read absent.json: No such file"),
    ],
)
def test_a_mistake_is_one_line(cli: Cli, tmp_path: Path, args: tuple[str, ...], error: str) -> None:
    code, _, err = cli("compare", *args)
    assert code == 2 and error in err and len(err.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_a_search_is_not_reported_as_a_comparison(cli: Cli, run: Run) -> None:
    code, _, err = cli("compare", "--report", str(run.path))
    assert code == 2 and "one searches mnas: a comparison is a run of nas compare" in err
