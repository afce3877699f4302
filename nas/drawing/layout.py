"""Where the boxes and arrows of a drawn graph go, in inches from the top left.

Graphs of operations run from left to right, in the manner of Sugiyama, Tagawa, Toda: "Methods for Visual Understanding
of Hierarchical System Structures" (1981): nodes in layers by their longest path from an input; an edge that passes
layers has a place in each, so that it crosses no box; in each layer the order that crosses fewest edges, found by going
to and fro with each node at the mean of its neighbours. Networks that are lines run down, in columns where they are
long, with arcs for the edges between layers that are not neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import mean
from typing import NamedTuple

from searchspaces.graph import Edge, Graph, Node, kind_of

Point = tuple[float, float]
Size = tuple[float, float]
SPACE_ACROSS, SPACE_DOWN, ARC_SPACE = 0.4, 0.12, 0.2
TOUCHING = 1e-6
PASSING = 0.06  # height that an edge takes where it passes a layer
ROWS = 12  # in a column, at most
SWEEPS = 12


class Box(NamedTuple):
    """`x`, `y`: its centre. A label of an edge is a box, too."""

    node: Node
    x: float
    y: float
    width: float
    height: float
    on_edge: bool = False


class Arrow(NamedTuple):
    """Cubic Bézier curves one after the other: the start, then two control points and an end each.

    `source` is a number for the node that it comes from, where it should be seen which one that is.
    """

    points: tuple[Point, ...]
    source: int | None = None
    head: bool = True


class Layout(NamedTuple):
    boxes: list[Box]
    arrows: list[Arrow]
    width: float
    height: float


def lay_out(graph: Graph, size_of: Callable[[Node], Size]) -> Layout:
    """`size_of` gives a node's width and height."""
    return _in_columns(graph, size_of) if graph.line else _in_layers(graph, size_of)


# ---------------------------------------------------------------------------- layers, from left to right


def _in_layers(graph: Graph, size_of: Callable[[Node], Size]) -> Layout:
    nodes, edges, owner = _with_labels_as_nodes(graph)
    ranks = _ranks(len(nodes), edges)
    sizes = [size_of(node) for node in nodes]
    parts = list(zip(nodes, ranks, strict=True))
    hops, passed = _hops(edges, ranks)
    ranks += [rank for _, rank in passed]
    sizes += [(0.0, PASSING)] * len(passed)
    layers = [[i for i, rank in enumerate(ranks) if rank == r] for r in range(max(ranks) + 1)]
    links = sorted({(a, b) for hop in hops for a, b in pairwise(hop)})
    ys = _heights(_least_crossings(layers, links), links, [height for _, height in sizes])
    columns = _columns([max(sizes[i][0] for i in layer) for layer in layers])
    boxes = [
        Box(node, mean(columns[rank]), ys[i], *sizes[i], on_edge=i >= len(graph.nodes))
        for i, (node, rank) in enumerate(parts)
    ]
    arrows, states = [], [i for i, node in enumerate(nodes) if node.kind == "state"]
    for *path, last in hops:
        start, *between = path
        stops = [(boxes[start].x + boxes[start].width / 2, ys[start]), (columns[ranks[start]][1], ys[start])]
        for i in between:
            stops += [(x, ys[i]) for x in columns[ranks[i]]]
        stops += [(columns[ranks[last]][0], ys[last]), (boxes[last].x - boxes[last].width / 2, ys[last])]
        points = [stops[0]]
        for a, b in pairwise(stops):
            middle = (a[0] + b[0]) / 2
            points += [(middle, a[1]), (middle, b[1]), b] if b[0] - a[0] > TOUCHING else []
        source = states.index(owner[start]) if owner[start] in states else None
        arrows.append(Arrow(tuple(points), source, head=last < len(graph.nodes)))
    return Layout(boxes, arrows, columns[-1][1], max(box.y + box.height / 2 for box in boxes))


