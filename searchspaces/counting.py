"""What counts a network's multiply-adds while its forward runs on tensors that have shapes and no numbers.

Two watch. `_Functions` sees the functions that a forward calls. What convolutions, linear layers and norms put out
follows from shapes, so their weights may have numbers and nothing is run; that is nearly all of a network, and fast.
Every other function runs on meta tensors, and `_Operations` sees what it comes to: whatever a product of matrices was
called, here it is one of a few. So all spellings of an operation count alike, also inside scripted functions.

A product counts where weights are multiplied, or anything else that is the same for every image. One of two tensors
that both come from the image, such as of queries and keys, is noted by its name and not counted.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from searchspaces.shapes import CHECKS, KEEPS_SHAPE, SHAPES, UNCOUNTED


class Uncountable(ValueError):
    """What it is that cannot be counted, and why."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"cannot count {what}: {why}")


class ReshapedInPlace(Exception):
    """One tensor stands for others of its shape, and was given another shape: count again, `careful`."""


Listener = Callable[[Any, tuple[Any, ...], dict[str, Any], Any], None]


class Counter:
    """Adds up what is multiplied while it is entered.

    `macs` and `activations` are of convolutions, linear layers and products with weights, and `largest` is the most
    that one of them puts out; `passed_over` has the names of products that are not counted. `weights` are tensors that
    are the same for every image. `listener`, where there is one, hears of each function what it was given and gave, as
    `(func, args, kwargs, out)`. Unless it is `careful`, results of one shape may be one tensor; raises ReshapedInPlace
    where that would be wrong.
    """

    def __init__(self, weights: Iterable[Tensor], careful: bool = False) -> None:
        self.careful = careful
        self.macs = 0
        self.activations = 0
        self.largest = 0  # of the outputs that `activations` adds up
        self.passed_over: dict[str, None] = {}
        self.last: Any = None  # the function that ran last
        self.listener: Listener | None = None
        self._constant = {id(tensor): tensor for tensor in weights}

    def __enter__(self) -> Counter:
        self._modes = contextlib.ExitStack()
        self._modes.enter_context(_Functions(self))
        self._modes.enter_context(_Operations(self))
        return self

    def __exit__(self, *error: Any) -> None:
        self._modes.close()

    def add(self, macs: int, activations: int) -> None:
        self.macs += macs
        self.activations += activations
        self.largest = max(self.largest, activations)

    def is_constant(self, tensor: Tensor) -> bool:
        """Whether `tensor` is the same for every image. Those that come from one have no numbers."""
        return id(tensor) in self._constant or not tensor.is_meta

    def note_constant(self, tensors: Iterable[Tensor]) -> None:
        self._constant |= {id(tensor): tensor for tensor in tensors}  # kept, so that no other gets its id


