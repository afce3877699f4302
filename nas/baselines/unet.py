"""U-Net, which says a class of every pixel.

Ronneberger, Fischer, Brox: "U-Net: Convolutional Networks for Biomedical Image Segmentation" (2015, arXiv:1505.04597),
figure 1: convolutions of 3x3 that are not padded, so an image of 572 pixels has scores for the 388 in its middle. Maps
of the left half are cropped to those beside which they are put.

As in the authors' Caffe network there is a dropout after the last two rows of the left half. Images have as many pixels
as keep each map before a pooling even (572, 188, 252, ...); of others a last row or column is lost on the way.
Deviation: weights start as He et al. (2015) by their fan in, which the paper's
sqrt(2 / N) is; up-convolutions as PyTorch's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nas.baselines.entry import Baseline
from searchspaces.images import middle
from searchspaces.layers import Layer, conv, dropout, max_pool, network
from searchspaces.weights import he_normal

WIDTHS = (64, 128, 256, 512, 1024)  # figure 1, of each depth
DROPPING = 2  # of these the last have a dropout


class UNet(nn.Module):
    """Images `[B, c_in, H, W]` to scores `[B, num_classes, H - 184, W - 184]`, of pixels in the middle."""

    def __init__(self, c_in: int, num_classes: int) -> None:
        super().__init__()
        self.down, self.up, self.merge = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for depth, c in enumerate(WIDTHS):
            drop = [dropout(0.5)] if depth >= len(WIDTHS) - DROPPING else []
            self.down.append(network(_valid(c), _valid(c), *drop, c_in=c_in))
            c_in = c
        for c in reversed(WIDTHS[:-1]):
            self.up.append(nn.ConvTranspose2d(2 * c, c, 2, stride=2))
            self.merge.append(network(_valid(c), _valid(c), c_in=2 * c))
        self.pool, _ = max_pool(2, 2, padding=0)(c_in)
        self.score = nn.Conv2d(WIDTHS[0], num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        beside = []
        for depth, rows in enumerate(self.down):
            x = rows(self.pool(x) if depth else x)
            beside.append(x)
        for up, merge, left in zip(self.up, self.merge, reversed(beside[:-1]), strict=True):
            x = up(x)
            x = merge(torch.cat([middle(left, x), x], dim=1))
        scores: Tensor = self.score(x)
        return scores


def unet(num_classes: int, image_size: int) -> nn.Sequential:
    """Figure 1."""
    return network({"unet": lambda c_in: (UNet(c_in, num_classes), num_classes)}, init=he_normal("fan_in"))


def _valid(c: int) -> Layer:
    return conv(c, 3, norm=None, padding=0)


SEGMENTERS = {
    "unet": Baseline(
        unet,
        year=2015,
        paper="Ronneberger et al., arXiv:1505.04597",
        image_size=572,
        num_classes=2,
        data="ISBI 2012's cells",
        min_size=188,
    )
}
"""Networks of the zoo that say a class of every pixel; `BASELINES` are those that say one of the image."""
