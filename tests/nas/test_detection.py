"""Detection from a folder of images and boxes to a training, a comparison, predictions and files."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import nas
from nas.data import shapes2
from nas.final import run as training_run
from nas.references.resolve import resolve

Cli = Callable[..., tuple[int, str, str]]
SIDE = 32
HOW: dict[str, Any] = {"image_size": SIDE, "batch_size": 10, "recipe": {"optimizer": "adamw"}, "lr": 5e-3}

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture(autouse=True)
def needed() -> None:
    pytest.importorskip("pycocotools")


def annotation(name: str, width: int, height: int, objects: list[tuple[str, tuple[int, int, int, int]]]) -> str:
    """As VOC has it, whose pixels are counted from 1."""
    boxes = "".join(
        f"<object><name>{kind}</name><bndbox><xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{right}</xmax>"
        f"<ymax>{bottom}</ymax></bndbox></object>"
        for kind, (left, top, right, bottom) in objects
    )
    size = f"<size><width>{width}</width><height>{height}</height></size>"
    return f"<annotation><filename>{name}</filename>{size}{boxes}</annotation>"


@pytest.fixture
def cells(here: Path) -> str:
    """Dark noise, wider than high, with one bright square each: red ones and blue ones. VOC's layout, without test."""
    rng = np.random.default_rng(0)
    folder = here / "cells"
    for kind in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / kind).mkdir(parents=True)
    names = [f"c{number}" for number in range(60)]
    for number, name in enumerate(names):
        pixels = rng.integers(0, 60, (SIDE, SIDE + 8, 3), dtype=np.uint8)
        top, left, side = (int(value) for value in rng.integers((2, 6, 10), (14, 18, 15)))
        pixels[top : top + side, left : left + side, 2 * (number % 2)] += 180
        Image.fromarray(pixels).save(folder / "JPEGImages" / f"{name}.png")
        box = (left, top, left + side, top + side)
        text = annotation(f"{name}.png", SIDE + 8, SIDE, [(("red", "blue")[number % 2], box)])
        (folder / "Annotations" / f"{name}.xml").write_text(text)
    (folder / "ImageSets" / "Main" / "train.txt").write_text("\n".join(names[:50]))
    (folder / "ImageSets" / "Main" / "val.txt").write_text("\n".join(names[50:]))
    return "folder:cells"


def test_a_training_with_a_head(cells: str, here: Path, call_nas: Cli) -> None:
    trained = nas.train("resnet8@0.5", head="ssdlite", data=cells, epochs=16, out="out", **HOW)
    result = trained.result
    assert (result["network"], result["task"]) == ("ssdlite:resnet8@0.5", "detection")
    assert (result["recipe"]["metric"], result["test_accuracy"]) == ("map", None)
    assert result["map"] == result["test_score"]
    assert result["map50"] > 0.5
    assert result["by_class"]["objects"] == [5, 5] and result["class_names"] == ["blue", "red"]
    assert len(result["by_class"]["map"]) == len(result["by_class"]["map50"]) == 2
    assert result["images"] == {"train": 45, "validation": 5, "test": 10}
    assert json.loads((here / "out" / "architecture.json").read_text())["head"] == "ssdlite"
    photo = here / "cells" / "JPEGImages" / "c50.png"
    (said,) = nas.predict("out", photo)
    surest = said.objects[0]
    text = (here / "cells" / "Annotations" / "c50.xml").read_text()
    true = [float(text.partition(f"<{side}>")[2].partition("<")[0]) for side in ("xmin", "ymin", "xmax", "ymax")]
    assert surest.name == "red" and surest.score == said.classes[0][1]
    assert surest.box == pytest.approx((true[0] - 1, true[1] - 1, *true[2:]), abs=4)  # in pixels of the photograph
    nas.export("out", to="state_dict,onnx,pt2", out="files")
    for file in ("files", "files/network.onnx", "files/network.pt2"):
        (again,) = nas.predict(file, photo)
        assert again.objects[0].box == pytest.approx(surest.box, abs=0.1), file
        assert again.objects[0].score == pytest.approx(surest.score, abs=1e-3), file
    readme = (here / "files" / "README.md").read_text()
    assert '"object-detection"' in readme and "`nas predict network.onnx photo.jpg`" in readme
    assert not (here / "files" / "classify.py").exists()
    for to, more, message in (
        ("standalone", {}, "a network that finds objects has no standalone form: give --to state_dict, onnx or pt2"),
        ("onnx", {"quantize": "static"}, "a network that finds objects is exported as it is"),
    ):
        with pytest.raises(ValueError, match=message):
            nas.export("out", to=to, out="alone", **more)  # type: ignore[arg-type]
    code, out, _ = call_nas("predict", "out", str(photo), "--draw", "drawn")
    assert code == 0 and "red" in out and "left" in out
    with Image.open(here / "drawn" / "c50.png") as drawn:
        assert drawn.size == (640, 512)  # the whole photograph, enlarged
    code, out, _ = call_nas("predict", "out", str(photo), "--json")
    assert json.loads(out)[0]["objects"][0]["class"] == "red"
    code, out, _ = call_nas("predict", "out", str(photo), "--csv")
    assert code == 0 and out.startswith("image,class,score,left,top,right,bottom")
    assert trained.load().eval()(torch.zeros(1, 3, SIDE, SIDE)).shape[2] == 4 + 2
    assert call_nas("show", "out")[0] == 0


