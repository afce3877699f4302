"""The README.md of an export: what it says is so, and what it says to call does what it says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from nas.data.preprocessing import Preprocessing
from nas.data.task import Task
from nas.exports.files import write_network
from nas.exports.readme import README, without_folders
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
    assert text.startswith("# `resnet8@0.25`\n\n`resnet8@0.25` is a network of ")
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
    assert text.count("# ") == 1 and text.count("\n- ") == 2 and text.count("Written by") == 1
    code, _, err = nas("export", "net", "--to", "standalone", "--out", "out", "--prune", "0.5")
    assert code == 2 and err == (
        "nas: out has a README.md already, not of this network: choose another --out, or remove it\n"
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


def test_data_are_named_without_their_place() -> None:
    assert without_folders("folder:/home/me/trees") == "folder:trees"
    assert without_folders("cifar10") == "cifar10" and without_folders("mine:images") == "mine:images"
