"""Each task's loss, by its definition."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from nas.data.targets import IGNORED, Targets
from nas.training.losses import Loss

OUTPUTS = torch.tensor([[2.0, -1.0], [0.0, 3.0]])


def test_classes_are_as_they_always_were() -> None:
    y, weights = torch.tensor([1, 0]), torch.tensor([0.5, 2.0])
    expected = F.cross_entropy(OUTPUTS, y, weights, label_smoothing=0.1)
    assert Loss(smoothing=0.1, weights=weights)(OUTPUTS, y).equal(expected)


def test_each_label_is_a_question_of_its_own() -> None:
    y = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    p = OUTPUTS.sigmoid()
    expected = -(3 * p[0, 0].log() + (1 - p[0, 1]).log() + 3 * p[1, 0].log() + 2 * p[1, 1].log()) / 4
    found = Loss(Targets("multilabel"), weights=torch.tensor([3.0, 2.0]))(OUTPUTS, y)
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)


def test_smoothed_labels_are_less_sure() -> None:
    y = torch.tensor([[1.0, 0.0]])
    found = Loss(Targets("multilabel"), smoothing=0.2)(OUTPUTS[:1], y)
    expected = F.binary_cross_entropy_with_logits(OUTPUTS[:1], torch.tensor([[0.9, 0.1]]))
    assert found.item() == pytest.approx(expected.item())


def test_numbers_count_by_their_deviations_and_far_ones_linearly() -> None:
    loss = Loss(Targets("regression", (100.0,), (10.0,)))
    assert loss(torch.tensor([[0.0]]), torch.tensor([[105.0]])).item() == pytest.approx(0.5**2 / 2)
    assert loss(torch.tensor([[0.0]]), torch.tensor([[150.0]])).item() == pytest.approx(5 - 0.5)


def test_a_mask_is_as_many_classes_as_it_has_pixels() -> None:
    outputs = torch.randn(2, 3, 4, 4)
    y = torch.randint(0, 3, (2, 4, 4)).to(torch.uint8)
    y[0, :2] = IGNORED
    loss = Loss(Targets("segmentation"), smoothing=0.1)
    expected = F.cross_entropy(outputs, y.long(), ignore_index=IGNORED, label_smoothing=0.1)
    torch.testing.assert_close(loss(outputs, y), expected)
    middle = F.cross_entropy(outputs[..., 1:3, 1:3], y[:, 1:3, 1:3].long(), ignore_index=IGNORED, label_smoothing=0.1)
    torch.testing.assert_close(loss(outputs[..., 1:3, 1:3], y), middle)  # of a network that says nothing of borders
    assert loss(outputs, torch.full_like(y, IGNORED)).item() == 0


def test_pixels_may_count_by_their_class() -> None:
    outputs, weights = torch.randn(1, 2, 1, 2), torch.tensor([1.0, 3.0])
    y = torch.tensor([[[0, 1]]], dtype=torch.uint8)
    log = outputs.log_softmax(1)
    expected = -(log[0, 0, 0, 0] + 3 * log[0, 1, 0, 1]) / 2
    torch.testing.assert_close(Loss(Targets("segmentation"), weights=weights)(outputs, y), expected)
