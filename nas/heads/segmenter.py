"""A network with a head: from images to the scores of each class at every pixel."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from nas.heads import HEADS
from nas.heads.head import Head
from searchspaces.backbone import Backbone, strides_of


class Segmenter(nn.Module):
    """Images `[B, C, H, W]` to scores `[B, classes, H, W]`: those of the `head` on the maps of the `backbone`,
    interpolated to the image's pixels."""

    def __init__(self, backbone: Backbone, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, x: Tensor) -> Tensor:
        scores = self.head(self.backbone(x))
        return F.interpolate(scores, size=x.shape[2:], mode="bilinear", align_corners=False)


def segmenter(network: nn.Module, head: str, num_classes: int, image_size: int, channels: int = 3) -> Segmenter:
    """`network`, which becomes a part of it, with the `head` of that name, for images of about `image_size` pixels.

    Raises ValueError where there is no such head, or the network has no maps.
    """
    kind = head_of(head)
    strides = strides_of(network, image_size, channels)
    output_stride = kind.output_stride if kind.output_stride and kind.output_stride < max(strides) else None
    strides = [stride for stride in strides if output_stride is None or stride <= output_stride]
    backbone = Backbone(network, image_size, channels, kind.takes(strides), output_stride)
    return Segmenter(backbone, kind.make(backbone.channels, num_classes))


def head_of(name: str) -> Head:
    """The head of that name. Raises ValueError, with those that there are, where there is none."""
    if name not in HEADS:
        raise ValueError(f"there is no head {name!r}: choose one of {', '.join(HEADS)}")
    return HEADS[name]
