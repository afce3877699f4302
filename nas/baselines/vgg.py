"""VGG.

Simonyan, Zisserman: "Very Deep Convolutional Networks for Large-Scale Image Recognition" (2014, arXiv:1409.1556),
table 1: configurations A, B, C, D and E; `vgg11+lrn` is A-LRN. The `_bn` forms are torchvision's: batch norm after
every convolution, which keeps its bias.

Deviation: weights start as He et al. (2015), as torchvision's do; the paper starts the deep networks from a trained A.
At up to 64 pixels one linear layer replaces the three fully connected ones, which is the usual CIFAR form.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import nn

from nas.baselines.alexnet import classifier
from nas.baselines.entry import Baseline
from searchspaces.layers import SMALL_IMAGE, Layer, conv, head, max_pool, network, response_norm

FILTERS = (64, 128, 256, 512, 512)
# Table 1: the kernels of the convolutions before each of the five pools
CONFIGURATIONS: dict[str, tuple[tuple[int, ...], ...]] = {
    "vgg11": ((3,), (3,), (3, 3), (3, 3), (3, 3)),  # A
    "vgg13": ((3, 3), (3, 3), (3, 3), (3, 3), (3, 3)),  # B
    "vgg16_c": ((3, 3), (3, 3), (3, 3, 1), (3, 3, 1), (3, 3, 1)),  # C
    "vgg16": ((3, 3), (3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3)),  # D
    "vgg19": ((3, 3), (3, 3), (3, 3, 3, 3), (3, 3, 3, 3), (3, 3, 3, 3)),  # E
}


def vgg(
    num_classes: int,
    image_size: int,
    stages: Sequence[Sequence[int]],
    batch_norm: bool = False,
    lrn: bool = False,
) -> nn.Sequential:
    """One column of table 1."""
    rows: dict[str, Layer] = {}
    for i, (c, kernels) in enumerate(zip(FILTERS, stages, strict=True), start=1):
        for j, kernel in enumerate(kernels, start=1):
            rows[f"conv{i}_{j}"] = conv(c, kernel, norm=nn.BatchNorm2d if batch_norm else None, bias=True)
        if lrn and i == 1:
            rows["norm1"] = response_norm()
        rows[f"pool{i}"] = max_pool(2, 2, padding=0)
    return network(rows, {"fc": head(num_classes)} if image_size <= SMALL_IMAGE else classifier(num_classes, 7))


def _baseline(name: str, top1: float, top5: float) -> Baseline:
    return Baseline(
        partial(vgg, stages=CONFIGURATIONS[name]),
        year=2014,
        paper="Simonyan and Zisserman, arXiv:1409.1556",
        top1=top1,
        top5=top5,
        errors="table 3, one scale",
        min_size=32,
        cifar="one linear layer in place of three",
        options={"lrn": "response normalization after the first convolution: A-LRN"} if name == "vgg11" else {},
    )


# Errors of C, D and E: trained with scale jitter
WITHOUT_NORM = {
    "vgg11": _baseline("vgg11", 29.6, 10.4),
    "vgg13": _baseline("vgg13", 28.7, 9.9),
    "vgg16_c": _baseline("vgg16_c", 27.3, 8.8),
    "vgg16": _baseline("vgg16", 25.6, 8.1),
    "vgg19": _baseline("vgg19", 25.5, 8.0),
}
BASELINES = WITHOUT_NORM | {f"{name}_bn": baseline.changed(batch_norm=True) for name, baseline in WITHOUT_NORM.items()}
