"""Cells: small graphs of operations on the outputs of the two cells before, of which a network is a stack.

Zoph, Vasudevan, Shlens, Le: "Learning Transferable Architectures for Scalable Image Recognition" (2017,
arXiv:1707.07012), section 3 and figures 2 to 4. A cell is a table of blocks, each the sum of two operations on
earlier states (or the two side by side, as channels), and the states that are joined as its output:

    Cell((Block(0, "sep5x5", 1, "sep3x3"), Block(0, "avg3x3", 1, "identity")), output=(2, 3))

State 0 is the output of the cell before (the paper's h_i), state 1 that of the one before it (h_i-1), states 2, 3, ...
the blocks' results in order. What the paper leaves open is as in its authors' TF-slim code (tensorflow/models,
research/slim/nets/nasnet; see `searchspaces.operations`, too):

- both inputs are first brought to the cell's channels by ReLU, 1x1 convolution and norm; one that is larger by
  `factorized_reduction`, and h_i-1 is left alone where it fits;
- a network's first cell has one input, which is its h_i-1 too, as it is;
- in a reduction cell every operation on states 0 and 1 has the stride, those on blocks' results have none;
- a state of another size or of other channels (a concatenation's are twice as many) is brought to the cell's where it
  is joined.

Stacks are made by `cell_network`. Each of its cells takes `(h_i-1, h_i)` and gives `(h_i, output)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from searchspaces.cost import shapes_only
from searchspaces.flow import traced
from searchspaces.images import image_channels
from searchspaces.layers import Layer, Norm, chain, conv, identity
from searchspaces.modules import ScheduledDropPath
from searchspaces.operations import OPERATIONS, Operation, keep, preactivated_1x1, relu
from searchspaces.summary import SKIP, Part, Summary, through

Combine = Literal["add", "concat"]
States = tuple[Tensor, Tensor]  # h_i-1 and h_i


class Block(NamedTuple):
    """An operation on a state, another on a state, and how the two are combined."""

    left: int
    left_op: str
    right: int
    right_op: str
    combine: Combine = "add"


class Cell(NamedTuple):
    """`output`: the states whose channels the cell's output is made of."""

    blocks: tuple[Block, ...]
    output: tuple[int, ...]


class Genotype(NamedTuple):
    """The two cells of an architecture: the one that keeps the resolution and the one that halves it."""

    normal: Cell
    reduction: Cell


class Inputs(NamedTuple):
    """Channels of h_i-1 and of h_i, and how many times larger h_i-1 is."""

    previous: int
    current: int
    ratio: int = 1


CellLayer = Callable[[int | Inputs], tuple[nn.Module, Inputs]]  # of an int: the first cell, which has one input


def cell(
    plan: Cell,
    c: int,
    stride: int = 1,
    norm: Norm = nn.BatchNorm2d,
    drop: float = 0.0,
    hide_input: bool = False,
) -> CellLayer:
    """`plan` at `c` channels a state. In training an image's operation is left out, at its end with probability `drop`.

    With `hide_input` the next cell's h_i-1 is this cell's h_i-1 rather than its h_i.
    """

    def layer(c_in: int | Inputs) -> tuple[nn.Module, Inputs]:
        first = isinstance(c_in, int)
        inputs = Inputs(c_in, c_in) if isinstance(c_in, int) else c_in
        current, c_current = preactivated_1x1(c, 1, norm)(inputs.current)
        previous, c_previous = (identity() if first else calibrate(c, inputs.ratio, norm))(inputs.previous)
        channels, strides = [c_current, c_previous], [stride, stride]
        blocks = []
        for block in plan.blocks:
            left, right = (
                _dropped(operation, drop)(c, strides[state], norm)(channels[state])[0]
                for state, operation in ((block.left, block.left_op), (block.right, block.right_op))
            )
            blocks.append(Pair(left, right, block.combine))
            channels.append(c if block.combine == "add" else 2 * c)
            strides.append(1)
        fits = [strides[state] == 1 and channels[state] == c for state in plan.output]
        joins = [
            (identity() if fit else factorized_reduction(c, strides[state], norm))(channels[state])[0]
            for state, fit in zip(plan.output, fits, strict=True)
        ]
        module = CellModule(plan, previous, current, blocks, joins, hide_input)
        kept, ratio = (inputs.previous, inputs.ratio) if hide_input else (inputs.current, 1)
        return module, Inputs(kept, c * len(plan.output), stride * ratio)

    return layer


def cell_network(
    stem: tuple[str, Layer],
    cells: Mapping[str, CellLayer],
    head: tuple[str, Layer],
    init: Callable[[nn.Module], None],
) -> nn.Sequential:
    """`stem`, the cells by their names, and `head` on the ReLU of the last output; `init` sets one module's weights."""
    module, c = stem[1](image_channels())
    network = nn.Sequential()
    network.add_module(stem[0], module)
    inputs: int | Inputs = c
    for name, make in cells.items():
        module, inputs = make(inputs)
        network.add_module(name, module)
    assert isinstance(inputs, Inputs), "a network of cells has cells"
    module, _ = chain(last_output, relu, head[1])(inputs.current)
    network.add_module(head[0], module)
    return network.apply(init)


Followed = tuple[Summary, int, int]  # and the channels and the side that come out


class Reads(NamedTuple):
    """What a part is given: the parts that put it out, as `through` counts them, and its channels and side."""

    ends: tuple[int, ...]
    c: int
    side: int


