"""Fully convolutional networks.

Long, Shelhamer, Darrell: "Fully Convolutional Networks for Semantic Segmentation" (2015, arXiv:1411.4038), section 4
and figure 3: a 1x1 convolution scores the classes on the last map (FCN-32s), its scores are upsampled twice and added
to those of the map before (FCN-16s), and once more (FCN-8s).

As in the authors' Caffe networks scores start at zero, and upsampling, a transposed convolution of 4x4, as bilinear
interpolation, which is learned; the last one is interpolation and stays so. VGG's two fully connected layers become
convolutions of 7x7 and 1x1 with 4096 channels (`VGG_HIDDEN`); other networks are scored directly, as the paper does
with GoogLeNet.

Deviations: borders are padded where the Caffe networks pad the image by 100 pixels and crop; the last map of each
stride is scored, which for VGG is the one before a pooling where the paper takes the one after it; and its scores are
not scaled (the authors' first FCN-8s multiplies those of pool4 by 0.01 and of pool3 by 0.0001).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas.heads.head import Channels

VGG_HIDDEN = ((4096, 7), (4096, 1))  # channels and kernel of fc6 and fc7
DROPOUT = 0.5


class FCN(nn.Module):
    """Scores of all maps that it is given, from the deepest on upsampled and added. `hidden` come before the first."""

    def __init__(self, channels: Channels, num_classes: int, hidden: Sequence[tuple[int, int]] = ()) -> None:
        super().__init__()
        self.strides = sorted(channels, reverse=True)
        layers: list[nn.Module] = []
        c = channels[self.strides[0]]
        for wide, kernel in hidden:
            layers += [nn.Conv2d(c, wide, kernel, padding=kernel // 2), nn.ReLU(inplace=True), nn.Dropout2d(DROPOUT)]
            c = wide
        self.hidden = nn.Sequential(*layers)
        self.score = nn.ModuleList([_score(c, num_classes)])
        self.score.extend(_score(channels[stride], num_classes) for stride in self.strides[1:])
        self.up = nn.ModuleList(upsampling(num_classes) for _ in self.strides[1:])

    def forward(self, maps: Mapping[int, Tensor]) -> Tensor:
        """Maps `{stride: [B, C, H, W]}` to scores `[B, classes, H, W]` at the pixels of the finest."""
        scores: Tensor = self.score[0](self.hidden(maps[self.strides[0]]))
        for stride, score, up in zip(self.strides[1:], list(self.score)[1:], self.up, strict=True):
            finer = score(maps[stride])
            scores = finer + resized(up(scores), finer)
        return scores


def resized(x: Tensor, like: Tensor) -> Tensor:
    """`x` at the pixels of `like`: of maps that are not padded, or of odd sizes, the strides are not whole."""
    if x.shape[2:] == like.shape[2:]:
        return x
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


def upsampling(channels: int) -> nn.ConvTranspose2d:
    """A transposed convolution of 4x4 and stride 2 that starts as bilinear interpolation."""
    up = nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1, bias=False)
    ramp = torch.tensor([0.25, 0.75, 0.75, 0.25])
    with torch.no_grad():
        up.weight.copy_(torch.eye(channels)[:, :, None, None] * ramp[:, None] * ramp)
    return up


def _score(c: int, num_classes: int) -> nn.Conv2d:
    score = nn.Conv2d(c, num_classes, 1)
    nn.init.zeros_(score.weight)
    nn.init.zeros_(cast(Tensor, score.bias))
    return score
