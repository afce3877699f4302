"""The README.md of an export: what it says is so, and what it says to call does what it says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image

from nas.data.preprocessing import Preprocessing
from nas.data.task import Task
from nas.exports.card import without_folders
from nas.exports.files import Written, write_network
from nas.exports.readme import README, uses
from nas.exports.steps import ExportStep
from nas.exports.target import read_source
from nas.network import Designed

Cli = Callable[..., tuple[int, str, str]]
TASK = Task(("ash", "`beech`\n", "Ümlaut", "elm"), Preprocessing(16, (0.5, 0.4, 0.3), (0.2, 0.2, 0.2)), "folder:trees")
BY_F1 = replace(TASK, metric="macro-f1")
RESULT = {"test_accuracy": 0.5, "val_accuracy": 0.6, "params": 1, "macs": 1}


@pytest.fixture
def nas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call_nas: Cli) -> Cli:
    """Calls `nas` in a folder with a trained network in `net/`, which is judged by macro-f1, and a photograph."""
    pytest.importorskip("onnxscript")
    monkeypatch.chdir(tmp_path)
    Path("net").mkdir()
    write_network(Path("net"), Designed("resnet8@0.25"), trained(), (4, 16), BY_F1.metadata())
    Path("net/result.json").write_text(json.dumps(RESULT | {"test_score": 0.418, "val_score": 0.4}))
    Image.new("RGB", (30, 20), "green").save("photo.jpg")
    return call_nas


def trained() -> torch.nn.Module:
    torch.manual_seed(0)
    return Designed("resnet8@0.25").build(4, 16).eval()


def test_it_says_what_the_network_is(nas: Cli, tmp_path: Path) -> None:
    code, out, err = nas("export", "net", "--to", "standalone,onnx,pt2", "--out", "out", "--json")
    assert code == 0, err
    assert Path(json.loads(out)["files"][-1]["path"]) == Path("out") / README
    text = Path("out", README).read_text()
    assert "\n---\n# `resnet8@0.25`\n\n`resnet8@0.25` is a network of " in text
    assert "which of 4 classes a photograph shows: `ash`, `'beech'\\n`, `Ümlaut` and 1 more.\n" in text
    assert "for classification on `folder:trees`, and its macro-f1 was 41.8 % on the test images.\n" in text
    assert "images of 16 x 16 pixels: EXIF orientation applied;" in text and "mean is 0.5, 0.4, 0.3, the" in text
    assert str(tmp_path) not in text
    lines = [line.split("`")[1] for line in text.splitlines() if line.startswith("- ")]
    assert lines == ["network.py", "weights.safetensors", "network.onnx", "network.pt2"]


def test_what_it_says_to_call_classifies_a_photograph(nas: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    args = ("--to", "standalone,onnx,pt2", "--quantize", "static", "--data", "shapes")
    write_network(Path("net"), Designed("resnet8"), shapes(), (10, 16), task_of_shapes().metadata())
    code, _, err = nas("export", "net", "--out", "out", *args)
    assert code == 0, err
    Path("photo.jpg").rename("out/photo.jpg")
    monkeypatch.chdir("out")
    commands = re.findall(r"`((?:nas|python) .*?)`", Path(README).read_text())
    assert len(commands) == 6
    answers = set()
    for command in commands:
        program, *words = command.split()
        if program == "nas":
            code, out, err = nas(*words)
        else:
            done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
            code, out, err = done.returncode, done.stdout, done.stderr
        assert code == 0, f"{command}: {err}"
        answers.add(re.findall(r"^photo.jpg  (\S+)", out, re.MULTILINE)[0])
    assert answers == {"star"}


def shapes() -> torch.nn.Module:
    """A network that says `star` of everything."""
    module = Designed("resnet8").build(10, 16).eval()
    with torch.no_grad():
        [*module.parameters()][-1][7] = 9.0
    return module


def task_of_shapes() -> Task:
    from nas.data import load

    return replace(Task.of(load("shapes", log=lambda text: None)), preprocessing=TASK.preprocessing)


def test_formats_that_are_added_later_get_their_lines(nas: Cli) -> None:
    assert nas("export", "net", "--to", "pt2", "--out", "out")[0] == 0
    assert nas("export", "net", "--to", "onnx", "--out", "out")[0] == 0
    text = Path("out", README).read_text()
    assert text.count("\n# ") == 1 and text.count("\n- ") == 2 and text.count("Written by") == 1
    assert text.count("\n## ") == len(set(re.findall(r"\n## .*", text)))
    code, _, err = nas("export", "net", "--to", "standalone", "--out", "out", "--prune", "0.5")
    assert code == 2 and err == (
        "nas: out has a README.md already, not of this network and license: choose another --out, or remove it\n"
    )
    assert Path("out", README).read_text() == text and not Path("out/network.py").exists()


@pytest.mark.parametrize(
    ("args", "task", "result", "said"),
    [
        ((), TASK, RESULT, "and its accuracy was 50.0 % on the test images.\n"),
        ((), BY_F1, None, "and its metric is macro-f1.\n"),
        (("--prune", "0.5"), TASK, RESULT, "accuracy was 50.0 % on the test images before it was pruned.\n"),
        (("--image-size", "24"), TASK, RESULT, "accuracy was 50.0 % on the test images at 16 pixels.\n"),
        (("--untrained",), TASK, RESULT, "It is not trained, so no file classifies photographs.\n"),
        ((), None, None, "Its weights do not say how images were normalised, so no file classifies photographs.\n"),
    ],
)
def test_of_each_kind_of_network(
    nas: Cli, args: tuple[str, ...], task: Task | None, result: dict[str, object] | None, said: str
) -> None:
    write_network(Path("net"), Designed("resnet8@0.25"), trained(), (4, 16), task.metadata() if task else {})
    Path("net/result.json").unlink()
    if result:
        Path("net/result.json").write_text(json.dumps(result))
    code, _, err = nas("export", "net", "--to", "standalone", "--out", "out", *args)
    assert code == 0, err
    assert said in Path("out", README).read_text()


def test_a_file_by_which_nas_predict_says_something_else_is_told(nas: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.exports.classifier.Classifier._logits", lambda self, images: torch.zeros(len(images), 4))
    code, _, err = nas("export", "net", "--to", "state_dict", "--out", "out")
    assert code == 2 and err.startswith("nas: `nas predict ") and "README.md is not written" in err
    assert not Path("out", README).exists()


# ---------------------------------------------------------------------------- the model card

MEASURED = RESULT | {
    "test_score": 0.418,
    "val_score": 0.4,
    "images": {"train": 90, "validation": 10, "test": 100},
    "by_class": {"recall": [0.1, 0.9, 0.0, 0.5], "images": [40.0, 30.0, 0.0, 30.0]},
    "recipe": {"epochs": 3, "metric": "macro-f1"},
    "seed": 7,
    "seconds": 61.0,
    "device": "cpu",
    "threads": 2,
    "versions": {"nas": "0.2.0", "torch": "2.13.0", "python": "3.12.1", "platform": "Linux-host"},
    "start": {"weights": "/home/me/old.safetensors"},
}


def card(args: tuple[str, ...], nas: Cli) -> tuple[dict[str, Any], str]:
    """What the Hub reads of an export's card, and its text."""
    code, _, err = nas("export", "net", "--to", "state_dict", "--out", "out", *args)
    assert code == 0, err
    text = Path("out", README).read_text()
    _, front, rest = text.split("---\n", 2)
    return yaml.safe_load(front), rest


