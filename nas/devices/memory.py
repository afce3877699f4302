"""The memory that a network's tensors take at most, worked out by shape: nothing is allocated.

What PyTorch holds in float32 at the worst moment: weights, statistics and what is computed; in training also what the
backward pass needs, gradients, and the optimizer's momentum. Workspaces of convolution kernels, fragmentation and the
framework itself come on top, and differ from device to device.

A machine ends a process that asks for more than it has, without a word; so what cannot fit is refused before.
"""

from __future__ import annotations

import contextlib
import copy
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from nas.devices.precision import computes_in_bf16
from nas.text.units import format_bytes
from searchspaces.bounded import memory_here
from searchspaces.cost import largest_output, shapes_only
from searchspaces.images import RGB

FEW = 500
"""Tensors as large as the largest. A step of the networks that we know holds 20 to 100; what fits so often, fits."""


class NoRoom(ValueError, MemoryError):
    """A network takes more memory than the machine has."""


def memory_of(device: torch.device | str) -> int:
    """Bytes that `device` has, and of which this process may have all."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return memory_here()


def check_room(
    build: Callable[[], nn.Module], image_size: int, batch_size: int, training: bool, device: torch.device | str,
    channels: int = RGB,
) -> None:  # fmt: skip
    """Raises NoRoom where a step of `batch_size` images, or inference of them, needs more than all of a CPU's memory.

    It takes milliseconds, and about a second where it is not plain that there is room. What cannot be worked out by
    shape is not refused, and a GPU says itself when it has no more. Where the CPU computes in bfloat16, up to twice as
    much may fit, so that much is let through.
    """
    if torch.device(device).type != "cpu":
        return
    room, needed = memory_of(device), 0
    with contextlib.suppress(Exception):  # of networks that are not ours
        if not _plainly_fits(build, image_size, batch_size, room, channels):
            needed = _peak(build, image_size, batch_size, training, channels)
    if needed > room * (2 if computes_in_bf16(torch.device("cpu")) else 1):
        images = "one image" if batch_size == 1 else f"{batch_size:,} images"
        work, smaller = f"inference with {images}", "a smaller network or smaller images"
        if training:
            work, smaller = f"a step of {images}", "a smaller network, --batch-size or --image-size"
        raise NoRoom(
            f"{work} of {image_size:,} pixels a side takes {format_bytes(needed)} of memory, and this machine has "
            f"{format_bytes(room)}: give {smaller}"
        )


def shape_of(module: nn.Module) -> nn.Module:
    """A copy of `module` without its weights, which are not copied on the way."""
    shapes: dict[int, object] = {id(b): b.to("meta") for b in module.buffers()}
    shapes |= {id(p): nn.Parameter(p.to("meta"), p.requires_grad) for p in module.parameters()}
    return copy.deepcopy(module, shapes)


def _plainly_fits(build: Callable[[], nn.Module], image_size: int, batch_size: int, room: int, channels: int) -> bool:
    with shapes_only():
        module = build()
    weights = sum(tensor.numel() for tensor in module.parameters())
    return 4 * (3 * weights + FEW * batch_size * largest_output(module, image_size, channels)) < room


def inference_memory(build: Callable[[], nn.Module], image_size: int, batch_size: int = 1, channels: int = RGB) -> int:
    """Bytes at the peak of a forward pass in evaluation mode."""
    return _peak(build, image_size, batch_size, training=False, channels=channels)


def training_memory(build: Callable[[], nn.Module], image_size: int, batch_size: int, channels: int = RGB) -> int:
    """Bytes at the peak of a step of SGD with momentum: a forward and a backward pass of `batch_size` images."""
    return _peak(build, image_size, batch_size, training=True, channels=channels)


def _peak(build: Callable[[], nn.Module], image_size: int, batch_size: int, training: bool, channels: int) -> int:
    with shapes_only():
        module = build().train(training)
    peak = _Peak()
    with torch.device("meta"), peak, torch.set_grad_enabled(training):
        peak.hold(*module.parameters(), *module.buffers())
        if training:  # the momentum of every weight
            peak.hold(*(momenta := [torch.empty_like(p) for p in module.parameters()]))
        images = torch.empty(batch_size, channels, image_size, image_size)
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
