"""The memory that a network's tensors take at most, worked out by shape: nothing is allocated.

What PyTorch holds in float32 at the worst moment: weights, statistics and what is computed; in training also what the
backward pass needs, gradients, and the optimizer's momentum. Workspaces of convolution kernels, fragmentation and the
framework itself come on top, and differ from device to device.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from searchspaces.cost import shapes_only


def inference_memory(build: Callable[[], nn.Module], image_size: int, batch_size: int = 1) -> int:
    """Bytes at the peak of a forward pass in evaluation mode."""
    return _peak(build, image_size, batch_size, training=False)


def training_memory(build: Callable[[], nn.Module], image_size: int, batch_size: int) -> int:
    """Bytes at the peak of a step of SGD with momentum: a forward and a backward pass of `batch_size` images."""
    return _peak(build, image_size, batch_size, training=True)


def _peak(build: Callable[[], nn.Module], image_size: int, batch_size: int, training: bool) -> int:
    with shapes_only():
        module = build().train(training)
    peak = _Peak()
    with torch.device("meta"), peak, torch.set_grad_enabled(training):
        peak.hold(*module.parameters(), *module.buffers())
        if training:  # the momentum of every weight
            peak.hold(*(momenta := [torch.empty_like(p) for p in module.parameters()]))
        images = torch.empty(batch_size, 3, image_size, image_size)
        peak.hold(images)
        out = module(images)
        if training:
            outputs = out if isinstance(out, tuple) else (out,)  # auxiliary classifiers, too
            del out
            torch.stack([logits.sum() for logits in outputs]).sum().backward()  # type: ignore[no-untyped-call]
            del momenta
    return peak.most


class _Peak(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the storages that are alive, each once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = 0
        self.most = 0
        self.held: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        self.hold(*(value for value in tree_iter(out) if isinstance(value, Tensor)))
        return out

    def hold(self, *tensors: Tensor) -> None:
        for storage in (tensor.untyped_storage() for tensor in tensors):
            if id(storage) not in self.held:
                self.held.add(id(storage))
                self.now += storage.nbytes()
                weakref.finalize(storage, self._let_go, id(storage), storage.nbytes())
        self.most = max(self.most, self.now)

    def _let_go(self, key: int, size: int) -> None:
        self.held.discard(key)
        self.now -= size
