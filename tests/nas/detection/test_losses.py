"""The losses of detectors, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from nas.detection.losses import ALPHA, GAMMA, focal, multibox
from nas.detection.objects import NONE


def test_multibox_counts_the_three_hardest_for_each_object() -> None:
    logits = torch.zeros(1, 8, 2)
    logits[0, 1:, 1] = torch.arange(7.0)  # ever more sure of an object where there is none
    classes = torch.tensor([[0] + [NONE] * 7])
    nothing = torch.zeros(1, 8, 4)
    hardest = sum(math.log(1 + math.exp(logit)) for logit in (4.0, 5.0, 6.0))
    expected = math.log(2) + hardest
    assert multibox(logits, nothing, classes, nothing).item() == pytest.approx(expected, rel=1e-5)


def test_multibox_of_boxes_is_smooth_and_of_those_with_an_object() -> None:
    logits = torch.zeros(1, 2, 2)
    logits[0, :, 0], logits[0, 0] = 99.0, torch.tensor([0.0, 99.0])
    offsets, right = torch.zeros(1, 2, 4), torch.tensor([[[0.5, 0, 0, 3.0], [9.0, 9, 9, 9]]])
    assert multibox(logits, offsets, torch.tensor([[0, NONE]]), right).item() == pytest.approx(0.125 + 2.5)


@pytest.mark.parametrize("loss", [multibox, focal])
def test_images_without_objects_have_a_loss(loss: object) -> None:
    logits = torch.zeros(2, 5, 3, requires_grad=True)
    nothing = torch.zeros(2, 5, 4)
    found = loss(logits, nothing, torch.full((2, 5), NONE), nothing)  # type: ignore[operator]
    assert found.isfinite() and (found > 0) == (loss is focal)


def test_focal_by_hand() -> None:
    logits = torch.tensor([[[0.0, 2.0], [-1.0, 0.0]]])
    classes, nothing = torch.tensor([[1, NONE]]), torch.zeros(1, 2, 4)

    def of(logit: float, is_so: bool) -> float:
        said = 1 / (1 + math.exp(-logit))
        p, weight = (said, ALPHA) if is_so else (1 - said, 1 - ALPHA)
        return -weight * (1 - p) ** GAMMA * math.log(p)

    expected = (of(0, False) + of(2, True) + of(-1, False) + of(0, False)) / 2
    assert focal(logits, nothing, classes, nothing).item() == pytest.approx(expected, rel=1e-5)
    offsets = torch.tensor([[[1.0, 0, 0, 0], [7.0, 7, 7, 7]]])
    of_boxes = 50 * (0.1 * (1.0 - 0.05)) / 4 / 2
    assert focal(logits, offsets, classes, nothing).item() == pytest.approx(expected + of_boxes, rel=1e-5)
