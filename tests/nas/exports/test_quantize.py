"""int8 networks: what they weigh and what they give, at each step."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from nas.data import Dataset
from nas.exports.job import Changes, data_for, run
from nas.exports.steps import calibration_batches, int8_bytes, steps_table
from nas.exports.target import Source
from nas.network import Designed
from nas.training.recipe import Recipe
from nas.training.train import train
from searchspaces.layers import conv, flatten, head, linear, network

pytest.importorskip("torchao")


@pytest.fixture(scope="module")
def trained(tiny: Dataset) -> nn.Module:
    torch.manual_seed(0)
    module = network(conv(16, 3, 2), conv(64, 3, 2), conv(64, 3), head(4))
    for _ in train(module, tiny, Recipe(epochs=4, batch_size=20), seed=0):
        pass
    return module


def test_static_int8_is_a_quarter_and_about_as_good(trained: nn.Module, tiny: Dataset, tmp_path: Path) -> None:
    source = Source(Designed("resnet8"), trained, (4, 16), None)
    changes = Changes(fold_bn=True, prune=0.25, quantize="static")
    done = run(tmp_path, ["pt2"], source, changes, tiny, tiny.val, lambda _: None)
    assert [file.path.name for file in done.files] == ["network.pt2", "network.int8.pt2", "README.md"]
    assert [step.name for step in done.steps] == ["float32", "batch norms folded", "25 % pruned", "int8, static"]
    weights = 4 * sum(p.numel() for p in trained.parameters())
    assert done.steps[0].bytes > weights and done.steps[-1].bytes < done.steps[0].bytes - weights / 2
    assert done.steps[2].coded < done.steps[1].coded  # zeros are short
    assert [step.test_accuracy is None for step in done.steps] == [False, True, True, False]
    before, after = done.steps[0].val_accuracy, done.steps[-1].val_accuracy
    assert before is not None and after is not None and before > 0.6 and after > before - 0.2
    table = steps_table(done.steps)
    assert "int8, static" in table and " kB" in table


@pytest.mark.slow
def test_int8_is_read_by_another_process(trained: nn.Module, tiny: Dataset, tmp_path: Path) -> None:
    (content,) = int8_bytes(trained, tiny.image_size, ["pt2"], calibration_batches(tiny), {"about": "it"})
    (tmp_path / "network.int8.pt2").write_bytes(content)
    code = (
        "import pathlib, torch; from nas.exports.formats import pt2_metadata, run_pt2\n"
        "content = pathlib.Path('network.int8.pt2').read_bytes()\n"
        f"print(pt2_metadata(content), len(run_pt2(content)(torch.zeros(2, 3, {tiny.image_size}, {tiny.image_size}))))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout == "{'about': 'it'} 2\n", done.stderr


def test_static_int8_as_onnx(trained: nn.Module, tiny: Dataset, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    source = Source(Designed("resnet8"), trained, (4, 16), None)
    done = run(tmp_path, ["onnx"], source, Changes(quantize="static"), tiny, None, lambda _: None)
    assert [file.path.name for file in done.files] == ["network.onnx", "network.int8.onnx", "README.md"]
    difference, largest = done.files[1].difference, done.files[1].largest
    assert difference is not None and largest is not None and 0 < difference < largest / 4
    assert done.steps[1].bytes < done.steps[0].bytes / 2


def test_dynamic_int8_is_of_linear_layers(tmp_path: Path) -> None:
    torch.manual_seed(0)
    source = Source(Designed("resnet8"), network(flatten(16), linear(64, nn.ReLU), linear(4)), (4, 16), None)
    done = run(tmp_path, ["pt2"], source, Changes(quantize="dynamic"), None, None, lambda _: None)
    difference, largest = done.files[1].difference, done.files[1].largest
    assert difference is not None and largest is not None and 0 < difference < largest / 10


def test_a_network_without_linear_layers_has_no_dynamic_form(tmp_path: Path) -> None:
    source = Source(Designed("resnet8"), network(conv(4), flatten()), (4, 16), None)
    with pytest.raises(ValueError, match="nothing in this network"):
        run(tmp_path, ["pt2"], source, Changes(quantize="dynamic"), None, None, lambda _: None)


def test_data_of_other_classes_is_refused(trained: nn.Module, tiny: Dataset) -> None:
    with pytest.raises(ValueError, match="other classes than the 10"):
        data_for(Source(Designed("resnet8"), trained, (10, 16), None), tiny)
    assert data_for(Source(Designed("resnet8"), trained, (4, 24), None), tiny).image_size == 24


def test_the_axes_of_onnx_have_names(trained: nn.Module, tiny: Dataset, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    source = Source(Designed("resnet8"), trained, (4, 16), None)
    run(tmp_path, ["onnx"], source, Changes(quantize="static"), tiny, None, lambda _: None)
    for name in ("network.onnx", "network.int8.onnx"):
        graph = onnx.load(tmp_path / name).graph
        axes = {
            value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
            for value in (*graph.input, *graph.output, *graph.value_info)
        }
        assert axes["images"] == ["batch", 3, 16, 16] and axes["logits"] == ["batch", 4]
        assert {axis for shape in axes.values() for axis in shape if isinstance(axis, str)} == {"batch"}
