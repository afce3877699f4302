"""Pictures of architectures, as SVG or PNG: boxes for what is computed, arrows for what is read. Needs matplotlib."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Curve

from nas.drawing.layout import Arrow, Layout, lay_out
from nas.drawing.pictures import FONT, content, style, width, wrapped
from nas.files import write_atomically
from searchspaces.graph import Graph, Node

SUFFIXES = (".svg", ".png")
TEXT, SMALL, TITLE = 9.0, 7.5, 11.0  # points
LINE, PADDING = 1.35, 0.09  # of a line of text to its size; inches around the text of a box
MARGIN, BETWEEN, HEADING = 0.2, 0.7, 0.36  # inches around the picture, between graphs, for a title
WRAP = 34  # characters of a label
WIDEST = 6.0  # inches that a title makes a picture; a longer one is in lines

# Fill and border of a box by what it does
COLOURS = {
    "state": ("#dfe7f5", "#3b5b92"),
    "output": ("#dfe7f5", "#3b5b92"),
    "depthwise": ("#dff0e3", "#3a7d52"),
    "conv": ("#fdebd3", "#b8741a"),
    "pool": ("#f3e1ef", "#93508a"),
    "identity": ("#f4f4f4", "#9a9a9a"),
    "classifier": ("#fbdcdc", "#b04a4a"),
    "other": ("#f4f4f4", "#6b6b6b"),
}
PLAIN = "#5f5f5f"
ARROWS = ("#3b5b92", "#c2571a", "#3a7d52", "#93508a", "#7a6a1f", "#2b8a93", "#b04a4a")


def draw(
    graphs: Mapping[str, Graph], path: str | Path, title: str = "", details: Mapping[str, str] | None = None
) -> None:
    """Draw `graphs`, side by side under their titles, to `path`: .svg or .png.

    `details` are second lines for the nodes that are rows of the network, by their names. Raises ValueError for
    another kind of file.
    """
    path = Path(path)
    check(path)
    words = partial(_words, details=details or {})
    layouts = {name: lay_out(graph, lambda node: _size(words(node))) for name, graph in graphs.items()}
    headed = HEADING if any(graphs) else 0.0
    widths = [max(layout.width, width(name, TITLE, bold=True)) for name, layout in layouts.items()]
    across = max(sum(widths) + BETWEEN * (len(widths) - 1), min(width(title, TITLE, bold=True), WIDEST)) + 2 * MARGIN
    title = wrapped(title, across - 2 * MARGIN, TITLE, bold=True)
    top = MARGIN + (HEADING + title.count("\n") * TITLE * LINE / 72 if title else 0.0)
    height = top + headed + max(layout.height for layout in layouts.values()) + MARGIN
    with style(family=FONT):
        figure = Figure(figsize=(across, height), facecolor="white")
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, across), ylim=(height, 0))
        axes.set_axis_off()
        axes.text(MARGIN, MARGIN, title, size=TITLE, weight="bold", va="top")
        left = MARGIN
        for (name, layout), wide in zip(layouts.items(), widths, strict=True):
            axes.text(left, top, name, size=TITLE, va="top", color="#333333")
            _draw(axes, layout, left, top + headed, words)
            left += wide + BETWEEN
        write_atomically(path, content(figure, path.suffix.lower().removeprefix(".")))


def check(path: Path) -> None:
    """Raises ValueError where `path` is not of a kind of file that is drawn."""
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path} is no picture that can be drawn: end its name in {' or '.join(SUFFIXES)}")


def _draw(axes: Axes, layout: Layout, left: float, top: float, words: partial[list[tuple[str, float]]]) -> None:
    for arrow in layout.arrows:
        _draw_arrow(axes, arrow, left, top)
    for box in layout.boxes:
        fill, border = COLOURS[box.node.kind]
        x, y = left + box.x - box.width / 2, top + box.y - box.height / 2
        axes.add_patch(
            FancyBboxPatch(
                (x, y), box.width, box.height,
                boxstyle=f"round,pad=0,rounding_size={box.height / 2 if box.on_edge else 0.06}",
                facecolor=fill, edgecolor=border, linewidth=0.6 if box.on_edge else 1.0, zorder=3,
            )
        )  # fmt: skip
        lines = words(box.node)
        y = top + box.y - sum(size for _, size in lines) * LINE / 72 / 2
        for text, size in lines:
            y += size * LINE / 72
            colour = "#111111" if size == TEXT else "#444444"
            place = (left + box.x, y - size * (LINE - 0.72) / 2 / 72)
            axes.text(*place, text, size=size, ha="center", va="baseline", color=colour, zorder=4)


def _draw_arrow(axes: Axes, arrow: Arrow, left: float, top: float) -> None:
    points = [(left + x, top + y) for x, y in arrow.points]
    curve = Curve(points, [Curve.MOVETO] + [Curve.CURVE4] * (len(points) - 1))
    colour = PLAIN if arrow.source is None else ARROWS[arrow.source % len(ARROWS)]
    head = "-|>" if arrow.head else "-"
    axes.add_patch(
        FancyArrowPatch(
            path=curve, color=colour, linewidth=1.0, arrowstyle=head, mutation_scale=7, shrinkA=0, shrinkB=0, zorder=2
        )
    )


# ---------------------------------------------------------------------------- text


def _words(node: Node, details: Mapping[str, str]) -> list[tuple[str, float]]:
    """The lines of a box with their sizes."""
    lines = [(line, TEXT) for part in node.label.split("\n") for line in _wrapped(part)]
    return lines + ([(details[node.row], SMALL)] if node.row in details else [])


def _wrapped(text: str) -> list[str]:
    """`text` in lines, broken between branches where it has such, else between what is done in turn."""
    if len(text) <= WRAP:
        return [text]
    parts = re.split(r"(?<=\|) " if "|" in text else r"(?<=[,+]) ", text)
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + 1 + len(part) <= WRAP:
            lines[-1] += f" {part}"
        else:
            lines.append(part)
    return lines


def _size(lines: list[tuple[str, float]]) -> tuple[float, float]:
    """Of a box around `lines`."""
    across = max(width(text, size) for text, size in lines)
    height = sum(size * LINE / 72 for _, size in lines)
    return max(across, height) + 2 * PADDING, height + PADDING
