"""ZFNet.

Zeiler, Fergus: "Visualizing and Understanding Convolutional Networks" (2013, arXiv:1311.2901), figure 3, with the
512, 1024 and 512 filters in layers 3 to 5 of table 2's best single network; `+narrow` has figure 3's 384, 384, 256.

Deviations: the paper says "contrast normalized" and no more, so it is AlexNet's response normalization, with alpha
divided by the window (Caffe's reading) and before the pooling as in AlexNet, where figure 3 has it after; so do the
public implementations. The RMS of filters is not bounded in training (section 3.1).
"""

from __future__ import annotations

from torch import nn

from nas.baselines.alexnet import classifier
from nas.baselines.entry import Baseline
from searchspaces.layers import conv, max_pool, network, response_norm
from searchspaces.weights import normal


def zfnet(num_classes: int, image_size: int, narrow: bool = False) -> nn.Sequential:
    """Figure 3: maps of 110, 55, 26 and 13 pixels, so pools round up."""
    c3, c4, c5 = (384, 384, 256) if narrow else (512, 1024, 512)
    norm, pool = response_norm(alpha=1e-4 / 5), max_pool(3, 2, padding=0, ceil=True)
    return network(
        {"conv1": conv(96, 7, 2, norm=None, padding=1), "norm1": norm, "pool1": pool},
        {"conv2": conv(256, 5, 2, norm=None, padding=0), "norm2": norm, "pool2": pool},
        {f"conv{i}": conv(c, norm=None) for i, c in enumerate((c3, c4, c5), start=3)},
        {"pool5": pool, **classifier(num_classes, 6)},
        init=normal(0.01),
    )


BASELINES = {
    "zfnet": Baseline(
        zfnet,
        year=2013,
        paper="Zeiler and Fergus, arXiv:1311.2901",
        top1=37.5,
        top5=16.0,
        errors="table 2, 10 crops",
        min_size=47,
        options={"narrow": "384, 384 and 256 filters in layers 3 to 5, as figure 3 prints"},
    )
}
