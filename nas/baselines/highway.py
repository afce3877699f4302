"""Highway networks.

Srivastava, Greff, Schmidhuber: "Training Very Deep Networks" (2015, arXiv:1507.06228), the network of table 3, which
is table 2's Highway B (19 layers, 2.3M parameters, after Romero et al.'s FitNet) with a 1x1 convolution and global
pooling before the classifier. The paper prints no widths: the rows and their names are those of the authors' Caffe
network (github.com/flukeskywalker/highway-networks, examples/highways/cifar10-19layers), with the repository's own
filler, which is He et al.'s.

Deviation: conv1 starts at N(0, 0.05) as that file means; it writes `value` for `std`, so Caffe took N(0, 1).
"""

from __future__ import annotations

from itertools import count

from torch import Tensor, nn

from nas.baselines.entry import Baseline
from searchspaces.layers import Layer, conv, dropout, flatten, linear, max_pool, network
from searchspaces.weights import he_normal

# filters, and highway layers after the plain convolution that changes to this width
STAGES = [(32, 4), (80, 5), (128, 5)]
DROP = 0.2  # of the input, after pooling, and before the classifier
GATE_BIAS = -2.0  # gates start mostly closed: layers carry their input


def highway19(num_classes: int, image_size: int) -> nn.Sequential:
    """17 convolutions of 3x3 in three stages, a 1x1, and a classifier."""
    rows: dict[str, Layer] = {}
    number = count(1)
    for i, (c, layers) in enumerate(STAGES, start=1):
        rows[f"drop{i}"] = dropout(DROP)
        rows[f"conv{next(number)}"] = conv(c, norm=None)
        rows |= {f"conv{next(number)}": highway for _ in range(layers)}
        if i < len(STAGES):
            rows[f"pool{i}"] = max_pool(2, 2, padding=0, ceil=True)
    module = network(
        rows,
        {f"conv{next(number)}": conv(100, 1, norm=None), "pool3": flatten()},
        {"drop4": dropout(DROP), "ip2": linear(num_classes)},
        init=he_normal("fan_in"),
    )
    for name, parameter in module.named_parameters():
        if name.endswith("gate.bias"):
            nn.init.constant_(parameter, GATE_BIAS)
        elif name in ("conv1.0.weight", "ip2.0.weight"):
            nn.init.normal_(parameter, std=0.05)
    return module


def highway(c_in: int) -> tuple[nn.Module, int]:
    """A highway layer of 3x3 convolutions."""
    return Highway(c_in), c_in


class Highway(nn.Module):
    """T(x) H(x) + (1 - T(x)) x: a gate T mixes a ReLU layer H with its input (equation 3)."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.block = nn.Conv2d(c, c, 3, padding=1)
        self.gate = nn.Conv2d(c, c, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        gate: Tensor = self.gate(x).sigmoid()
        block: Tensor = self.block(x).relu()
        return gate * block + (1 - gate) * x


BASELINES = {
    "highway19": Baseline(
        highway19,
        year=2015,
        paper="Srivastava et al., arXiv:1507.06228",
        image_size=32,
        num_classes=10,
        data="CIFAR-10",
        top1=7.60,
        errors="table 3, best of 5 runs",
    )
}
