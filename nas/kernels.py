"""A way around a kernel that writes beyond its memory.

PyTorch 2.13 on a CPU has oneDNN compute the gradient of a convolution's input. Where that is 1x1 with a stride, on
channels_last images of fewer than 8 channels, as in a narrow NASNet cell, oneDNN's code for AVX2 writes beyond
what it has allocated: the process dies of a corrupted heap, sooner or later. To take every second pixel first, and to
convolve these with a stride of 1, is the same sum by a sound kernel.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_SOUND_FROM = 8  # channels


@contextlib.contextmanager
def sound_kernels(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Within it, `network` is trained on `device` without that kernel. Nothing of the network is another afterwards."""
    convolutions = [module for module in network.modules() if type(module) is nn.Conv2d and device.type == "cpu"]
    affected = [conv for conv in convolutions if _is_affected(conv)]
    for conv in affected:
        conv.forward = partial(_sampled_first, conv)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for conv in affected:
            del conv.forward


def _is_affected(conv: nn.Conv2d) -> bool:
    return (
        conv.kernel_size == (1, 1)
        and conv.stride != (1, 1)
        and conv.padding == (0, 0)
        and conv.groups == 1
        and conv.in_channels < _SOUND_FROM
    )


def _sampled_first(conv: nn.Conv2d, x: Tensor) -> Tensor:
    down, right = conv.stride
    return F.conv2d(x[:, :, ::down, ::right], conv.weight, conv.bias)
