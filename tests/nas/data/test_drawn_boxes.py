"""Boxes that are seen."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nas.data.drawn_boxes import drawn
from nas.detection.objects import NONE


@pytest.mark.parametrize("channels", [1, 3])
def test_sure_boxes_are_drawn_in_the_colour_of_their_class(channels: int) -> None:
    boxes = torch.tensor([[4.0, 4, 20, 20], [24, 24, 40, 40], [42, 2, 46, 6]])
    scores, classes = torch.tensor([0.9, 0.1, 0.0]), torch.tensor([1, 0, NONE])
    picture = np.asarray(drawn(np.zeros((48, 48, channels), np.uint8), boxes, scores, classes, ("red", "white")))
    assert picture.shape == (48, 48, 3)
    assert picture[20, 4:20].tolist() == [[0, 128, 0]] * 16
    assert not picture[22:].any()  # of the others one is not sure, and one is none
