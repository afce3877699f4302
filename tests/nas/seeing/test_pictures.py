"""Pictures are of the pixels that they say."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image

from nas.seeing.pictures import GREY, cut, heat, of_input, of_range, of_signs, over, webp
from searchspaces.receptive import Box

PIXELS = np.arange(64, dtype=np.uint8).reshape(8, 8)


def test_a_piece() -> None:
    assert (cut(PIXELS, Box(2, 3, 5, 6)) == PIXELS[2:5, 3:6]).all()


def test_of_a_piece_at_a_corner_what_is_outside_is_grey() -> None:
    piece = cut(PIXELS, Box(-1, 6, 2, 9))
    assert (piece[1:, :2] == PIXELS[:2, 6:]).all() and (piece[0] == GREY).all() and (piece[:, 2] == GREY).all()


def test_of_a_piece_that_is_all_outside_there_is_nothing() -> None:
    assert (cut(PIXELS, Box(-4, 9, -1, 12)) == GREY).all()


def test_of_a_field_larger_than_the_image_only_what_is_seen_is_shown() -> None:
    piece = cut(PIXELS, Box(-20, -3, 5, 30))
    assert piece.shape == (8, 8) and (piece[:5] == PIXELS[:5]).all() and (piece[5:] == GREY).all()


def test_what_has_signs_is_around_grey() -> None:
    shown = of_signs(torch.tensor([[[-2.0, 0.0, 2.0]]]).expand(3, 1, 3))
    assert shown[0].tolist() == [[0] * 3, [128] * 3, [255] * 3]
    assert of_signs(torch.zeros(3, 2, 2)).tolist() == np.full((2, 2, 3), 128).tolist()


def test_weights_go_from_black_to_white_and_inputs_are_pixels_again() -> None:
    assert of_range(torch.tensor([[[3.0, 4.0, 5.0]]]))[0].tolist() == [0, 128, 255]
    assert of_input(torch.tensor([[[0.0, 9.0]]]), (0.5,), (0.25,))[0].tolist() == [128, 255]


def test_heat_is_darker_where_there_is_less() -> None:
    light = heat(torch.linspace(0, 1, 11).reshape(1, 11)).astype(int).sum(-1)[0]
    assert (np.diff(light) >= 0).all() and light[0] < 10
    assert over(heat(torch.ones(8, 8)), PIXELS).shape == (8, 8, 3)


def test_a_small_picture_loses_nothing_in_its_file() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    assert (np.asarray(Image.open(io.BytesIO(webp(pixels)))) == pixels).all()