def cells_summary(
    stem: Summary, c: int, side: int, cells: Sequence[tuple[Cell, int, int]], image_size: int
) -> Followed:
    """Of `stem`, which puts out `[c, side, side]`, and then `cells`: their plans, channels and strides.

    As `cell` makes them, and without building them: each operation is followed once in a process.
    """
    parts = [Part(stem, (-1,))]

    def put(make: Callable[..., Layer], args: tuple[int, ...], given: Reads) -> Reads:
        summary, c, side = _followed(make, args, given.c, given.side, image_size)
        parts.append(Part(summary, given.ends))
        return Reads((len(parts) - 1,), c, side)

    before = latest = Reads((0,), c, side)
    for number, (plan, c_cell, stride) in enumerate(cells):
        ratio = round(before.side / latest.side)
        states = [
            put(preactivated_1x1, (c_cell, 1), latest),
            put(calibrate, (c_cell, ratio), before) if number else before,
        ]
        for block in plan.blocks:
            left, right = (
                put(OPERATIONS[op], (c_cell, stride if state < 2 else 1), states[state])
                for state, op in ((block.left, block.left_op), (block.right, block.right_op))
            )
            states.append(Reads(left.ends + right.ends, c_cell if block.combine == "add" else 2 * c_cell, left.side))
        smallest = min(states[state].side for state in plan.output) if stride == 1 else states[-1].side
        joined = [
            states[state]
            if (states[state].side, states[state].c) == (smallest, c_cell)
            else put(factorized_reduction, (c_cell, stride if state < 2 else 1), states[state])
            for state in plan.output
        ]
        ends = tuple(end for state in joined for end in state.ends)
        before, latest = latest, Reads(ends, c_cell * len(joined), joined[0].side)
    return through(parts, latest.ends), latest.c, latest.side


@cache
def _followed(make: Callable[..., Layer], args: tuple[int, ...], c: int, side: int, image_size: int) -> Followed:
    """Of one operation."""
    with shapes_only():
        module, c_out = make(*args, nn.BatchNorm2d)(c)
    if isinstance(module, nn.Identity):
        return SKIP, c, side
    summary, _, out = traced(module, c, side, image_size)
    return summary, c_out, out


def _dropped(operation: str, drop: float) -> Operation:
    """The operation called so, at times left out of an image's training step; the identity never is."""
    make = OPERATIONS[operation]
    if not drop or operation == "identity":
        return make
    return lambda c, stride, norm: chain(make(c, stride, norm), lambda c: (ScheduledDropPath(drop), c))


# ---------------------------------------------------------------------------- what brings states to one shape


def calibrate(c: int, ratio: int, norm: Norm) -> Layer:
    """h_i-1 at `c` channels and h_i's resolution, which is `ratio` times smaller."""
    if ratio > 1:
        return chain(relu, factorized_reduction(c, ratio, norm))
    return keep(c, 1, norm)


def factorized_reduction(c: int, stride: int, norm: Norm) -> Layer:
    """Two 1x1 convolutions at a stride, of half the channels each and one pixel apart, so that more of it is seen."""
    if stride == 1:
        return conv(c, 1, act=None, norm=norm)
    return lambda c_in: (FactorizedReduction(c_in, c, stride, norm), c)


def last_output(c_in: int) -> tuple[nn.Module, int]:
    """Of what a cell gives its output, for who is no cell."""
    return LastOutput(), c_in


# ---------------------------------------------------------------------------- modules


class CellModule(nn.Module):
    """`(h_i-1, h_i)` -> `(h_i, output)`; a single tensor is both inputs."""

    def __init__(
        self,
        plan: Cell,
        previous: nn.Module,
        current: nn.Module,
        blocks: Sequence[nn.Module],
        joins: Sequence[nn.Module],
        hide_input: bool,
    ) -> None:
        super().__init__()
        self.previous, self.current = previous, current
        self.blocks, self.joins = nn.ModuleList(blocks), nn.ModuleList(joins)
        self.plan, self.hide_input = plan, hide_input

    def forward(self, x: Tensor | States) -> States:
        previous, current = (x, x) if isinstance(x, Tensor) else x
        states: list[Tensor] = [self.current(current), self.previous(previous)]
        for block, plan in zip(self.blocks, self.plan.blocks, strict=True):
            states.append(block(states[plan.left], states[plan.right]))
        joined = [join(states[state]) for join, state in zip(self.joins, self.plan.output, strict=True)]
        return (previous if self.hide_input else current), torch.cat(joined, dim=1)

    def extra_repr(self) -> str:
        reads = ", ".join(f"({block.left}, {block.right})" for block in self.plan.blocks)
        return f"reads={reads}, output={tuple(self.plan.output)}"


class Pair(nn.Module):
    """`left(a) + right(b)`, or their channels side by side."""

    def __init__(self, left: nn.Module, right: nn.Module, combine: Combine) -> None:
        super().__init__()
        self.left, self.right, self.combine = left, right, combine

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        if self.combine == "concat":
            return torch.cat([self.left(a), self.right(b)], dim=1)
        out: Tensor = self.left(a) + self.right(b)
        return out

    def extra_repr(self) -> str:
        return self.combine


class FactorizedReduction(nn.Module):
    """See `factorized_reduction`."""

    def __init__(self, c_in: int, c: int, stride: int, norm: Norm) -> None:
        super().__init__()
        self.path1 = nn.Conv2d(c_in, c // 2, 1, stride, bias=False)
        self.path2 = nn.Conv2d(c_in, c - c // 2, 1, stride, bias=False)
        self.norm = norm(c)
        self.shift = 1  # in pixels

    def forward(self, x: Tensor) -> Tensor:
        gone, new = -self.shift, self.shift
        shifted = F.pad(x, (gone, new, gone, new))  # the first rows and columns dropped, zeros after the last
        out: Tensor = self.norm(torch.cat([self.path1(x), self.path2(shifted)], dim=1))
        return out


class LastOutput(nn.Module):
    """Of the last cell's `(h_i, output)` the output."""

    def forward(self, states: States) -> Tensor:
        return states[1]
