"""What a network costs: parameters, multiply-adds and activations, by shape alone.

MACs are the multiply-adds of convolutions and linear layers for one image: what the MnasNet and
EfficientNet papers call FLOPs. Batch norm, pooling and elementwise work are not counted (EfficientNet-B0
at 224 pixels is 385.8M so, where fvcore's default total, which counts them too, says 401.7M). The figures
equal fvcore's `FlopCountAnalysis(...).by_operator()`, `conv` plus `linear`; a test holds that.

A network built under `shapes_only()` is costed without ever allocating its weights:

    with shapes_only():
        network = space.build(arch)
    cost(network, image_size=32)        # Cost(params=..., macs=..., activations=...)

which is `cost_of(lambda: space.build(arch), image_size=32)` where the network itself is not wanted.
"""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


@dataclass(frozen=True)
class Cost:
    """Sizes for one image. `activations`: elements that convolutions and linear layers put out
    (Radosavovic et al. 2020), which track a network's time on accelerators better than MACs do."""

    params: int
    macs: int
    activations: int


@dataclass(frozen=True)
class RowCost:
    """A network's child by its name: what it puts out (`[C, H, W]` or `[C]` of one image) and what it costs."""

    name: str
    output: tuple[int, ...]
    cost: Cost


def cost(module: nn.Module, image_size: int, channels: int = 3) -> Cost:
    """The cost of `module` for an image `[1, channels, image_size, image_size]`, in evaluation mode.

    Runs `module` once on a meta tensor, which holds a shape and no numbers: a few milliseconds, whatever
    the network's size. The module is left as it was. Raises ValueError where the image is too small, or layers
    do not fit together.
    """
    with _counting(module, image_size, channels) as (image, counter):
        module(image)
    return _cost_of(module, counter)


def costs_by_row(network: nn.Sequential, image_size: int, channels: int = 3) -> list[RowCost]:
    """The cost of each child of `network`, top to bottom: with it a paper's table is printed. Otherwise as `cost`."""
    rows = []
    with _counting(network, image_size, channels) as (image, counter):
        x = image
        for name, child in network.named_children():
            counter.macs = counter.activations = 0
            x = child(x)
            last = x[-1] if isinstance(x, tuple) else x  # a cell also hands on what it was given
            rows.append(RowCost(name, tuple(last.shape[1:]), _cost_of(child, counter)))
    return rows


def _cost_of(module: nn.Module, counter: _Counter) -> Cost:
    return Cost(sum(p.numel() for p in module.parameters()), counter.macs, counter.activations)


@contextlib.contextmanager
def _counting(module: nn.Module, image_size: int, channels: int) -> Iterator[tuple[Any, _Counter]]:
    """An image without content, and what counts the work that is done on it."""
    counter = _Counter()
    with torch.no_grad(), _evaluating(module), counter:
        try:
            dtype = next((p.dtype for p in module.parameters()), None)
            yield torch.empty(1, channels, image_size, image_size, dtype=dtype, device="meta"), counter
        except RuntimeError as error:
            raise ValueError(
                f"the network does not take {channels}x{image_size}x{image_size} images: {error}"
            ) from None


class _Counter(TorchFunctionMode):
    """Adds up every convolution and linear layer that runs under it, called as a module or as a function.

    What most layers put out follows from shapes, so their weights may have numbers. To any other function meta tensors
    are given for those that have.
    """

    def __init__(self) -> None:
        super().__init__()
        self.macs = 0
        self.activations = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _KEEPS_SHAPE and (func not in _BROADCASTS or _fits_into(args[1], args[0])):
            return args[0]
        if func in _SHAPES:
            shape, macs = _SHAPES[func](*args, **kwargs)
            self.macs += math.prod(shape) * macs
            self.activations += math.prod(shape)
            return (args[0] if args else kwargs["input"]).new_empty(shape)
        with torch.device("meta"):
            args, kwargs = _without_numbers(args), {name: _without_numbers(value) for name, value in kwargs.items()}
            out = _SAME_SHAPE.get(func, func)(*args, **kwargs)
        if func in _TRANSPOSED:
            named = dict(zip(("input", "weight"), args, strict=False)) | kwargs
            self.macs += named["input"].numel() * named["weight"][0].numel()
            self.activations += out.numel()
        elif func is F.multi_head_attention_forward:
            self._count_projections(inspect.signature(func).bind(*args, **kwargs).arguments)
        return out

    def _count_projections(self, given: Mapping[str, Any]) -> None:
        """The linear layers of `nn.MultiheadAttention`, which PyTorch calls out of this mode's sight."""
        query, key, value, out = (given[name] for name in ("query", "key", "value", "out_proj_weight"))
        c = out.shape[1]  # that every projection gives; each tensor is [..., its own channels]
        self.macs += (query.numel() + key.numel() + value.numel()) * c + query[..., 0].numel() * out.numel()
        self.activations += (2 * query[..., 0].numel() + key[..., 0].numel() + value[..., 0].numel()) * c


