"""U-Net's decoder on the maps of any network; the original is `unet` of the zoo (`nas.baselines.unet`).

Ronneberger, Fischer, Brox: "U-Net: Convolutional Networks for Biomedical Image Segmentation" (2015, arXiv:1505.04597),
figure 1, the right half: from the deepest map on the map is upsampled, put beside the network's own of that stride, and
seen by two convolutions of 3x3.

Deviations, since the maps are another network's: convolutions are padded and normalised, a stage is as wide as the map
beside it but for at most `WIDEST` channels, and where a stride is left out a map is upsampled by more than two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas.heads.fcn import resized
from nas.heads.head import Channels
from searchspaces.layers import conv, network

WIDEST = 256
NARROWEST = 16


class UNetDecoder(nn.Module):
    """From the deepest map to the finest. `learned`: by transposed convolutions of 2x2, as U-Net; else bilinear."""

    def __init__(self, channels: Channels, num_classes: int, learned: bool = True) -> None:
        super().__init__()
        self.strides = sorted(channels, reverse=True)
        c = channels[self.strides[0]]
        self.up, self.blocks = nn.ModuleList(), nn.ModuleList()
        for stride in self.strides[1:]:
            beside = channels[stride]
            wide = max(NARROWEST, min(beside, WIDEST))
            self.up.append(nn.ConvTranspose2d(c, wide, 2, stride=2) if learned else Bilinear())
            self.blocks.append(network(conv(wide), conv(wide), c_in=beside + (wide if learned else c)))
            c = wide
        self.score = nn.Conv2d(c, num_classes, 1)

    @classmethod
    def bilinear(cls, channels: Channels, num_classes: int) -> Self:
        """With fewer weights: what is upsampled is not learned."""
        return cls(channels, num_classes, learned=False)

    def forward(self, maps: Mapping[int, Tensor]) -> Tensor:
        """Maps `{stride: [B, C, H, W]}` to scores `[B, classes, H, W]` at the pixels of the finest."""
        x = maps[self.strides[0]]
        for stride, up, block in zip(self.strides[1:], self.up, self.blocks, strict=True):
            beside = maps[stride]
            x = block(torch.cat([beside, resized(up(x), beside)], dim=1))
        scores: Tensor = self.score(x)
        return scores


class Bilinear(nn.Module):
    """A map of twice the side, by interpolation."""

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
