"""AlexNet, of two towers and of one.

Krizhevsky, Sutskever, Hinton: "ImageNet Classification with Deep Convolutional Neural Networks" (NIPS 2012), section
3.5 and figure 2. Its two GPUs are two groups of channels, which conv3 and the fully connected layers join.
Krizhevsky: "One weird trick for parallelizing convolutional neural networks" (2014, arXiv:1404.5997), section 5.

Deviations: `alexnet` takes the 227 pixels that figure 2's 55x55 maps need, where the text says 224, and rounds the
pools' sizes up, as cuda-convnet and Caffe do. Its response normalization is the paper's; Caffe's divides alpha by n
and has k = 1. `alexnet_one_tower` is torchvision's: 256 filters in conv4, as in the author's cuda-convnet2 (the paper
says 384), and no response normalization. At up to 64 pixels both take the form that is common for CIFAR: conv1 padded
by 5, pools of 2x2 without overlap, one linear layer. That form starts as He et al. (2015): with the paper's small
weights it learns nothing for long.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import nn

from nas.baselines.entry import Baseline
from searchspaces.layers import (
    SMALL_IMAGE,
    Layer,
    chain,
    conv,
    dropout,
    flatten,
    head,
    linear,
    max_pool,
    network,
    relu,
    response_norm,
)
from searchspaces.weights import normal

# filters, kernel, groups of conv1 to conv5
TWO_TOWERS = [(96, 11, 1), (256, 5, 2), (384, 3, 1), (384, 3, 2), (256, 3, 2)]
ONE_TOWER = [(64, 11, 1), (192, 5, 1), (384, 3, 1), (256, 3, 1), (256, 3, 1)]
NORMALIZED = (1, 2)  # the convolutions that response normalization follows
POOLED = (1, 2, 5)  # those that pooling follows
BIASES_OF_ONE = ("conv2", "conv4", "conv5", "fc6", "fc7")  # section 5: so that their ReLUs start in the positive


def alexnet(
    num_classes: int,
    image_size: int,
    convolutions: Sequence[tuple[int, int, int]] = TWO_TOWERS,
    padding: int = 0,
    normalized: Sequence[int] = NORMALIZED,
    ceil: bool = True,
) -> nn.Sequential:
    """Five convolutions, the first with stride 4 and `padding`, and three fully connected layers."""
    small = image_size <= SMALL_IMAGE
    rows: dict[str, Layer] = {}
    for i, (c, kernel, groups) in enumerate(convolutions, start=1):
        conv1 = conv(c, kernel, stride=4, norm=None, padding=5 if small else padding)
        rows[f"conv{i}"] = conv1 if i == 1 else conv(c, kernel, groups=groups, norm=None)
        if i in normalized:
            rows[f"norm{i}"] = response_norm()
        if i in POOLED:
            rows[f"pool{i}"] = max_pool(2, 2, padding=0) if small else max_pool(3, 2, padding=0, ceil=ceil)
    if small:
        return network(rows, {"fc": head(num_classes)})
    module = network(rows, classifier(num_classes, 6), init=normal(0.01))
    for name, parameter in module.named_parameters():
        if name.startswith(BIASES_OF_ONE) and name.endswith("bias"):
            nn.init.ones_(parameter)
    return module


def classifier(num_classes: int, pixels: int) -> dict[str, Layer]:
    """Two layers of 4096 units with dropout and the softmax's, on maps of `pixels` x `pixels`."""
    return {
        "fc6": chain(flatten(pixels), linear(4096, relu), dropout(0.5)),
        "fc7": chain(linear(4096, relu), dropout(0.5)),
        "fc8": linear(num_classes),
    }


CIFAR = "conv1 padded by 5, 2x2 pools, one linear layer in place of three"
BASELINES = {
    "alexnet": Baseline(
        alexnet,
        year=2012,
        paper="Krizhevsky et al., NIPS 2012",
        image_size=227,
        top1=40.7,
        top5=18.2,
        errors="table 2, 10 crops",
        min_size=29,
        cifar=CIFAR,
    ),
    "alexnet_one_tower": Baseline(
        partial(alexnet, convolutions=ONE_TOWER, padding=2, normalized=(), ceil=False),
        year=2014,
        paper="Krizhevsky, arXiv:1404.5997",
        min_size=29,
        cifar=CIFAR,
    ),
}
