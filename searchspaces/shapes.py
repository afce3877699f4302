"""What PyTorch's functions put out, as far as it follows from shapes: so a network is counted without being run.

`SHAPES` has those that are counted, `UNCOUNTED` others whose meta kernels are slow Python, and `KEEPS_SHAPE` those
whose first argument may stand for the result. What is given something out of the ordinary is left to PyTorch, and
`CHECKS` has what that overlooks where tensors have no numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


class Outline:
    """A tensor's shape and type, without the tensor; see `searchspaces.outlines`."""

    __slots__ = ("dtype", "ndim", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        self.shape, self.dtype, self.ndim = shape, dtype, len(shape)

    def numel(self) -> int:
        return math.prod(self.shape)

    def is_floating_point(self) -> bool:
        return self.dtype.is_floating_point


# ---------------------------------------------------------------------------- layers


def _convolved(
    dims: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: str | int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> tuple[tuple[int, ...], int]:
    """The shape that a convolution of `dims` dimensions puts out, and the multiply-adds for each element of it."""
    out_channels, in_channels, *kernel = weight.shape
    if len(kernel) != dims or not dims < input.ndim < dims + 3:
        raise RuntimeError(f"a conv{dims}d with weights of {[*weight.shape]} is given {[*input.shape]}")
    *batch, channels = input.shape[:-dims]
    if channels != in_channels * groups:
        raise RuntimeError(f"a convolution of {in_channels * groups} channels is given {channels}")
    if out_channels < 1 or out_channels % groups:
        raise RuntimeError(f"a convolution of {groups} groups cannot put out {out_channels} channels")
    _check_parts("convolution", input, weight, bias)
    strides, dilations = _each(dims, stride), _each(dims, dilation)
    if min(strides) < 1 or min(dilations) < 1:
        raise RuntimeError(f"a convolution has a stride of {stride} and a dilation of {dilation}")
    size: tuple[int, ...]
    if padding == "same":
        if max(strides) > 1:
            raise RuntimeError(f"a convolution pads to the same size, which its stride of {stride} changes")
        size = tuple(input.shape[-dims:])
    else:
        pads = _each(dims, 0 if padding == "valid" else padding)
        if min(pads) < 0:
            raise RuntimeError(f"a convolution has a padding of {padding}")
        size = tuple(
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(input.shape[-dims:], kernel, strides, pads, dilations, strict=True)
        )
    if min(size) < 1:
        raise RuntimeError(f"a kernel of {kernel} is larger than its padded input of {list(input.shape[-dims:])}")
    return (*batch, out_channels, *size), in_channels * math.prod(kernel)


def _projected(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> tuple[tuple[int, ...], int]:
    """The shape that `F.linear` puts out, and the multiply-adds for each element of it."""
    *out_features, in_features = weight.shape
    if input.shape[-1] != in_features:
        raise RuntimeError(f"a linear layer of {in_features} features is given {input.shape[-1]}")
    _check_parts("linear layer", input, weight, bias)
    return (*input.shape[:-1], *out_features), in_features


def _check_parts(layer: str, input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    """Raises RuntimeError, as PyTorch does, where types or the bias are not those of the weights."""
    if input.dtype != weight.dtype:
        raise RuntimeError(f"a {layer} with weights of {weight.dtype} is given {input.dtype}")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise RuntimeError(f"a {layer} that puts out {weight.shape[0]} channels has a bias of {[*bias.shape]}")


def _each(dims: int, value: Any) -> tuple[int, ...]:
    """`value` for each of `dims` dimensions."""
    if isinstance(value, int):
        return (value,) * dims
    return tuple(value) * dims if len(value) == 1 else tuple(value)


# ---------------------------------------------------------------------------- what multiplies nothing


def _averaged(tensor: Tensor, dim: Any = None, keepdim: bool = False, **others: Any) -> tuple[int, ...] | None:
    """The shape of a mean."""
    if others or not isinstance(dim, int | tuple | list) or not tensor.is_floating_point():
        return None
    given = (dim,) if isinstance(dim, int) else dim
    dims = {d + tensor.ndim if d < 0 else d for d in given}
    if not dims or len(dims) < len(given) or not dims <= set(range(tensor.ndim)):  # of no dimensions it is of all
        return None
    return tuple(1 if d in dims else n for d, n in enumerate(tensor.shape) if keepdim or d not in dims)


def _pooled(tensor: Tensor, output_size: Any) -> tuple[int, ...] | None:
    """The shape that `F.adaptive_avg_pool2d` puts out."""
    size = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
    if tensor.ndim not in (3, 4) or len(size) != 2 or None in size or 0 in tensor.shape:
        return None
    return (*tensor.shape[:-2], *size)


def _flattened(tensor: Tensor, start_dim: int = 0, end_dim: int = -1) -> tuple[int, ...] | None:
    if end_dim != -1 or not 0 <= start_dim < tensor.ndim:
        return None
    return (*tensor.shape[:start_dim], math.prod(tensor.shape[start_dim:]))


def _concatenated(tensors: Sequence[Tensor], dim: int = 0, **others: Any) -> tuple[int, ...] | None:
    first = tensors[0]
    if others or not -first.ndim <= dim < first.ndim:
        return None
    dim %= first.ndim
    if len({(t.dtype, t.shape[:dim], t.shape[dim + 1 :]) for t in tensors}) > 1:
        return None
    return (*first.shape[:dim], sum(t.shape[dim] for t in tensors), *first.shape[dim + 1 :])


# ---------------------------------------------------------------------------- what keeps its first argument's shape


def _always(*args: Any, **kwargs: Any) -> bool:
    return True


def _fits_into(tensor: Tensor, other: Any = None, **kwargs: Any) -> bool:
    """Whether `other` broadcasts to `tensor`'s shape, and leaves its type."""
    if not isinstance(other, Tensor | Outline):
        return isinstance(other, int | float) and tensor.is_floating_point()
    return (
        other.dtype == tensor.dtype
        and other.ndim <= tensor.ndim
        and all(a in (1, b) for a, b in zip(reversed(other.shape), reversed(tensor.shape), strict=False))
    )


def _is_normed(tensor: Tensor, *given: Any, **named: Any) -> bool:
    """Of `F.batch_norm`: whether its statistics, scale and shift are of as many channels as `tensor` has."""
    channels = tensor.shape[1]
    for part in (*given, *named.values()) if named else given[:4]:
        if isinstance(part, Tensor | Outline) and part.numel() != channels:
            raise RuntimeError(f"a batch norm of {part.numel()} channels is given {channels}")
    return True


def _is_layer_normed(tensor: Tensor, shape: Sequence[int] = (), *given: Any, **named: Any) -> bool:
    """Of `F.layer_norm`: whether the last dimensions, the scale and the shift are of the same shape."""
    parts = [part.shape for part in (*given, *named.values()) if isinstance(part, Tensor)]
    return len(shape) > 0 and all(tuple(part) == tuple(shape) for part in (tensor.shape[-len(shape) :], *parts))


# ---------------------------------------------------------------------------- what PyTorch overlooks without numbers


def _check_convolution(
    input: Tensor, weight: Tensor, bias: Tensor | None, stride: Sequence[int], padding: Sequence[int],
    dilation: Sequence[int], transposed: bool, output_padding: Sequence[int], groups: int,
) -> None:  # fmt: skip
    """Of `aten::convolution`, to which all convolutions come but those in `SHAPES`."""
    _check_parts("convolution", input, weight, None)
    dims = weight.ndim - 2
    if min(padding) < 0:
        raise RuntimeError(f"a convolution has a padding of {[*padding]}")
    channels, takes = input.shape[-dims - 1], weight.shape[0] if transposed else weight.shape[1] * groups
    if channels != takes:
        raise RuntimeError(f"a convolution of {takes} channels is given {channels}")
    if not transposed:
        return
    if takes % groups or not weight.shape[1]:
        raise RuntimeError(f"a convolution of {groups} groups has weights of {[*weight.shape]}")
    for more, s, d in zip(*(_each(dims, value) for value in (output_padding, stride, dilation)), strict=True):
        if more >= max(s, d):
            raise RuntimeError(f"a convolution of stride {s} and dilation {d} has an output padding of {more}")


def _check_layer_norm(input: Tensor, shape: Sequence[int], *parts: Any) -> None:
    for part in parts:
        if isinstance(part, Tensor) and [*part.shape] != [*shape]:
            raise RuntimeError(f"a layer norm of {[*shape]} has weights of {[*part.shape]}")


def _check_shuffle(input: Tensor, groups: int) -> None:
    if input.shape[1] % groups:
        raise RuntimeError(f"{input.shape[1]} channels are shuffled in {groups} groups")


def _check_softmax(input: Tensor, dim: int, *others: Any) -> None:
    if not -max(1, input.ndim) <= dim < max(1, input.ndim):
        raise RuntimeError(f"a softmax over dimension {dim} is given {[*input.shape]}")


# ---------------------------------------------------------------------------- by function

SHAPES: Mapping[Any, Callable[..., tuple[tuple[int, ...], int]]] = {
    F.conv1d: partial(_convolved, 1),
    F.conv2d: partial(_convolved, 2),
    F.conv3d: partial(_convolved, 3),
    F.linear: _projected,
}
UNCOUNTED: Mapping[Any, Callable[..., tuple[int, ...] | None]] = {
    Tensor.mean: _averaged,
    torch.mean: _averaged,
    F.adaptive_avg_pool2d: _pooled,
    Tensor.flatten: _flattened,
    torch.flatten: _flattened,
    torch.cat: _concatenated,
}
# That argument stands for the result: meta kernels of these are slow Python.
_ELEMENTWISE = {
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
_BROADCASTS = {Tensor.add, Tensor.mul, Tensor.add_, Tensor.mul_, torch.add, torch.mul}
KEEPS_SHAPE: Mapping[Any, Callable[..., bool]] = (
    dict.fromkeys(_ELEMENTWISE, _always)
    | dict.fromkeys(_BROADCASTS, _fits_into)
    | {F.batch_norm: _is_normed, F.layer_norm: _is_layer_normed}
)

CHECKS: Mapping[str, Callable[..., None]] = {
    "convolution": _check_convolution,
    "native_layer_norm": _check_layer_norm,
    "channel_shuffle": _check_shuffle,
    "native_channel_shuffle": _check_shuffle,
    "_softmax": _check_softmax,
    "_log_softmax": _check_softmax,
}
"""Of PyTorch's own operations, by name: these raise RuntimeError where that would with numbers."""
