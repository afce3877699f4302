"""The command line on folders of images: a search and what follows it, and weights that are carried on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from safetensors import safe_open

Cli = Callable[..., tuple[int, str, str]]
NOTE = "note      an accuracy by 4 validation images is uncertain by ±49 points (95 %): smaller differences may be luck"
SMALL = ("--batch-size", "10", "--epochs", "1")


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call_nas: Cli) -> Cli:
    """Calls `nas` in a folder with the images `pets`: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NAS_RUNS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for split in ("train", "val"):
        for red, name in ((0, "cat"), (200, "dog")):
            folder = tmp_path / "pets" / split / name
            folder.mkdir(parents=True)
            for blue in range(20):
                Image.new("RGB", (18, 16), (red, 0, blue)).save(folder / f"{blue}.png")
    return call_nas


def test_search_resume_compare_and_train(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search = ("search", "--data", "folder:pets", "--image-size", "16", "--width", "0.1", "--trials", "1")
    code, out, err = cli(*search, *SMALL)
    assert code == 0 and "36 folder:pets images at 16 pixels" in out and "runs/mnas-pets-1/" in out, err
    assert "validation is a tenth of train/, test val/" in err
    assert "judged on 4 validation images (±49 points)" in out and NOTE in out
    assert str(tmp_path / "pets" / "train") in err and "pets/val at" not in err  # no test image was looked at

    monkeypatch.chdir(tmp_path / "cache")  # from anywhere
    monkeypatch.setenv("NAS_RUNS", str(tmp_path / "runs"))
    code, _, err = cli("resume", "mnas-pets-1", "--trials", "2")
    assert code == 0 and "decoding" not in err, err
    (tmp_path / "moved").mkdir()
    (tmp_path / "pets").rename(tmp_path / "moved" / "pets")
    code, _, err = cli("resume", "mnas-pets-1", "--trials", "3")
    assert code == 2 and "pets is no folder" in err
    code, _, err = cli("resume", "mnas-pets-1", "--trials", "3", "--data-dir", str(tmp_path / "moved"))
    assert code == 0, err
    (tmp_path / "moved" / "pets").rename(tmp_path / "pets")
    code, out, err = cli("compare", "mnas-pets-1", "--baselines", "resnet8@0.25", "--seeds", "1", *SMALL)
    assert code == 0 and "resnet8@0.25" in out, err
    assert f"folder:pets in {tmp_path}, 2 classes: cat, dog; as run mnas-pets-1 has it\n" in out
    assert "images    36 to train on, 4 to validate (±49 points), 40 to test, once (±15 points); at 16 pixels\n" in out
    assert NOTE in out
    code, out, err = cli(
        "train", "mnas-pets-1:best", "--data", "folder:../pets", "--resolution", "16", *SMALL, "--json"
    )
    assert code == 0 and json.loads(out)["data"] == "folder:pets" and json.loads(out)["image_size"] == 16, err


def test_weights_are_carried_on(cli: Cli, tmp_path: Path) -> None:
    def train(size: str, out: str, *options: str) -> tuple[int, str, str]:
        return cli(
            "train", "resnet8@0.25", "--data", "folder:pets", "--image-size", size, *SMALL, "--out", out, *options
        )

    code, out, err = train("16", "first")
    assert code == 0 and "tensors from" not in out, err
    assert NOTE in out
    with safe_open(tmp_path / "first" / "weights.safetensors", "pt") as file:
        assert file.metadata().items() >= {"class_names": '["cat", "dog"]', "image_size": "16"}.items()
    (tmp_path / "pets" / "train" / "dog").rename(tmp_path / "pets" / "train" / "emu")
    (tmp_path / "pets" / "val" / "dog").rename(tmp_path / "pets" / "val" / "emu")
    code, out, err = train("24", "second", "--init", "first", "--freeze", "backbone")
    assert code == 0 and "35 of 37 tensors from first/weights.safetensors, fresh weights in row fc" in out, err
    result = json.loads((tmp_path / "second" / "result.json").read_text())
    assert result["start"]["fresh"] == ["fc"] and result["start"]["tuning"]["freeze"] == ["backbone"]
    with (
        safe_open(tmp_path / "first" / "weights.safetensors", "pt") as first,
        safe_open(tmp_path / "second" / "weights.safetensors", "pt") as second,
    ):
        tensors = [name for name in first.keys() if not name.endswith("num_batches_tracked")]  # noqa: SIM118
        for name in tensors:
            assert first.get_tensor(name).equal(second.get_tensor(name)) != name.startswith("fc.")
    code, out, err = train(
        "24", "third", "--init", "first", "--train-last", "2", "--backbone-lr", "0.1", "--fresh", "conv4_x",
        "--set", "min_area=0.3", "--json",
    )  # fmt: skip
    assert code == 0 and json.loads(out)["start"]["fresh"] == ["conv4_x", "fc"], err
    assert json.loads(out)["recipe"]["min_area"] == 0.3


def test_unreadable_images(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "pets" / "train" / "cat" / "bad.jpg").write_text("damaged")
    train = ("train", "resnet8@0.25", "--data", "folder:pets", "--image-size", "16", *SMALL)
    code, _, err = cli(*train)
    assert code == 2 and "1 of 41 images cannot be read: cat/bad.jpg (cannot identify" in err
    assert err.splitlines()[-1].startswith("nas: ") and err.endswith("or add --skip-unreadable to do without\n")
    code, _, err = cli(*train, "--skip-unreadable")
    assert code == 0 and "they are left out" in err, err


def test_a_run_knows_its_images(cli: Cli, tmp_path: Path) -> None:
    cats = tmp_path / "pets" / "train" / "cat"
    (cats / "bad.jpg").write_text("damaged")
    search = ("search", "--data", "folder:pets", "--image-size", "16", "--width", "0.1", "--trials", "1")
    code, _, err = cli(*search, "--skip-unreadable", *SMALL)
    assert code == 0 and "they are left out" in err, err
    code, _, err = cli("resume", "mnas-pets-1", "--trials", "2")
    assert code == 0 and "they are left out" in err, err
    code, _, err = cli("compare", "mnas-pets-1", "--baselines", "", "--seeds", "1", *SMALL)
    assert code == 0, err
    (cats / "0.png").rename(tmp_path / "0.png")
    code, _, err = cli("resume", "mnas-pets-1", "--trials", "3")
    assert code == 2 and "nas: the images of folder:pets are not those that the run began with" in err
    (tmp_path / "0.png").rename(cats / "0.png")
    code, _, err = cli("resume", "mnas-pets-1", "--trials", "3")
    assert code == 0, err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--data", "folder:pets"), "any size: say at which to train, as in --image-size 96"),
        (("--data", "folder:pets", "--image-size", "2"), "must be at least 8 pixels, not 2"),
        (("--data", "folder:nothing", "--image-size", "16"), "nothing is no folder: --data folder:PATH wants"),
        (("--data", "pets"), "no data set 'pets': choose one of cifar10, cifar100, shapes2, shapes, folder:PATH"),
        (("--freeze", "backbone"), "are for given weights: add --init WEIGHTS"),
        (("--init", "nothing.safetensors"), "cannot read nothing.safetensors"),
        (("--set", "min_area=2"), "min_area must be at most 1, not 2"),
    ],
)
def test_a_mistake_is_one_line(cli: Cli, options: tuple[str, ...], message: str) -> None:
    code, _, err = cli("train", "resnet8@0.25", *options)
    assert code == 2 and message in err and err.startswith("nas: ") and err.count("\n") == 1
