"""Dilated convolutions for dense prediction: a front end, and a network that sees the context.

Yu, Koltun: "Multi-Scale Context Aggregation by Dilated Convolutions" (2016, arXiv:1511.07122). Section 4: the last
strides of a network are removed, and the convolutions after them dilated (`searchspaces.dilation`); a convolution of
1x1 gives the classes' scores at an eighth of the image's side. Section 3, table 1: the context network, which takes and
gives as many maps as there are classes, and starts as the identity (equations 4 and 5).

Deviations: maps are padded by zeros at each layer, where the paper pads the image by reflection; the strides are
removed from any network and its poolings kept, dilated, where the paper takes two poolings out of VGG-16.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from nas.heads.head import Channels


class Row(NamedTuple):
    """A column of table 1. `basic` and `large` are the channels, in multiples of the number of classes."""

    kernel: int
    dilation: int
    truncated: bool
    basic: int
    large: int


TABLE_1 = (
    Row(3, 1, True, 1, 2),
    Row(3, 1, True, 1, 2),
    Row(3, 2, True, 1, 4),
    Row(3, 4, True, 1, 8),
    Row(3, 8, True, 1, 16),
    Row(3, 16, True, 1, 32),
    Row(3, 1, True, 1, 32),
    Row(1, 1, False, 1, 1),
)
NOISE = 0.01
"""The deviation of the other weights of the large form, in units of the identity's, which are to be much larger."""


def context_network(num_classes: int, large: bool = False) -> nn.Sequential:
    """Table 1: scores `[B, classes, H, W]` to the same, each by all within 67 x 67 pixels."""
    layers: list[nn.Module] = []
    c = num_classes
    for row in TABLE_1:
        c_out = num_classes * (row.large if large else row.basic)
        conv = nn.Conv2d(c, c_out, row.kernel, padding=row.kernel // 2 * row.dilation, dilation=row.dilation)
        start_as_identity(conv, num_classes, NOISE * num_classes / c_out if large else 0.0)
        layers += [conv, nn.ReLU(inplace=True)] if row.truncated else [conv]
        c = c_out
    return nn.Sequential(*layers)


def start_as_identity(conv: nn.Conv2d, num_classes: int, noise: float = 0.0) -> None:
    """Let the middle of each kernel pass on what it is given, and all else be normal of deviation `noise`.

    Equation 5, of which equation 4 is the case of as many channels: each map goes to those that stand in its place
    among the classes. One layer may make it larger or smaller; through all of table 1 it stays as it is.
    """
    c_out, c_in = conv.out_channels, conv.in_channels
    middle = conv.kernel_size[0] // 2
    groups = [torch.arange(c) * num_classes // c for c in (c_out, c_in)]
    same = groups[0][:, None] == groups[1]
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    with torch.no_grad():
        conv.weight.normal_(0, noise) if noise else conv.weight.zero_()
        at_middle = conv.weight[:, :, middle, middle]
        at_middle.copy_(torch.where(same.to(at_middle.device), num_classes / c_out, at_middle))


class Dilated(nn.Module):
    """The deepest map's scores, and the context network on them."""

    def __init__(self, channels: Channels, num_classes: int, large: bool) -> None:
        super().__init__()
        self.stride = max(channels)
        self.score = nn.Conv2d(channels[self.stride], num_classes, 1)
        self.context = context_network(num_classes, large)

    @classmethod
    def basic(cls, channels: Channels, num_classes: int) -> Self:
        """As many channels in all layers as there are classes: about 64 C^2 weights."""
        return cls(channels, num_classes, large=False)

    @classmethod
    def large(cls, channels: Channels, num_classes: int) -> Self:
        """More channels in deeper layers."""
        return cls(channels, num_classes, large=True)

    def forward(self, maps: Mapping[int, Tensor]) -> Tensor:
        """Maps `{stride: [B, C, H, W]}` to scores `[B, classes, H, W]` at the pixels of the deepest."""
        scores: Tensor = self.context(self.score(maps[self.stride]))
        return scores
