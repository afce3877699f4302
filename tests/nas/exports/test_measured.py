"""The files of a network that a device measures."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from nas.devices.command import FORMATS, CostCommand
from nas.exports.files import FILES
from nas.exports.formats import run_onnx, run_pt2
from nas.exports.measured import NAMES, files_for, probe_files
from nas.exports.standalone import load_source
from nas.network import Designed

SMALL = Designed("resnet8@0.25")


def command(*formats: str) -> CostCommand:
    return CostCommand.parse(f"latency=./bench {' '.join(f'{{{name}}}' for name in formats)}")


def test_a_command_may_take_every_format_of_an_export() -> None:
    assert set(FILES) | {"tflite"} == set(FORMATS) == set(NAMES)


def test_what_the_command_takes_is_written(tmp_path: Path) -> None:
    state = torch.random.get_rng_state()
    files = files_for(command("state_dict", "standalone", "pt2"), SMALL, 5, 16, 3, tmp_path)
    assert torch.equal(state, torch.random.get_rng_state())
    assert files == {
        "pt2": tmp_path / "network.pt2",
        "standalone": tmp_path / "network.py",
        "state_dict": tmp_path / "weights.safetensors",
    }
    assert sorted(tmp_path.iterdir()) == sorted(files.values())
    network = load_source(files["standalone"].read_text("utf-8"))
    network.load_state_dict(load_file(files["state_dict"]))
    images = torch.randn(1, 3, 16, 16)
    with torch.no_grad():
        logits = network.eval()(images)
    assert logits.shape == (1, 5)
    assert torch.allclose(run_pt2(files["pt2"].read_bytes())(images), logits, atol=1e-5)


def test_its_weights_are_the_same_each_time(tmp_path: Path) -> None:
    contents = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        contents.append(files_for(command("state_dict"), SMALL, 5, 16, 3, tmp_path)["state_dict"].read_bytes())
    assert contents[0] == contents[1]


def test_onnx(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    files = files_for(command("onnx"), SMALL, 5, 16, 1, tmp_path)
    assert run_onnx(files["onnx"].read_bytes())(torch.randn(1, 1, 16, 16)).shape == (1, 5)


def test_tflite_is_calibrated_by_random_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []

    def tflite_bytes(module: nn.Module, image_size: int, channels: int, calibration: list[Tensor]) -> bytes:
        given.append((image_size, channels, *(tuple(images.shape) for images in calibration), module.training))
        return b"it"

    monkeypatch.setattr("nas.exports.measured.tflite_bytes", tflite_bytes)
    files = files_for(command("tflite"), SMALL, 5, 16, 1, tmp_path)
    assert files["tflite"].read_bytes() == b"it" and given == [(16, 1, (8, 1, 16, 16), False)]


@pytest.mark.parametrize("shape", [(2, 8, 1), (10, 32, 3), (3, 224, 4)])
def test_the_probe_is_of_any_shape(shape: tuple[int, int, int], tmp_path: Path) -> None:
    classes, pixels, channels = shape
    files = probe_files(command("standalone", "state_dict"), *shape, tmp_path)
    network = load_source(files["standalone"].read_text("utf-8"))
    assert network.eval()(torch.zeros(1, channels, pixels, pixels)).shape == (1, classes)
    assert files["state_dict"].stat().st_size < 4000


def test_a_command_measures_them(tmp_path: Path) -> None:
    size = CostCommand.parse("flash=wc -c < {state_dict}")
    files = files_for(size, SMALL, 5, 16, 3, tmp_path)
    assert size.measure(files) == {"flash": files["state_dict"].stat().st_size}