class _NoInitialisation(TorchFunctionMode):
    """In-place fills do nothing: on meta tensors they would only cost time, most of a network's construction."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _FILLS:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def _convolved(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: str | int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> tuple[tuple[int, ...], int]:
    """The shape that `F.conv1d` to `F.conv3d` put out, and the multiply-adds for each element of it."""
    out_channels, in_channels, *kernel = weight.shape
    dims = len(kernel)
    *batch, channels = input.shape[:-dims]
    if channels != in_channels * groups:
        raise RuntimeError(f"a convolution of {in_channels * groups} channels is given {channels}")
    if padding == "same":  # its stride is 1
        size = tuple(input.shape[-dims:])
    else:
        padding = 0 if padding == "valid" else padding
        each = ((v,) * dims if isinstance(v, int) else v for v in (stride, padding, dilation))
        size = tuple(
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(input.shape[-dims:], kernel, *each, strict=True)
        )
    if min(size) < 1:
        raise RuntimeError(f"a kernel of {kernel} is larger than its padded input of {list(input.shape[-dims:])}")
    return (*batch, out_channels, *size), in_channels * math.prod(kernel)


def _projected(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> tuple[tuple[int, ...], int]:
    """The shape that `F.linear` puts out, and the multiply-adds for each element of it."""
    out_features, in_features = weight.shape
    if input.shape[-1] != in_features:
        raise RuntimeError(f"a linear layer of {in_features} features is given {input.shape[-1]}")
    return (*input.shape[:-1], out_features), in_features


def _without_numbers(value: Any) -> Any:
    """`value`, an argument, with the shapes of its tensors alone."""
    if isinstance(value, Tensor):
        return value if value.is_meta else value.to("meta")
    if isinstance(value, tuple):
        return tuple(map(_without_numbers, value))
    if isinstance(value, list):
        return [*map(_without_numbers, value)]
    return value


_Functions = frozenset[Any]
_TRANSPOSED: _Functions = frozenset({F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d})
_FILLS: _Functions = frozenset(
    {Tensor.normal_, Tensor.uniform_, Tensor.fill_, Tensor.zero_}
    | {nn.init.kaiming_uniform_, nn.init.uniform_, nn.init.normal_}
)
_SHAPES: Mapping[Any, Callable[..., tuple[tuple[int, ...], int]]] = {
    F.conv1d: _convolved,
    F.conv2d: _convolved,
    F.conv3d: _convolved,
    F.linear: _projected,
}
# Sums have the shapes of means, and their meta kernels take a quarter of the time.
_SAME_SHAPE: Mapping[Any, Callable[..., Any]] = {Tensor.mean: Tensor.sum, torch.mean: torch.sum}
# Where the result has the first argument's shape, that argument stands for it: meta kernels of these are slow Python.
_BROADCASTS: _Functions = frozenset({Tensor.add, Tensor.mul, Tensor.add_, Tensor.mul_, torch.add, torch.mul})
_KEEPS_SHAPE: _Functions = _BROADCASTS | {
    F.batch_norm,
    F.dropout,
    F.elu,
    F.gelu,
    F.hardsigmoid,
    F.hardswish,
    F.hardtanh,  # which nn.ReLU6 calls
    F.leaky_relu,
    F.mish,
    F.relu,
    F.relu6,
    F.silu,
    Tensor.sigmoid,
    torch.sigmoid,
}


def _fits_into(other: Any, tensor: Tensor) -> bool:
    """Whether `other` broadcasts to `tensor`'s shape."""
    if not isinstance(other, Tensor):
        return True
    return other.ndim <= tensor.ndim and all(
        a in (1, b) for a, b in zip(reversed(other.shape), reversed(tensor.shape), strict=False)
    )


@contextlib.contextmanager
def shapes_only() -> Iterator[None]:
    """Modules built here have shapes and no weights (meta tensors, no initialisation): microseconds a layer."""
    with torch.device("meta"), _NoInitialisation():
        yield


def cost_of(build: Callable[[], nn.Module], image_size: int) -> Cost:
    """`cost` of the network that `build` makes, which is made without its weights."""
    with shapes_only():
        network = build()
    return cost(network, image_size)


@contextlib.contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """`module` in evaluation mode, each of its parts as it was afterwards."""
    modes = [(vars(part), part.training) for part in module.modules()]
    for attributes, _ in modes:
        attributes["training"] = False  # what `eval()` does, without a module's slow `__setattr__`
    try:
        yield
    finally:
        for attributes, training in modes:
            attributes["training"] = training
