"""What a network needs on a microcontroller: bytes of flash and of memory, by its declaration alone.

`flash` is the size of its int8 .tflite file, and `memory` that of the arena which TensorFlow Lite Micro needs to run it
on a processor with pointers of four bytes. Both follow from the file's operators (`searchspaces.tflite`), which are
found by a forward on shapes: no weights are made and no file is written. See docs/microcontrollers.md for what is
counted, and how far it is from real files.

    footprint(network, image_size=32)        # Footprint(flash=..., memory=...)

The network's code, and that of the library, are in neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from searchspaces.cost import check_counted, counted
from searchspaces.counting import Counter
from searchspaces.tflite import IMAGE, WEIGHTED, Operator, Recorder, written

ALIGNMENT = 16  # bytes, of what is in the arena
POINTER = 4  # bytes, on a microcontroller

# Of a .tflite file that nas writes, fitted to twenty: what is there beside the numbers themselves
FILE = 700
FILE_OPERATOR = 150  # with the tensor that it puts out
FILE_CONSTANT = 133  # weights, biases, or other numbers that are the same for every image
FILE_CHANNEL = 4 + 2 * (4 + 8)  # a bias, and the scale and zero point of it and of the channel's weights

# Of the structures that TensorFlow Lite Micro keeps in the arena, in pointers
ARENA = 92
ARENA_OPERATOR = 8
ARENA_TENSOR = 3  # a constant, too
# And what its kernels keep of an operator, in bytes: as tflite-micro says on a computer, whose pointers have eight
KERNELS = {
    "CONV_2D": 108,
    "DEPTHWISE_CONV_2D": 108,
    "FULLY_CONNECTED": 112,
    "ADD": 72,
    "SUB": 72,
    "MUL": 52,
    "MEAN": 76,
    "SUM": 76,
    "PAD": 64,
    "PADV2": 64,
    "AVERAGE_POOL_2D": 72,
    "MAX_POOL_2D": 72,
    "CONCATENATION": 88,
    "STRIDED_SLICE": 120,
    "SLICE": 0,
    "RESHAPE": 36,
    "TRANSPOSE": 0,
    "RELU": 32,
    "RELU6": 16,
    "LEAKY_RELU": 36,
    "HARD_SWISH": 32,
    "LOGISTIC": 16,
    "TANH": 16,
    "QUANTIZE": 32,
}
OTHER_KERNEL = 64

Before = tuple[str, bool]  # the kind of the operator that a part's input comes from, and whether it has an activation
FIRST: Before = (IMAGE, True)


@dataclass(frozen=True)
class Footprint:
    """Bytes of a microcontroller's flash and memory for one network."""

    flash: int
    memory: int


class Buffer(NamedTuple):
    """Bytes in the arena from the operator that is the `first` to need them to the `last`, by their positions."""

    size: int
    first: int
    last: int


class Part(NamedTuple):
    """What some operators need that read one tensor and put out one: a network, or one of its rows.

    `kernels`: bytes of what they keep. `tensors`: those that they put out, and of constants those that they do not
    share as they do `constants`. Of so many `operators` the first is at position 1; what comes in is there at 0, and
    `read` last.
    """

    flash: int
    kernels: int
    tensors: int
    constants: frozenset[tuple[int, ...]]
    operators: int
    read: int
    buffers: tuple[Buffer, ...]
    scratch: tuple[Buffer, ...]
    out: int  # which of the buffers it puts out; -1: what comes in


def footprint(module: nn.Module, image_size: int, channels: int = 3, pointer: int = POINTER) -> Footprint:
    """Of `module` for images `[1, channels, image_size, image_size]`, in evaluation mode.

    Some milliseconds, whatever the network's size. `pointer` is how many bytes one has. Errors are those of
    `searchspaces.cost.cost`.
    """
    part = part_of(*operators_of(module, image_size, channels))
    return footprint_of_parts([part], channels * image_size**2, pointer)


def operators_of(
    module: nn.Module, image_size: int, channels: int = 3, before: Before = FIRST
) -> tuple[list[Operator], list[int]]:
    """The operators of the .tflite file of `module`, and which put out what it gives; see `searchspaces.tflite`.

    Otherwise as `footprint`; `before` is where the module's input comes from.
    """

    def recorded(module: nn.Module, image: Tensor, counter: Counter) -> tuple[list[Operator], list[int]]:
        with Recorder(image, *before) as recorder:
            out = module(image)
        check_counted(module, counter)
        return written(recorder.operators, recorder.positions(out))

    return counted(module, image_size, channels, recorded)


