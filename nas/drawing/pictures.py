"""What pictures in files have in common. Needs matplotlib. The charts of the page are SVG, see `nas.report.charts`."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from functools import cache

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

FONT = "DejaVu Sans"  # which matplotlib brings along


@contextlib.contextmanager
def style(font_size: float = 10, family: str = "sans-serif") -> Iterator[None]:
    """Settings to make and keep a figure under: text stays text in SVG, and the same figure gives the same file."""
    with matplotlib.rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": "nas", "font.size": font_size, "font.family": family}
    ):
        yield


def content(figure: Figure, suffix: str, dpi: int = 160) -> bytes:
    """The file's content, svg or png."""
    out = io.BytesIO()
    figure.savefig(out, format=suffix, dpi=dpi, metadata={"Date": None} if suffix == "svg" else None)
    return out.getvalue()


def legend_entries(axes: Axes) -> tuple[list[Artist], list[str]]:
    """Handles and labels for a legend, each label once."""
    handles, labels = axes.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    return list(once.values()), list(once)


@cache
def width(text: str, size: float, bold: bool = False) -> float:
    """Inches of a line of `size` points."""
    if not text.strip():
        return 0.0
    font = FontProperties(family=FONT, weight="bold" if bold else "normal")
    return float(TextPath((0, 0), text, size=size, prop=font).get_extents().width) / 72


def wrapped(text: str, room: float, size: float, bold: bool = False) -> str:
    """`text` in lines of at most `room` inches, broken after a space, a comma or a slash; a longer word anywhere."""
    lines = [""]
    for word in re.findall(r"[^ ,/]*[ ,/]|[^ ,/]+", text):
        for piece in _cut(word, room, size, bold):
            if lines[-1] and width(lines[-1] + piece.rstrip(), size, bold) > room:
                lines.append("")
            lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


def _cut(word: str, room: float, size: float, bold: bool) -> Iterator[str]:
    """`word` in pieces that fit into `room`: mostly itself."""
    while len(word) > 1 and width(word.rstrip(), size, bold) > room:
        fits = next((n for n in range(len(word) - 1, 1, -1) if width(word[:n], size, bold) <= room), 1)
        yield word[:fits]
        word = word[fits:]
    yield word
