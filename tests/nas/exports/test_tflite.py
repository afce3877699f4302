"""A network as an int8 .tflite file: what it gives, that it is int8 throughout, and what a microcontroller needs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from nas.data import Dataset
from nas.data.preprocessing import Preprocessing
from nas.data.task import Task
from nas.exports.classifier import Classifier
from nas.exports.job import Changes, run
from nas.exports.readme import README
from nas.exports.steps import calibration_batches
from nas.exports.target import Source
from nas.exports.tflite import arena_bytes, run_tflite, tflite_bytes, tflite_metadata
from nas.network import Designed
from searchspaces.modules import SqueezeExcite
from tests.nas.exports.conftest import trained_of_many_kinds

TASK = Task(("a", "b", "c", "d"), Preprocessing(16, (0.5, 0.4, 0.3), (0.2, 0.2, 0.2)), "folder:trees")
MICRO = "tflite-micro is not installed"


@pytest.fixture(scope="module")
def trained(tiny: Dataset) -> nn.Module:
    pytest.importorskip("litert_torch", reason="the extra tflite is not installed")
    return trained_of_many_kinds(tiny)


@pytest.fixture(scope="module")
def content(trained: nn.Module, tiny: Dataset) -> bytes:
    return tflite_bytes(trained, 16, 3, calibration_batches(tiny), TASK.metadata())


def logits(module: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        out: Tensor = module(images)
    return out


def test_it_gives_nearly_the_logits_of_the_network(trained: nn.Module, content: bytes, tiny: Dataset) -> None:
    images = calibration_batches(tiny)[0]
    found, exact = run_tflite(content)(images), logits(trained, images)
    assert found.shape == exact.shape and found.dtype == torch.float32
    assert 0 < (found - exact).abs().max() < exact.abs().max() / 10
    assert (found.argmax(1) == exact.argmax(1)).float().mean() > 0.95


def test_all_of_it_is_int8_and_channels_last(content: bytes) -> None:
    from ai_edge_litert.schema_py_generated import TensorType
    from ai_edge_litert.tools.flatbuffer_utils import opcode_to_name, read_model_from_bytearray

    model = read_model_from_bytearray(content)
    (graph,) = model.subgraphs
    assert {tensor.type for tensor in graph.tensors} <= {TensorType.INT8, TensorType.INT32}
    image, out = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    assert (image.shape, image.type) == ([1, 16, 16, 3], TensorType.INT8)
    assert (out.shape, out.type) == ([1, 4], TensorType.INT8)
    names = {opcode_to_name(model, step.opcodeIndex) for step in graph.operators}
    assert {"CONV_2D", "DEPTHWISE_CONV_2D", "LOGISTIC"} <= names and not names & {"TRANSPOSE", "QUANTIZE", "DEQUANTIZE"}
    stem = next(step for step in graph.operators if opcode_to_name(model, step.opcodeIndex) == "CONV_2D")
    assert len(graph.tensors[stem.inputs[1]].quantization.scale) == 16  # one for each channel


def test_weights_lie_where_the_schema_says_and_their_names_are_short(content: bytes) -> None:
    from ai_edge_litert.schema_py_generated import Model

    model = Model.GetRootAs(content)
    for number in range(model.BuffersLength()):
        buffer = model.Buffers(number)
        assert buffer.Offset() == 0  # not behind the FlatBuffer
        if buffer.DataLength():
            assert buffer._tab.Vector(buffer._tab.Offset(4)) % 16 == 0
    graph = model.Subgraphs(0)
    assert all(len(graph.Tensors(number).Name()) < 6 for number in range(graph.TensorsLength()))


def test_it_says_what_it_is_for(content: bytes, trained: nn.Module, tiny: Dataset, tmp_path: Path) -> None:
    assert Task.from_metadata(tflite_metadata(content)) == TASK
    (tmp_path / "network.tflite").write_bytes(content)
    classifier = Classifier.load(str(tmp_path / "network.tflite"))
    assert classifier.task == TASK
    images = calibration_batches(tiny)[0][:2]
    assert torch.equal(classifier.logits(images), run_tflite(content)(images))


def test_a_file_that_is_damaged_or_of_others_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "cut.tflite").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.tflite").write_bytes(b"no network")
    for name in ("cut.tflite", "text.tflite"):
        with pytest.raises(ValueError, match="is no network that nas exported"):
            Classifier.load(str(tmp_path / name))


def test_tflite_micro_runs_it_and_says_what_memory_it_took(content: bytes, tiny: Dataset) -> None:
    micro = pytest.importorskip("tflite_micro", reason=MICRO)
    arena = arena_bytes(content)
    most = 16 * 16 * (48 + 48)  # the widest activations, before and after the depthwise convolution
    assert most < arena < 2 * most
    interpreter = micro.python.tflite_micro.runtime.Interpreter.from_bytes(content, arena_size=arena + 4096)
    details = interpreter.get_input_details(0)["quantization_parameters"]
    images = calibration_batches(tiny)[0][:5]
    for image, expected in zip(images, run_tflite(content)(images), strict=True):
        rounded = (image.permute(1, 2, 0)[None] / details["scales"][0]).round() + details["zero_points"][0]
        interpreter.set_input(rounded.clamp(-128, 127).to(torch.int8).numpy(), 0)
        interpreter.invoke()
        out = interpreter.get_output_details(0)["quantization_parameters"]
        found = (torch.from_numpy(interpreter.get_output(0)[0]).float() - out["zero_points"][0]) * out["scales"][0]
        assert (found - expected).abs().max() <= 3 * out["scales"][0]  # two libraries' roundings


def test_an_operation_that_tflite_micro_lacks_is_named(tiny: Dataset) -> None:
    pytest.importorskip("litert_torch", reason="the extra tflite is not installed")
    pytest.importorskip("tflite_micro", reason=MICRO)

    class Cumulated(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.tan(x).mean((2, 3))

    with pytest.raises(ValueError, match="tflite"):
        arena_bytes(tflite_bytes(Cumulated(), 16, 3, calibration_batches(tiny)))


def test_hard_swish_and_squeeze_excitation_are_int8(tiny: Dataset) -> None:
    pytest.importorskip("litert_torch", reason="the extra tflite is not installed")
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.Hardswish(), SqueezeExcite(8, 4, nn.ReLU), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, 4),
    ).eval()  # fmt: skip
    images = calibration_batches(tiny)[0]
    found, exact = run_tflite(tflite_bytes(module, 16, 3, [images]))(images), logits(module, images)
    assert (found - exact).abs().max() < exact.abs().max() / 10


def test_an_export_measures_it_and_its_readme_says_how_it_is_used(
    trained: nn.Module, tiny: Dataset, tmp_path: Path
) -> None:
    source = Source(Designed("resnet8"), trained, (4, 16), None)
    done = run(tmp_path, ["tflite"], source, Changes(), tiny, tiny.val, lambda _: None)
    assert [file.path.name for file in done.files] == ["network.tflite", README]
    file, (before, after) = done.files[0], done.steps
    assert file.difference is not None and file.reason is None
    assert (before.name, after.name) == ("float32", "int8, tflite") and after.bytes < before.bytes
    assert before.test_accuracy is not None and after.test_accuracy is not None
    assert before.test_accuracy > 0.6 and after.test_accuracy > before.test_accuracy - 0.1
    text = (tmp_path / README).read_text()
    assert "one image [1, 16, 16, 3], normalised, channels last" in text
    assert file.arena is None or f"{file.arena:,} bytes of memory" in text


def test_without_what_writes_it_the_extra_is_named(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.exports.tflite.find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"the extra `tflite`: pip install litert-torch"):
        Changes().check(["tflite"])
    with pytest.raises(ValueError, match="the extra `tflite`"):
        tflite_bytes(nn.Flatten(), 16, 3, calibration_batches(tiny))
    with pytest.raises(ValueError, match="pip install tflite-micro"):
        arena_bytes(b"")