def part_of_row(module: nn.Module, pixels: int, channels: int, before: Before) -> tuple[Part, tuple[int, ...], Before]:
    """What one layer of a network needs, the shape of what it puts out, and from what operator that comes."""
    operators, outs = operators_of(module, pixels, channels, before)
    out = operators[outs[-1]]
    return part_of(operators, outs), out.shape, (out.kind, out.fused)


def part_of(operators: Sequence[Operator], outs: Sequence[int]) -> Part:
    """What `operators` need; those at `outs` put out what is wanted, of which the last is handed on."""
    flash = kernels = tensors = 0
    last = [*range(len(operators))]
    for position, operator in enumerate(operators[1:], start=1):
        for read in operator.reads:
            last[read] = position
        constants = 1 if operator.weights else 0
        flash += FILE_OPERATOR + operator.weights
        kernels += KERNELS.get(operator.kind, OTHER_KERNEL)
        if operator.kind in WEIGHTED:
            constants = 2
            flash += operator.channels * FILE_CHANNEL
            kernels += 2 * _aligned(4 * operator.channels)  # multipliers and shifts
        flash += constants * FILE_CONSTANT
        tensors += 1 + constants
    for out in outs[:-1]:
        last[out] = len(operators) - 1
    buffers = [Buffer(_aligned(op.elements), i, last[i]) for i, op in enumerate(operators)]
    scratch = [Buffer(size, i, i) for i, operator in enumerate(operators) for size in _scratch(operator)]
    shared = frozenset(numbers for operator in operators for numbers in operator.constants)
    return Part(
        *(flash, kernels, tensors, shared, len(operators) - 1, last[0]),
        *(tuple(buffers[1:]), tuple(scratch), outs[-1] - 1 if outs else -1),
    )


def footprint_of_parts(parts: Sequence[Part], elements: int, pointer: int = POINTER) -> Footprint:
    """Of a network of `parts`, each of which reads what the one before puts out; the first an image of `elements`."""
    buffers, scratch = [(_aligned(elements), 0, 0)], list[tuple[int, int, int]]()
    flash, kernels, tensors, start, handed = FILE, 0, 0, 0, 0
    constants = frozenset[tuple[int, ...]]().union(*(part.constants for part in parts))
    for part in parts:
        flash += part.flash
        kernels += part.kernels
        tensors += part.tensors
        if part.read:
            size, first, last = buffers[handed]
            buffers[handed] = size, first, max(last, start + part.read)
        handed = len(buffers) + part.out if part.out >= 0 else handed
        buffers += [(size, start + first, start + last) for size, first, last in part.buffers]
        scratch += [(size, start + first, start + last) for size, first, last in part.scratch]
        start += part.operators
    buffers[handed] = (*buffers[handed][:2], start)
    flash += sum(FILE_CONSTANT + 4 * len(numbers) for numbers in constants)
    tensors += len(constants)
    structures = pointer * (ARENA + ARENA_OPERATOR * start + ARENA_TENSOR * tensors)
    return Footprint(flash, structures + kernels + planned([*buffers, *scratch]))


def planned(buffers: Sequence[tuple[int, int, int]]) -> int:
    """The bytes in which TensorFlow Lite Micro's GreedyMemoryPlanner places `buffers`.

    Each is its size, and the first and the last position that need it. The largest is placed first, of equal ones the
    last, each into the first gap among those placed that are needed at the same time. That may be more than is needed
    at any one time: of random networks of `compact` for a third.
    """
    placed: list[list[tuple[int, int]]] = [[] for _ in range(1 + max(last for _, _, last in buffers))]
    most = 0
    none = frozenset[tuple[int, int]]()
    by_size = sorted(((size, i, first, last) for i, (size, first, last) in enumerate(buffers)), reverse=True)
    for size, _, first, last in by_size:
        start = 0
        for begin, end in sorted(none.union(*placed[first : last + 1])):
            if begin - start >= size:
                break
            start = max(start, end)
        span = start, start + size
        for at in placed[first : last + 1]:
            at.append(span)
        most = max(most, start + size)
    return most


def _scratch(operator: Operator) -> tuple[int, ...]:
    """Bytes that an operator needs while it runs: a mean its sums, in int32, and two small arrays."""
    return (_aligned(4 * operator.shape[0]), ALIGNMENT, ALIGNMENT) if operator.kind in ("MEAN", "SUM") else ()


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
