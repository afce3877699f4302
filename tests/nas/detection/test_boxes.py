"""Boxes: overlaps by hand, codes that are undone, and suppression as a loop over boxes does it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nas.detection.boxes import areas, coded, decoded, kept, overlaps


def boxes_of(n: int, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    corners = torch.rand(n, 2, generator=random) * 60
    return torch.cat([corners, corners + 5 + torch.rand(n, 2, generator=random) * 35], dim=1)


def one_by_one(boxes: Tensor, classes: Tensor, threshold: float) -> Tensor:
    """Non-maximum suppression as everybody writes it."""
    stays = torch.ones(len(boxes), dtype=torch.bool)
    shares = overlaps(boxes, boxes)
    for i in range(len(boxes)):
        for j in range(i):
            if stays[j] and classes[i] == classes[j] and shares[i, j] > threshold:
                stays[i] = False
    return stays


def test_overlaps_by_hand() -> None:
    one = torch.tensor([[0.0, 0, 4, 4], [0, 0, 2, 2], [10, 10, 12, 12], [3, 3, 3, 3]])
    expected = torch.tensor([[1, 4 / 16, 0, 0], [4 / 16, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]])
    torch.testing.assert_close(overlaps(one, one), expected)
    torch.testing.assert_close(overlaps(one[:1], torch.tensor([[2.0, 2, 6, 6]])), torch.tensor([[4 / 28]]))
    assert areas(torch.tensor([[0.0, 0, 3, 2], [3, 3, 0, 0]])).tolist() == [6, 0]


def test_overlaps_of_batches_are_those_of_each() -> None:
    one, other = boxes_of(12).view(3, 4, 4), boxes_of(15, seed=1).view(3, 5, 4)
    together = overlaps(one, other)
    assert together.shape == (3, 4, 5)
    for i in range(3):
        torch.testing.assert_close(together[i], overlaps(one[i], other[i]))


@pytest.mark.parametrize("spread", [(1.0, 1.0), (0.1, 0.2)])
def test_a_code_is_undone(spread: tuple[float, float]) -> None:
    boxes, defaults = boxes_of(50), boxes_of(50, seed=1)
    torch.testing.assert_close(decoded(coded(boxes, defaults, spread), defaults, spread), boxes, rtol=1e-4, atol=1e-3)


def test_a_code_by_hand() -> None:
    default, box = torch.tensor([[0.0, 0, 10, 20]]), torch.tensor([[1.0, 4, 21, 24]])
    moved, grown = torch.tensor([6 / 10 / 0.1, 4 / 20 / 0.1]), torch.tensor([2.0, 1.0]).log() / 0.2
    torch.testing.assert_close(coded(box, default, (0.1, 0.2)), torch.cat([moved, grown])[None])


def test_wild_offsets_are_finite_boxes() -> None:
    assert decoded(torch.full((1, 4), 1e4), boxes_of(1), (1.0, 1.0)).isfinite().all()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5])
def test_suppression_is_that_of_going_one_by_one(seed: int, threshold: float) -> None:
    boxes = boxes_of(240, seed).view(2, 120, 4)
    classes = torch.randint(3, (2, 120), generator=torch.Generator().manual_seed(seed))
    stays = kept(boxes, classes, threshold)
    for i in range(2):
        assert torch.equal(stays[i], one_by_one(boxes[i], classes[i], threshold))
    assert 0 < stays.sum() < stays.numel()


def test_suppression_follows_a_chain() -> None:
    """Each hides the next, so every second stays."""
    left = torch.arange(9.0) * 4
    boxes = torch.stack([left, torch.zeros(9), left + 10, torch.ones(9)], dim=1)[None]
    assert kept(boxes, torch.zeros(1, 9, dtype=torch.int64), 0.3)[0].tolist() == [i % 2 == 0 for i in range(9)]
