"""DeepLab-v3's atrous spatial pyramid pooling.

Chen, Papandreou, Schroff, Adam: "Rethinking Atrous Convolution for Semantic Image Segmentation" (2017,
arXiv:1706.05587), section 3.3 and figure 5: beside each other on the last map, of output stride 16, a convolution of
1x1, three of 3x3 that look 6, 12 and 18 pixels apart, and the mean of the whole map through a 1x1; all of them, put
together, go through a 1x1 to 256 channels, and one to the classes. At output stride 8 the dilations are twice those.

As in torchvision's there is a dropout before the last convolution. Its head has a further 3x3, which the paper has not.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from nas.heads.head import Channels
from searchspaces.layers import conv, network

WIDTH = 256
RATES = {16: (6, 12, 18), 8: (12, 24, 36)}  # by output stride
DROPOUT = 0.5


class ASPP(nn.Module):
    """The pyramid on the deepest map. What the strides of RATES are not has those of the nearest."""

    def __init__(self, channels: Channels, num_classes: int) -> None:
        super().__init__()
        self.stride = max(channels)
        c = channels[self.stride]
        rates = RATES[8 if self.stride <= 8 else 16]
        self.branches = nn.ModuleList([network(conv(WIDTH, 1), c_in=c)])
        self.branches.extend(network(conv(WIDTH, 3, dilation=rate), c_in=c) for rate in rates)
        self.whole = network(conv(WIDTH, 1), c_in=c)
        self.project = network(conv(WIDTH, 1), c_in=WIDTH * (len(rates) + 2))
        self.score = nn.Sequential(nn.Dropout(DROPOUT), nn.Conv2d(WIDTH, num_classes, 1))

    def forward(self, maps: Mapping[int, Tensor]) -> Tensor:
        """Maps `{stride: [B, C, H, W]}` to scores `[B, classes, H, W]` at the pixels of the deepest."""
        x = maps[self.stride]
        whole = self.whole(x.mean((2, 3), keepdim=True)).expand(-1, -1, *x.shape[2:])
        scores: Tensor = self.score(self.project(torch.cat([*(branch(x) for branch in self.branches), whole], dim=1)))
        return scores
