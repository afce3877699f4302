"""ResNets for CIFAR.

He, Zhang, Ren, Sun: "Deep Residual Learning for Image Recognition" (2015, arXiv:1512.03385), section 4.2:
a 3x3 stem, 6n layers in three stages of 16, 32 and 64 filters at 32, 16 and 8 pixels, global pooling and
a classifier: 6n + 2 layers. Shortcuts are option A everywhere: no parameters.
"""

from __future__ import annotations

from torch import nn

from searchspaces.layers import Layer, chain, conv, head, network, pad_channels, relu, residual, stage

#     c  s
ROWS = [(16, 1), (32, 2), (64, 2)]


def cifar_resnet(depth: int, num_classes: int, width: float = 1.0) -> nn.Module:
    """ResNet-`depth`; `depth` is 6n + 2 (20, 32, 44, 56, 110, 1202 in the paper)."""
    if depth < 8 or (depth - 2) % 6:
        raise ValueError(f"a CIFAR ResNet has 6n + 2 layers (8, 20, 32, 44, 56, 110, ...), not {depth}")
    rows = [(max(1, round(c * width)), s) for c, s in ROWS]
    return network(conv(rows[0][0]), *[stage(basic_block, c, (depth - 2) // 6, s) for c, s in rows], head(num_classes))


def basic_block(c: int, stride: int) -> Layer:
    """Two 3x3 convolutions and a shortcut (figure 2)."""

    def layer(c_in: int) -> tuple[nn.Module, int]:
        shortcut = None if stride == 1 and c_in == c else pad_channels(c, subsample=stride)
        return residual(chain(conv(c, stride=stride), conv(c, act=None)), shortcut, act=relu)(c_in)

    return layer
