"""`nas predict`, as a person calls it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from nas.data.preprocessing import Preprocessing
from nas.data.task import Task
from nas.exports.classifier import Classifier
from nas.exports.files import write_network
from nas.network import Designed
from nas.text.cells import columns_of

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
    assert "as in folder:trees\nimages    3, at 16 pixels; passed over: 1 hidden or system file, 1 file" in out
    table = out.split("\n\n")[1].splitlines()
    assert [line.split()[0] for line in table[2:]] == ["one.jpg", "more/deep/three.webp", "more/two.PNG"]
    assert all(line.endswith("date, palm       98.0 %  ash 0.7 %, beech 0.7 %") for line in table[2:])


def test_names_of_files_in_any_script_with_spaces(nas: Cli) -> None:
    names = ["ein Bild.jpg", "日本/花 ü.jpg", "фото/цветок.jpg", "日本/cafe\u0301.jpg"]
    for name in names:
        Path("my photos", name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (30, 20), "green").save(Path("my photos", name))
    code, out, err = nas("predict", "net", "my photos", "--top", "1")
    assert code == 0, err
    lines = out.split("\n\n")[1].splitlines()
    assert {line.partition("  ")[0] for line in lines[2:]} == {f"my photos/{name}" for name in names}
    begins = {columns_of(line.partition("date, palm")[0]) for line in lines[2:]}
    assert len(begins) == 1, "the columns stand below each other"
    code, out, _ = nas("predict", "net", "my photos", "--json")
    assert code == 0 and {found["image"] for found in json.loads(out)} == {f"my photos/{name}" for name in names}
    code, out, _ = nas("predict", "net", "my photos", "--csv", "--top", "9")
    rows = list(csv.reader(out.splitlines()))
    assert code == 0 and {row[0] for row in rows[1:]} == {f"my photos/{name}" for name in names}
    assert len(rows) == 1 + 4 * 4, "there are four classes"


def test_more_classes_than_there_are(nas: Cli) -> None:
    code, out, _ = nas("predict", "net", "one.jpg", "--top", "99")
    assert code == 0 and out.rstrip().endswith("98.0 %  ash 0.7 %, beech 0.7 %, cedar 0.7 %")


def test_another_metric_than_accuracy_is_said(nas: Cli) -> None:
    assert "metric " not in nas("predict", "net", "one.jpg")[1]
    task = Task(CLASSES, Preprocessing(16, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2)), metric="macro-f1")
    module = Designed("resnet8@0.25").build(4, 16)
    write_network(Path("net"), Designed("resnet8@0.25"), module, (4, 16), task.metadata())
    code, out, _ = nas("predict", "net", "one.jpg")
    assert code == 0 and "\nmetric    macro-f1, by which it was judged\n" in out


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
        (["net", "empty"], "empty has no files"),
        (["net", "notes"], "notes has no images: their names must end in .jpg, .png, .webp, .tif or another of docs"),
        (["net", "notes"], "It has 2 files that are no images (.heic 1, .txt 1)"),
        (["one.jpg", "net"], "one.jpg is an image: the network comes first"),
        (["net/weights.safetensors", "one.jpg"], "is a part of a network: name its folder, net"),
        (["alone.safetensors", "one.jpg"], "name their network, and the weights by --weights alone.safetensors"),
        (["shipped", "one.jpg"], "shipped is a folder: name the file in it, shipped/network.onnx"),
        (["resnet8", "one.jpg"], "resnet8 has no trained weights: `nas train resnet8` makes some"),
        (["absent.onnx", "one.jpg"], "cannot read absent.onnx"),
        (["one.pt2", "one.jpg"], "one.pt2 is no network that nas exported"),
        (["bare", "one.jpg"], "does not say which classes it knows"),
        (["net", "one.jpg", "--top", "0"], "--top must be at least 1"),
        (["net", "one.jpg", "--csv", "--json"], "give one"),
    ],
)
def test_mistakes_are_one_line(nas: Cli, args: list[str], message: str) -> None:
    for folder in ("empty", "notes", "shipped"):
        Path(folder).mkdir()
    for name in ("notes/IMG 1.HEIC", "notes/notes.txt", "shipped/network.onnx", "alone.safetensors"):
        Path(name).touch()
    Path("one.pt2").write_bytes(b"PK no zip")
    Path("bare").mkdir()
    write_network(Path("bare"), Designed("resnet8"), Designed("resnet8").build(4, 16), (4, 16), {})
    code, out, err = nas("predict", *args)
    assert code == 2 and not out and message in err and err.count("\n") == 1, err


def test_what_is_not_trained_is_said_without_what_only_an_export_can(nas: Cli) -> None:
    code, _, err = nas("predict", f"mnas@0.25:{'x' * 300}", "one.jpg")  # longer than names of files may be
    assert code == 2 and err.count("\n") == 1 and "File name too long" not in err
    code, _, err = nas("predict", "resnet8", "one.jpg")
    assert code == 2 and "--untrained" not in err
    assert "--untrained exports random ones" in nas("export", "resnet8")[2]


def test_an_open_file_is_classified_as_one_that_is_named(nas: Cli) -> None:
    classifier = Classifier.load("net")
    with Path("one.jpg").open("rb") as file:
        file.read(3)  # whatever was read of it before
        shares = classifier.classify(file)
    assert shares == classifier.classify("one.jpg") and next(iter(shares)) == "date, palm"
    with pytest.raises(ValueError, match=r"^the file cannot be read as an image: cannot identify image file$"):
        classifier.classify(io.BytesIO(b"no image"))
    with pytest.raises(ValueError, match=r"^the file cannot be read as an image: the file is empty$"):
        classifier.classify(io.BytesIO())
