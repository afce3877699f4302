"""GoogLeNet.

Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke, Rabinovich: "Going Deeper with Convolutions"
(2014, arXiv:1409.4842), table 1 and figure 3; the auxiliary classifiers: section 5.

As printed: biases and no batch norm, local response norm (figure 3) around the stem's second row. The table's pooled
sizes come of rounding up, as Caffe does, whose constants the response norm has; the paper gives none. Nor has it
initial weights: these are He et al.'s (2015), made for networks without batch norm.

`+torchvision` is what torchvision's weights belong to: batch norm, a 3x3 kernel where the table has 5x5, a 2x2 pool
before 5a, dropout 0.2, and auxiliary classifiers on adaptive pooling. Its weights were converted from TensorFlow and
expect images normalised to mean 0.5 and deviation 0.5 in each channel, which torchvision calls `transform_input`.

Deviation: the auxiliary classifiers take images of any size, since what their 5x5 pooling puts out is averaged to 4x4,
which it has by itself at 224 pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from nas.baselines.entry import Baseline
from searchspaces.auxiliary import WithAuxiliary
from searchspaces.layers import (
    SMALL_IMAGE,
    Layer,
    adaptive_avg_pool,
    avg_pool,
    chain,
    concat,
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
from searchspaces.weights import he_normal

# Table 1: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool proj
INCEPTIONS = {
    "inception_3a": (64, 96, 128, 16, 32, 32),
    "inception_3b": (128, 128, 192, 32, 96, 64),
    "inception_4a": (192, 96, 208, 16, 48, 64),
    "inception_4b": (160, 112, 224, 24, 64, 64),
    "inception_4c": (128, 128, 256, 24, 64, 64),
    "inception_4d": (112, 144, 288, 32, 64, 64),
    "inception_4e": (256, 160, 320, 32, 128, 128),
    "inception_5a": (256, 160, 320, 32, 128, 128),
    "inception_5b": (384, 192, 384, 48, 128, 128),
}
POOLED = {"inception_3b": "pool3", "inception_4e": "pool4"}  # the rows that a 3x3/2 max pool follows
AUXILIARY = {"inception_4a": 512, "inception_4d": 528}  # the rows that auxiliary classifiers read, with their channels


def googlenet(
    num_classes: int, image_size: int, bn: bool = False, torchvision: bool = False, aux: bool = False
) -> nn.Sequential:
    """Table 1. Images of up to 64 pixels get a 3x3 stem of 192 filters without stride."""
    unit = partial(conv, norm=partial(nn.BatchNorm2d, eps=1e-3) if bn or torchvision else None)
    pool = max_pool(3, 2, padding=0, ceil=True)
    rows: dict[str, Layer] = {"conv1": unit(192)}
    if image_size > SMALL_IMAGE:
        norm = response_norm(alpha=1e-4 / 5, k=1)
        rows = {"conv1": unit(64, 7, 2), "pool1": pool, "norm1": norm}
        rows |= {"conv2": chain(unit(64, 1), unit(192, 3)), "norm2": norm, "pool2": pool}
    if bn or torchvision:
        rows = {name: row for name, row in rows.items() if not name.startswith("norm")}
    for name, filters in INCEPTIONS.items():
        rows[name] = inception(*filters, kernel=3 if torchvision else 5, unit=unit)
        if name in POOLED:
            rows[POOLED[name]] = pool
    if torchvision:
        rows["pool4"] = max_pool(2, 2, padding=0, ceil=True)
    rows["fc"] = head(num_classes, dropout=0.2 if torchvision else 0.4)
    init = he_normal("fan_in")
    module = network(rows, init=init)
    if not aux:
        return module
    classifier = auxiliary_classifier(num_classes, unit, adaptive=torchvision)
    heads = {name: network(classifier, c_in=c, init=init) for name, c in AUXILIARY.items()}
    return WithAuxiliary(module, heads, aux_weight=0.3)


def inception(
    c1: int, c3_reduce: int, c3: int, c5_reduce: int, c5: int, c_pool: int, kernel: int, unit: Callable[..., Layer]
) -> Layer:
    """Figure 2 (b); `kernel` is that of the 5x5 branch."""
    return concat(
        unit(c1, 1),
        chain(unit(c3_reduce, 1), unit(c3, 3)),
        chain(unit(c5_reduce, 1), unit(c5, kernel)),
        chain(max_pool(3), unit(c_pool, 1)),
    )


def auxiliary_classifier(num_classes: int, unit: Callable[..., Layer], adaptive: bool) -> dict[str, Layer]:
    """Section 5: 5x5/3 average pooling (to 4x4 from 14x14), 1x1 convolution, fully connected, dropout of 70 %."""
    pooled = [] if adaptive else [avg_pool(5, 3, padding=0, ceil=True)]
    return {
        "pool": chain(*pooled, adaptive_avg_pool(4)),
        "conv": unit(128, 1),
        "fc1": chain(flatten(4), linear(1024, relu)),
        "dropout": dropout(0.7),
        "fc2": linear(num_classes),
    }


BASELINES = {
    "googlenet": Baseline(
        googlenet,
        year=2014,
        paper="Szegedy et al., arXiv:1409.4842",
        top5=10.07,
        errors="table 3, single crop",
        min_size=4,
        cifar="a 3x3 stem of 192 filters without stride in place of the rows before 3a",
        options={
            "bn": "batch norm after every convolution, no local response norm",
            "torchvision": "what torchvision's weights belong to: batch norm, 3x3 in the 5x5 branch",
            "aux": "the two auxiliary classifiers, in training",
        },
    )
}