class _Functions(TorchFunctionMode):
    """Counts the layers whose output follows from shapes, and has everything else run without numbers."""

    def __init__(self, counter: Counter) -> None:
        super().__init__()
        self.counter = counter
        self.results: dict[Any, Tensor] = {}  # by their shapes and types

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        out = self._run(func, args, kwargs)
        if self.counter.listener is not None:
            self.counter.listener(func, args, kwargs, out)
        return out

    def _run(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if func in KEEPS_SHAPE and self._is_kept(KEEPS_SHAPE[func], args, kwargs):
            return args[0]
        if func in SHAPES:
            shape, macs = SHAPES[func](*args, **kwargs)
            elements = math.prod(shape)
            self.counter.add(elements * macs, elements)
            return self._result(args[0] if args else kwargs["input"], shape)
        if func in UNCOUNTED and (free := self._uncounted(UNCOUNTED[func], args, kwargs)) is not None:
            return free
        self.counter.last = func
        if func in _READS or getattr(func, "__name__", "") == "__get__":  # a property, such as a shape
            return func(*args, **kwargs)
        with torch.device("meta"):
            return func(*_without_numbers(args), **_without_numbers(kwargs))

    def _result(self, given: Tensor, shape: tuple[int, ...]) -> Tensor:
        """What a layer makes of `given`."""
        key = shape, given.dtype
        constant = self.counter.is_constant(given)
        if key in self.results and not constant and not self.counter.careful:
            return self.results[key]
        with torch._C._DisableTorchDispatch():
            out = given.new_empty(shape, device="meta")
        if constant:
            self.counter.note_constant((out,))
        else:
            self.results[key] = out
        return out

    def _uncounted(
        self, shape_of: Callable[..., tuple[int, ...] | None], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Tensor | None:
        """What a function that multiplies nothing makes of `args`; None where that is better left to it."""
        if not args:
            return None
        given = args[0] if isinstance(args[0], tuple | list) else (args[0],)
        if not all(isinstance(tensor, Tensor) and not self.counter.is_constant(tensor) for tensor in given):
            return None
        shape = shape_of(*args, **kwargs)
        return None if shape is None else self._result(given[0], shape)

    def _is_kept(self, fits: Callable[..., bool], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether the result of a function of `args` has the shape of the first, which is of an image."""
        if not args or "out" in kwargs or self.counter.careful:
            return False
        first = args[0]
        return isinstance(first, Tensor) and not self.counter.is_constant(first) and fits(*args, **kwargs)


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the products among the operations that functions come to."""

    def __init__(self, counter: Counter) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counter = counter

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name: str = func.overloadpacket.__name__
        if name in _RESHAPES and not self.counter.careful:
            raise ReshapedInPlace
        name = name.removesuffix("_")  # in place or not
        if func.namespace not in _KNOWN or name in _UNKNOWN:
            raise Uncountable(f"{func.namespace}::{name}", "nobody said how many multiply-adds it does")
        if name == "_local_scalar_dense":  # a number, which weights have and images do not
            return func(*args, **kwargs)
        if name in CHECKS:
            CHECKS[name](*args)
        constant = all(map(self.counter.is_constant, _tensors_in((args, kwargs))))
        out = func(*_without_numbers(args), **_without_numbers(kwargs))
        if name == "convolution":
            source, weight, transposed = args[0], args[1], args[6]
            self.counter.add((source if transposed else out).numel() * weight[0].numel(), out.numel())
        elif name in _PRODUCTS:
            first = _PRODUCTS[name]
            self._add_product(name, args[first], args[first + 1], out.numel())
        elif name.startswith("_scaled_dot_product"):
            self.counter.passed_over[name] = None
        if constant:
            self.counter.note_constant(_tensors_in(out))
        return out

    def _add_product(self, name: str, one: Tensor, other: Tensor, elements: int) -> None:
        """Of `[(B,) N, K]` and `[(B,) K, M]`, or vectors."""
        if self.counter.is_constant(one) or self.counter.is_constant(other):
            self.counter.add(one.numel() * (other.shape[-1] if other.ndim > 1 else 1), elements)
        else:
            self.counter.passed_over[name] = None


def _without_numbers(value: Any) -> Any:
    """`value`, an argument or several, with the shapes of its tensors alone."""
    if isinstance(value, Tensor):
        return value if value.is_meta else value.to("meta")
    if isinstance(value, tuple):
        return tuple(map(_without_numbers, value))
    if isinstance(value, list):
        return [*map(_without_numbers, value)]
    if isinstance(value, dict):
        return {name: _without_numbers(item) for name, item in value.items()}
    return value


def _tensors_in(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _tensors_in(item)
    elif isinstance(value, dict):
        yield from _tensors_in([*value.values()])


# ---------------------------------------------------------------------------- which functions and operations

_READS = frozenset(
    {Tensor.item, Tensor.tolist, Tensor.__bool__, Tensor.__int__, Tensor.__float__, Tensor.__index__}
    | {Tensor.size, Tensor.dim, Tensor.numel, Tensor.__len__, Tensor.is_floating_point}
)
"""Of shapes, and of numbers, which weights have."""

_KNOWN = ("aten", "prim", "prims", "profiler")
"""PyTorch's own operations, and marks for its profiler, which `record_function` and `DataParallel` set."""
_PRODUCTS = {
    **dict.fromkeys(("mm", "bmm", "mv", "dot", "vdot"), 0),
    **dict.fromkeys(("addmm", "addmv", "addbmm", "baddbmm"), 1),
}
"""And which argument is the first that is multiplied."""
_UNKNOWN = frozenset({"_trilinear", "_int_mm", "_scaled_mm", "_sparse_mm", "_cdist_forward", "_addmm_activation"})
_RESHAPES = frozenset(
    {"as_strided_", "resize_", "resize_as_", "set_", "squeeze_", "t_", "transpose_", "unsqueeze_"}
    | {"swapaxes_", "swapdims_"}
)
