"""`nas scale --search`, `--report`, `--from`: what they print; a mistake is one clear line and exit code 2."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.data import Dataset
from scaling.compound import Compound

Cli = Callable[..., tuple[int, str, str]]
GRID = ("scale", "--search", "--base", "resnet8@0.5", "--data", "tiny", "--batch-size", "20", "--name", "one")


@pytest.fixture
def cli(tmp_path: Path, tiny: Dataset, monkeypatch: pytest.MonkeyPatch, call_nas: Cli) -> Cli:
    """Calls `nas` in an empty folder, where every data set is the tiny one and the grid small."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NAS_RUNS", raising=False)
    monkeypatch.setattr("nas.data.load", lambda name, data_dir=None, **how: tiny)
    monkeypatch.setattr("scaling.compound.grid", lambda *ranges: [Compound(1, 1.2, 1.1), Compound(1, 1.1, 1.3)])
    return call_nas


def test_a_grid_from_end_to_end(cli: Cli, tmp_path: Path) -> None:
    code, out, err = cli(*GRID, "--seeds", "2", "--trials", "7")
    assert code == 0, err
    assert "\ndata      tiny, 4 classes: a, b, c, d" in out and "at each network's own pixels" in out
    assert "\nrecipe    " in out and "\ntime      " in out
    assert "measured  same as" in out and "12 trainings, a seed after the other" in out and "results   runs/one/" in out
    assert "7 trials done: that is all that --trials allows" in out
    assert "missing: 5 of 12 trainings; `nas resume one`" in out
    assert "highest triple, not shown to be best: " in out and "best triple: " not in out
    code, out, err = cli("resume", "one", "--trials", "12", "--json")
    *trials, report = map(json.loads, out.splitlines())
    assert code == 0 and len(trials) == 5 and report["missing"] == 0 and len(report["networks"]) == 6, err
    for file in ("scaling.md", "scaling.csv", "scaling.png"):
        assert (tmp_path / "runs" / "one" / file).exists()

    code, out, _ = cli("scale", "--report", "one", "--json")
    assert code == 0 and json.loads(out) == report
    code, out, _ = cli("scale", "--from", "one", "--phi", "2", "--no-time", "--json")
    grown = json.loads(out)
    assert code == 0 and {name: grown[name] for name in ("alpha", "beta", "gamma")} == report["best"]
    assert not grown["published"] and grown["base"] == "resnet8@0.5"
    code, out, _ = cli("top", "one", "--json")
    assert code == 0 and {row["id"][:5] for row in json.loads(out)} == {"seed0", "seed1"}


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (("--phi", "2"), "--search finds alpha, beta and gamma at phi 1: leave out what says how large, or by what"),
        (
            ("--alpha", "1.3"),
            "--search finds alpha, beta and gamma at phi 1: leave out what says how large, or by what",
        ),
        (("--budget", "soon"), "'soon' is not a time"),
        (("--seeds", "0"), "--seeds must be at least 1, not 0"),
        (("--triples", "0"), "--triples must be at least 1, not 0"),
        (("--trials", "0"), "--trials must be at least 1, not 0"),
        (("--subset", "1k"), "--subset asked for 1,000 images; tiny has 180 to train"),
        (("--image-size", "4"), "image_size must be at least 8 pixels, not 4"),
        (("--base", "lenet5"), "lenet5 does not scale: it has no width multiplier"),
        (("--tolerance", "0.001"), "make --step smaller or --tolerance larger"),
    ],
)
def test_a_mistake_is_one_line(cli: Cli, tmp_path: Path, args: tuple[str, ...], error: str) -> None:
    code, _, err = cli(*GRID, *args)
    assert code == 2 and error in err and len(err.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_only_a_grid_has_a_best_triple(cli: Cli, pretended: None) -> None:
    code, _, err = cli("scale", "--from", "two", "--phi", "2")
    assert code == 2 and "no run called two" in err
    assert cli("search", "--width", "0.1", "--batch-size", "20", "--trials", "1", "--name", "two")[0] == 0
    for args in (("--from", "two", "--phi", "2"), ("--report", "two")):
        code, _, err = cli("scale", *args)
        assert code == 2 and "two searches mnas: a grid of triples is one of nas scale --search" in err
