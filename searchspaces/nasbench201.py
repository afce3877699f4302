"""NAS-Bench-201: a space so small that each of its 15,625 cells has been trained, and what came of it published.

Dong, Yang: "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search" (ICLR 2020,
arXiv:2001.00326), section 2.1 and figure 1. A cell has four nodes. Node 0 is its input, every other one the sum of an
operation on each node before it, and node 3 is the output. Searched are the operations of the six edges:

    none            zeros
    skip_connect    the node itself
    nor_conv_1x1    ReLU, convolution, norm
    nor_conv_3x3    the same, 3x3
    avg_pool_3x3    average pooling

A cell is written as its authors do, node by node, each operation with the node that it reads:

    |nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|

The network is a 3x3 convolution and three stages of N = 5 equal cells, of 16, 32 and 64 channels, with a residual block
of stride 2 between them. What the paper leaves open is as in its authors' code:

- the average does not count padded pixels;
- the residual block is two times ReLU, 3x3 convolution, norm; its shortcut is 2x2 average pooling and a bare 1x1
  convolution; nothing follows their sum;
- an edge whose result nobody uses is built all the same, with its weights. So no two cells build the same network, and
  `canonical` merges none, though many compute the same function: the published parameters, FLOPs and accuracies are
  of every cell by itself, too.

The published FLOPs are our MACs, and one more a class for the classifier's bias.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from itertools import chain as joined
from itertools import groupby
from typing import ClassVar

import torch
from torch import Tensor, nn

from searchspaces.graph import Edge, Graph, Node
from searchspaces.images import image_channels
from searchspaces.layers import (
    Layer,
    avg_pool,
    bare_conv,
    chain,
    conv,
    head,
    identity,
    norm_act,
    residual,
    round_channels,
    round_repeats,
    stage,
)
from searchspaces.scaled import Placed, Row, RowSpace, summary_of_row
from searchspaces.space import Arch, Choice
from searchspaces.summary import SKIP, Part, Summary, series, through

STAGES = (16, 32, 64)  # channels
EDGES = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))  # node, and the node before it that is read


@dataclass(frozen=True)
class NASBench201(RowSpace):
    """The space, at a `width` multiplier (of every layer's channels), with `cells` a stage (the paper's N).

    The network is the same one for images of any size.
    """

    cells: int = 5

    name: ClassVar[str] = "nasbench201"

    def bounds(self) -> dict[str, tuple[float, float, float]]:
        return super().bounds() | {"cells": (self.cells, 1, 50)}

    @property
    def choices(self) -> tuple[Choice, ...]:
        return _CHOICES

    def rows(self, arch: Arch, width: float, num_classes: int, image_size: int, depth: float = 1.0) -> list[Row]:
        ops = tuple(self.options(arch).values())
        first, *others = [round_channels(c * width) for c in STAGES]
        cells = round_repeats(self.cells, depth)
        rows = [Row(_stem, (first,)), Row(_cells, (ops, first, cells))]
        for c in others:
            rows += [Row(_reduction, (c,)), Row(_cells, (ops, c, cells))]
        return [*rows, Row(norm_act, ()), Row(head, (num_classes,))]

    def placed(self, arch: Arch, num_classes: int, image_size: int) -> Iterator[Placed]:
        """Of cells, each edge by itself, as a row of its operation: they are what stands for each other."""
        for at in super().placed(arch, num_classes, image_size):
            if at.row.make is not _cells:
                yield at
                continue
            ops, c, n = at.row.args
            for cell, (edge, op) in itertools.product(range(n), enumerate(ops)):
                name = f"{at.name}.{cell}.{edge}"
                yield Placed(name, name, Row(_edge, (op, c)), c)

    def summary_at(self, arch: Arch, width: float) -> Summary:
        """An edge whose result nobody uses, and one that gets nothing, is not counted: see `searchspaces.summary`.

        Every stage has the same cell, so its paths are followed once, for operations that stand for all three stages'.
        """
        rest, ops = _parts(self, width)
        parts = [Part(ops[op], _INTO[source]) for op, (_, source) in zip(self.check(arch), EDGES, strict=True)]
        cell = through(parts, _INTO[3])
        return rest + replace(cell, paths=cell.paths ** len(STAGES)).times(self.cells)

    def graphs(self, arch: Arch) -> dict[str, Graph]:
        """The cell, an edge an operation."""
        nodes = ("input", "node 1", "node 2", "output")
        edges = zip(EDGES, self.options(arch).values(), strict=True)
        return {
            "cell": Graph(
                tuple(Node(name, "state") for name in nodes),
                tuple(Edge(source, node, str(op)) for (node, source), op in edges),
            )
        }

    def format(self, arch: Arch) -> str:
        """`arch` in its authors' notation, as above."""
        edges = zip(EDGES, self.options(arch).values(), strict=True)
        nodes = groupby(edges, key=lambda edge: edge[0][0])
        return "+".join("|" + "".join(f"{op}~{source}|" for (_, source), op in node) for _, node in nodes)

    def parse(self, text: str) -> Arch:
        """The inverse of `format`. Raises ValueError that names the part that does not fit."""
        nodes = [node.strip().strip("|").split("|") for node in text.split("+")]
        if [len(node) for node in nodes] != [1, 2, 3]:
            raise ValueError(f"nasbench201: a cell is written |op~0|+|op~0|op~1|+|op~0|op~1|op~2|, not {text!r}")
        options = {}
        for choice, (_, source), part in zip(self.choices, EDGES, joined.from_iterable(nodes), strict=True):
            op, _, read = part.partition("~")
            if op not in OPS or read != str(source):
                raise ValueError(f"nasbench201: {part!r} should be one of {', '.join(OPS)}, and ~{source}")
            options[choice.name] = op
        return self.from_options(options)


