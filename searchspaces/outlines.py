"""Layers that have shapes and nothing else: a row is followed without PyTorch's modules and tensors being made.

Of a network whose width is looked for, hundreds of rows are followed that nobody will build. Even as shapes alone
PyTorch takes a millisecond to make an MBConv and to run it. Where `outlined` says so, `searchspaces.layers` makes
outlines of the commonest modules in their place, and its other modules run on them as they are: an outline calls what
the module calls, and what comes out follows from the same tables (`searchspaces.shapes`). Of a row with any other
module nothing is said here, and it is built.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from searchspaces.counting import Counter
from searchspaces.shapes import KEEPS_SHAPE, SHAPES, UNCOUNTED, Outline

T = TypeVar("T")
Module = TypeVar("Module", bound=nn.Module)
_OUTLINED = ContextVar("whether layers are made as outlines", default=False)


def made(kind: Callable[..., Module], *args: Any, **kwargs: Any) -> Module:
    """`kind(*args, **kwargs)`, or while `outlined` an outline of that, where `kind` is one of which there are some."""
    if _OUTLINED.get():
        kind = _OUTLINES.get(kind, kind)
    return kind(*args, **kwargs)


def outlined(build: Callable[[], T]) -> T:
    """What `build` makes of outlines."""
    before = _OUTLINED.set(True)
    try:
        return build()
    finally:
        _OUTLINED.reset(before)


def ran_outlined(module: nn.Module, channels: int, side: int, counter: Counter) -> Any:
    """What `module`, of which some parts are outlines, puts out for `channels` and `side`; `counter` sees all of it.

    Raises TypeError or AttributeError where it does with a tensor what is not known of an outline.
    """
    with _Functions(counter) as functions:
        return module(_Map((1, channels, side, side), torch.get_default_dtype(), functions))


# ---------------------------------------------------------------------------- in a tensor's place


class _Map(Outline):
    """What stands for a tensor that comes from the image. Its methods are those that our modules call."""

    __slots__ = ("run",)

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype, functions: _Functions) -> None:
        super().__init__(shape, dtype)
        self.run = functions.run

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return NotImplemented  # which PyTorch asks for; the mode answers before

    def dim(self) -> int:
        return self.run(Tensor.dim, (self,))  # type: ignore[no-any-return]

    def mean(self, *args: Any, **kwargs: Any) -> Any:
        return self.run(Tensor.mean, (self, *args), kwargs)

    def flatten(self, *args: Any) -> Any:
        return self.run(Tensor.flatten, (self, *args))

    def sigmoid(self) -> Any:
        return self.run(Tensor.sigmoid, (self,))

    def __add__(self, other: Any) -> Any:
        return self.run(Tensor.add, (self, other))

    def __mul__(self, other: Any) -> Any:
        return self.run(Tensor.mul, (self, other))

    def __getitem__(self, key: Any) -> Any:
        return self.run(Tensor.__getitem__, (self, key))


class _Functions(TorchFunctionMode):
    """Finds what functions of outlines put out, and tells it to the `counter`."""

    def __init__(self, counter: Counter) -> None:
        super().__init__()
        self.counter = counter

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return self.run(func, args, kwargs)

    def run(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        out = self._put_out(func, args, kwargs)
        if self.counter.listener is not None:
            self.counter.listener(func, args, kwargs, out)
        return out

    def _put_out(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if func in SHAPES:
            shape, macs = SHAPES[func](*args, **kwargs)
            elements = math.prod(shape)
            self.counter.add(elements * macs, elements)
            return self._map(args[0], shape)
        if func in KEEPS_SHAPE and KEEPS_SHAPE[func](*args, **kwargs):
            two = len(args) > 1 and isinstance(args[1], _Map)  # a listener may ask of which of them something is
            return self._map(args[0], args[0].shape) if two else args[0]
        if func is Tensor.dim:
            return args[0].ndim
        if func in UNCOUNTED and (free := UNCOUNTED[func](*args, **kwargs)) is not None:
            first = args[0][0] if isinstance(args[0], list) else args[0]
            return self._map(first, free)
        if func in _BY_PYTORCH:
            with torch._C.DisableTorchFunction():
                found = func(torch.empty(args[0].shape, device="meta"), *args[1:], **kwargs).shape
            return self._map(args[0], tuple(found))
        raise TypeError(f"nothing is known of {func}")

    def _map(self, given: Outline, shape: tuple[int, ...]) -> _Map:
        return _Map(shape, given.dtype, self)


_BY_PYTORCH = {Tensor.__getitem__, F.pad, F.max_pool2d, F.avg_pool2d, torch.max_pool2d, torch._C._nn.avg_pool2d}
"""Functions of one map that multiply nothing, and whose shapes are in no table."""


# ---------------------------------------------------------------------------- in a module's place


class Outlined(nn.Module):
    """Its parameters, and the call of a function. PyTorch's own `__init__` and hooks take longer than all else."""

    _parameters: dict[str, Any] = {}  # noqa: RUF012  (nothing is added to them)
    _buffers: dict[str, Any] = {}  # noqa: RUF012
    _modules: dict[str, Any] = {}  # noqa: RUF012
    given: tuple[Any, ...]  # to the function, after the map

    def _take(self, weight: tuple[int, ...], bias: tuple[int, ...] | None, *others: Any) -> None:
        """Parameters of these shapes, which the function is given before `others`."""
        dtype = torch.get_default_dtype()
        own = {"weight": Outline(weight, dtype), "bias": None if bias is None else Outline(bias, dtype)}
        attributes = self.__dict__  # past `nn.Module.__setattr__`, which looks what kind each is
        attributes["_parameters"], attributes["given"] = own, (*own.values(), *others)

    def __call__(self, x: _Map) -> Any:
        raise NotImplementedError


