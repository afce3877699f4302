"""The layers that a network's forward runs, one after the other, with their shapes: what a device's time goes into.

`searchspaces.flow` follows which layer reads which; this only lists them, in the same forward in which they are counted
(`searchspaces.cost`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from searchspaces.cost import Cost, cost_of_parts, cost_seen, counted, evaluating, modules_of
from searchspaces.counting import Counter
from searchspaces.flow import POOLS
from searchspaces.modules import Concat, PadChannels, Residual, SqueezeExcite, StochasticDepth
from searchspaces.outlines import Outlined, outlined, ran_outlined
from searchspaces.shapes import SHAPES, UNCOUNTED

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


def followed(module: nn.Module, channels: int, side: int) -> tuple[Part, Cost]:
    """What `module` runs on a map `[channels, side, side]`, and what it costs. Errors are those of `cost`."""

    def run(module: nn.Module, image: Tensor, counter: Counter) -> tuple[Part, Cost]:
        counter.listener = seen = _Seen()
        return seen.part(channels, side, module(image)), cost_seen(module, counter)

    return counted(module, side, channels, run)


def followed_outline(build: Callable[[], nn.Module], channels: int, side: int) -> tuple[Part, Cost] | None:
    """What `followed` says of the module that `build` makes of `searchspaces.layers`, in a tenth of the time.

    None where it has modules that are not known to compute on outlines what they do on tensors, and where something is
    wrong: then it must be built.
    """
    counter = Counter(())
    counter.listener = seen = _Seen()
    ran = outline_of(build, channels, side, counter)
    return None if ran is None else (seen.part(channels, side, ran[0]), cost_of_parts(ran[1], counter))


def outline_of(
    build: Callable[[], nn.Module], channels: int, side: int, counter: Counter
) -> tuple[Any, list[nn.Module]] | None:
    """The outline that comes out of what `build` makes, and its modules; `counter` sees what runs.

    None as of `followed_outline`.
    """
    try:
        module = outlined(build)
        parts = modules_of(module)
        real = [part for part in parts if not isinstance(part, Outlined)]
        if not all(type(part) in AS_THEY_ARE for part in real):
            return None
        with evaluating(real):
            return ran_outlined(module, channels, side, counter), parts
    except (ValueError, ArithmeticError, RuntimeError, TypeError, AttributeError, IndexError):
        return None


AS_THEY_ARE = {
    Concat, PadChannels, Residual, SqueezeExcite, StochasticDepth,
    nn.AdaptiveAvgPool2d, nn.AvgPool2d, nn.Dropout, nn.Flatten, nn.Identity, nn.MaxPool2d, nn.ReLU,
}  # fmt: skip
"""What computes on outlines, beside outlines."""


def part_of(module: nn.Module, channels: int, side: int) -> Part:
    """What `module` runs on a map `[channels, side, side]`. Raises ValueError where it cannot, without numbers."""
    try:
        return followed(module, channels, side)[0]
    except (ValueError, TypeError) as error:
        raise ValueError(f"the {type(module).__name__} cannot be followed without numbers: {error}") from error


class _Seen:
    """Lists the kernels among the functions that a forward calls."""

    def __init__(self) -> None:
        self.kernels: list[Kernel] = []
        self.calls = 1  # that which makes the image

    def __call__(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        if func in SHAPES:
            given, weight = (kwargs[name] if name in kwargs else args[i] for i, name in enumerate(("input", "weight")))
            self.kernels.append(_weighted(func, given, weight, out))
        elif func in POOLS and func not in UNCOUNTED:
            self.kernels.append(_pool(args[0], out))
        self.calls += getattr(func, "__name__", "") != "__get__"  # a property, such as a shape

    def part(self, channels: int, side: int, out: Any) -> Part:
        """All that was seen, of a forward that made `out` of `[channels, side, side]`."""
        out = out[-1] if isinstance(out, tuple | list) else out
        c_out, side_out = out.shape[1], out.shape[-1] if out.ndim == 4 else 1
        return Part(tuple(self.kernels), self.calls, channels, side, c_out, side_out)


def _weighted(func: Any, given: Tensor, weight: Tensor, out: Tensor) -> Kernel:
    shape, taken, put_out = weight.shape, given.shape, out.shape
    size = max(shape[2:], default=1)
    is_map = len(taken) == 4
    side_in, side_out = (taken[-1], put_out[-1]) if is_map else (1, 1)
    if func is F.linear or (size == 1 and side_in == 1):
        kind = "linear"
    elif len(shape) == 4 and shape[1] == 1 < taken[1]:
        kind = "depthwise"
    else:
        kind = "pointwise" if size == 1 else "conv"
    weights = math.prod(shape)
    macs = math.prod(put_out) * weights // shape[0]
    return Kernel(kind, size, taken[1 if is_map else -1], shape[0], side_in, side_out, weights, macs)


def _pool(given: Tensor, out: Tensor) -> Kernel:
    size = given.shape[-1] // max(out.shape[-1], 1)
    return Kernel("pool", size, given.shape[1], out.shape[1], given.shape[-1], out.shape[-1], 0, 0)
