"""Graphs: what a picture of an architecture shows, as its space declares it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from searchspaces.cells import Cell

Kind = Literal["state", "output", "depthwise", "conv", "pool", "identity", "classifier", "other"]  # a colour each


@dataclass(frozen=True)
class Node:
    """A box. `row` names the row of the network that it is, if it is one: its output and cost can be shown with it."""

    label: str
    kind: Kind = "other"
    row: str = ""


@dataclass(frozen=True)
class Edge:
    """An arrow from one node to another, by their numbers; a `label` is what happens on the way."""

    source: int
    target: int
    label: str = ""


@dataclass(frozen=True)
class Graph:
    """`edges` run from earlier nodes to later ones. With `line` the nodes are one under the other, in their order."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    line: bool = False


def line(nodes: tuple[Node, ...]) -> Graph:
    """Each node reads the one before it."""
    return Graph(nodes, tuple(Edge(i, i + 1) for i in range(len(nodes) - 1)), line=True)


def cell(plan: Cell) -> Graph:
    """Its two inputs, each block's two operations and their sum or concatenation, and the output."""
    nodes, edges, states = [Node("h[i]", "state"), Node("h[i-1]", "state")], list[Edge](), [0, 1]
    for block in plan.blocks:
        combined = len(nodes) + 2
        for state, op in ((block.left, block.left_op), (block.right, block.right_op)):
            edges += [Edge(states[state], len(nodes)), Edge(len(nodes), combined)]
            nodes.append(Node(op, kind_of(op)))
        nodes.append(Node("+" if block.combine == "add" else block.combine, "state"))
        states.append(combined)
    edges += [Edge(states[state], len(nodes)) for state in plan.output]
    return Graph((*nodes, Node("concat", "output")), tuple(edges))


def kind_of(words: str) -> Kind:
    """The kind of an operation by what it is called: `sep5x5`, `max_pool_3x3`, `3 x mbconv6 5x5`."""
    kinds: tuple[tuple[Kind, tuple[str, ...]], ...] = (
        ("classifier", ("linear",)),
        ("depthwise", ("sep", "mbconv", "dw")),
        ("conv", ("conv", "dil", "1x3", "1x7")),
        ("pool", ("pool", "avg", "max")),
        ("identity", ("identity", "skip", "none")),
    )
    return next((kind for kind, names in kinds if any(name in words for name in names)), "other")
