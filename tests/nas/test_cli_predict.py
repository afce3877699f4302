"""`nas predict`, as a person calls it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from nas.data.preprocessing import Preprocessing
from nas.data.task import Task
from nas.exports.files import write_network
from nas.network import Designed

Cli = Callable[..., tuple[int, str, str]]
CLASSES = ("ash", "beech", "cedar", "date, palm")


@pytest.fixture
def nas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call_nas: Cli) -> Cli:
    """Calls `nas` in a folder with photographs, and with a network in `net/` that says of each `date, palm`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NAS_RUNS", raising=False)
    Path("net").mkdir()
    module = Designed("resnet8@0.25").build(4, 16).eval()
    with torch.no_grad():
        for parameter in list(module.parameters())[-2:]:
            parameter.zero_()
        list(module.parameters())[-1][3] = 5.0
    task = Task(CLASSES, Preprocessing(16, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2)), "folder:trees")
    write_network(Path("net"), Designed("resnet8@0.25"), module, (4, 16), task.metadata())
    for name in ("one.jpg", "more/two.PNG", "more/deep/three.webp"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (30, 20), "green").save(name)
    Path("more/notes.txt").write_text("no image")
    Path("more/.hidden.png").write_text("no image")
    return call_nas


def test_a_table(nas: Cli) -> None:
    code, out, err = nas("predict", "net", "one.jpg", "more")
    assert code == 0, err
    assert out.startswith("network   resnet8@0.25, weights of net/weights.safetensors\nclasses   4: ash, beech, cedar")
    assert "as in folder:trees\nimages    3, at 16 pixels\n" in out
    table = out.split("\n\n")[1].splitlines()
    assert [line.split()[0] for line in table[2:]] == ["one.jpg", "more/deep/three.webp", "more/two.PNG"]
    assert all(line.endswith("date, palm       98.0 %  ash 0.7 %, beech 0.7 %") for line in table[2:])


def test_for_programs(nas: Cli) -> None:
    code, out, err = nas("predict", "net", "one.jpg", "--json", "--top", "2")
    assert code == 0 and "images    1, at 16 pixels" in err
    (found,) = json.loads(out)
    assert found["image"] == "one.jpg" and [c["class"] for c in found["classes"]] == ["date, palm", "ash"]
    assert found["classes"][0]["probability"] == pytest.approx(0.980187, abs=1e-5)
    code, out, _ = nas("predict", "net", "one.jpg", "--csv", "-n", "1")
    assert code == 0 and list(csv.reader(out.splitlines())) == [
        ["image", "rank", "class", "probability"],
        ["one.jpg", "1", "date, palm", "0.980187"],
    ]


def test_what_cannot_be_read_is_named_and_the_rest_predicted(nas: Cli) -> None:
    Path("broken.jpg").write_bytes(b"\xff\xd8 no more")
    code, out, err = nas("predict", "net", "broken.jpg", "one.jpg")
    assert code == 2 and "one.jpg  date, palm" in out and "broken.jpg" not in out
    assert err.startswith("nas: broken.jpg cannot be read as an image: ") and err.count("\n") == 1
    code, out, _ = nas("predict", "net", "broken.jpg", "one.jpg", "--json")
    assert code == 2 and [bool(found["reason"]) for found in json.loads(out)] == [True, False]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["net", "none.jpg"], "there is no image none.jpg"),
        (["net", "empty"], "empty"),
        (["resnet8", "one.jpg"], "resnet8 has no trained weights: `nas train resnet8` makes some"),
        (["absent.onnx", "one.jpg"], "cannot read absent.onnx"),
        (["one.pt2", "one.jpg"], "one.pt2 is no network that nas exported"),
        (["bare", "one.jpg"], "does not say which classes it knows"),
        (["net", "one.jpg", "--top", "0"], "--top must be at least 1"),
        (["net", "one.jpg", "--csv", "--json"], "give one"),
    ],
)
def test_mistakes_are_one_line(nas: Cli, args: list[str], message: str) -> None:
    Path("empty").mkdir()
    Path("one.pt2").write_bytes(b"PK no zip")
    Path("bare").mkdir()
    write_network(Path("bare"), Designed("resnet8"), Designed("resnet8").build(4, 16), (4, 16), {})
    code, out, err = nas("predict", *args)
    assert code == 2 and not out and message in err and err.count("\n") == 1, err