class _Conv2d(Outlined):
    def __init__(
        self, c_in: int, c: int, kernel: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1,
        bias: bool = True,
    ) -> None:  # fmt: skip
        size = (kernel, kernel) if isinstance(kernel, int) else tuple(kernel)
        self._take((c, c_in // groups, *size), (c,) if bias else None, stride, padding, dilation, groups)

    def __call__(self, x: _Map) -> Any:
        return x.run(F.conv2d, (x, *self.given))


class _BatchNorm2d(Outlined):
    def __init__(self, c: int) -> None:
        self._take((c,), (c,))

    def __call__(self, x: _Map) -> Any:
        if x.dim() != 4:
            raise ValueError("a batch norm of maps is given none")
        return x.run(F.batch_norm, (x, *self.given))


class _Linear(Outlined):
    def __init__(self, c_in: int, c: int, bias: bool = True) -> None:
        self._take((c, c_in), (c,) if bias else None)

    def __call__(self, x: _Map) -> Any:
        return x.run(F.linear, (x, *self.given))


class _Sequential(Outlined):
    def __init__(self, *modules: nn.Module) -> None:
        self.__dict__["_modules"] = {str(number): module for number, module in enumerate(modules)}

    def add_module(self, name: str, module: nn.Module | None) -> None:
        self._modules[name] = module

    def __call__(self, x: _Map) -> Any:
        for module in self._modules.values():
            x = module(x)
        return x


def _elementwise(function: Any) -> type[nn.Module]:
    class Elementwise(Outlined):
        def __init__(self, inplace: bool = False) -> None:
            pass

        def __call__(self, x: _Map) -> Any:
            return x.run(function, (x,))

    return Elementwise


class _Identity(Outlined):
    def __init__(self) -> None:
        pass

    def __call__(self, x: _Map) -> Any:
        return x


_OUTLINES: Mapping[Any, Any] = {
    nn.Conv2d: _Conv2d,
    nn.BatchNorm2d: _BatchNorm2d,
    nn.Linear: _Linear,
    nn.Sequential: _Sequential,
    nn.Identity: _Identity,
    nn.ReLU: _elementwise(F.relu),
    nn.ReLU6: _elementwise(F.hardtanh),
    nn.SiLU: _elementwise(F.silu),
}
