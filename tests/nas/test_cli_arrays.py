"""The command line on arrays, and on what a program gives: a search and every command that follows it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nas

Cli = Callable[..., tuple[int, str, str]]
SMALL = ("--batch-size", "10", "--epochs", "1")
SEARCH = ("search", "--width", "0.1", "--trials", "1", *SMALL)
COPY = "array:mine.pets-"
MODULE = """
import numpy as np

def pets():
    with np.load("pets.npz") as file:
        return dict(file)
"""


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call_nas: Cli) -> Cli:
    """Calls `nas` in a folder with the images pets.npz, which mine.py gives, too: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NAS_RUNS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    labels = np.arange(40) % 2
    pixels = np.random.default_rng(0).integers(0, 128, (40, 16, 18), np.uint8) + (100 * labels[:, None, None]).astype(
        "u1"
    )
    names = np.array(["cat", "dog"])
    np.savez("pets.npz", x_train=pixels, y_train=labels, x_test=pixels[:20], y_test=labels[:20], class_names=names)
    (tmp_path / "mine.py").write_text(MODULE)
    return call_nas


def test_every_command(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = cli(*SEARCH, "--data", "array:pets.npz")
    assert code == 0 and "36 array:pets.npz images at 16 pixels" in out and "runs/mnas-pets-1/" in out, err
    assert "2 classes; validation is a tenth of x_train, test x_test" in err
    assert "of 16 x 18 pixels the centre 16 x 16 are taken" in err
    monkeypatch.chdir(tmp_path / "runs")  # from anywhere
    monkeypatch.setenv("NAS_RUNS", str(tmp_path / "runs"))
    code, _, err = cli("resume", "mnas-pets-1", "--trials", "2")
    assert code == 0, err
    code, out, err = cli("train", "mnas-pets-1:best", *SMALL, "--json")
    assert code == 0 and json.loads(out)["data"] == "array:pets.npz", err
    code, out, err = cli("compare", "mnas-pets-1", "--baselines", "resnet8@0.25", "--seeds", "1", *SMALL)
    assert code == 0 and "36 to train on, 4 to validate (±49 points), 20 to test" in out, err
    code, out, err = cli("export", "mnas-pets-1:best", "--test", "--out", "out")
    assert code == 0 and "array:pets.npz" in out, err
    Image.new("L", (20, 20)).save("photo.png")
    code, out, err = cli("predict", "mnas-pets-1:best", "photo.png")
    assert code == 0 and "cat" in out, err
    code, out, err = cli("report", "mnas-pets-1")
    assert code == 0, err
    code, out, err = cli(
        "proxy-study", "--data", "array:../pets.npz", "--networks", "4", "--full", "36", "--short", "20",
        "--cuts", "10", "--seeds", "1", "--space", "compact", "--batch-size", "10",
    )  # fmt: skip
    assert code == 0 and (tmp_path / "runs" / "proxies-pets-1").is_dir(), err
    code, out, err = cli(
        "scale",
        "--search",
        "--base",
        "resnet8@0.25",
        "--data",
        "array:../pets.npz",
        "--triples",
        "2",
        "--seeds",
        "1",
        *SMALL,
    )
    assert code == 0 and (tmp_path / "runs" / "scale-pets-1").is_dir(), err


def test_other_content_is_noticed(cli: Cli, tmp_path: Path) -> None:
    code, _, err = cli(*SEARCH, "--data", "array:pets.npz")
    assert code == 0, err
    with np.load("pets.npz") as file:
        arrays = dict(file)
    arrays["x_train"][3, 8, 8] += 1
    np.savez("pets.npz", **arrays)
    code, _, err = cli("resume", "mnas-pets-1", "--trials", "2")
    assert code == 2 and "nas: the images of array:pets.npz are not those that the run began with" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--data", "array:none.npz"), "none.npz: No such file"),
        (("--data", "array:mine.py"), "mine.py is no .npz file"),
        (("--data", "array:pets.npz", "--skip-unreadable"), "--skip-unreadable is for the images of a folder"),
        (("--data", "mine:none"), "mine has no function 'none'"),
        (("--data", "none:none"), "cannot import none of --data none:none"),
        (("--data", "mine:pets", "--data-dir", "."), "--data-dir is where files are"),
    ],
)
def test_a_mistake_is_one_line(cli: Cli, options: tuple[str, ...], message: str, tmp_path: Path) -> None:
    for command in (SEARCH, ("train", "resnet8@0.25"), ("compare", "resnet8@0.25")):
        code, _, err = cli(*command, *options)
        assert code == 2 and message in err and err.startswith("nas: ") and err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir() if path.name not in ("runs", "cache", "__pycache__")) == [
        "mine.py", "pets.npz",
    ]  # fmt: skip


