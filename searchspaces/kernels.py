"""The layers that a network's forward runs, one after the other, with their shapes: what a device's time goes into.

`searchspaces.flow` follows which layer reads which; this only lists them, several times as fast, for what is asked of
hundreds of networks. Of a network of rows each row is followed once in a process.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from searchspaces.cost import shapes_only
from searchspaces.flow import POOLS
from searchspaces.images import for_images_of, image_channels
from searchspaces.scaled import Row, RowSpace, ScaledSpace, flat
from searchspaces.shapes import KEEPS_SHAPE, SHAPES, UNCOUNTED
from searchspaces.space import Arch, Space

KINDS = ("conv", "pointwise", "depthwise", "linear", "pool")


class Kernel(NamedTuple):
    """A convolution, a linear layer, or a pooling, which has no weights. `side` is that of its map, in pixels.

    A 1x1 convolution of one pixel is a linear layer.
    """

    kind: str
    size: int
    c_in: int
    c_out: int
    side_in: int
    side_out: int
    weights: int
    macs: int

    @property
    def moved(self) -> int:
        """Numbers of activations that it reads and writes."""
        return self.c_in * self.side_in**2 + self.c_out * self.side_out**2


class Part(NamedTuple):
    """A row of a network, or all of it: its kernels, all `calls` of functions in it, and what goes in and comes out."""

    kernels: tuple[Kernel, ...]
    calls: int
    c_in: int
    side_in: int
    c_out: int
    side_out: int

    @property
    def macs(self) -> int:
        return sum(kernel.macs for kernel in self.kernels)


class Built(NamedTuple):
    """A part, and how to build it alone: a module for maps `[part.c_in, part.side_in, part.side_in]`."""

    part: Part
    build: Callable[[], nn.Module]


def parts_of(
    space: Space,
    arch: Arch,
    num_classes: int = 10,
    image_size: int = 32,
    channels: int | None = None,
    width: float | None = None,
) -> list[Built]:
    """The network of `arch`, cut into its rows; where it is no chain of rows, that of one map each, as one part.

    It is as wide as `space` has it, or, where that has widths, of a `width` that is given. Raises ValueError where the
    network does not take such images, or its forward needs numbers.
    """
    with for_images_of(channels):
        c, side = image_channels(), image_size
        if isinstance(space, RowSpace):
            found = []
            width = space.width_of(arch) if width is None else width
            for row in flat(space.rows(arch, width, num_classes, image_size)):
                part = part_of_row(row, c, side)
                found.append(Built(part, lambda row=row, c=c: row.layer()(c)[0]))  # type: ignore[misc]
                c, side = part.c_out, part.side_out
            return found

        def build() -> nn.Module:
            with for_images_of(channels):
                if width is not None and isinstance(space, ScaledSpace):
                    return space.network_at(arch, width, num_classes, image_size)
                return space.build(arch, num_classes, image_size)

        with shapes_only():
            module = build()
        return _children(module, build, c, side) or [Built(part_of(module, c, side), build)]


@lru_cache(maxsize=1 << 16)
def part_of_row(row: Row, channels: int, side: int) -> Part:
    with shapes_only():
        module, _ = row.layer()(channels)
    return part_of(module, channels, side)


def part_of(module: nn.Module, channels: int, side: int) -> Part:
    """What `module` runs on a map `[channels, side, side]`. Raises ValueError where it cannot, without numbers."""
    seen = _Seen()
    modes = [(inner, inner.training) for inner in module.modules()]
    module.eval()
    try:
        with torch.no_grad(), seen:
            out = module(torch.empty(1, channels, side, side, device="meta"))
    except (RuntimeError, IndexError, TypeError, NotImplementedError) as error:
        raise ValueError(f"the {type(module).__name__} cannot be followed without numbers: {error}") from error
    finally:
        for inner, training in modes:
            inner.training = training
    out = out[-1] if isinstance(out, tuple | list) else out
    return Part(tuple(seen.kernels), seen.calls, channels, side, out.shape[1], out.shape[-1] if out.ndim == 4 else 1)


def _children(module: nn.Module, build: Callable[[], nn.Module], channels: int, side: int) -> list[Built]:
    """The children of `module`, where it is a chain of such as take and give one map each; else none."""
    if not isinstance(module, nn.Sequential):
        return []
    found = []
    for name, child in module.named_children():
        try:
            part = part_of(child, channels, side)
        except (ValueError, AttributeError):  # it takes two maps, or gives two
            return []
        found.append(Built(part, lambda name=name: build().get_submodule(name)))  # type: ignore[misc]
        channels, side = part.c_out, part.side_out
    return found


class _Seen(TorchFunctionMode):
    """Lists kernels while a forward runs on tensors that have shapes and no numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels: list[Kernel] = []
        self.calls = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") == "__get__":  # a property, such as a shape
            return func(*args, **kwargs)
        self.calls += 1
        if func in SHAPES:
            return self._weighted(func, args, kwargs)
        if func in KEEPS_SHAPE and not (len(args) > 1 and isinstance(args[1], Tensor) and _grows(args[0], args[1])):
            return args[0]
        if func in UNCOUNTED and (shape := UNCOUNTED[func](*args, **kwargs)) is not None:
            return torch.empty(shape, device="meta")
        with torch.device("meta"):
            out = func(*args, **kwargs)
        if func in POOLS:
            given = args[0]
            size = given.shape[-1] // max(out.shape[-1], 1)
            self.kernels.append(
                Kernel("pool", size, given.shape[1], out.shape[1], given.shape[-1], out.shape[-1], 0, 0)
            )
        return out

    def _weighted(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        given, weight = (kwargs[name] if name in kwargs else args[i] for i, name in enumerate(("input", "weight")))
        shape, macs = SHAPES[func](*args, **kwargs)
        size = max(weight.shape[2:], default=1)
        side_in, side_out = (given.shape[-1], shape[-1]) if given.ndim == 4 else (1, 1)
        c_in, c_out = given.shape[1 if given.ndim == 4 else -1], weight.shape[0]
        if func is F.linear or (size == 1 and side_in == 1):
            kind = "linear"
        elif weight.ndim == 4 and weight.shape[1] == 1 < given.shape[1]:
            kind = "depthwise"
        else:
            kind = "pointwise" if size == 1 else "conv"
        self.kernels.append(Kernel(kind, size, c_in, c_out, side_in, side_out, weight.numel(), math.prod(shape) * macs))
        return torch.empty(shape, device="meta")


def _grows(one: Tensor, other: Tensor) -> bool:
    """Whether what comes of two is larger than the first."""
    return other.numel() > one.numel()
