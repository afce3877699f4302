"""A network as the operators that a converter writes into an int8 .tflite file, found by its forward on shapes alone.

Every operator puts out one tensor, which is known by the operator's position, and reads earlier ones. They stand in the
order of the forward's calls, which is that of the file and of execution. A file has fewer operators than there are
calls:

- a batch norm is folded into the convolution or linear layer whose output it alone reads; elsewhere it is MUL and ADD;
- ReLU and ReLU6 are fused into the operator whose output they alone read, if that can have an activation;
- the same operator on the same tensors, such as the ReLU of two branches on their one input, is written once;
- what nobody reads is not written, nor is what does nothing in evaluation mode.

And it has more:

- a PAD before a convolution or a pooling whose padding is none of TensorFlow's two (none, or SAME: as much as gives
  ceil(size / stride) pixels, the odd one last), such as of 3x3 kernels at a stride of 2 on an even size;
- a QUANTIZE before a CONCATENATION, all of whose tensors have one scale, where what comes in has a scale that it
  cannot change: where it comes from an operator that keeps its input's, or goes into another CONCATENATION, too;
- a STRIDED_SLICE for each dimension that is sliced.

Tensors are taken to have channels last throughout, so there is no TRANSPOSE but where the forward has one. This is as
litert-torch and ai-edge-quantizer write files, see docs/microcontrollers.md.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from searchspaces.following import Following, tensors_in

IMAGE = "IMAGE"
WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
NORM = "batch norm"  # until `written` has folded or replaced it
ACTIVATIONS = ("RELU", "RELU6")
ACTIVATED = (*WEIGHTED, NORM, "ADD", "SUB", "MUL", "DIV")
SAME_SCALE = (
    *("MAX_POOL_2D", "AVERAGE_POOL_2D", "CONCATENATION", "PAD", "PADV2", "RESHAPE", "SLICE", "STRIDED_SLICE"),
    *("TRANSPOSE", "QUANTIZE"),
)


class Operator(NamedTuple):
    """One operator of the file.

    `shape` of what it puts out: `[C, H, W]` or `[C]` of one image. `weights`: the elements of a constant int8 tensor
    that it reads; those of `WEIGHTED` have a scale for each channel that is put out, and as many biases. `constants`:
    the int32 vectors that it reads, such as by how much it pads. `fused`: it has an activation.
    """

    kind: str
    reads: tuple[int, ...]
    shape: tuple[int, ...]
    weights: int = 0
    constants: tuple[tuple[int, ...], ...] = ()
    options: tuple[Any, ...] = ()
    fused: bool = False

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def channels(self) -> int:
        return self.shape[-1] if self.kind == "FULLY_CONNECTED" else self.shape[0]


class Recorder(Following[int]):
    """Records the operators of a forward while it is entered, as they are called.

    Shapes are found by what is entered outside of it, see `searchspaces.cost.counted`.
    """

    def __init__(self, image: Tensor, kind: str = IMAGE, fused: bool = True) -> None:
        """`image` is what an operator of that kind puts out."""
        super().__init__()
        self.operators = [Operator(kind, (), tuple(image.shape[1:]), fused=fused)]
        self.know(image, 0)

    def called(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], given: list[Tensor]) -> Any:
        out = func(*args, **kwargs)
        reads = tuple(self.known(tensor) for tensor in given)
        if isinstance(out, tuple | list):
            return type(out)(
                self._own(part, self.add("SLICE", reads, part.shape[1:], options=(number,), constants=_range(part)))
                for number, part in enumerate(out)
            )
        if not isinstance(out, Tensor):
            return out
        call = Call(getattr(func, "__name__", "other"), args, kwargs, reads, tuple(out.shape[1:]))
        position = WRITERS.get(func, _other)(self, call)
        if kwargs.get("inplace") or func in IN_PLACE or (call.name.endswith("_") and call.name[0] != "_"):
            return self.know(args[0], position)
        return self._own(out, position)

    def _own(self, out: Tensor, position: int) -> Tensor:
        """A tensor for what the operator puts out: `out` may stand for others of its shape."""
        with torch._C.DisableTorchFunction(), torch._C._DisableTorchDispatch():
            return self.know(torch.empty(out.shape, dtype=out.dtype, device="meta"), position)

    def add(self, kind: str, reads: Sequence[int], shape: Sequence[int], **others: Any) -> int:
        """Records an operator; gives its position."""
        self.operators.append(Operator(kind, tuple(reads), tuple(shape), **others))
        return len(self.operators) - 1

    def positions(self, out: Any) -> list[int]:
        """Of the tensors among what a module gives; what does not come from the image has none."""
        outs = out.values() if isinstance(out, Mapping) else (out,)
        return [self.known(tensor) for tensor in tensors_in(outs) if id(tensor) in self._known]

    def shape(self, position: int) -> tuple[int, ...]:
        return self.operators[position].shape

    def constants(self, call: Call) -> int:
        """The elements of the tensors that a function is given and that do not come from the image."""
        given = tensors_in((*call.args, *call.kwargs.values()))
        return sum(tensor.numel() for tensor in given if id(tensor) not in self._known)


class Call(NamedTuple):
    """A call of a function of PyTorch: `reads` are the positions of its arguments, `shape` is the result's."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    reads: tuple[int, ...]
    shape: tuple[int, ...]

    def argument(self, place: int, name: str, default: Any = None) -> Any:
        return self.args[place] if len(self.args) > place else self.kwargs.get(name, default)


