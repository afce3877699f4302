"""Segmentation from a folder of images and masks to a training, a comparison, predictions and files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import nas
from nas.comparison.experiment import read
from nas.references.resolve import resolve
from searchspaces.cost import cost

Cli = Callable[..., tuple[int, str, str]]


pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def cells(here: Path) -> str:
    """Noise with a bright square each, which is the class `cell`, in front of the `ground`; a border of no class."""
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (here / "cells" / kind).mkdir(parents=True)
    for number in range(60):
        pixels = rng.integers(0, 90, (24, 24, 3), dtype=np.uint8)
        mask = np.zeros((24, 24), np.uint8)
        top, left = rng.integers(2, 12, 2)
        pixels[top : top + 10, left : left + 10] += 130
        mask[top : top + 10, left : left + 10] = 1
        mask[[0, -1]] = 255
        Image.fromarray(pixels).save(here / "cells" / "images" / f"{number}.png")
        Image.fromarray(mask).save(here / "cells" / "masks" / f"{number}.png")
    (here / "cells" / "classes.txt").write_text("ground\ncell\n")
    return "folder:cells"


HOW = {"image_size": 24, "batch_size": 10}


def test_a_training_with_a_head(cells: str, here: Path, call_nas: Cli) -> None:
    trained = nas.train("resnet8@0.5", head="fcn8", data=cells, epochs=8, out="out", **HOW)  # type: ignore[arg-type]
    result = trained.result
    assert (result["network"], result["task"]) == ("fcn8:resnet8@0.5", "segmentation")
    assert result["recipe"]["metric"] == "mean-iou"
    assert result["mean_iou"] == result["test_score"] > 0.8
    assert result["test_accuracy"] > 0.9
    assert sum(map(sum, result["confusion"])) == 6 * 24 * 22  # of the test images, without the border of no class
    assert (here / "out" / "mistakes.png").is_file()
    assert json.loads((here / "out" / "architecture.json").read_text())["head"] == "fcn8"
    photo, mask = (here / "cells" / kind / "0.png" for kind in ("images", "masks"))
    (said,) = nas.predict("out", photo)
    assert said.mask is not None
    with Image.open(mask) as opened:
        truth = np.asarray(opened)
    assert (said.mask == truth)[truth != 255].mean() > 0.9
    assert dict(said.classes)["cell"] == pytest.approx((said.mask == 1).mean(), abs=1e-6)
    nas.export("out", to="state_dict,onnx,pt2", out="files")
    for file in ("files", "files/network.onnx", "files/network.pt2"):
        (again,) = nas.predict(file, photo)
        assert again.mask is not None
        assert (again.mask == said.mask).mean() > 0.999, file
    assert "image-segmentation" in (here / "files" / "README.md").read_text()
    with pytest.raises(ValueError, match="has no standalone form: give --to state_dict, onnx or pt2"):
        nas.export("out", to="standalone", out="alone")
    code, out, _ = call_nas("predict", "out", str(photo), "--draw", "drawn")
    assert code == 0 and "of the pixels" in out
    with Image.open(here / "drawn" / "0.png") as drawn:
        assert drawn.width == 264  # 24 pixels, enlarged, and a legend below


def test_photographs_that_are_no_squares_are_seen_whole(cells: str, here: Path, call_nas: Cli) -> None:
    for kind in ("images", "masks"):
        for file in (here / "cells" / kind).iterdir():
            with Image.open(file) as opened:
                opened.crop((0, 0, 24, 18)).save(file)
    nas.train("resnet8@0.5", head="fcn8", data=cells, epochs=1, out="out", **HOW)  # type: ignore[arg-type]
    photo = here / "cells" / "images" / "0.png"
    nas.export("out", to="onnx,pt2", out="files")
    for target in ("out", "files/network.onnx", "files/network.pt2"):
        (said,) = nas.predict(target, photo)
        assert said.mask is not None and said.mask.shape == (24, 24)
        assert (said.mask[:3] == 255).all() and (said.mask[21:] == 255).all() and (said.mask[3:21] < 2).all()
        assert sum(share for _, share in said.classes) == pytest.approx(1)
    assert call_nas("predict", "out", str(photo), "--draw", "drawn")[0] == 0
    with Image.open(here / "drawn" / "0.png") as drawn:
        assert drawn.width == 264 and drawn.height >= 18 * 11


def test_weights_of_a_classifier_begin_the_backbone(cells: str, here: Path) -> None:
    before = nas.train("resnet8@0.5", data="shapes2", subset=64, epochs=1, out="before").load()
    how = {"init": "before/weights.safetensors", "freeze": "backbone", "epochs": 1} | HOW
    trained = nas.train("resnet8@0.5", head="aspp", data=cells, out="after", **how)  # type: ignore[arg-type]
    assert trained.result["start"]["fresh"] == ("head",)
    after = trained.load().state_dict()
    for name, tensor in before.state_dict().items():
        if f"backbone.network.{name}" in after and not name.endswith("num_batches_tracked"):
            assert torch.equal(after[f"backbone.network.{name}"], tensor), name


def test_a_comparison_of_backbones(cells: str) -> None:
    run = nas.compare(
        ["unet:resnet8@0.5", "unet_bilinear:mobilenet_v2@0.1"], data=cells, task="segmentation", epochs=1, seeds=1,
        baselines="none", **HOW,
    )  # type: ignore[arg-type]  # fmt: skip
    assert [row.state for row in run.rows()] == ["complete", "complete"]
    assert all(row.score is not None and 0 <= row.score <= 1 for row in run.rows())


def test_a_search_for_the_backbone(cells: str, here: Path) -> None:
    how = {"space": "compact", "data": cells, "max_macs": "1M", "experience": "none", "subset": 20, "epochs": 1} | HOW
    run = nas.search(trials=3, head="fcn16", name="found", **how)  # type: ignore[arg-type]
    text = run.best.text
    assert text.startswith("fcn16:compact@")
    assert [row.score is not None and row.macs <= 1_000_000 for row in run.rows()] == [True] * 3
    with torch.device("meta"):
        built = nas.load("found:best").build()
        again = resolve(text, "runs").build(2, 24)
    assert str(built) == str(again) and built(torch.empty(1, 3, 24, 24, device="meta")).shape == (1, 2, 24, 24)
    assert resolve("unet:found:best", "runs").text == text.replace("fcn16", "unet")
    run.resume(trials=4)
    assert [row.macs <= 1_000_000 for row in run.rows()] == [True] * 4
    compared = nas.compare("found", baselines="resnet8,mobilenet_v2", match_macs=True, epochs=1, seeds=1)
    results = read(compared)[0].all
    names = [one.name for one in results]
    assert names[0] == "found:best" and all(name.startswith("fcn16:") for name in names[1:])
    assert all(one.size.macs <= run.best.macs for one in results)


def test_a_search_around_a_network_with_a_head(cells: str) -> None:
    nas.train("resnet8@0.5", data="shapes2", subset=64, epochs=1, out="before")
    how = {"space": "around:resnet8@0.5", "data": cells, "subset": 20, "epochs": 1, "init": "before"} | HOW
    run = nas.search(trials=2, name="around", **how)  # type: ignore[arg-type]
    assert run.rows()[0].macs == cost(resolve("fcn8:resnet8@0.5", "runs").build(2, 24), 24).macs
    assert [row.state for row in run.rows()] == ["complete"] * 2


def test_the_original_unet_says_what_is_in_the_middle() -> None:
    network = resolve("unet", "runs")
    assert network.dense
    with torch.device("meta"):
        module = network.build(2, 188, 1)
    assert module(torch.empty(1, 1, 188, 188, device="meta")).shape == (1, 2, 4, 4)


def test_names_of_networks_with_heads() -> None:
    network = resolve("fcn8:resnet18", "runs")
    assert (network.name, network.text, network.dense) == ("fcn8:resnet18", "fcn8:resnet18", True)
    assert nas.load("fcn8:resnet18").build(5, 64)(torch.randn(1, 3, 64, 64)).shape == (1, 5, 64, 64)
    for text, message in (
        ("fcn8:unet", "unet says a class of each pixel already"),
        ("fcn8:fcn8:resnet18", "says a class of each pixel already"),
        ("fcn8:nothing", "'nothing' is no network"),
    ):
        with pytest.raises(ValueError, match=message):
            resolve(text, "runs")


def test_mistakes_are_named(cells: str) -> None:
    with pytest.raises(ValueError, match="resnet8 says one class of an image, and folder:cells has masks"):
        nas.train("resnet8", data=cells, **HOW)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="says a class of each pixel, and shapes is for classification"):
        nas.train("fcn8:resnet8", data="shapes")
    with pytest.raises(ValueError, match="resnet8 says one class of an image, and folder:cells has masks"):
        nas.compare(["fcn8:resnet8", "resnet8"], data=cells, baselines="none", **HOW)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="--head fcn8 is not for classification, which shapes is for"):
        nas.search(space="compact", data="shapes", head="fcn8", trials=1)
    with pytest.raises(ValueError, match="mixup does not change masks along with their images"):
        nas.train("fcn8:resnet8", data=cells, recipe={"mixup": 0.2}, **HOW)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="--metric auc does not suit segmentation"):
        nas.train("fcn8:resnet8", data=cells, metric="auc", **HOW)  # type: ignore[arg-type]
