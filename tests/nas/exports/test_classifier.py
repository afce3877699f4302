"""A classifier of a file that somebody changed: what it computes is looked at before it is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from nas.data.preprocessing import Preprocessing
from nas.data.task import Task
from nas.exports.classifier import Classifier

TASK = Task(("cat", "dog"), Preprocessing(8, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2)))


@pytest.mark.parametrize(
    "logits",
    [
        lambda images: torch.full((len(images), 2), float("nan")),
        lambda images: torch.tensor([[0.0, float("inf")]]),
        lambda images: torch.zeros(len(images), 3),
        lambda images: torch.zeros(2),
    ],
)
def test_what_is_no_number_for_each_class_is_damage(tmp_path: Path, logits) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.onnx is damaged: what it computes is no number for each of 2 classes"):
        list(Classifier(logits, TASK, "a.onnx").predict([tmp_path / "a.png"]))


def test_what_cannot_be_computed_is_said_in_one_line(tmp_path: Path) -> None:
    def broken(images: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("sizes differ\nand more")

    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"^a\.onnx cannot be computed: sizes differ$"):
        list(Classifier(broken, TASK, "a.onnx").predict([tmp_path / "a.png"]))