# ---------------------------------------------------------------------------- what is written for a function


def _convolution(to: Recorder, call: Call) -> int:
    weight, groups = call.argument(1, "weight"), call.argument(6, "groups", 1)
    kernel = tuple(weight.shape[2:])
    dilation = _pair(call.argument(5, "dilation", 1))
    reach = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    read = _padded(
        to, call.reads[0], reach, _pair(call.argument(3, "stride", 1)), call.argument(4, "padding", 0), "PAD"
    )
    kind = "DEPTHWISE_CONV_2D" if weight.shape[1] == 1 and to.shape(read)[0] == groups else "CONV_2D"
    return to.add(kind, (read,), call.shape, weights=weight.numel(), options=(len(to.operators),))


def _linear(to: Recorder, call: Call) -> int:
    weights = call.argument(1, "weight").numel()
    return to.add("FULLY_CONNECTED", call.reads[:1], call.shape, weights=weights, options=(len(to.operators),))


def _padded(to: Recorder, read: int, reach: tuple[int, ...], stride: tuple[int, ...], padding: Any, kind: str) -> int:
    """What a kernel of `reach` pixels reads: `read`, or a PAD of it where TensorFlow's own padding is another."""
    before = to.operators[read]
    if kind == "PAD" and padding in (0, (0, 0)) and before.kind == "PAD" and len(before.options) == 4:
        left, right, top, bottom = before.options  # by the forward itself
        sides = ((top, bottom), (left, right))
        source, size = before.reads[0], to.shape(before.reads[0])[1:]
    else:
        if isinstance(padding, str):
            return read
        down, across = _pair(padding)
        sides = ((down, down), (across, across))
        source, size = read, before.shape[-2:]
    if not any(map(any, sides)):
        return read
    if all(_same(*each) for each in zip(size, reach, stride, sides, strict=True)):
        return source
    if source != read:
        return read
    (top, bottom), (left, right) = sides
    shape = (before.shape[0], size[0] + top + bottom, size[1] + left + right)
    return to.add(kind, (read,), shape, constants=((0, 0, top, bottom, left, right, 0, 0),))


