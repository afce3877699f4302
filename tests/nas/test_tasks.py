"""Several labels an image, and numbers, from a CSV or arrays to a search, a comparison, a prediction and its files."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nas
from nas.data import load, load_test
from nas.exports.source import run_source
from nas.ledger.run import TrialRow, rank
from nas.training.trial import State

Cli = Callable[..., tuple[int, str, str]]
TASKS = {"multilabel": (["labels"], None), "regression": (["red", "blue"], "red,blue")}


pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def photographs(here: Path) -> Path:
    """120 plain images of some red and some blue: `labels` says which of both there is much of, `red` how much."""
    rng = np.random.default_rng(0)
    (here / "images").mkdir()
    with (here / "list.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "labels", "red", "blue"])
        for number in range(120):
            red, blue = rng.integers(0, 256, 2).tolist()
            Image.new("RGB", (16, 16), (red, 128, blue)).save(here / "images" / f"{number}.png")
            labels = [*(["red"] if red > 127 else []), *(["blue"] if blue > 127 else [])]
            rows.writerow([f"images/{number}.png", ";".join(labels), red * 10 + 0.5, blue])
    return here / "list.csv"


def options(task: str, photographs: Path) -> dict[str, object]:
    _, labels = TASKS[task]
    return {"data": f"folder:{photographs}", "image_size": 16, "labels": labels, "flip": False, "batch_size": 16}


@pytest.mark.parametrize("task", TASKS)
def test_a_training_learns_its_task_and_so_do_its_files(task: str, photographs: Path, here: Path) -> None:
    trained = nas.train("resnet8@0.25", epochs=12, out=here / "out", **options(task, photographs))  # type: ignore[arg-type]
    result = trained.result
    assert result["task"] == task
    assert result["recipe"]["metric"] == {"multilabel": "macro-f1", "regression": "r2"}[task]
    assert result["test_score"] > 0.7
    photo = here / "images" / "0.png"
    red, blue = (Image.open(photo).getpixel((0, 0))[place] for place in (0, 2))  # type: ignore[index]
    (said,) = nas.predict(here / "out", photo)
    if task == "multilabel":
        assert "confusion" not in result
        assert set(said.labels) == {name for name, value in (("red", red), ("blue", blue)) if value > 127}
    else:
        assert result["test_accuracy"] is None
        assert result["recipe"]["label_smoothing"] == 0
        assert dict(said.classes) == pytest.approx({"red": red * 10 + 0.5, "blue": blue}, abs=1200)
    nas.export(here / "out", to="standalone,state_dict,onnx", out=here / "files")
    source = (here / "files" / "network.py").read_text()
    alone = run_source(source, here / "files" / "network.py").predict(photo)
    (through_onnx,) = nas.predict(here / "files" / "network.onnx", photo)
    for name, value in said.classes:
        assert alone[name] == pytest.approx(value, rel=1e-3, abs=1e-2)
        assert dict(through_onnx.classes)[name] == pytest.approx(value, rel=1e-3, abs=1e-2)


@pytest.mark.parametrize("task", TASKS)
def test_a_search_keeps_the_task_for_what_comes_later(task: str, photographs: Path, call_nas: Cli) -> None:
    run = nas.search(space="compact", trials=2, strategy="random", name="r", width=0.25, **options(task, photographs))  # type: ignore[arg-type]
    assert run.config.task == task
    assert run.config.recipe.metric == {"multilabel": "macro-f1", "regression": "r2"}[task]
    for trial in run.trials:
        assert trial.score is not None
        assert trial.reward == pytest.approx(max(0.0, trial.score))
    compared = nas.compare("r:best", baselines="resnet8@0.25", epochs=1, seeds=1, name="c")
    assert compared.config.task == task
    for command in (["compare", "--report", "c"], ["report", "r"], ["runs"], ["top", "r"]):
        code, _, wrong = call_nas(*command)
        assert code == 0, wrong


def test_splits_of_arrays_are_of_the_same_task(here: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)
    several = rng.integers(0, 2, (60, 3))
    for name, y, kind, columns in (
        ("several", several, "multilabel", 3),
        ("numbers", rng.normal(size=60), "regression", 1),
        ("points", rng.normal(size=(60, 2)), "regression", 2),
    ):
        np.savez(here / f"{name}.npz", x=x, y=y)
        dataset = load(f"array:{here / name}.npz", log=lambda text: None)
        assert dataset.kind == kind
        assert dataset.train.labels.shape == (49, columns)
        assert load_test(f"array:{here / name}.npz", log=lambda text: None).labels.shape == (6, columns)


@pytest.mark.parametrize(
    ("y", "task", "said"),
    [
        (np.eye(3)[np.arange(60) % 3], None, "or say --task multilabel"),
        (np.arange(60.0), None, "or say --task regression"),
        (np.arange(60) % 3, "multilabel", "must be of 0 and 1 alone"),
        (np.full(60, np.nan), "regression", "NaN or infinite"),
    ],
)
def test_arrays_that_may_be_several_things_are_refused(here: Path, y: np.ndarray, task: str | None, said: str) -> None:
    np.savez(here / "a.npz", x=np.zeros((60, 8, 8, 3), np.uint8), y=y)
    with pytest.raises(ValueError, match=said):
        load(f"array:{here / 'a.npz'}", task=task, log=lambda text: None)


class Numbered:
    """A data set whose targets are floating-point, or vectors of them."""

    def __init__(self, several: bool) -> None:
        self.several = several

    def __len__(self) -> int:
        return 40

    def __getitem__(self, number: int) -> tuple[np.ndarray, object]:
        pixels = np.full((8, 8, 3), number, np.uint8)
        return pixels, (np.array([number / 7, -number / 3]) if self.several else number / 7)


@pytest.mark.parametrize("several", [False, True])
def test_a_program_s_data_have_numbers(several: bool) -> None:
    trained = nas.train("resnet8@0.25", data=Numbered(several), epochs=1, batch_size=8)
    assert trained.result["task"] == "regression"
    assert len(trained.result["by_number"]["r2"]) == 1 + several


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--labels", "green"], "'green' is not there"),
        (["--labels", "red,red"], "names it twice"),
        (["--task", "classification", "--labels", "red,blue"], "classification has one column"),
        (["--labels", "red,blue", "--metric", "accuracy"], "--metric accuracy does not suit regression"),
        (["--labels", "red,blue", "--cutmix", "1"], "--cutmix is of classes and labels"),
        (["--labels", "red,blue", "--set", "label_smoothing=0.1"], "label smoothing is of classes and labels"),
        (["--labels", "red,blue", "--class-weights", "balanced"], "regression has none"),
        (["--metric", "r2"], "--metric r2 does not suit multilabel"),
    ],
)
def test_what_makes_no_sense_is_one_line(photographs: Path, call_nas: Cli, more: list[str], said: str) -> None:
    code, _, wrong = call_nas("train", "resnet8@0.25", "--data", f"folder:{photographs}", "--image-size", "16", *more)
    assert code == 2
    assert said in wrong
    assert wrong.splitlines()[-1].startswith("nas: ")
    assert "Traceback" not in wrong


# ------------------------------------------------------------------ with what else there is


def test_several_labels_of_images_of_five_channels(here: Path, call_nas: Cli) -> None:
    """From an array through a training and its files to a prediction, with both in every file."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (120, 3))
    x = np.full((120, 5, 16, 16), 20, np.uint8)
    x[:, 1:4] += (200 * y[:, :, None, None]).astype(np.uint8)
    np.savez(here / "five.npz", x=x, y=y, class_names=np.array(["ash", "elm", "oak"]))
    np.save(here / "one.npy", x[0].transpose(1, 2, 0))
    expected = {name for name, has in zip(("ash", "elm", "oak"), y[0], strict=True) if has}
    train = ("train", "resnet8@0.25", "--data", "array:five.npz", "--epochs", "12", "--set", "batch_size=16")
    code, out, wrong = call_nas(*train, "--out", "out")
    assert code == 0, wrong
    assert ", 5 channels" in out + wrong
    assert "3 labels (multilabel): ash, elm, oak" in out + wrong
    assert json.loads((here / "out" / "result.json").read_text())["channels"] == 5
    (said,) = nas.predict(here / "out", here / "one.npy")
    assert set(said.labels) == expected
    nas.export(here / "out", to="standalone,onnx,pt2", out=here / "files")
    assert "labels an image, an array in a .npy file, has" in (here / "files" / "README.md").read_text()
    alone = run_source((here / "files" / "network.py").read_text(), here / "files" / "network.py").predict("one.npy")
    for file in ("network.onnx", "network.pt2"):
        (through,) = nas.predict(here / "files" / file, here / "one.npy")
        assert set(through.labels) == expected
        assert dict(through.classes) == pytest.approx(alone, abs=1e-3)


