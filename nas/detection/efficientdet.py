"""EfficientDet: an EfficientNet, a bidirectional pyramid, and two small networks that say classes and boxes.

Tan, Pang, Le: "EfficientDet: Scalable and Efficient Object Detection" (2020, arXiv:1911.09070), section 4 and table 1.
D6 and D7 differ in their image size alone. Anchors and the rest that the paper takes over are those of RetinaNet (Lin
et al. 2017, arXiv:1708.02002, section 4): nine boxes at each pixel of each map, of three sizes and three shapes.

As in the authors' code (github.com/google/automl, efficientdet): the two networks' convolutions are shared by all maps
and the norms are not; a box is four times its map's stride wide, in D7 five times. Deviations: padding is the same on
both sides, and stochastic depth is in the EfficientNet alone. D6 and D7 weigh what they fuse, as the paper says; the
authors' code adds it there without weights, so it has 152 fewer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas.detection.bifpn import NORM, OF_THE_NETWORK, STRIDES, BiFPN, scaled_by_fan_in, separable
from nas.detection.detector import Detector, Output
from nas.detection.losses import focal
from scaling.efficientnet import B, efficientnet
from searchspaces.backbone import Backbone
from searchspaces.images import image_channels
from searchspaces.layers import network


class Row(NamedTuple):
    """A row of table 1: pixels a side, the backbone, the pyramid's channels and layers, the layers of each head."""

    image_size: int
    backbone: str
    width: int
    layers: int
    head_layers: int
    box: float = 4.0  # pixels of a map that the least of its anchors is wide; not in the table


TABLE_1 = {
    "d0": Row(512, "b0", 64, 3, 3),
    "d1": Row(640, "b1", 88, 4, 3),
    "d2": Row(768, "b2", 112, 5, 3),
    "d3": Row(896, "b3", 160, 6, 4),
    "d4": Row(1024, "b4", 224, 7, 4),
    "d5": Row(1280, "b5", 288, 7, 4),
    "d6": Row(1280, "b6", 384, 8, 5),
    "d7": Row(1536, "b6", 384, 8, 5, box=5.0),
}
SIZES = tuple(2 ** (i / 3) for i in range(3))  # of the anchors at a pixel, times the least
SHAPES = (1.0, 2.0, 0.5)  # their widths by their heights
ANCHORS = len(SIZES) * len(SHAPES)
PRIOR = 0.01  # the probability of every class at the start (RetinaNet, section 4.1)


class EfficientDet(Detector):
    """The pyramid and the heads of the `row` on a `backbone` that has the strides 8, 16 and 32."""

    spread = (1.0, 1.0)

    def __init__(self, backbone: Backbone, num_classes: int, row: Row) -> None:
        super().__init__()
        self.backbone = backbone
        self.box = row.box
        self.pyramid = BiFPN(backbone.channels, row.width, row.layers)
        self.classes = Predictor(row.width, row.head_layers, num_classes)
        self.places = Predictor(row.width, row.head_layers, 4)
        nn.init.constant_(self.classes.bias, -math.log((1 - PRIOR) / PRIOR))

    def said(self, x: Tensor) -> Output:
        levels = self.pyramid(self.backbone(x))
        sides = [(level.shape[2], level.shape[3]) for level in levels]
        boxes = torch.cat([anchors(*side, stride, self.box) for side, stride in zip(sides, STRIDES, strict=True)])
        boxes = boxes / torch.tensor([x.shape[3], x.shape[2]] * 2)
        return Output(self.classes(levels), self.places(levels), boxes.to(x.device))

    def probabilities(self, logits: Tensor) -> Tensor:
        return logits.sigmoid()

    def loss_of(self, logits: Tensor, offsets: Tensor, classes: Tensor, right: Tensor) -> Tensor:
        return focal(logits, offsets, classes, right)


class Predictor(nn.Module):
    """`outputs` numbers for each anchor, by separable convolutions that all maps share, with norms of their own."""

    def __init__(self, width: int, layers: int, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs
        init = scaled_by_fan_in
        self.filters = nn.ModuleList(network(separable(width), c_in=width, init=init) for _ in range(layers))
        self.norms = nn.ModuleList(nn.ModuleList(NORM(width) for _ in range(layers)) for _ in STRIDES)
        self.last = network(separable(outputs * ANCHORS), c_in=width, init=init)

    @property
    def bias(self) -> Tensor:
        """Of the last convolution."""
        *_, last = (part for part in self.last.modules() if isinstance(part, nn.Conv2d))
        assert last.bias is not None
        return last.bias

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Maps `[B, width, H, W]` to `[B, N, outputs]`: by maps, rows of pixels, pixels and anchors."""
        return torch.cat([self._of_one(x, norms) for x, norms in zip(levels, self.norms, strict=True)], dim=1)

    def _of_one(self, x: Tensor, norms: nn.Module) -> Tensor:
        assert isinstance(norms, nn.ModuleList)
        for filters, norm in zip(self.filters, norms, strict=True):
            x = F.silu(norm(filters(x)))
        out: Tensor = self.last(x)
        return out.permute(0, 2, 3, 1).reshape(out.shape[0], -1, self.outputs)


def anchors(rows: int, columns: int, stride: int, box: float) -> Tensor:
    """The boxes at the pixels of a map, `[rows * columns * 9, 4]`, in pixels of the image."""
    sides = torch.tensor(
        [(size * math.sqrt(shape), size / math.sqrt(shape)) for size in SIZES for shape in SHAPES], dtype=torch.float32
    )
    half = sides * (box * stride / 2)
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    middles = (torch.stack([x, y], dim=-1).view(-1, 1, 2) + 0.5) * stride
    return torch.cat([middles - half, middles + half], dim=-1).view(-1, 4)


def efficientdet(name: str, num_classes: int) -> EfficientDet:
    """The member of table 1 called `name`, "d0" to "d7", on its EfficientNet.

    Raises ValueError where there is no such member.
    """
    if name not in TABLE_1:
        raise ValueError(f"there is no EfficientDet {name!r}: choose one of {', '.join(TABLE_1)}")
    return of_row(TABLE_1[name], num_classes)


def of_row(row: Row, num_classes: int) -> EfficientDet:
    """The pyramid and the heads of a `row` on its EfficientNet, for images of the row's size.

    Raises ValueError where these are so few pixels that the network has no map of stride 32.
    """
    of = B[row.backbone]
    return with_pyramid(efficientnet(1, row.image_size, of.width, of.depth, NORM), num_classes, row)


def with_pyramid(network: nn.Module, num_classes: int, row: Row = TABLE_1["d0"]) -> EfficientDet:
    """Any `network`, which becomes a part of it, with the pyramid and the heads of a `row` of table 1.

    Raises ValueError where it has no maps of the strides 8, 16 and 32 at the row's image size.
    """
    return EfficientDet(Backbone(network, row.image_size, image_channels(), OF_THE_NETWORK), num_classes, row)
