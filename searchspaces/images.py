"""How many channels the images have that a network is built for.

A network is its rows, and the first row takes what there is. So a builder of rows says nothing of channels, and whoever
builds says it once, around the call:

    with for_images_of(channels=1):
        network = space.build(arch)        # [B, 1, 32, 32] -> logits

Without it images have `RGB` channels. A module of one's own that is not made of rows asks `image_channels()`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TypeVar

from torch import Tensor

T = TypeVar("T")

RGB = 3
MOST_CHANNELS = 1024
_CHANNELS = ContextVar("channels of the images that networks are built for", default=RGB)


@contextlib.contextmanager
def for_images_of(channels: int | None) -> Iterator[None]:
    """Within it networks are built for images of so many channels; None: for those that it is itself within."""
    if channels is None:
        yield
        return
    if not 1 <= channels <= MOST_CHANNELS:
        raise ValueError(f"images have 1 to {MOST_CHANNELS:,} channels, not {channels:,}")
    before = _CHANNELS.set(channels)
    try:
        yield
    finally:
        _CHANNELS.reset(before)


def built_for(channels: int, build: Callable[[], T]) -> T:
    """What `build` makes for images of so many channels."""
    with for_images_of(channels):
        return build()


def middle(x: Tensor, like: Tensor) -> Tensor:
    """The middle of `x` `[..., H, W]` that has the pixels of `like` `[..., h, w]`, which has no more."""
    top, left = ((a - b) // 2 for a, b in zip(x.shape[-2:], like.shape[-2:], strict=True))
    return x[..., top : top + like.shape[-2], left : left + like.shape[-1]]


def image_channels() -> int:
    """The channels of the images for which a network is being built."""
    return _CHANNELS.get()
