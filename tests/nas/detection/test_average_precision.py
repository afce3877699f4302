"""Mean average precision, by hand."""

from __future__ import annotations

import sys

import pytest
import torch

from nas.detection.average_precision import mean_average_precision
from nas.detection.detector import Found
from nas.detection.objects import NONE, Objects

NAMES = ("red", "white", "blue")
TRUE = Objects(
    torch.tensor([[[0.0, 0, 10, 10], [20, 20, 40, 40]], [[5.0, 5, 25, 25], [0, 0, 0, 0]]]),
    torch.tensor([[0, 1], [0, NONE]]),
)


def test_without_pycocotools_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)
    with pytest.raises(ValueError, match=r"pip install 'nas-toolkit\[detection\]'"):
        mean_average_precision([], [TRUE], NAMES)


class TestWithPycocotools:
    @pytest.fixture(autouse=True)
    def needed(self) -> None:
        pytest.importorskip("pycocotools")

    def test_what_is_right_is_1(self) -> None:
        found = Found(TRUE.boxes, (TRUE.classes != NONE).float(), TRUE.classes)
        judged = mean_average_precision([found], [TRUE], NAMES)
        assert (judged["map"], judged["map_50"], judged["map_75"]) == pytest.approx((1, 1, 1))
        assert judged["by_class"] == {"red": pytest.approx(1), "white": pytest.approx(1), "blue": None}

    def test_batches_are_counted_on(self) -> None:
        found = [Found(TRUE.boxes[i : i + 1], torch.ones(1, 2), TRUE.classes[i : i + 1]) for i in range(2)]
        objects = [Objects(TRUE.boxes[i : i + 1], TRUE.classes[i : i + 1]) for i in range(2)]
        assert mean_average_precision(found, objects, NAMES)["map"] == pytest.approx(1)

    def test_a_box_that_overlaps_by_six_tenths_counts_at_three_thresholds(self) -> None:
        """0.5, 0.55 and 0.6 of ten; the other class has a wrong box before the right one, so half the precision."""
        boxes = torch.tensor([[[0.0, 0, 10, 6.2], [50, 50, 60, 60], [20, 20, 40, 40]]])
        found = Found(boxes, torch.tensor([[0.9, 0.8, 0.7]]), torch.tensor([[0, 1, 1]]))
        objects = Objects(TRUE.boxes[:1], TRUE.classes[:1])
        judged = mean_average_precision([found], [objects], NAMES)
        assert judged["by_class"] == {"red": pytest.approx(0.3), "white": pytest.approx(0.5), "blue": None}
        assert judged["map"] == pytest.approx(0.4) and judged["map_50"] == pytest.approx(0.75)

    def test_who_finds_nothing_has_nothing(self) -> None:
        none = Found(torch.empty(2, 0, 4), torch.empty(2, 0), torch.empty(2, 0, dtype=torch.int64))
        judged = mean_average_precision([none], [TRUE], NAMES)
        assert judged == {
            "map": 0, "map_50": 0, "map_75": 0, "by_class": {"red": 0, "white": 0, "blue": None},
        }  # fmt: skip

    def test_images_without_objects_have_none(self) -> None:
        empty = Objects(torch.empty(1, 0, 4), torch.empty(1, 0, dtype=torch.int64))
        with pytest.raises(ValueError, match="no mean average precision of images that show no objects"):
            mean_average_precision([], [empty], NAMES)
