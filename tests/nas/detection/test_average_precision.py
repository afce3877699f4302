"""Mean average precision, by hand."""

from __future__ import annotations

import sys

import pytest
import torch

from nas.detection.average_precision import mean_average_precision
from nas.detection.detector import Found
from nas.detection.objects import NONE, Objects

CLASSES = 3
TRUE = Objects(
    torch.tensor([[[0.0, 0, 10, 10], [20, 20, 40, 40]], [[5.0, 5, 25, 25], [0, 0, 0, 0]]]),
    torch.tensor([[0, 1], [0, NONE]]),
)


def test_without_pycocotools_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)
    with pytest.raises(ValueError, match=r"pip install 'nas-toolkit\[detection\]'"):
        mean_average_precision(Found(TRUE.boxes, TRUE.boxes[..., 0], TRUE.classes), TRUE, CLASSES)


class TestWithPycocotools:
    @pytest.fixture(autouse=True)
    def needed(self) -> None:
        pytest.importorskip("pycocotools")

    def test_what_is_right_is_1(self) -> None:
        found = Found(TRUE.boxes, (TRUE.classes != NONE).float(), TRUE.classes)
        judged = mean_average_precision(found, TRUE, CLASSES)
        assert (judged["map"], judged["map_50"], judged["map_75"]) == pytest.approx((1, 1, 1))
        for name in ("map", "map_50"):
            assert judged["by_class"][name] == [pytest.approx(1), pytest.approx(1), None]
        assert judged["by_class"]["objects"] == [2, 1, 0]

    def test_it_is_the_same_in_shares_of_the_sides(self) -> None:
        moved = TRUE.boxes + torch.tensor([0.0, 0, 1, 3])
        of_pixels, of_shares = (
            mean_average_precision(Found(boxes, (TRUE.classes != NONE).float(), TRUE.classes), true, CLASSES)
            for boxes, true in ((moved, TRUE), (moved / 64, Objects(TRUE.boxes / 64, TRUE.classes)))
        )
        assert of_pixels == of_shares and 0 < of_pixels["map"] < 1

    def test_a_box_that_overlaps_by_six_tenths_counts_at_three_thresholds(self) -> None:
        """0.5, 0.55 and 0.6 of ten; the other class has a wrong box before the right one, so half the precision."""
        boxes = torch.tensor([[[0.0, 0, 10, 6.2], [50, 50, 60, 60], [20, 20, 40, 40]]])
        found = Found(boxes, torch.tensor([[0.9, 0.8, 0.7]]), torch.tensor([[0, 1, 1]]))
        objects = Objects(TRUE.boxes[:1], TRUE.classes[:1])
        judged = mean_average_precision(found, objects, CLASSES)
        assert judged["by_class"]["map"] == [pytest.approx(0.3), pytest.approx(0.5), None]
        assert judged["by_class"]["map_50"] == [pytest.approx(1), pytest.approx(0.5), None]
        assert judged["map"] == pytest.approx(0.4) and judged["map_50"] == pytest.approx(0.75)

    def test_who_finds_nothing_has_nothing(self) -> None:
        none = Found(torch.empty(2, 0, 4), torch.empty(2, 0), torch.empty(2, 0, dtype=torch.int64))
        judged = mean_average_precision(none, TRUE, CLASSES)
        assert (judged["map"], judged["map_50"], judged["map_75"]) == (0, 0, 0)
        assert judged["by_class"]["map"] == [0, 0, None]

    def test_where_there_is_nothing_all_is_0(self) -> None:
        empty = Objects(TRUE.boxes, torch.full((2, 2), NONE))
        judged = mean_average_precision(Found(TRUE.boxes, torch.ones(2, 2), TRUE.classes), empty, CLASSES)
        assert judged["map"] == 0 and judged["by_class"]["map"] == [None] * 3
