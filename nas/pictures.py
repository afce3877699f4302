"""What our charts have in common. Needs matplotlib."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure


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
