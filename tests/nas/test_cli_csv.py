"""The command line on images that a CSV lists: a search and what follows it, and mistakes in the CSV."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

Cli = Callable[..., tuple[int, str, str]]
SMALL = ("--batch-size", "10", "--epochs", "1")


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call_nas: Cli) -> Cli:
    """Calls `nas` in a folder with the list `pets/list.csv` of 60 images: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NAS_RUNS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "pets" / "all").mkdir(parents=True)
    rows = ["file,label,split,patient"]
    for number in range(60):
        name = f"all/{number}.png"
        Image.new("RGB", (18, 16), (200 * (number % 2), 0, number)).save(tmp_path / "pets" / name)
        split = ("train", "train", "train", "val", "test")[number // 2 % 5]
        rows.append(f"{name},{('cat', 'dog')[number % 2]},{split},p{number // 4}")
    (tmp_path / "pets" / "list.csv").write_text("\n".join(rows))
    return call_nas


SEARCH = ("search", "--data", "folder:pets/list.csv", "--image-size", "16", "--width", "0.1", *SMALL, "--name", "run")


def test_what_follows_a_search(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = cli(*SEARCH, "--trials", "1")
    assert code == 0 and "36 folder:list.csv images at 16 pixels" in out, err
    assert "validation is the val rows of list.csv, test the test rows of list.csv" in err
    assert err.count("decoding") == 2  # no test image was looked at
    code, out, err = cli("train", "run:best", *SMALL)
    assert code == 0 and "12 to test, once" in out and err.count("decoding") == 1, err
    code, out, err = cli("predict", "run:best", "pets/all", "--json")
    assert code == 0 and "dog" in out, err
    code, out, err = cli("export", "run:best", "--test", "--out", "exported")
    assert code == 0 and "decoding" not in err, err

    listed = tmp_path / "pets" / "list.csv"
    text = listed.read_text()
    listed.write_text(text.replace("all/2.png,cat,train", "all/2.png,cat,val"))
    code, _, err = cli("resume", "run", "--trials", "2")
    assert code == 2 and "the images of folder:list.csv are not those that the run began with" in err
    listed.write_text(text)
    monkeypatch.chdir(tmp_path / "cache")
    code, _, err = cli("resume", "run", "--trials", "2", "--runs-dir", str(tmp_path / "runs"))
    assert code == 0, err


def test_a_mistake_in_the_list_is_one_line(cli: Cli, tmp_path: Path) -> None:
    with (tmp_path / "pets" / "list.csv").open("a") as file:
        file.write("\nall/60.png,cat,train,p1\n")
    code, out, err = cli(*SEARCH, "--trials", "1")
    assert (code, out) == (2, "") and not (tmp_path / "runs").exists() and not (tmp_path / "cache").exists()
    folder = tmp_path / "pets"
    assert err == f"nas: {folder}/list.csv, line 62: there is no file all/60.png in {folder}\n"


def test_data_of_a_folder_with_a_list(cli: Cli, tmp_path: Path) -> None:
    code, out, err = cli("train", "resnet8@0.25", "--data", "folder:pets", "--image-size", "16", *SMALL, "--json")
    assert code == 0 and json.loads(out)["data"] == "folder:pets", err
    assert f"{tmp_path}/pets/list.csv: taken for the 60 images that it lists" in err


def test_groups_are_kept_by_a_run_and_what_comes_of_it(cli: Cli, tmp_path: Path) -> None:
    listed = tmp_path / "pets" / "list.csv"
    lines = [line.split(",") for line in listed.read_text().splitlines()]
    listed.write_text("\n".join(",".join((line[0], line[1], line[3])) for line in lines))
    code, out, err = cli(*SEARCH, "--trials", "1", "--group-by", "patient")
    assert code == 0, err
    note = "note      15 groups of images by patient: the images of each are in one split\n"
    assert note in out
    assert json.loads((tmp_path / "runs" / "run" / "config.json").read_text())["config"]["group_by"] == "patient"
    code, _, err = cli("resume", "run", "--trials", "2")
    assert code == 0, err
    code, out, err = cli("train", "run:best", *SMALL)
    assert code == 0 and note in out, err
    (trained,) = (tmp_path / "runs" / "run").glob("trained-*/architecture.json")
    assert json.loads(trained.read_text())["data"]["group_by"] == "patient"
    code, out, err = cli("train", "run:best", *SMALL, "--group-by", "[0-9](?=[.]png)", "--out", "other")
    assert code == 0 and "10 groups of images by [0-9](?=[.]png)" in out, err
    code, out, err = cli("compare", "run:best", "other", "--baselines", "none", "--seeds", "1", *SMALL)
    assert code == 2 and "split the same images in other groups: choose some by --group-by" in err


@pytest.mark.parametrize(
    ("data", "by", "message"),
    [
        ("shapes", "x", "nas: --group-by is for the images of a folder, and shapes is none: leave it out\n"),
        ("folder:pets", "video", "has no column of that name: it has file, label, split, patient\n"),
        ("folder:pets", "p(", "missing ), unterminated subpattern at position 1\n"),
        ("folder:pets", "[5-9]", "finds no group in 25 of 60 images: all/0.png"),
    ],
)
def test_groups_that_are_refused(cli: Cli, tmp_path: Path, data: str, by: str, message: str) -> None:
    code, out, err = cli(*SEARCH, "--data", data, "--group-by", by, "--trials", "1")
    assert (code, out) == (2, "") and message in err and not (tmp_path / "runs").exists()
    assert err.splitlines()[-1].startswith("nas: ") and not (tmp_path / "cache").exists()