def test_what_a_program_gives(cli: Cli, tmp_path: Path) -> None:
    code, out, err = cli(*SEARCH, "--data", "mine:pets")
    assert code == 0 and f"36 {COPY}" in out and "runs/mnas-mine.pets-1/" in out, err
    (tmp_path / "mine.py").rename(tmp_path / "moved.py")  # which nobody needs again
    sys.modules.pop("mine")
    code, _, err = cli("resume", "mnas-mine.pets-1", "--trials", "2")
    assert code == 0, err
    code, out, err = cli("train", "mnas-mine.pets-1:best", *SMALL, "--json")
    assert code == 0 and json.loads(out)["data"].startswith(COPY), err
    shutil.rmtree(tmp_path / "cache")
    for command in (("resume", "mnas-mine.pets-1", "--trials", "3"), ("train", "mnas-mine.pets-1:best", "--out", "o")):
        code, _, err = cli(*command)
        assert code == 2 and err.endswith("is gone: to make it again, add --data mine:pets\n"), err
    assert "mine" not in sys.modules
    (tmp_path / "moved.py").rename(tmp_path / "mine.py")
    code, _, err = cli("resume", "mnas-mine.pets-1", "--trials", "3", "--data", "mine:pets")
    assert code == 0, err


def test_a_run_that_names_a_function_imports_nothing(cli: Cli, tmp_path: Path) -> None:
    code, _, err = cli(*SEARCH, "--data", "array:pets.npz")
    assert code == 0, err
    config = tmp_path / "runs" / "mnas-pets-1" / "config.json"
    config.write_text(config.read_text().replace("array:pets.npz", "mine:pets"))
    for command in (("resume", "mnas-pets-1", "--trials", "2"), ("train", "mnas-pets-1:best", "--out", "o")):
        code, _, err = cli(*command)
        assert code == 2 and err.count("\n") == 1, err
    assert "mine" not in sys.modules


