"""Metrics of masks by their definitions, and by torchmetrics'."""

from __future__ import annotations

import pytest
import torch
from torchmetrics.classification import MulticlassJaccardIndex

from nas.data.images import Dataset, Images
from nas.data.targets import IGNORED, SEGMENTATION
from nas.training.evaluation import framed, judged
from nas.training.metrics import mean_iou, per_class_of_pixels, score, weights_of_classes

MASKS = torch.tensor([[[0, 0, 1], [1, 1, IGNORED]]], dtype=torch.uint8)
SAID = torch.tensor([[[0, 1, 1], [1, 0, 0]]], dtype=torch.uint8)


def test_a_pixel_of_no_class_does_not_count() -> None:
    found = judged(SAID, MASKS, "mean-iou", SEGMENTATION)
    assert found.accuracy == pytest.approx(3 / 5)
    assert found.score == pytest.approx((1 / 3 + 2 / 4) / 2)
    assert score("pixel-accuracy", SAID, MASKS, SEGMENTATION) == found.accuracy
    by = per_class_of_pixels(SAID, MASKS, 3)
    assert by["by_class"]["iou"] == pytest.approx([1 / 3, 1 / 2, 0])
    assert by["by_class"]["precision"] == pytest.approx([1 / 2, 2 / 3, 0])
    assert by["by_class"]["recall"] == pytest.approx([1 / 2, 2 / 3, 0])
    assert by["by_class"]["pixels"] == [2, 3, 0]
    assert by["confusion"] == [[1, 1, 0], [1, 2, 0], [0, 0, 0]]
    assert mean_iou(SAID, torch.full_like(MASKS, IGNORED)) == 0


def test_it_is_torchmetrics_over_all_images() -> None:
    torch.manual_seed(0)
    said, masks = (torch.randint(0, 4, (6, 9, 9)).to(torch.uint8) for _ in range(2))
    masks[:, 0] = IGNORED
    metric = MulticlassJaccardIndex(4, ignore_index=IGNORED)
    for one, mask in zip(said, masks, strict=True):
        metric.update(one[None].long(), mask[None].long())
    assert mean_iou(said, masks) == pytest.approx(metric.compute().item())


def test_a_border_of_which_nothing_is_said_does_not_count() -> None:
    inner = framed(SAID, torch.zeros(1, 3, 5, 6))
    assert inner.shape == (1, 5, 6)
    assert (inner != IGNORED).sum() == SAID.numel()
    assert inner[0, 1:3, 1:4].equal(SAID[0])


def test_classes_balance_by_their_pixels() -> None:
    images = Images(torch.zeros(1, 2, 3, 3, dtype=torch.uint8), MASKS)
    many = Images(images.pixels.repeat(20, 1, 1, 1), MASKS.repeat(20, 1, 1))
    dataset = Dataset.split("cells", ("a", "b"), many, SEGMENTATION)
    weights = weights_of_classes("balanced", dataset)
    assert weights is not None
    assert weights.tolist() == pytest.approx([5 / 4, 5 / 6])  # 2 and 3 pixels of 5
