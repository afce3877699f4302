"""What a trained network is for, in the metadata that its files carry."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from nas.data.preprocessing import Preprocessing
from nas.data.task import Task
from nas.exports.formats import PROGRAMS, to_program
from nas.training.transfer import Weights

TASK = Task(("café", "b,c", "日"), Preprocessing(16, (0.1, 0.2, 0.3), (0.5, 0.25, 0.125)), "folder:pics")


def test_metadata_are_texts_and_say_all_of_it() -> None:
    metadata = TASK.metadata()
    assert all(isinstance(text, str) for text in metadata.values())
    assert metadata["task"] == "classification" and "centre square" in metadata["preprocessing"]
    assert Task.from_metadata(metadata) == TASK


@pytest.mark.parametrize("form", PROGRAMS)
def test_programs_carry_them(form: str) -> None:
    if form == "onnx":
        pytest.importorskip("onnxscript")
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3)).eval()
    content = PROGRAMS[form].to_bytes(to_program(network, 16), TASK.metadata())
    assert Task.from_metadata(PROGRAMS[form].metadata(content)) == TASK
    bare = PROGRAMS[form].to_bytes(to_program(network, 16))
    assert Task.from_metadata(PROGRAMS[form].metadata(bare)) is None


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"class_names": '["one"]'}, "list of at least 2"),
        ({"class_names": '{"a": 1}'}, "must be a list"),
        ({"class_names": "[1, 2]"}, "must be a text, not 1"),
        ({"mean": "[0.1, 0.2"}, "its mean is damaged"),
        ({"mean": "[0.1, 0.2]"}, "as many of the one as the other"),
        ({"std": "[0.5, 0, 0.5]"}, "must be at least 1e-06, not 0"),
        ({"std": "[0.5, NaN, 0.5]"}, "must be a finite number"),
        ({"image_size": "64.5"}, "whole number"),
        ({"task": "translation"}, "'translation'"),
    ],
)
def test_damaged_ones_are_refused(changed: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Task.from_metadata(TASK.metadata() | changed)


def test_weights_say_it_too(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    file = tmp_path / "weights.safetensors"
    save_file({"w": torch.zeros(2)}, file, TASK.metadata())
    read = Weights.read(file)
    assert read.task == TASK and read.trained and read.class_names == TASK.class_names
    save_file({"w": torch.zeros(2)}, file, {"trained": "no"})
    assert not Weights.read(file).trained
    save_file({"w": torch.zeros(2)}, file, TASK.metadata() | {"mean": "[]"})
    with pytest.raises(ValueError, match=r"weights\.safetensors is damaged: .*mean"):
        Weights.read(file)
