"""The summary of any module, found by its forward on an image that has a shape and no numbers.

Every function that a forward calls is seen, and so is which tensors it was given: that is the graph whose paths
`searchspaces.summary` follows. Convolutions, linear layers and poolings are its operations; norms and activations are
none. A gate (squeeze-and-excitation, where one tensor scales another) is one, and its own layers are on no path. What
is multiplied by zero does not get through. A forward does not show an identity: these are counted (`skip`) where a
space says so.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from searchspaces.cost import evaluating, modules_of
from searchspaces.following import Following, tensors_in
from searchspaces.shapes import KEEPS_SHAPE, SHAPES, UNCOUNTED
from searchspaces.summary import NOTHING, POOL, Part, Summary, operation, through


def traced(module: nn.Module, channels: int, side: int, image_side: int | None = None) -> tuple[Summary, int, int]:
    """The summary of `module`, and the channels and the side of what it puts out, for a map `[channels, side, side]`.

    `image_side` is that of the network's image, where the module is a part of one; by default its own. Raises
    ValueError where its forward needs numbers, or the map does not fit.
    """
    flow = _Flow(image_side or side)
    image = torch.empty(1, channels, side, side, device="meta")
    try:
        with torch.no_grad(), evaluating(modules_of(module)), flow:
            out = module(flow.begin(image))
    except (RuntimeError, IndexError, TypeError, NotImplementedError) as error:
        raise ValueError(f"the {type(module).__name__} has no summary: {error}") from error
    out = out[-1] if isinstance(out, tuple | list) else out
    summary = through(flow.parts, flow.ends_of(out))
    return summary, out.shape[1], out.shape[-1] if out.ndim == 4 else 1


class _Flow(Following[tuple[int, ...]]):
    """Follows tensors without numbers through a forward: which operation reads which. What is known of a tensor: of
    which parts it is the sum."""

    def __init__(self, image_side: int) -> None:
        super().__init__()
        self.parts: list[Part] = []
        self.image_side = image_side

    def begin(self, image: Tensor) -> Tensor:
        return self.know(image, (-1,))

    def ends_of(self, tensor: Tensor) -> tuple[int, ...]:
        return self._known.get(id(tensor), ())

    def called(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], given: list[Tensor]) -> Any:
        if func in SHAPES:
            return self._weighted(func, args, kwargs)
        if func in SCALES:
            return self._scaled(func, args, kwargs, given)
        if func in KEEPS_SHAPE and len(given) == 1:
            return given[0]
        reads = tuple(end for tensor in given for end in self.known(tensor))
        if len(given) > 1 or func in POOLS:
            reads = (self._add(POOL if func in POOLS else NOTHING, reads),)
        return self._noted(self._run(func, args, kwargs), reads)

    def _weighted(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        """A convolution or a linear layer."""
        given = kwargs["input"] if "input" in kwargs else args[0]
        part, shape = weighted(func, args, kwargs, self.image_side)
        out = torch.empty(shape, device="meta")
        self._noted(out, (self._add(part, self.known(given)),))
        return out

    def _scaled(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], tensors: list[Tensor]) -> Any:
        """A product: by zero nothing gets through, and of two tensors the smaller one is a gate of the other."""
        if len(tensors) == 2:
            larger, gate = sorted(tensors, key=lambda t: -t.numel())
            number = self._add(operation("gate"), self.known(larger), self.known(gate))
            return self._noted(torch.empty(larger.shape, device="meta"), (number,))
        if any(isinstance(arg, int | float) and not arg for arg in args):
            return self._noted(torch.empty(args[0].shape, device="meta"), ())
        return self._noted(self._run(func, args, kwargs), self.known(tensors[0]) if tensors else ())

    def _add(self, summary: Summary, reads: tuple[int, ...], beside: tuple[int, ...] = ()) -> int:
        self.parts.append(Part(summary, reads, beside))
        return len(self.parts) - 1

    def _run(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if func in UNCOUNTED and (shape := UNCOUNTED[func](*args, **kwargs)) is not None:
            return torch.empty(shape, device="meta")
        with torch.device("meta"):
            return func(*args, **kwargs)

    def _noted(self, out: Any, ends: tuple[int, ...]) -> Any:
        for tensor in tensors_in((out,)):
            self.know(tensor, ends)
        return out


def weighted(
    func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], image_side: int
) -> tuple[Summary, tuple[int, ...]]:
    """A convolution or a linear layer, in a network for images of `image_side`; and the shape that it puts out."""
    given, weight = (kwargs[name] if name in kwargs else args[i] for i, name in enumerate(("input", "weight")))
    shape, macs = SHAPES[func](*args, **kwargs)
    filters = weight.shape
    kernel = max(filters[2:], default=1)
    kind = "linear" if func is F.linear else "pointwise" if kernel == 1 else "conv"
    if len(filters) == 4 and filters[1] < given.shape[1]:
        kind = "depthwise" if filters[1] == 1 else kind
    stretch = image_side / given.shape[-1] if given.ndim == 4 else 0
    dilation = kwargs.get("dilation", args[5] if len(args) > 5 else 1)
    reach = (kernel - 1) * (dilation if isinstance(dilation, int) else max(dilation)) * stretch
    elements = float(math.prod(shape))
    part = operation(
        kind,
        (1.0, float(kernel > 1), reach),
        image_side / max(shape[-1], 1) if len(shape) == 4 else float(image_side),
        macs=elements * macs,
        params=float(math.prod(filters)),
        activations=elements,
    )
    return part, shape


SCALES = {Tensor.mul, Tensor.mul_, torch.mul, Tensor.__mul__, Tensor.__rmul__, Tensor.__imul__}
POOLS = {F.max_pool2d, F.avg_pool2d, torch.max_pool2d, torch._C._nn.avg_pool2d, F.adaptive_avg_pool2d}
