"""Xception.

Chollet: "Xception: Deep Learning with Depthwise Separable Convolutions" (2016, arXiv:1610.02357), figure 5.

Convolutions of the stem are unpadded, as the author's Keras code. Batch norm has PyTorch's epsilon and averages, as
the weights that timm carries; Keras's network has 0.001 and 0.99. Pooling and strided 1x1 convolutions pad on both
sides, as timm's; Keras pads as TensorFlow does. Dropout of 0.5 before the classifier is the paper's (section 4).
"""

from __future__ import annotations

from torch import nn

from nas.baselines.entry import Baseline
from searchspaces.layers import SMALL_IMAGE, Layer, chain, conv, head, max_pool, network, relu, residual, separable

# Figure 5: filters of a block's separable convolutions, and its stride
BLOCKS = [
    # entry flow
    ((128, 128), 2),
    ((256, 256), 2),
    ((728, 728), 2),
    # middle flow
    *[((728, 728, 728), 1)] * 8,
    # exit flow
    ((728, 1024), 2),
]


def xception(num_classes: int, image_size: int) -> nn.Sequential:
    """Figure 5. Images of up to 64 pixels get a padded stem without stride."""
    stem = {"conv1": conv(32, 3, 2, padding=0), "conv2": conv(64, 3, padding=0)}
    if image_size <= SMALL_IMAGE:
        stem = {"conv1": conv(32, 3), "conv2": conv(64, 3)}
    blocks = {f"block{i}": block(filters, stride, first=i == 1) for i, (filters, stride) in enumerate(BLOCKS, start=1)}
    exit_flow = {"conv3": chain(separable(1536), activation), "conv4": chain(separable(2048), activation)}
    return network(stem, blocks, exit_flow, {"fc": head(num_classes, dropout=0.5)})


def activation(c_in: int) -> tuple[nn.Module, int]:
    return relu(), c_in


def kept_activation(c_in: int) -> tuple[nn.Module, int]:
    """Leaves its input as it is for the shortcut."""
    return nn.ReLU(), c_in


def block(filters: tuple[int, ...], stride: int, first: bool) -> Layer:
    """Each separable convolution after a ReLU, but for the network's first; a 1x1 shortcut where there is a stride."""
    layers: list[Layer] = []
    for i, c in enumerate(filters):
        layers += [*([] if first and i == 0 else [activation if i else kept_activation]), separable(c)]
    if stride == 1:
        return residual(chain(*layers))
    return residual(chain(*layers, max_pool(3, stride)), conv(filters[-1], 1, stride, act=None))


BASELINES = {
    "xception": Baseline(
        xception,
        year=2016,
        paper="Chollet, arXiv:1610.02357",
        image_size=299,
        top1=21.0,
        top5=5.5,
        errors="table 1, single crop",
        cifar="the stem padded and without stride",
    )
}
