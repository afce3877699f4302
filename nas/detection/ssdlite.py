"""SSDLite on any network: a single shot at boxes of all sizes, by separable convolutions.

Liu et al.: "SSD: Single Shot MultiBox Detector" (2016, arXiv:1512.02325), section 2: maps of ever fewer pixels, default
boxes at each pixel of each, a class and an offset for each box. Sandler et al.: "MobileNetV2" (2018, arXiv:1801.04381),
section 6.2: its convolutions are separable, the first map has stride 16, the second stride 32, four more follow.

The layers that follow are those of the authors' code: 1x1 to half the channels, then a separable convolution of stride
2. Deviations: the two maps are a network's two deepest, so those of the blocks' ends; of stride 16 the paper takes what
is within a block, expanded to six times the channels, and of stride 32 the 1280 channels before the classifier. Each
map has six boxes at a pixel, where the authors' code has three for the first. Images of few pixels have fewer further
maps, until one of a single pixel.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor, nn

from nas.detection.detector import Detector, Output
from nas.detection.losses import multibox
from searchspaces.backbone import Backbone, strides_of
from searchspaces.images import image_channels
from searchspaces.layers import Layer, chain, conv, depthwise, network, relu6

FURTHER = (512, 256, 256, 128)  # channels of the maps that follow
SMALLEST, LARGEST = 0.2, 0.95  # sides of the boxes of the first map and the last, as shares of the image's
SHAPES = (1.0, 2.0, 0.5, 3.0, 1 / 3)  # widths by heights
BOXES = len(SHAPES) + 1  # at a pixel: one of shape 1 is larger


class SSDLite(Detector):
    """Heads on the maps of a `backbone` and on those that follow, for `num_classes` beside that of no object.

    It is for images of about `image_size` pixels, which say how many maps follow. The boxes of the first map are
    `smallest` of the image's side. Raises ValueError where that is no share below `LARGEST`.
    """

    spread = (0.1, 0.2)

    def __init__(self, backbone: Backbone, num_classes: int, image_size: int, smallest: float = SMALLEST) -> None:
        super().__init__()
        if not 0 < smallest < LARGEST:
            raise ValueError(
                f"the smallest boxes are a share of the image's side, above 0 and below {LARGEST}, not {smallest:g}"
            )
        maps = maps_in_all(backbone.channels, image_size)
        self.backbone = backbone
        self.head = Head(backbone.channels, num_classes, maps)
        self.scales = scales(maps, smallest)

    def said(self, x: Tensor) -> Output:
        levels = self.head.levels(self.backbone(x))
        sides = [(level.shape[2], level.shape[3]) for level in levels]
        boxes = [
            defaults(*side, *pair)
            for side, pair in zip(sides, zip(self.scales, self.scales[1:], strict=False), strict=True)
        ]
        logits, offsets = self.head(levels)
        return Output(logits, offsets, torch.cat(boxes).to(x.device))

    def probabilities(self, logits: Tensor) -> Tensor:
        return logits.softmax(-1)[..., 1:]

    def loss_of(self, logits: Tensor, offsets: Tensor, classes: Tensor, right: Tensor) -> Tensor:
        return multibox(logits, offsets, classes, right)


class Head(nn.Module):
    """The maps that follow those with these `channels`, until there are so many `maps`, and what is said of each."""

    def __init__(self, channels: Mapping[int, int], num_classes: int, maps: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        widths = [*channels.values(), *FURTHER][:maps]
        self.further = nn.ModuleList(
            network(_smaller(c), c_in=c_in)
            for c_in, c in zip(widths[len(channels) - 1 :], widths[len(channels) :], strict=False)
        )
        self.classes = nn.ModuleList(network(_said(BOXES * (num_classes + 1)), c_in=c) for c in widths)
        self.places = nn.ModuleList(network(_said(BOXES * 4), c_in=c) for c in widths)

    def levels(self, maps: Mapping[int, Tensor]) -> list[Tensor]:
        """Maps `{stride: [B, C, H, W]}` of a network, and those that follow."""
        levels = list(maps.values())
        for smaller in self.further:
            levels.append(smaller(levels[-1]))
        return levels

    def forward(self, levels: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Logits `[B, N, num_classes + 1]` and offsets `[B, N, 4]`: by maps, rows of pixels, pixels and boxes."""
        logits = [_by_box(say(x), self.num_classes + 1) for say, x in zip(self.classes, levels, strict=True)]
        offsets = [_by_box(say(x), 4) for say, x in zip(self.places, levels, strict=True)]
        return torch.cat(logits, dim=1), torch.cat(offsets, dim=1)


def scales(maps: int, smallest: float = SMALLEST) -> list[float]:
    """Equation 4: the sides of the boxes of each map as shares of the image's, evenly apart; and 1, beyond the last."""
    if maps == 1:
        return [smallest, 1.0]
    return [smallest + (LARGEST - smallest) * k / (maps - 1) for k in range(maps)] + [1.0]


def defaults(rows: int, columns: int, scale: float, beyond: float) -> Tensor:
    """The boxes at the pixels of a map, `[rows * columns * 6, 4]`.

    Five of the `scale`, and a square between this and the one `beyond`, that of the next map.
    """
    sides = [(scale * math.sqrt(shape), scale / math.sqrt(shape)) for shape in SHAPES]
    sides.append((math.sqrt(scale * beyond),) * 2)
    half = torch.tensor(sides) / 2
    y, x = torch.meshgrid((torch.arange(rows) + 0.5) / rows, (torch.arange(columns) + 0.5) / columns, indexing="ij")
    middles = torch.stack([x, y], dim=-1).view(-1, 1, 2)
    return torch.cat([middles - half, middles + half], dim=-1).view(-1, 4)


def maps_in_all(strides: Collection[int], image_size: int) -> int:
    """How many maps there are: those of a network's `strides`, and what follows until a map has one pixel."""
    side, maps = math.ceil(image_size / max(strides)), len(strides)
    while side > 1 and maps < len(strides) + len(FURTHER):
        side, maps = math.ceil(side / 2), maps + 1
    return maps


def ssdlite(network: nn.Module, num_classes: int, image_size: int, smallest: float = SMALLEST) -> SSDLite:
    """`network`, which becomes a part of it, with the heads on its two deepest maps; otherwise as `SSDLite`.

    Raises ValueError where the network has no maps.
    """
    channels = image_channels()
    strides = strides_of(network, image_size, channels)[-2:]
    return SSDLite(Backbone(network, image_size, channels, strides), num_classes, image_size, smallest)


def _smaller(c: int) -> Layer:
    return chain(conv(c // 2, 1, act=relu6), depthwise(3, 2, relu6), conv(c, 1, act=relu6))


def _said(c: int) -> Layer:
    return chain(depthwise(3, 1, relu6), conv(c, 1, act=None, norm=None))


def _by_box(x: Tensor, numbers: int) -> Tensor:
    return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, numbers)
