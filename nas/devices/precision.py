"""A network computed in bfloat16, in training and out of it, where the device is faster in it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from nas.devices.kernels import computed_by


class Precision:
    """`network` as a function of images `[B, C, H, W]` to float32 logits `[B, num_classes]`.

    Behind the logits stand those of auxiliary classifiers, where the network has such and is in training mode. It
    computes in bfloat16 if `bf16`, which by default is where `device` has arithmetic for it.

    On a CPU depthwise and dilated convolutions stay in float32. oneDNN's bfloat16 depthwise ones are so slow that with
    them autocast would lose; its gradients of dilated ones read beyond their memory where the channels are no multiple
    of 16 (torch 2.13). Call it within its context `kept`, in which these convolutions know.
    """

    def __init__(self, network: nn.Module, bf16: bool | None, device: torch.device) -> None:
        self.network, self.device = network, device
        self.bf16 = computes_in_bf16(device) if bf16 is None else bf16

    def __call__(self, x: Tensor) -> list[Tensor]:
        # Entered for each batch, since autocast keeps its copies of the weights until it is left: after an optimizer's
        # step they would be stale.
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            out: Tensor | tuple[Tensor, ...] = self.network(x)
        return [logits.float() for logits in (out if isinstance(out, tuple) else (out,))]

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Keep in float32 what stays in it. May be entered within another of the same network."""
        affected = self.bf16 and self.device.type == "cpu"
        with computed_by(_float32_forward, [m for m in self.network.modules() if affected and _stays_in_float32(m)]):
            yield


def computes_in_bf16(device: torch.device) -> bool:
    """Whether `device` has bfloat16 arithmetic in hardware."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _stays_in_float32(module: nn.Module) -> bool:
    if not isinstance(module, nn.Conv2d):
        return False
    return module.groups == module.in_channels > 1 or max(module.dilation) > 1


def _float32_forward(self: nn.Conv2d, x: Tensor) -> Tensor:
    with torch.autocast("cpu", enabled=False):
        out: Tensor = type(self).forward(self, x.float())  # that of its class: it may pad as TensorFlow does
    return out
