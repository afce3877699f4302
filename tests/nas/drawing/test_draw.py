"""Pictures: files that can be opened, with all labels, in which no box covers another."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from nas.drawing.draw import draw
from nas.drawing.layout import Layout, lay_out
from searchspaces import Chain, NASBench201, NASNet
from searchspaces.genotypes import AMOEBANET_A, NASNET_A
from searchspaces.graph import Edge, Graph, Node, cell, line


def size_of(node: Node) -> tuple[float, float]:
    return 0.1 * len(node.label), 0.25


def texts(path: Path) -> list[str]:
    return ["".join(element.itertext()) for element in ET.parse(path).iter() if element.tag.endswith("text")]


def overlaps(layout: Layout) -> list[tuple[str, str]]:
    return [
        (a.node.label, b.node.label)
        for a, b in combinations(layout.boxes, 2)
        if abs(a.x - b.x) < (a.width + b.width) / 2 and abs(a.y - b.y) < (a.height + b.height) / 2
    ]


def test_an_svg_has_every_label_as_text(tmp_path: Path) -> None:
    space = NASNet().holding(NASNET_A)
    draw(space.graphs(space.encode(NASNET_A)), tmp_path / "cells.svg", "NASNet-A")
    said = texts(tmp_path / "cells.svg")
    assert said[0] == "NASNet-A" and {"normal cell", "reduction cell", "h[i]", "h[i-1]", "concat", "sep7x7"} <= set(
        said
    )
    assert said.count("+") == 10 and said.count("identity") == 3


def test_a_png_is_one(tmp_path: Path) -> None:
    space = NASBench201()
    draw(space.graphs(space.sample(np.random.default_rng(0))), str(tmp_path / "cell.png"))
    assert (tmp_path / "cell.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_the_same_picture_is_the_same_file(tmp_path: Path) -> None:
    graphs = {"": line((Node("image"), Node("conv 3x3")))}
    for name in ("a.svg", "b.svg"):
        draw(graphs, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"end its name in .svg or .png"):
        draw({"": line((Node("image"),))}, tmp_path / "a.gif")


@pytest.mark.parametrize("plan", [NASNET_A.normal, NASNET_A.reduction, AMOEBANET_A.normal, AMOEBANET_A.reduction])
def test_cells_have_no_boxes_on_each_other_and_run_to_the_right(plan) -> None:
    graph = cell(plan)
    layout = lay_out(graph, size_of)
    assert not overlaps(layout)
    assert all(layout.boxes[e.source].x < layout.boxes[e.target].x for e in graph.edges)
    assert all(0 <= x <= layout.width and -0.1 <= y <= layout.height + 0.5 for a in layout.arrows for x, y in a.points)


def test_an_edge_passes_beside_the_boxes_of_the_layers_between() -> None:
    graph = Graph((Node("a"), Node("b"), Node("c")), (Edge(0, 1), Edge(1, 2), Edge(0, 2)))
    layout = lay_out(graph, size_of)
    (past,) = [arrow for arrow in layout.arrows if len(arrow.points) > 4]
    between = layout.boxes[1]
    beside = [y for x, y in past.points if abs(x - between.x) <= between.width / 2]
    assert beside and all(abs(y - between.y) > between.height / 2 for y in beside)


def test_labels_of_edges_stand_on_them() -> None:
    space = NASBench201()
    (graph,) = space.graphs((1, 2, 3, 4, 0, 1)).values()
    layout = lay_out(graph, size_of)
    labels = [box.node.label for box in layout.boxes if box.on_edge]
    assert labels == ["skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3", "none", "skip_connect"]
    assert not overlaps(layout)


def test_a_chain_has_arcs_where_it_skips() -> None:
    space = Chain(layers=4, pooling=0)
    arch = space.parse("h3_w3_f24,h5_w7_f24_1,h1_w1_f24_1_0,h3_w3_f24_0_1_1")
    (graph,) = space.graphs(arch).values()
    assert [(e.source, e.target) for e in graph.edges] == [(0, 1), (1, 2), (1, 3), (2, 4), (3, 4), (4, 5)]
    layout = lay_out(graph, size_of)
    assert sorted(arrow.source for arrow in layout.arrows if arrow.source is not None) == [1, 2]
    assert "2: 5x7" in [node.label for node in graph.nodes] and not overlaps(layout)


def test_a_long_line_goes_on_in_another_column() -> None:
    layout = lay_out(line(tuple(Node(f"row {i}") for i in range(30))), size_of)
    assert len({box.x for box in layout.boxes}) == 3 and not overlaps(layout)
    assert layout.height < 12 * 0.6
