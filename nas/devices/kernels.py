"""Layers that are computed in another way while a network is trained or judged, and a way around a faulty kernel.

PyTorch 2.13 on a CPU has oneDNN compute the gradient of a convolution's input. Where that is 1x1 with a stride, on
channels_last images of fewer than 8 channels, as in a narrow NASNet cell, oneDNN's code for AVX2 writes beyond
what it has allocated: the process dies of a corrupted heap, sooner or later. To take every second pixel first, and to
convolve these with a stride of 1, is the same sum by a sound kernel.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_SOUND_FROM = 8  # channels


@contextlib.contextmanager
def computed_by(forward: Callable[[Any, Tensor], Tensor], modules: Iterable[nn.Module]) -> Iterator[None]:
    """Within it, `modules` compute by `forward`, but for those that have another one already. May be entered twice."""
    changed = [module for module in modules if "forward" not in vars(module)]
    for module in changed:
        module.forward = MethodType(forward, module)
    try:
        yield
    finally:
        for module in changed:
            del module.forward


@contextlib.contextmanager
def sound_kernels(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Within it, `network` is trained on `device` without that kernel. Nothing of the network is another afterwards."""
    convolutions = [module for module in network.modules() if type(module) is nn.Conv2d and device.type == "cpu"]
    with computed_by(_sampled_first, [conv for conv in convolutions if _is_affected(conv)]):
        yield


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