def test_the_hub_reads_what_was_measured(nas: Cli) -> None:
    Path("net/result.json").write_text(json.dumps(MEASURED))
    front, _ = card((), nas)
    (model,) = front.pop("model-index")
    assert front == {
        "license": "unknown",
        "library_name": "nas-toolkit",
        "tags": ["image-classification"],
        "pipeline_tag": "image-classification",
        "metrics": ["f1"],
    }
    assert model["name"] == "resnet8@0.25"
    assert model["results"] == [
        {
            "task": {"type": "image-classification"},
            "dataset": {"name": "folder:trees", "type": "imagefolder", "split": "test"},
            "metrics": [
                {"type": "f1", "value": 0.418, "name": "test macro-f1"},
                {"type": "accuracy", "value": 0.5, "name": "test accuracy"},
            ],
        }
    ]


def test_people_read_what_is_known_and_what_is_not(nas: Cli) -> None:
    Path("net/result.json").write_text(json.dumps(MEASURED))
    _, text = card((), nas)
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [
        "Files", "Intended use", "Data", "Training", "Results", "Costs", "Limits", "License",
    ]  # fmt: skip
    assert "| test | accuracy | 50.0 % | 40.4 to 59.6 % | 100 |\n" in text
    assert "| test | macro-f1 | 41.8 % | unknown | 100 |\n" in text
    assert "trained on 90 images, judged on 10 validation images, and tested once on 100 test images" in text
    assert "Recognised least of the test images: `ash` 10.0 % of 40, `elm` 50.0 % of 30, `'beech'\\n` 90.0 %" in text
    assert "It is a hand-designed network. Its training: 3 epochs, 64 images a step, sgd" in text
    assert "It began from weights of an earlier training, with seed 7." in text
    assert "Its training took 1m01s on cpu, 2 threads." in text and "Versions: nas 0.2.0, torch 2.13.0" in text
    assert "/home/me" not in text and "Linux-host" not in text and "Not known: under which terms" in text


