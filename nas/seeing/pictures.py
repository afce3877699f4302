"""Pictures in a file's bytes: of pixels, of what has signs, of what has an amount, and pieces of these."""

from __future__ import annotations

import base64
import io

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from nas.data.images import visible
from searchspaces.receptive import Box

LOSSLESS = 48  # pixels a side up to which a picture is kept as it is; larger ones lose what nobody sees
GREY = 128
Pixels = npt.NDArray[np.uint8]  # [H, W] or [H, W, 3]
_HEAT = np.array(  # from nothing to most: readable in grey, too
    [(0, 0, 4), (66, 10, 104), (147, 38, 103), (221, 81, 58), (252, 165, 10), (252, 255, 164)], dtype=float
)


def webp(pixels: Pixels) -> bytes:
    """The picture as a file."""
    buffer = io.BytesIO()
    small = max(pixels.shape[:2]) <= LOSSLESS
    Image.fromarray(pixels).save(buffer, "WEBP", lossless=small, quality=80 if small else 85, method=4)
    return buffer.getvalue()


def data_uri(pixels: Pixels) -> str:
    """The picture as an address that holds it."""
    return f"data:image/webp;base64,{base64.b64encode(webp(pixels)).decode()}"


def of_signs(values: Tensor) -> Pixels:
    """`values` `[C, H, W]` around 0 as colours around grey, the largest at the end of the range.

    Of one channel, or of more than three, it is grey: of the latter the first three are shown.
    """
    largest = values.abs().max().clamp(min=1e-12)
    return _pixels(0.5 + values / (2 * largest))


def of_range(values: Tensor) -> Pixels:
    """`values` `[C, H, W]` with their least as black and their largest as white."""
    least, largest = values.min(), values.max()
    return _pixels((values - least) / (largest - least).clamp(min=1e-12))


def of_input(x: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Pixels:
    """What a network takes, `[C, H, W]`, as the pixels that it is of; beyond black and white it is cut."""
    scale, shift = (torch.tensor(values)[:, None, None] for values in (std, mean))
    return _pixels((x * scale + shift).clamp(0, 1))


def heat(amounts: Tensor) -> Pixels:
    """`amounts` `[H, W]` of at least 0 by colours, from black over red to a light yellow at the 99.5th percentile."""
    largest = amounts.flatten().quantile(0.995).clamp(min=1e-12)
    places = (amounts / largest).clamp(0, 1).numpy() * (len(_HEAT) - 1)
    below = np.minimum(places.astype(int), len(_HEAT) - 2)
    share = (places - below)[..., None]
    return np.asarray((_HEAT[below] * (1 - share) + _HEAT[below + 1] * share).round(), dtype=np.uint8)


def over(heated: Pixels, photograph: Pixels, share: float = 0.55) -> Pixels:
    """The colours of `heat` over the photograph in grey."""
    grey = photograph if photograph.ndim == 2 else photograph.mean(-1)
    return np.asarray((share * heated + (1 - share) * grey[..., None]).round(), dtype=np.uint8)


def cut(pixels: Pixels, box: Box) -> Pixels:
    """The piece in the `box`, grey where that is outside of the picture.

    A box that is no smaller than the picture gives the whole of it, grey where that is outside of the box.
    """
    side = pixels.shape[0]
    top, left = min(max(box.top, 0), side), min(max(box.left, 0), side)
    bottom, right = max(min(box.bottom, side), top), max(min(box.right, side), left)
    height, width = box.bottom - box.top, box.right - box.left
    large = height >= side or width >= side
    piece = np.full(((side, side) if large else (height, width)) + pixels.shape[2:], GREY, dtype=np.uint8)
    down, across = (top, left) if large else (top - box.top, left - box.left)
    piece[down : down + bottom - top, across : across + right - left] = pixels[top:bottom, left:right]
    return piece


def _pixels(shares: Tensor) -> Pixels:
    """Shares 0..1 `[C, H, W]` as pixels."""
    whole = (shares * 255).round().to(torch.uint8).permute(1, 2, 0)
    return visible(whole.numpy())