def test_from_python(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    with np.load("pets.npz") as file:
        pair = file["x_train"], file["y_train"]
    how = {"batch_size": 10, "epochs": 1}
    run = nas.search(data=pair, width=0.1, trials=1, name="mine", **how)
    assert run.config.data.startswith("array:arrays-") and run.config.num_classes == 2
    trained = nas.train("mine:best", data=pair, **how)
    assert trained.path == Path("runs/mine/trained-0")
    assert len(run.resume(trials=2, data=pair).trials) == 2
    assert capsys.readouterr() == ("", "")
    with pytest.raises(ValueError, match="and the run began with"):
        run.resume(trials=3, data=(pair[0][::-1], pair[1]))


@pytest.mark.parametrize(("given", "channels"), [("pets.npz", 1), ("five.npz", 5)])
def test_images_of_other_channels_from_search_to_export(given: str, channels: int, cli: Cli, tmp_path: Path) -> None:
    with np.load("pets.npz") as file:
        grey, labels = file["x_train"], file["y_train"]
    np.savez("five.npz", x=np.stack([grey + np.uint8(10 * c) for c in range(5)], axis=1) / 255, y=labels)
    code, out, err = cli(
        "search",
        "--trials",
        "1",
        *SMALL,
        "--data",
        f"array:{given}",
        "--space",
        "compact",
        "--name",
        "mine",
        "--max-macs",
        "2M",
    )
    assert code == 0, err
    config = json.loads(Path("runs/mine/config.json").read_text(encoding="utf-8"))["config"]
    assert config["channels"] == channels and config["space"]["settings"]["image_channels"] == channels
    assert (", grey" if channels == 1 else ", 5 channels") in out + err
    assert cli("train", "mine:best", *SMALL)[0] == 0
    trained = next(Path("runs/mine").glob("trained-*"))
    assert json.loads((trained / "architecture.json").read_text(encoding="utf-8"))["channels"] == channels
    assert (nas.load("mine:best").channels, nas.load(str(trained)).channels) == (channels, channels)
    assert next(nas.load("mine:best").build().parameters()).shape[1] == channels
    code, out, err = cli("compare", "mine:best", "resnet8@0.25", "--seeds", "1", *SMALL, "--name", "both")
    assert code == 0, err
    assert cli("export", "mine:best", "--to", "standalone,pt2", "--out", "out")[0] == 0
    np.save("one.npy", np.zeros((20, 20, channels), np.uint8))
    code, out, _ = cli("predict", "out/network.pt2", "one.npy")
    assert code == 0 and "one.npy" in out
    code, _, err = cli("train", "mine:best", *SMALL, "--channels", "4", "--out", "four")
    assert code == 2 and f"--channels 4: the images have {channels}" in err


def test_older_runs_have_three_channels_of_grey_arrays(cli: Cli) -> None:
    """Their config.json says nothing of channels, and they were trained on red, green and blue that are equal."""
    assert cli(*SEARCH, "--data", "array:pets.npz", "--channels", "3", "--name", "old")[0] == 0
    path = Path("runs/old/config.json")
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["config"].pop("channels") == 3
    path.write_text(json.dumps(document), encoding="utf-8")
    assert cli("resume", "old", "--trials", "2")[0] == 0
    assert nas.load("old:best").channels == 3


def test_images_that_are_not_held(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that began with images in memory goes on without, and the same comes of it."""
    code, out, err = cli(*SEARCH, "--data", "array:pets.npz")
    assert code == 0 and "stay on disk" not in out + err, err
    held = nas.open("mnas-pets-1").trials[0]
    monkeypatch.setenv("NAS_RESIDENT_GB", "0")
    code, out, err = cli(*SEARCH, "--data", "array:pets.npz")
    assert code == 0 and "pixels    9.22e-06 GB of images stay on disk and are read as they are needed" in out, err
    left = nas.open("mnas-pets-2").trials[0]
    assert (left.accuracy, left.reward) == (held.accuracy, held.reward)
    code, _, err = cli("resume", "mnas-pets-1", "--trials", "2")
    assert code == 0, err
    code, out, err = cli("train", "mnas-pets-1:best", *SMALL)
    assert code == 0 and "stay on disk" in out, err
    code, out, err = cli("compare", "mnas-pets-1", "--baselines", "resnet8@0.25", "--seeds", "1", *SMALL)
    assert code == 0 and "stay on disk" in out, err
    code, out, err = cli("export", "mnas-pets-1:best", "--test", "--out", "out")
    assert code == 0, err
    code, out, err = cli("report", "mnas-pets-1")
    assert code == 0, err


@pytest.mark.parametrize("channels", [None, "1", "3"])
def test_grey_images_that_are_not_held(channels: str | None, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """They train the same, as they are and as red, green and blue."""
    said = [] if channels is None else ["--channels", channels]
    losses = []
    for limit in ("1", "0"):
        monkeypatch.setenv("NAS_RESIDENT_GB", limit)
        code, out, err = cli("train", "resnet8@0.25", "--data", "array:pets.npz", *said, *SMALL, "--out", limit)
        assert code == 0 and ("stay on disk" in out + err) == (limit == "0"), err
        result = json.loads(Path(limit, "result.json").read_text(encoding="utf-8"))
        losses.append([epoch["loss"] for epoch in result["history"]])
        assert result.get("channels", 3) == int(channels or 1)
    assert losses[0] == losses[1]


def test_a_limit_that_is_none(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_RESIDENT_GB", "much")
    code, _, err = cli(*SEARCH, "--data", "array:pets.npz")
    assert code == 2 and "$NAS_RESIDENT_GB is 'much': give the GB of images that may be held in memory, as 4" in err
