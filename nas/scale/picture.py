"""A picture of a grid search of compound scaling: multiply-adds against accuracy, and the networks in order."""

from __future__ import annotations

from statistics import mean, stdev

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nas.drawing.pictures import content, legend_entries, style, wrapped
from nas.scale.grid import COMPOUND, kind
from nas.scale.results import GridResults, TripleResult

COLOURS = {
    "base": "#5f5f5f",
    COMPOUND: "#b8741a",
    "depth only": "#3b5b92",
    "width only": "#3a7d52",
    "resolution only": "#93508a",
}
MARKERS = {"base": "s", COMPOUND: "o", "depth only": "^", "width only": "D", "resolution only": "v"}
WIDTH, ROW = 10.0, 0.26  # inches: of the picture; of height for a network
TITLE = 10  # points


def picture(found: GridResults, suffix: str = "svg") -> bytes:
    """The file's content, svg or png. Bars are the standard deviation over seeds. At least one network is trained."""
    with style(font_size=9):
        return content(drawn(found), suffix)


def drawn(found: GridResults) -> Figure:
    """The figure itself."""
    seeds = max(len(result.accuracies) for result in found.trained)
    repeated = f", mean ± standard deviation of {seeds} seeds" if seeds > 1 else ", one seed"
    said = (found.base, f"validation accuracy on {found.data}{repeated}")
    title = "\n".join(wrapped(text, WIDTH - 0.4, TITLE) for text in said)
    height = max(3.8, 1.4 + ROW * len(found.trained)) + title.count("\n") * TITLE * 1.3 / 72
    figure = Figure(figsize=(WIDTH, height), layout="constrained", facecolor="white")
    by_macs, in_order = figure.subplots(1, 2, width_ratios=(3, 2))
    _by_macs(by_macs, found)
    _in_order(in_order, found)
    for axes in (by_macs, in_order):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25, linewidth=0.6)
    figure.suptitle(title, fontsize=TITLE)
    return figure


def _by_macs(axes: Axes, found: GridResults) -> None:
    """Lines from the base to what it grew to: the best triple and each dimension alone; other triples as points."""
    start = found.all[0]
    best = found.compounds[:1]
    for result in reversed(found.trained):
        what = kind(result.compound)
        first = what != COMPOUND or result in best
        if start.accuracies and result is not start and first:
            x, y = zip(*((_millions(r), 100 * mean(r.accuracies.values())) for r in (start, result)), strict=True)
            axes.plot(x, y, color=COLOURS[what], linewidth=1.8 if what == COMPOUND else 1.1, zorder=1)
        called = "best triple" if found.is_shown else "highest triple"
        label = f"{called}, {result.name}" if result in best else what if first else "other triples"
        _point(axes, result, _millions(result), first, label)
    axes.set_xlabel("multiply-adds, millions")
    axes.set_ylabel("validation accuracy, %")
    axes.legend(*legend_entries(axes), frameon=False)


def _millions(result: TripleResult) -> float:
    return (result.macs or 0) / 1e6


def _in_order(axes: Axes, found: GridResults) -> None:
    """A row for each network, the best on top."""
    rows = sorted(found.trained, key=found.level)
    for row, result in enumerate(rows):
        _point(axes, result, row, kind(result.compound) != COMPOUND or result in found.compounds[:1], None, across=True)
    axes.set_yticks(range(len(rows)), [result.name for result in rows])
    axes.set_xlabel("validation accuracy, %")


def _point(axes: Axes, result: TripleResult, at: float, filled: bool, label: str | None, across: bool = False) -> None:
    """The accuracy of `result` and its deviation: along the y axis, with `across` along the x axis."""
    accuracies = [100 * accuracy for accuracy in result.accuracies.values()]
    level, error = mean(accuracies), stdev(accuracies) if len(accuracies) > 1 else None
    what = kind(result.compound)
    x, y = (level, at) if across else (at, level)
    axes.errorbar(
        x, y, xerr=error if across else None, yerr=None if across else error, fmt=MARKERS[what], color=COLOURS[what],
        markersize=6, capsize=3, elinewidth=0.9, label=label, markerfacecolor=COLOURS[what] if filled else "white",
    )  # fmt: skip