def test_a_license_is_the_one_that_is_given(nas: Cli) -> None:
    front, text = card(("--license", "cc-by-4.0"), nas)
    assert front["license"] == "cc-by-4.0" and "`cc-by-4.0`, as was said when it was exported." in text
    code, _, err = nas("export", "net", "--to", "pt2", "--out", "out", "--license", "mit")
    assert code == 2 and "out has a README.md already, not of this network and license" in err


@pytest.mark.parametrize("args", [("--untrained",), ()])
def test_of_what_nothing_is_known_nothing_is_said(nas: Cli, args: tuple[str, ...]) -> None:
    write_network(Path("net"), Designed("resnet8@0.25"), trained(), (4, 16), {})
    Path("net/result.json").unlink()
    front, text = card(args, nas)
    assert not {"model-index", "metrics", "datasets", "pipeline_tag"} & front.keys()
    assert ("has random weights" if args else "How its weights were trained is not known") in text
    assert "## Results\n\nNone is known here.\n" in text


def test_of_a_file_in_int8_it_says_how_good_that_is(nas: Cli) -> None:
    write_network(Path("net"), Designed("resnet8"), shapes(), (10, 16), task_of_shapes().metadata())
    code, _, err = nas("export", "net", "--to", "onnx,pt2", "--out", "out", "--quantize", "static", "--data", "shapes")
    assert code == 0, err
    onnx, pt2 = re.findall(r"^- `network.int8.*$", Path("out", README).read_text(), re.MULTILINE)
    assert re.search(r"In int8 its accuracy was \d+\.\d % on the validation images$", onnx)
    assert pt2.endswith("Its quality in int8 was not measured")


def test_each_file_in_int8_has_its_own_figure(nas: Cli) -> None:
    """Not that of another one, where those for devices are measured as well."""
    names = (
        "network.onnx",
        "network.pt2",
        "network.int8.onnx",
        "network.int8.pt2",
        "network.int8.pte",
        "network.tflite",
    )
    figures = {"float32": 0.9, "int8, static": 0.8, "int8, pte": 0.7, "int8, tflite": 0.6}
    steps = [ExportStep(name, 1, 1, val_accuracy=figure) for name, figure in figures.items()]
    lines = uses([Written(Path(name), 1) for name in names], read_source("net", None, Path("runs")), steps)
    said = {line.split("`")[1]: line.rpartition(". ")[2] for line in lines if "int8" in line}
    assert {name: re.findall(r"[\d.]+ %|not measured", text) for name, text in said.items()} == {
        "network.int8.onnx": ["80.0 %"],
        "network.int8.pt2": ["not measured"],
        "network.int8.pte": ["70.0 %"],
        "network.tflite": ["60.0 %"],
    }


def test_data_are_named_without_their_place() -> None:
    assert without_folders("folder:/home/me/trees") == "folder:trees"
    assert without_folders("cifar10") == "cifar10" and without_folders("mine:images") == "mine:images"