def _with_labels_as_nodes(graph: Graph) -> tuple[list[Node], list[tuple[int, int]], list[int]]:
    """Nodes, labels of edges among them; edges; and for each node whose colour its arrows have."""
    nodes, edges, owner = list(graph.nodes), [], list(range(len(graph.nodes)))
    for edge in graph.edges:
        if edge.label:
            edges += [(edge.source, len(nodes)), (len(nodes), edge.target)]
            nodes.append(Node(edge.label, kind_of(edge.label)))
            owner.append(edge.source)
        else:
            edges.append((edge.source, edge.target))
    return nodes, edges, owner


def _ranks(nodes: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """The longest path from an input; a node of one input is drawn near to what reads it."""
    ranks = [0] * nodes
    for _ in range(nodes):
        for a, b in edges:
            ranks[b] = max(ranks[b], ranks[a] + 1)
    for i in sorted(range(nodes), key=lambda i: -ranks[i]):
        readers = [ranks[b] for a, b in edges if a == i]
        if readers and sum(b == i for _, b in edges) == 1:
            ranks[i] = min(readers) - 1
    return ranks


def _hops(edges: Sequence[tuple[int, int]], ranks: Sequence[int]) -> tuple[list[list[int]], list[tuple[int, int]]]:
    """Each edge as the nodes that it goes through, and the places added for it: `(source, rank)`.

    Edges from one node share them, so that it passes a layer once.
    """
    places: dict[tuple[int, int], int] = {}
    hops = []
    for a, b in edges:
        between = [places.setdefault((a, rank), len(ranks) + len(places)) for rank in range(ranks[a] + 1, ranks[b])]
        hops.append([a, *between, b])
    return hops, list(places)


def _least_crossings(layers: list[list[int]], links: Sequence[tuple[int, int]]) -> list[list[int]]:
    best = layers
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        place = {i: position / len(layer) for layer in layers for position, i in enumerate(layer)}
        ordered = []
        for layer in layers if forward else layers[::-1]:
            near = {i: [place[a if forward else b] for a, b in links if i == (b if forward else a)] for i in layer}
            ordered.append(sorted(layer, key=lambda i: mean(near[i]) if near[i] else place[i]))
            place |= {i: position / len(layer) for position, i in enumerate(ordered[-1])}
        layers = ordered if forward else ordered[::-1]
        if _crossings(layers, links) < _crossings(best, links):
            best = layers
    return best


def _crossings(layers: Sequence[Sequence[int]], links: Sequence[tuple[int, int]]) -> int:
    place = {i: (rank, position) for rank, layer in enumerate(layers) for position, i in enumerate(layer)}
    ends = [(*place[a], place[b][1]) for a, b in links]
    return sum(r == s and (a - c) * (b - d) < 0 for r, a, b in ends for s, c, d in ends)


def _heights(layers: Sequence[Sequence[int]], links: Sequence[tuple[int, int]], sizes: Sequence[float]) -> list[float]:
    """Each node's `y` as near as can be to its neighbours', in the order of its layer and apart from the next."""
    near: dict[int, list[int]] = {}
    for a, b in links:
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)
    ys = [0.0] * len(sizes)
    offsets: dict[int, float] = {}
    for layer in layers:
        offset = 0.0
        for before, i in zip([None, *layer], layer, strict=False):
            offset += 0.0 if before is None else (sizes[before] + sizes[i]) / 2 + SPACE_DOWN
            offsets[i] = offset
        for i in layer:
            ys[i] = offsets[i] - offset / 2
    for sweep in range(4 * SWEEPS):
        for layer in layers if sweep % 2 == 0 else layers[::-1]:
            wished = [mean(ys[j] for j in near[i]) - offsets[i] if i in near else ys[i] - offsets[i] for i in layer]
            for i, y in zip(layer, _nondecreasing(wished), strict=True):
                ys[i] = y + offsets[i]
    top = min(y - size / 2 for y, size in zip(ys, sizes, strict=True))
    return [y - top for y in ys]


def _nondecreasing(values: Sequence[float]) -> Iterator[float]:
    """The nondecreasing numbers that are nearest to `values` (pooling adjacent violators)."""
    pools: list[list[float]] = []
    for value in values:
        pools.append([value])
        while len(pools) > 1 and mean(pools[-2]) > mean(pools[-1]):
            last = pools.pop()
            pools[-1] += last
    for pool in pools:
        yield from [mean(pool)] * len(pool)