_INTO = {node: tuple(i for i, (target, _) in enumerate(EDGES) if target == node) or (-1,) for node in range(4)}
"""The edges that lead to each node."""


@lru_cache(maxsize=100)
def _parts(space: NASBench201, width: float) -> tuple[Summary, list[Summary]]:
    """The summary of all that is no cell, and those of the operations, of a cell of each stage together."""
    size, c, side = space.image_size, space.image_channels or image_channels(), space.image_size
    rest, ops = [], []
    for row in [
        Row(_stem, (round_channels(STAGES[0] * width),)),
        *(Row(_reduction, (round_channels(c * width),)) for c in STAGES[1:]),
    ]:
        part, c, side = summary_of_row(row, c, side, size)
        rest.append(part)
        ops.append(
            [
                SKIP if op == "skip_connect" else summary_of_row(Row(make, (c,)), c, side, size)[0]
                for op, make in OPS.items()
            ]
        )
    rest.append(summary_of_row(Row(head, (space.num_classes or 10,)), c, side, size)[0])
    return series(rest), [series(of_stages) for of_stages in zip(*ops, strict=True)]


def _relu_conv_norm(c: int, kernel: int = 3, stride: int = 1) -> Layer:
    return chain(_relu, conv(c, kernel, stride, act=None))


def _relu(c_in: int) -> tuple[nn.Module, int]:
    return nn.ReLU(), c_in  # not in place: other operations read the same node


def _zeros(c_in: int) -> tuple[nn.Module, int]:
    return Zeros(), c_in


OPS: dict[str, Callable[[int], Layer]] = {  # functions of the channels that come out; in the order of the paper
    "none": lambda c: _zeros,
    "skip_connect": lambda c: identity(),
    "nor_conv_1x1": lambda c: _relu_conv_norm(c, 1),
    "nor_conv_3x3": lambda c: _relu_conv_norm(c, 3),
    "avg_pool_3x3": lambda c: avg_pool(3),
}
_CHOICES = tuple(Choice(f"node{node}.from{source}", tuple(OPS), kind="op") for node, source in EDGES)


def _reduction(c: int) -> Layer:
    """The residual block that halves the resolution; the pooling's last window hangs over the edge of an odd image."""
    shortcut = chain(avg_pool(2, 2, padding=0, ceil=True), bare_conv(c, 1))
    return residual(chain(_relu_conv_norm(c, stride=2), _relu_conv_norm(c)), shortcut)


def _stem(c: int) -> Layer:
    return conv(c, act=None)


def _edge(op: str, c: int) -> Layer:
    return OPS[op](c)


def _cells(ops: Sequence[str], c: int, n: int) -> Layer:
    return stage(lambda c, _: lambda c_in: (NASBench201Cell(*(OPS[op](c)(c_in)[0] for op in ops)), c), c, n, 1)


class NASBench201Cell(nn.ModuleList):
    """The operations of `EDGES`, in their order: of node 0 the last node."""

    def __init__(self, *edges: nn.Module) -> None:
        super().__init__(edges)

    def forward(self, x: Tensor) -> Tensor:
        nodes = [x]
        for node in range(1, 4):
            into = [edge(nodes[source]) for edge, (target, source) in zip(self, EDGES, strict=True) if target == node]
            nodes.append(reduce(torch.add, into))
        return nodes[-1]


class Zeros(nn.Module):
    """Zeros that depend on the input, so that what comes before has a gradient, of zero."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 0.0
