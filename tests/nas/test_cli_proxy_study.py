"""`nas proxy-study`: what it prints; a mistake is one clear line and exit code 2."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.data import Dataset

Cli = Callable[..., tuple[int, str, str]]
STUDY = (
    "proxy-study", "--space", "tests.nas.proxies.test_study:Small", "--data", "tiny", "--networks", "3",
    "--full", "180", "--cuts", "40,100", "--short", "60", "--batch-size", "20", "--name", "one",
)  # fmt: skip


@pytest.fixture
def cli(tmp_path: Path, tiny: Dataset, monkeypatch: pytest.MonkeyPatch, call_nas: Cli) -> Cli:
    """Calls `nas` in an empty folder, where every data set is the tiny one and few networks are drawn from."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NAS_RUNS", raising=False)
    monkeypatch.setattr("nas.data.load", lambda name, data_dir=None, **how: tiny)
    monkeypatch.setattr("nas.proxies.draw.POOL", 1)
    return call_nas


def test_a_study_from_end_to_end(cli: Cli, tmp_path: Path) -> None:
    code, out, err = cli(*STUDY, "--budget", "1ms")
    assert code == 0, err
    assert "\ndata      tiny, 4 classes: a, b, c, d" in out and "(±" in out and "\nrecipe    " in out
    assert "networks  3, of " in out and "cuts      of it after 40, 100 images" in out and "12 trainings" in out
    assert "nothing to judge by" in out and "missing: 11 of 12 trainings; `nas resume one`" in out
    code, out, err = cli("resume", "one", "--trials", "12", "--json")
    *trials, report = map(json.loads, out.splitlines())
    assert code == 0 and len(trials) == 11 and report["missing"] == 0 and len(report["networks"]) == 3, err
    kinds = {row["kind"] for row in report["proxies"]}
    assert kinds == {"control", "cut", "short", "full"} and report["ceiling"]["networks"] == 3

    code, out, _ = cli("proxy-study", "--report", "one", "--json")
    assert code == 0 and json.loads(out) == report
    code, out, _ = cli("proxy-study", "--report", "one", "--csv")
    assert code == 0 and len(list(csv.DictReader(io.StringIO(out)))) == len(report["proxies"])
    code, out, _ = cli("proxy-study", "--report", "one")
    assert code == 0 and "cut at 40" in out and "short 60" in out and "with fewer than 5 networks" in out
    for file in ("proxies.md", "proxies.csv", "networks.csv", "proxies.png"):
        assert (tmp_path / "runs" / "one" / file).exists() and f"runs/one/{file}" in out
    code, out, _ = cli("top", "one", "--json")
    assert code == 0 and {row["id"].rpartition("_")[0] for row in json.loads(out)} == {
        "seed0_full", "seed0_60", "seed1_full", "seed1_60"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (("--networks", "2"), "--networks must be at least 3, not 2"),
        (("--seeds", "0"), "--seeds must be at least 1, not 0"),
        (("--budget", "soon"), "'soon' is not a time"),
        (("--macs", "5M"), "--macs is a range, as in 5M-50M, not '5M'"),
        (("--macs", "5M-1M"), "--macs 5M-1M: the first is the smaller one"),
        (("--macs", "1-2"), "150 random architectures have 0 different networks of that size"),
        (("--full", "1kx2"), "'1kx2': there are 180 images to train"),
        (("--full", "180@8"), "--full 180@8: its pixels are --image-size"),
        (("--short", "180"), "--short 180 is not shorter than the full training of 180 images"),
        (("--short", "often"), "'often' is no training: write 12.5k, 5kx4"),
        (("--cuts", "10"), "--cuts are of 20 to 179 images"),
        (("--set", "seconds=5"), "leave out --set seconds"),
        (("--csv",), "--csv is for --report RUN"),
        (("--report", "two"), "--report trains nothing: leave out --space"),
    ],
)
def test_a_mistake_is_one_line(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], error: str
) -> None:
    code, _, err = cli(*STUDY, *args)
    assert code == 2 and error in err and len(err.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_only_a_study_has_proxies(cli: Cli, pretended: None) -> None:
    code, _, err = cli("proxy-study", "--report", "two")
    assert code == 2 and "no run called two" in err
    assert cli("search", "--width", "0.1", "--batch-size", "20", "--trials", "1", "--name", "two")[0] == 0
    code, _, err = cli("proxy-study", "--report", "two")
    assert code == 2 and "two searches mnas: a study is one of nas proxy-study" in err
