"""The receptive field of any map of any network: which pixels of the image a position of it can depend on.

Araujo, Norris, Sim: "Computing Receptive Fields of Convolutional Neural Networks" (Distill 2019) for a chain; here each
tensor of a forward has its field, so branches, sums and concatenations are unions. It is found by following the
functions that a forward calls: a convolution and a pooling widen it, an elementwise function leaves it as it is. A
field is the smallest rectangle that holds all such pixels: a dilated convolution skips some of those within it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from searchspaces.following import Following, tensors_in
from searchspaces.modules import pair


class Axis(NamedTuple):
    """Along one axis: position p depends on the pixels `p * step + first` to `p * step + last`, both included."""

    step: int
    first: float
    last: float

    def through(self, kernel: int, stride: int, before: int, dilation: int) -> Axis:
        """What a window of `kernel` pixels sees of a map of this field, which has `before` pixels of padding."""
        if self is WHOLE:
            return WHOLE
        first = self.first - before * self.step
        last = self.last + ((kernel - 1) * dilation - before) * self.step
        return Axis(self.step * stride, first, last)

    def shifted(self, positions: int) -> Axis:
        """Of a map whose position 0 is `positions` after that of this field."""
        return self.through(1, 1, -positions, 1)


WHOLE = Axis(0, -math.inf, math.inf)


class Box(NamedTuple):
    """Rows `top` to `bottom` and columns `left` to `right` of an image, the ends excluded; parts may be outside."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True)
class Field:
    """The field of a map. With `gated` a gate or a norm also lets in something of the whole image."""

    rows: Axis
    columns: Axis
    gated: bool = False

    def box(self, row: int, column: int, side: int) -> Box:
        """The field of the position `(row, column)` in an image of `side` pixels a side: the whole of it at most."""
        top, bottom = _span(self.rows, row, side)
        left, right = _span(self.columns, column, side)
        return Box(top, left, bottom, right)


class Fields(Following[Field]):
    """While it is entered: the fields of the tensors that come of the image that it was told to `begin` with.

    Maps are tensors `[..., H, W]`. A function that is not known and gives a map of other sides sees the whole image;
    one that keeps them is taken for one of single positions, but for norms that look at the whole map.
    """

    def begin(self, image: Tensor) -> Tensor:
        return self.know(image, Field(Axis(1, 0, 0), Axis(1, 0, 0)))

    def of(self, tensor: Tensor) -> Field | None:
        """The field of a map; None of what is none, or does not come of the image."""
        return self._known.get(id(tensor)) if tensor.ndim > 2 else None

    def called(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], given: list[Tensor]) -> Any:
        out = func(*args, **kwargs)
        field = _field(func, args, kwargs, given, out, self.known)
        for tensor in tensors_in((out,)):
            self.know(tensor, field)
        return out


def _field(
    func: Any,
    args: Sequence[Any],
    kwargs: dict[str, Any],
    given: Sequence[Tensor],
    out: Any,
    known: Callable[[Tensor], Field],
) -> Field:
    fields = [known(tensor) for tensor in given]
    gated = any(field.gated for field in fields) or func in _OF_WHOLE_MAPS
    if func in _WINDOWS:
        windows = _WINDOWS[func](*args, **kwargs)
        down, across = windows
        return Field(fields[0].rows.through(*down), fields[0].columns.through(*across), gated)
    if func is F.pad:
        return _padded(fields[0], *args, **kwargs)
    if func is Tensor.__getitem__:
        return _indexed(fields[0], args[0], args[1])
    sides = next((tensor.shape[-2:] for tensor in tensors_in((out,))), None)
    maps = [
        field for tensor, field in zip(given, fields, strict=True) if tensor.ndim > 2 and tensor.shape[-2:] == sides
    ]
    if not maps:
        return Field(WHOLE, WHOLE)
    gated = gated or len(maps) < len(given)  # the others are broadcast: one number for all positions
    return Field(_union(f.rows for f in maps), _union(f.columns for f in maps), gated)


def _union(axes: Iterable[Axis]) -> Axis:
    axes = [*axes]
    if len({axis.step for axis in axes}) > 1 or WHOLE in axes:
        return WHOLE
    return Axis(axes[0].step, min(axis.first for axis in axes), max(axis.last for axis in axes))


def _span(axis: Axis, position: int, side: int) -> tuple[int, int]:
    if axis is WHOLE or axis.step == 0 or axis.last - axis.first + 1 >= 2 * side:
        return 0, side
    return int(position * axis.step + axis.first), int(position * axis.step + axis.last) + 1


Window = tuple[int, int, int, int]  # kernel, stride, padding before, dilation


def _convolved(
    input: Tensor,
    weight: Tensor,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> list[Window]:
    kernel, dilations = tuple(weight.shape[2:]), _two(dilation)
    if isinstance(padding, str):  # of an even kernel the odd pixel comes after
        reaches = zip(kernel, dilations, strict=True)
        padding = tuple((k - 1) * d // 2 for k, d in reaches) if padding == "same" else 0
    return list(zip(kernel, _two(stride), _two(padding), dilations, strict=True))


def _max_pooled(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, *_: Any, **__: Any
) -> list[Window]:
    kernel = _two(kernel_size)
    return list(zip(kernel, _two(stride) if stride else kernel, _two(padding), _two(dilation), strict=True))


def _avg_pooled(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, *_: Any, **__: Any
) -> list[Window]:
    return _max_pooled(input, kernel_size, stride, padding)


def _two(size: Any) -> tuple[int, ...]:
    sizes = pair(size) if isinstance(size, int) else tuple(size)
    return sizes * 2 if len(sizes) == 1 else sizes


def _padded(field: Field, input: Tensor, pad: Sequence[int], *_: Any, **__: Any) -> Field:
    """With rows and columns before the map, its first position is another."""
    left, top = pad[0], pad[2] if len(pad) > 2 else 0
    return Field(field.rows.shifted(-top), field.columns.shifted(-left), field.gated)


def _indexed(field: Field, given: Tensor, index: Any) -> Field:
    """Slices with a step leave positions out; whatever else is indexed is of single positions, or of none."""
    index = index if isinstance(index, tuple) else (index,)
    if not all(isinstance(one, slice) for one in index):
        return Field(WHOLE, WHOLE)
    slices = [*index, *[slice(None)] * (given.ndim - len(index))][-2:]
    down, across = (part.indices(side) for part, side in zip(slices, given.shape[-2:], strict=True))
    return Field(_sliced(field.rows, *down), _sliced(field.columns, *across), field.gated)


def _sliced(axis: Axis, start: int, _: int, step: int) -> Axis:
    return axis.shifted(start).through(1, step, 0, 1)


_WINDOWS: dict[Any, Callable[..., list[Window]]] = {
    F.conv2d: _convolved,
    F.max_pool2d: _max_pooled,
    torch.max_pool2d: _max_pooled,
    F.avg_pool2d: _avg_pooled,
}
_OF_WHOLE_MAPS = {F.group_norm, F.instance_norm}