def test_one_that_is_interrupted_goes_on_to_the_same(cells: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    how = HOW | {"epochs": 3, "head": "ssdlite", "data": cells}
    whole = nas.train("resnet8@0.25", out="whole", **how)
    save, saved = training_run.checkpoints.save, []

    def stop_after_the_first(*given: Any) -> None:
        save(*given)
        saved.append(given)
        raise KeyboardInterrupt

    monkeypatch.setattr(training_run.checkpoints, "save", stop_after_the_first)
    with pytest.raises(KeyboardInterrupt):
        nas.train("resnet8@0.25", out="stopped", **how)
    monkeypatch.setattr(training_run.checkpoints, "save", save)
    assert len(saved) == 1
    result = training_run.resume("stopped")
    for name in ("map", "map50", "by_class"):
        assert result[name] == whole.result[name]
    assert [e["loss"] for e in result["history"]] == [e["loss"] for e in whole.result["history"]]
    one, other = (here / name / "weights.safetensors" for name in ("whole", "stopped"))
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("head", ["ssdlite", "bifpn"])
def test_weights_of_a_classifier_begin_the_backbone(head: str, cells: str) -> None:
    how = {"image_size": 72, "batch_size": 10}  # from 65 pixels on it has the strides 8, 16 and 32
    network = "mobilenet_v2@0.1"
    before = nas.train(network, data="shapes2", subset=64, epochs=1, out="before", **how).load()
    start = {"init": "before/weights.safetensors", "freeze": "backbone", "epochs": 1} | how
    trained = nas.train(network, head=head, data=cells, out="after", **start)  # type: ignore[arg-type]
    fresh = {"ssdlite": ["head"], "bifpn": ["pyramid", "classes", "places"]}[head]
    assert list(trained.result["start"]["fresh"]) == fresh
    after, taken = trained.load().state_dict(), 0
    for name, tensor in before.state_dict().items():
        if f"backbone.network.{name}" in after and not name.endswith("num_batches_tracked"):
            assert torch.equal(after[f"backbone.network.{name}"], tensor), name
            taken += 1
    assert taken > 50


def test_a_comparison_of_backbones(cells: str, call_nas: Cli) -> None:
    run = nas.compare(
        ["ssdlite:resnet8@0.5", "ssdlite_small:resnet8@0.25"], data=cells, epochs=1, seeds=2, baselines="none",
        name="c", **HOW,
    )  # fmt: skip
    assert [row.state for row in run.rows()] == ["complete"] * 4
    assert all(row.score is not None and 0 <= row.score <= 1 for row in run.rows())
    code, out, _ = call_nas("compare", "--report", "c")
    assert code == 0 and "map" in out
    assert call_nas("report", "c")[0] == 0
    with pytest.raises(ValueError, match="--ensemble is of networks that say something of a whole image"):
        nas.compare(["ssdlite:resnet8"], data=cells, ensemble=True, baselines="none", **HOW)


def test_boxes_of_the_built_in_images(call_nas: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes2, "COUNTS", {"train": 300, "test": 30})
    code, out, wrong = call_nas(
        "train", "ssdlite:resnet8@0.25", "--task", "detection", "--data", "shapes2", "--subset", "32", "--epochs", "1",
        "--out", "out", "--metric", "map50",
    )  # fmt: skip
    assert code == 0, wrong
    assert "10 classes of objects (detection)" in out + wrong and "test map50" in out and "test map " in out


def test_names_of_networks_with_heads() -> None:
    network = resolve("ssdlite:resnet18", "runs")
    assert (network.name, network.text, network.dense, network.detects) == (*["ssdlite:resnet18"] * 2, False, True)
    d0 = resolve("efficientdet_d0", "runs")
    assert (d0.name, d0.detects) == ("efficientdet_d0", True)
    for text, message in (
        ("ssdlite:efficientdet_d0", "efficientdet_d0 finds objects already: leave out the head ssdlite"),
        ("ssdlite:fcn8:resnet18", "says a class of each pixel already"),
        ("bifpn:ssdlite:resnet18", "finds objects already"),
    ):
        with pytest.raises(ValueError, match=message):
            resolve(text, "runs")


MISTAKES: list[tuple[str, dict[str, Any], str]] = [
    ("resnet8", {}, "resnet8 finds no objects, and folder:cells has boxes: name a network with a head"),
    ("fcn8:resnet8", {}, "fcn8:resnet8 finds no objects"),
    ("ssdlite:resnet8", {"data": "shapes"}, "finds objects, and shapes is for classification: give data with boxes"),
    ("ssdlite:resnet8", {"recipe": {"mixup": 0.2}}, "mixup does not move boxes along with their images"),
    ("ssdlite:resnet8", {"recipe": {"rotation": 10}}, "rotation does not move boxes along with their images"),
    ("ssdlite:resnet8", {"recipe": {"label_smoothing": 0.1}}, "label smoothing is of classes and labels"),
    ("ssdlite:resnet8", {"class_weights": "balanced"}, "--class-weights are not for detection"),
    ("ssdlite:resnet8", {"metric": "auc"}, "--metric auc does not suit detection"),
    ("ssdlite:resnet8", {"labels": "red,blue"}, "--labels is not for a folder of images with boxes"),
    ("bifpn:resnet8", {}, "has no map of stride 8"),
]


@pytest.mark.parametrize(("network", "options", "message"), MISTAKES, ids=[message for *_, message in MISTAKES])
def test_mistakes_are_named(cells: str, network: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nas.train(network, **{"data": cells, **HOW, **options})


def test_a_search_for_the_backbone(cells: str) -> None:
    how = {"space": "compact", "data": cells, "max_macs": "9M", "experience": "none", "subset": 20, "epochs": 1} | HOW
    run = nas.search(trials=2, name="found", **how)
    assert run.best.text.startswith("ssdlite:compact@")
    assert [row.score is not None and row.macs <= 9_000_000 for row in run.rows()] == [True] * 2
    assert str(resolve(run.best.text, "runs").build(2, SIDE)) == str(nas.load("found:best").build())
    with pytest.raises(ValueError, match="--head fcn8 is not for detection"):
        nas.search(trials=1, head="fcn8", **how)


def test_without_pycocotools_nothing_is_trained(cells: str, monkeypatch: pytest.MonkeyPatch, call_nas: Cli) -> None:
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)
    code, _, wrong = call_nas("train", "ssdlite:resnet8", "--data", cells, "--image-size", str(SIDE))
    assert code == 2
    assert (
        wrong.splitlines()[-1] == "nas: mean average precision needs pycocotools: pip install 'nas-toolkit[detection]'"
    )


def break_xml(folder: Path) -> None:
    file = folder / "Annotations" / "c3.xml"
    file.write_text(file.read_text().replace("bndbox", "box"))


def break_class(folder: Path) -> None:
    file = folder / "Annotations" / "c55.xml"
    file.write_text(file.read_text().replace("blue", "green").replace("red", "green"))


def break_image(folder: Path) -> None:
    (folder / "JPEGImages" / "c3.png").write_bytes(b"nothing")


def break_split(folder: Path) -> None:
    (folder / "ImageSets" / "Main" / "val.txt").write_text("\n")


def break_all_boxes(folder: Path) -> None:
    for number in range(50, 60):
        (folder / "Annotations" / f"c{number}.xml").write_text(annotation(f"c{number}.png", SIDE + 8, SIDE, []))


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (break_xml, "c3.xml is no annotation of PASCAL VOC: it has no bndbox/xmin"),
        (break_class, "val has green, which no training image shows"),
        (break_image, "1 images cannot be read: c3.png"),
        (break_split, "val.txt names no images"),
        (break_all_boxes, "no annotation of the images of val has a box"),
    ],
)
def test_damaged_folders_are_one_line(
    cells: str, here: Path, broken: Callable[[Path], None], said: str, call_nas: Cli
) -> None:
    broken(here / "cells")
    code, _, wrong = call_nas("train", "ssdlite:resnet8", "--data", cells, "--image-size", str(SIDE))
    assert code == 2
    assert said in wrong.splitlines()[-1], wrong
    assert "Traceback" not in wrong


def test_an_image_that_cannot_be_read_is_left_out(cells: str, here: Path) -> None:
    break_image(here / "cells")
    trained = nas.train("ssdlite:resnet8@0.25", data=cells, epochs=1, skip_unreadable=True, out="out", **HOW)
    assert trained.result["images"] == {"train": 45, "validation": 4, "test": 10}
