"""Boxes that are seen."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from nas.data.drawn_boxes import Drawn, colours_of, draw_boxes

NAMES = ("red", "white")


def test_boxes_are_drawn_in_the_colour_of_their_class() -> None:
    picture = Image.new("RGB", (48, 48))
    draw_boxes(picture, [Drawn(1, (4, 4, 20, 20)), Drawn(0, (20, 20, 40, 40))], NAMES, named=False)
    shown = np.asarray(picture)
    assert shown[20, 4:21].tolist() == [list(colours_of(2)[1])] * 17  # the first one is on top
    assert shown[40, 20:41].tolist() == [list(colours_of(2)[0])] * 21
    assert not shown[22:39, 22:39].any()


@pytest.mark.parametrize("box", [(40.0, 60, 160, 160), (-5, 0, 30, 40), (190, 1, 200, 199)])
def test_names_are_within_the_picture_on_their_colour(box: tuple[float, float, float, float]) -> None:
    picture = Image.new("RGB", (200, 200))
    draw_boxes(picture, [Drawn(1, box, 0.876)], NAMES)
    alone = Image.new("RGB", (200, 200))
    draw_boxes(alone, [Drawn(1, box)], NAMES, named=False)
    label = (np.asarray(picture) != np.asarray(alone)).any(-1).nonzero()
    assert np.ptp(label[1]) > 30 and 8 <= np.ptp(label[0]) <= 30  # as wide as `white 88`, and a line high
    assert (np.asarray(picture) == 255).all(-1).any()  # white letters on green