def _same(size: int, reach: int, stride: int, sides: tuple[int, int]) -> bool:
    """Whether TensorFlow's SAME padding has so many pixels on the two sides."""
    extra = max((math.ceil(size / stride) - 1) * stride + reach - size, 0)
    return sides == (extra // 2, extra - extra // 2)


def _pool(kind: str) -> Writer:
    def write(to: Recorder, call: Call) -> int:
        kernel = _pair(call.argument(1, "kernel_size"))
        stride = _pair(call.argument(2, "stride") or kernel)
        before = "PADV2" if kind == "MAX_POOL_2D" else "PAD"
        read = _padded(to, call.reads[0], kernel, stride, call.argument(3, "padding", 0), before)
        return to.add(kind, (read,), call.shape, options=(kernel, stride))

    return write


def _mean(to: Recorder, call: Call) -> int:
    return to.add("MEAN", call.reads, call.shape, constants=((1, 2),))


def _adaptive_pool(to: Recorder, call: Call) -> int:
    before = to.shape(call.reads[0])
    if call.shape == before:
        return call.reads[0]
    return _mean(to, call) if call.shape[-2:] == (1, 1) else to.add("AVERAGE_POOL_2D", call.reads, call.shape)


def _reshape(to: Recorder, call: Call) -> int:
    """Where only dimensions of 1 come or go after a mean, this is left to that."""
    source = to.operators[call.reads[0]]
    if call.shape == source.shape:
        return call.reads[0]
    if source.kind == "MEAN":
        return to.add("MEAN", source.reads, call.shape, constants=source.constants)
    return to.add("RESHAPE", call.reads, call.shape, constants=((1, *call.shape),))


def _shuffled(to: Recorder, call: Call) -> int:
    """In groups: two dimensions for the one of channels, these exchanged, and one again."""
    c, *pixels = call.shape
    groups = call.argument(1, "groups")
    split = to.add(
        "RESHAPE", call.reads, (*pixels, groups, c // groups), constants=((1, *pixels, groups, c // groups),)
    )
    turned = to.add("TRANSPOSE", (split,), (*pixels, c // groups, groups), constants=((0, 1, 2, 4, 3),))
    return to.add("RESHAPE", (turned,), call.shape, constants=((1, *call.shape),))


def _padding(to: Recorder, call: Call) -> int:
    """Also of negative numbers, which drop pixels."""
    pads = tuple(call.argument(1, "pad"))
    (read,), shape = call.reads, [*to.shape(call.reads[0])]
    if min(pads) < 0:
        for place, pad in enumerate(pads):  # of the last dimension first
            shape[-1 - place // 2] += min(pad, 0)
        read = to.add("SLICE", (read,), shape, constants=((0, *pads), (1, *shape)))
        pads = tuple(max(pad, 0) for pad in pads)
    if not any(pads):
        return read
    return to.add("PAD", (read,), call.shape, constants=(pads,), options=pads)


def _sliced(to: Recorder, call: Call) -> int:
    """One operator for each dimension of which something is left out."""
    (position,), shape = call.reads[:1], list(to.shape(call.reads[0]))
    for dim, (n, left) in enumerate(zip(shape, call.shape, strict=False)):
        if n != left:
            shape[dim] = left
            ends = ((0, dim, 0, 0), (1, dim, n, left), (1, dim, n // left, 1))
            position = to.add("STRIDED_SLICE", (position,), shape, constants=ends)
    return position


def _joined(to: Recorder, call: Call) -> int:
    return to.add("CONCATENATION", call.reads, call.shape)


def _normed(to: Recorder, call: Call) -> int:
    return to.add(NORM, call.reads[:1], call.shape, options=(len(to.operators),))


def _sigmoid_weighted(to: Recorder, call: Call) -> int:
    gate = to.add("LOGISTIC", call.reads, call.shape)
    return to.add("MUL", (*call.reads, gate), call.shape)


def _clamped(to: Recorder, call: Call) -> int:
    bounds = call.argument(1, "min_val", -1.0), call.argument(2, "max_val", 1.0)
    return to.add("RELU6" if bounds == (0.0, 6.0) else "MINIMUM", call.reads, call.shape)


def _nothing(to: Recorder, call: Call) -> int:
    return call.reads[0]


def _simple(kind: str) -> Writer:
    """An operator that reads what the function is given: tensors of the image, others, and numbers."""

    def write(to: Recorder, call: Call) -> int:
        numbers = tuple(arg for arg in call.args[1:] if isinstance(arg, int | float))
        weights = to.constants(call)
        own = (len(to.operators),) if weights else numbers
        return to.add(kind, call.reads, call.shape, weights=weights or len(numbers[:1]), options=own)

    return write


def _other(to: Recorder, call: Call) -> int:
    """Of a function of which nothing more is known: an operator that has its weights, with one scale."""
    kind, own = call.name.strip("_").upper(), (len(to.operators),)
    return to.add(kind, call.reads, call.shape, weights=to.constants(call), options=own)


def _range(part: Tensor) -> tuple[tuple[int, ...], ...]:
    """Where a slice begins, and its size."""
    return (0,) * part.ndim, tuple(part.shape)


def _pair(value: Any) -> tuple[int, ...]:
    return (value, value) if isinstance(value, int) else tuple(value) * (2 // len(value))


Writer = Callable[[Recorder, Call], int]


def _each(writer: Writer, *functions: Any) -> dict[Any, Writer]:
    return dict.fromkeys(functions, writer)


WRITERS: Mapping[Any, Writer] = {
    **_each(_convolution, F.conv2d),
    **_each(_linear, F.linear),
    **_each(_normed, F.batch_norm),
    **_each(_pool("MAX_POOL_2D"), F.max_pool2d, torch.max_pool2d),
    **_each(_pool("AVERAGE_POOL_2D"), F.avg_pool2d, torch._C._nn.avg_pool2d),
    **_each(_adaptive_pool, F.adaptive_avg_pool2d),
    **_each(_mean, Tensor.mean, torch.mean),
    **_each(_reshape, Tensor.flatten, torch.flatten, Tensor.view, Tensor.reshape, torch.reshape, Tensor.squeeze),
    **_each(_shuffled, F.channel_shuffle, torch.channel_shuffle),
    **_each(_padding, F.pad),
    **_each(_sliced, Tensor.__getitem__),
    **_each(_joined, torch.cat, torch.concat),
    **_each(_simple("ADD"), Tensor.add, Tensor.add_, torch.add, Tensor.__add__, Tensor.__radd__, Tensor.__iadd__),
    **_each(_simple("MUL"), Tensor.mul, Tensor.mul_, torch.mul, Tensor.__mul__, Tensor.__rmul__, Tensor.__imul__),
    **_each(_simple("SUB"), Tensor.sub, Tensor.sub_, torch.sub, Tensor.__sub__, Tensor.__rsub__, Tensor.__isub__),
    **_each(_simple("RELU"), F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_),
    **_each(_simple("RELU6"), F.relu6),
    **_each(_clamped, F.hardtanh),
    **_each(_simple("LOGISTIC"), Tensor.sigmoid, torch.sigmoid, F.sigmoid),
    **_each(_simple("TANH"), Tensor.tanh, torch.tanh, F.tanh),
    **_each(_simple("HARD_SWISH"), F.hardswish),
    **_each(_simple("LEAKY_RELU"), F.leaky_relu),
    **_each(_sigmoid_weighted, F.silu),
    **_each(_nothing, F.dropout, F.dropout2d, Tensor.contiguous, Tensor.clone, Tensor.detach),
}
IN_PLACE = (Tensor.__iadd__, Tensor.__imul__, Tensor.__isub__)


# ---------------------------------------------------------------------------- what of it stands in the file


def written(called: Sequence[Operator], out: Sequence[int]) -> tuple[list[Operator], list[int]]:
    """The operators of the file for those `called`, where what those at `out` put out is wanted; and which these are.

    The first, which is what comes in, stays the first.
    """
    operators = list(called)
    for step in (_once, _read, _folded, _requantised):
        operators, out = step(operators, out)
    return operators, list(out)


def _once(called: Sequence[Operator], out: Sequence[int]) -> tuple[list[Operator], list[int]]:
    """Without those that do again what an earlier one does."""
    found: dict[Operator, int] = {}
    places = list[int]()
    for operator in called:
        new = operator._replace(reads=tuple(places[i] for i in operator.reads))
        places.append(found.setdefault(new, len(found)))
    return [*found], [places[position] for position in out]


def _read(operators: Sequence[Operator], out: Sequence[int]) -> tuple[list[Operator], list[int]]:
    """Without those that nothing comes of."""
    used = {0, *out}
    for position in reversed(range(len(operators))):
        if position in used:
            used.update(operators[position].reads)
    new = {position: number for number, position in enumerate(sorted(used))}
    kept = [operators[i]._replace(reads=tuple(new[j] for j in operators[i].reads)) for i in new]
    return kept, [new[position] for position in out]


def _folded(operators: Sequence[Operator], out: Sequence[int]) -> tuple[list[Operator], list[int]]:
    """With batch norms and activations in what they read, where nothing else reads that."""
    readers = Counter([*out, *(read for operator in operators for read in operator.reads)])
    found, places = list[Operator](), list[int]()
    for operator in operators:
        reads = tuple(places[i] for i in operator.reads)
        alone = len(reads) == 1 and readers[operator.reads[0]] == 1 and not found[reads[0]].fused
        if operator.kind == NORM and alone and found[reads[0]].kind in WEIGHTED:
            places.append(reads[0])
        elif operator.kind in ACTIVATIONS and alone and found[reads[0]].kind in ACTIVATED:
            found[reads[0]] = found[reads[0]]._replace(fused=True)
            places.append(reads[0])
        else:
            kinds = ("SUB", "MUL", "MUL", "ADD") if operator.kind == NORM else (operator.kind,)
            weights = operator.shape[0] if operator.kind == NORM else operator.weights
            for kind in kinds:
                found.append(operator._replace(kind=kind, reads=reads, weights=weights))
                reads = (len(found) - 1,)
            places.append(len(found) - 1)
    return found, [places[position] for position in out]


def _requantised(operators: Sequence[Operator], out: Sequence[int]) -> tuple[list[Operator], list[int]]:
    """With a QUANTIZE before a CONCATENATION where it is needed."""
    found, places, joined = list[Operator](), list[int](), set[int]()
    for operator in operators:
        reads = [places[i] for i in operator.reads]
        if operator.kind == "CONCATENATION":
            for number, read in enumerate(reads):
                if found[read].kind in SAME_SCALE or read in joined:
                    found.append(Operator("QUANTIZE", (read,), found[read].shape))
                    reads[number] = len(found) - 1
                joined.add(read)
        found.append(operator._replace(reads=tuple(reads)))
        places.append(len(found) - 1)
    return found, [places[position] for position in out]
