"""SqueezeNet.

Iandola, Han, Moskewicz, Ashraf, Dally, Keutzer: "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and
<0.5MB model size" (2016, arXiv:1602.07360), table 1; the bypasses: section 6 and figure 2. Version 1.1, with a smaller
conv1 and earlier pools, is of the authors' repository (github.com/forresti/SqueezeNet).

The paper has no width multiplier; ours is of conv1's and the squeezes' filters, of which the others are multiples.

Deviations: none from the authors' Caffe networks, where the maps of conv1 are smaller by two than table 1 has them, as
nothing is padded. Figure 2's complex bypasses add 0.34M weights; table 3's 7.7 MB would be more. At up to 64 pixels
conv1 is 3x3 without stride, the usual CIFAR form.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from torch import nn

from nas.baselines.entry import Baseline
from searchspaces.layers import (
    SMALL_IMAGE,
    Layer,
    Norm,
    chain,
    concat,
    conv,
    dropout,
    flatten,
    max_pool,
    network,
    relu,
    residual,
)

# Table 1: s1x1 of fire2 to fire9; e1x1 and e3x3 are four times as many
SQUEEZED = {"fire2": 16, "fire3": 16, "fire4": 32, "fire5": 32, "fire6": 48, "fire7": 48, "fire8": 64, "fire9": 64}
# conv1's filters and kernel, and the pools by the rows that they follow
VERSION_1_0 = (96, 7, {"conv1": "maxpool1", "fire4": "maxpool4", "fire8": "maxpool8"})
VERSION_1_1 = (64, 3, {"conv1": "maxpool1", "fire3": "maxpool3", "fire5": "maxpool5"})


def squeezenet(
    num_classes: int,
    image_size: int,
    version: tuple[int, int, Mapping[str, str]],
    width: float = 1.0,
    bypass: bool = False,
    complex_bypass: bool = False,
    bn: bool = False,
) -> nn.Sequential:
    """Table 1 at any `width`. `bypass` adds their input to fire3, 5, 7 and 9; with `complex_bypass` the others get it
    by a 1x1."""
    c_table, kernel, pools = version
    c = max(1, round(c_table * width))
    squeezed = {name: max(1, round(s * width)) for name, s in SQUEEZED.items()}
    norm = nn.BatchNorm2d if bn else None
    conv1 = conv(c, 3, norm=norm) if image_size <= SMALL_IMAGE else conv(c, kernel, 2, norm=norm, padding=0)
    rows: dict[str, Layer] = {}
    for name, layer in {"conv1": conv1, **{name: fire(s, norm) for name, s in squeezed.items()}}.items():
        if name in ("fire3", "fire5", "fire7", "fire9"):
            rows[name] = residual(layer) if bypass or complex_bypass else layer
        elif name != "conv1" and complex_bypass:
            rows[name] = residual(layer, conv(8 * squeezed[name], 1, act=None, norm=None))
        else:
            rows[name] = layer
        if name in pools:
            rows[pools[name]] = max_pool(3, 2, padding=0, ceil=True)
    conv10 = chain(dropout(0.5), conv(num_classes, 1, norm=None, act=None if bn else relu))
    module = network(rows, {"conv10": conv10, "avgpool10": flatten()}, init=xavier)
    nn.init.normal_(module.get_parameter("conv10.1.0.weight"), std=0.01)
    return module


def fire(s: int, norm: Norm | None) -> Layer:
    """1x1 to `s` channels; then 1x1 and 3x3, side by side, to 4s channels each."""
    return chain(
        {"squeeze": conv(s, 1, norm=norm), "expand": concat(conv(4 * s, 1, norm=norm), conv(4 * s, norm=norm))}
    )


def xavier(module: nn.Module) -> None:
    """Caffe's "xavier": uniform with variance 1 / fan in; biases zero."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_uniform_(module.weight, nonlinearity="linear")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


V1_0 = Baseline(
    partial(squeezenet, version=VERSION_1_0),
    year=2016,
    paper="Iandola et al., arXiv:1602.07360",
    top1=42.5,
    top5=19.7,
    errors="table 3",
    min_size=8,
    cifar="conv1 of 3x3 without stride",
    options={
        "bypass": "the input added to every second fire module (figure 2, middle)",
        "bn": "batch norm after every convolution but the last, no ReLU after that (without, short trainings stall)",
        "complex_bypass": "the input added to all of them, by a 1x1 where widths differ (figure 2, right)",
    },
    scalable=True,
)
BASELINES = {"squeezenet1_0": V1_0, "squeezenet1_1": V1_0.changed(version=VERSION_1_1)}
