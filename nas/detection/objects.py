"""The objects that images show, and which box of a network is to find which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import torch
from torch import Tensor

from nas.detection.boxes import overlaps

NONE = -1  # the class of what is no object


class Objects(NamedTuple):
    """Of each image as many boxes as of that with the most: `boxes` `[B, M, 4]`, see `nas.detection.boxes`, and
    `classes` int64 `[B, M]`.

    What is only there to fill up has the class `NONE`.
    """

    boxes: Tensor
    classes: Tensor

    @classmethod
    def of(cls, boxes: Sequence[Tensor], classes: Sequence[Tensor]) -> Self:
        """Of one `[m, 4]` and `[m]` for each image."""
        pad = torch.nn.utils.rnn.pad_sequence
        return cls(pad(list(boxes), batch_first=True), pad(list(classes), batch_first=True, padding_value=NONE))

    @classmethod
    def of_rows(cls, rows: Tensor) -> Self:
        """Of `rows` `[B, M, 5]`, which are boxes and behind each its class, all as float32: the labels of images."""
        return cls(rows[..., :4], rows[..., 4].long())

    @property
    def rows(self) -> Tensor:
        """The inverse of `of_rows`."""
        return torch.cat([self.boxes, self.classes[..., None].to(self.boxes.dtype)], dim=-1)


def matched(objects: Objects, boxes: Tensor, least: float = 0.5) -> tuple[Tensor, Tensor]:
    """For each of a network's `boxes` `[N, 4]` the class that it is to say, `[B, N]`, and the box, `[B, N, 4]`.

    Liu et al. 2016 (arXiv:1512.02325), section 2.2: an object belongs to the box that overlaps it most, and to all that
    overlap it by `least` or more. A box that two objects belong to finds the one that it overlaps more. The class of
    all others is `NONE`, and their box has any numbers.

    Deviation: where one box is that of the most overlap for two objects, the other one is not given the next best.
    """
    if objects.classes.shape[1] == 0:
        nothing = objects.classes.new_full((len(objects.classes), len(boxes)), NONE)
        return nothing, boxes.expand(len(nothing), -1, -1)
    shares = overlaps(boxes, objects.boxes).where(objects.classes[:, None, :] != NONE, 0.0)
    most, best = shares.max(dim=1, keepdim=True)
    first = torch.zeros_like(shares).scatter_(1, best, (most > 0).to(shares.dtype))
    share, which = (shares + first).max(dim=2)
    classes = objects.classes.gather(1, which).where(share >= least, NONE)
    return classes, objects.boxes.gather(1, which[..., None].expand(-1, -1, 4))