@pytest.mark.parametrize("limit", ["1", "0"])
def test_numbers_by_a_preset(limit: str, photographs: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says nothing of label smoothing, which numbers have not; and they may stay on the disk."""
    monkeypatch.setenv("NAS_RESIDENT_GB", limit)
    trained = nas.train(
        "resnet8@0.25", data=f"folder:{photographs}", image_size=16, labels="red,blue", recipe="strong", epochs=2,
        out=here / "out",
    )  # fmt: skip
    recipe = trained.result["recipe"]
    assert (recipe["label_smoothing"], recipe["metric"], recipe["progressive"]) == (0, "r2", 0.5)


def test_a_search_for_numbers_ends_with_a_final_network(photographs: Path, call_nas: Cli) -> None:
    code, out, wrong = call_nas(
        "search", "--space", "compact", "--trials", "3", "--strategy", "random", "--name", "r", "--max-macs", "200k",
        "--data", f"folder:{photographs}", "--image-size", "16", "--labels", "red,blue", "--final", "plain",
        "--epochs", "1", "--subset", "32",
    )  # fmt: skip
    assert code == 0, wrong
    assert "r:final is r:" in out + wrong
    assert "test r2 " in out + wrong
    assert "red off by " in out + wrong
    final = nas.open("r").final
    assert final is not None
    assert (final.result["recipe"]["metric"], final.result["recipe"]["label_smoothing"]) == ("r2", 0)
    assert call_nas("report", "r")[0] == 0


def test_networks_that_are_worse_than_the_mean_have_an_order() -> None:
    """By r2 below zero, all have the reward 0."""
    row = TrialRow(0, State.COMPLETE, "", "", None, 0.0, 1, 1, 1, None, 1.0, "", None, (), score=-2.0, metric="r2")
    others = [replace(row, number=number, score=score) for number, score in ((1, -0.5), (2, -1.0))]
    assert [one.number for one in rank([row, *others])] == [1, 2, 0]