def _columns(widths: Sequence[float]) -> list[tuple[float, float]]:
    """Left and right of each."""
    lefts = [sum(widths[:i]) + i * SPACE_ACROSS for i in range(len(widths))]
    return [(left, left + width) for left, width in zip(lefts, widths, strict=True)]


# ---------------------------------------------------------------------------- lines, from top to bottom


def _in_columns(graph: Graph, size_of: Callable[[Node], Size]) -> Layout:
    sizes = [size_of(node) for node in graph.nodes]
    arcs = [edge for edge in graph.edges if edge.target - edge.source > 1]
    columns = 1 if arcs else math.ceil(len(sizes) / ROWS)
    rows = math.ceil(len(sizes) / columns)
    width, gap = max(w for w, _ in sizes), 2 * SPACE_DOWN
    boxes: list[Box] = []
    for i, (node, (_, height)) in enumerate(zip(graph.nodes, sizes, strict=True)):
        top = 0.0 if i % rows == 0 else boxes[-1].y + boxes[-1].height / 2 + gap
        boxes.append(Box(node, width / 2 + i // rows * (width + SPACE_ACROSS), top + height / 2, width, height))
    arrows = [
        Arrow(tuple(_step(boxes[edge.source], boxes[edge.target])))
        for edge in graph.edges
        if edge.target - edge.source == 1
    ]
    arrows += [Arrow(points, edge.source) for edge, points in _arcs(arcs, boxes).items()]
    right = max([box.x + box.width / 2 for box in boxes] + [x for arrow in arrows for x, _ in arrow.points])
    return Layout(boxes, arrows, right, max(box.y + box.height / 2 for box in boxes))


def _step(a: Box, b: Box) -> list[Point]:
    """From the bottom of `a` to the top of `b`; to the next column through the space between."""
    start, end = (a.x, a.y + a.height / 2), (b.x, b.y - b.height / 2)
    if a.x == b.x:
        return _rounded([start, end])
    middle, low, high = (a.x + b.x) / 2, start[1] + 1.5 * SPACE_DOWN, end[1] - 1.5 * SPACE_DOWN
    return _rounded([start, (a.x, low), (middle, low), (middle, high), (b.x, high), end])


def _rounded(corners: Sequence[Point]) -> list[Point]:
    """Straight lines between `corners`, which are rounded, as Bézier curves."""
    points = [corners[0]]
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        a, b = _towards(corner, before, SPACE_DOWN), _towards(corner, after, SPACE_DOWN)
        points += [*_straight(points[-1], a), corner, corner, b]
    return points + _straight(points[-1], corners[-1])


def _straight(a: Point, b: Point) -> list[Point]:
    middle = ((a[0] + b[0]) / 2, (a[1] + b[1]) / 2)
    return [middle, middle, b]


def _towards(a: Point, b: Point, distance: float) -> Point:
    length = math.dist(a, b)
    share = min(0.5, distance / length) if length else 0.0
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share


def _arcs(edges: Sequence[Edge], boxes: Sequence[Box]) -> Mapping[Edge, tuple[Point, ...]]:
    """At the right of the column; a box is left at its lower half and entered at its upper one."""
    found = {}
    for edge in edges:
        a, b = boxes[edge.source], boxes[edge.target]
        out = sorted((e for e in edges if e.source == edge.source), key=lambda e: e.target)
        into = sorted((e for e in edges if e.target == edge.target), key=lambda e: e.source)
        start = (a.x + a.width / 2, a.y + a.height / 2 * (1 - (out.index(edge) + 1) / (len(out) + 1)))
        end = (b.x + b.width / 2, b.y - b.height / 2 * (into.index(edge) + 1) / (len(into) + 1))
        reach = start[0] + ARC_SPACE * (1 + edge.target - edge.source)
        found[edge] = (start, (reach, start[1]), (reach, end[1]), end)
    return found
