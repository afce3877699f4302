"""Every format says what the network is for: its classes, how images go in, its task, and its training's own metric."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

import nas
from nas.data.preprocessing import Preprocessing
from nas.data.task import Task
from nas.exports.formats import PROGRAMS
from nas.exports.standalone import standalone_source
from nas.network import Designed
from nas.training.transfer import Weights

KEYS = ("task", "metric", "class_names", "image_size", "mean", "std")


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training by macro-f1, and `out/` in it with its export in every format."""
    pytest.importorskip("onnxscript")
    pytest.importorskip("torchao")
    home = tmp_path_factory.mktemp("home")
    how = {"data": "shapes", "image_size": 16, "epochs": 1, "subset": 60, "batch_size": 20}
    nas.train("resnet8@0.25", metric="macro-f1", progress="none", out=home, **how)  # type: ignore[arg-type]
    formats = "standalone,state_dict,onnx,pt2"
    nas.export(home, to=formats, quantize="static", data="shapes", out=home / "out", progress="none")
    return home


def said_by(file: Path) -> dict[str, str]:
    """The metadata in a file; of Python's the constants, as metadata have them."""
    if file.suffix == ".py":
        found = dict[str, object]()
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.Assign):
                names = [n.id for n in ast.walk(node.targets[0]) if isinstance(n, ast.Name)]
                if names == ["TASK", "METRIC"]:
                    found |= dict(zip(("task", "metric"), ast.literal_eval(node.value), strict=True))
                elif names[0] in ("CLASS_NAMES", "IMAGE_SIZE", "MEAN", "STD"):
                    found[names[0].lower()] = json.dumps(ast.literal_eval(node.value))
        return {name: str(value) for name, value in found.items()}
    if file.suffix == ".safetensors":
        with safe_open(file, "pt") as opened:
            return dict(opened.metadata())
    return PROGRAMS[file.suffix[1:]].metadata(file.read_bytes())


@pytest.mark.parametrize(
    "name",
    ["weights.safetensors", "network.py", "network.onnx", "network.pt2", "network.int8.onnx", "network.int8.pt2"],
)
def test_every_format_has_all_of_it(shipped: Path, name: str) -> None:
    known, said = said_by(shipped / "weights.safetensors"), said_by(shipped / "out" / name)
    assert (said["task"], said["metric"]) == ("classification", "macro-f1")
    assert json.loads(said["class_names"])[0] == "disc" and said["image_size"] == "16"
    assert {key: said[key] for key in KEYS} == {key: known[key] for key in KEYS}


def test_onnx_alone_says_it(shipped: Path) -> None:
    """To whoever has ONNX Runtime and nothing of ours."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(shipped / "out/network.onnx"), providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map
    assert about["metric"] == "macro-f1" and set(KEYS) <= about.keys()


def test_pt2_alone_says_it(shipped: Path) -> None:
    """To whoever has PyTorch and nothing of ours."""
    extra = {"metadata.json": ""}
    torch.export.load(shipped / "out/network.pt2", extra_files=extra)
    about = json.loads(extra["metadata.json"])
    assert about["metric"] == "macro-f1" and set(KEYS) <= about.keys()


def test_weights_of_before_get_it_from_their_result(shipped: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    save_file(load_file(shipped / "weights.safetensors"), tmp_path / "weights.safetensors")
    (tmp_path / "result.json").write_text((shipped / "result.json").read_text())
    task = Weights.read(tmp_path).task
    assert task is not None and task.metric == "macro-f1" and task.class_names[0] == "disc"


class METRIC(nn.Module):
    """Of a name that stands for something else in `network.py`."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def test_a_module_of_the_name_of_one_of_them_is_refused() -> None:
    module = nn.Sequential(METRIC(), Designed("resnet8@0.25").build(3, 16))
    task = Task(("a", "b", "c"), Preprocessing(16, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2)))
    with pytest.raises(ValueError, match="METRIC is also what reads photographs in the file"):
        standalone_source(module, "mine", 16, 3, task)
