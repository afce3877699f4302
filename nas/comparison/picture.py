"""A picture of a comparison: multiply-adds against test accuracy, as in figure 1 of EfficientNet's paper
(Tan & Le 2019, arXiv:1905.11946); of networks of about as many multiply-adds a row for each, the best on top."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import stdev

import matplotlib
import matplotlib.ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nas.comparison.report import heading
from nas.comparison.results import ComparisonResults, NetworkResult
from nas.drawing.pictures import content, legend_entries, style, wrapped
from nas.text.units import AS_NUMBERS, format_count

FOUND, DESIGNED, LINE = "#b8741a", "#3b5b92", "#8a8a8a"
PANEL, HEIGHT, ROW = 7.2, 5.0, 0.34  # inches: a panel's width, its height; that of a network's row
TITLE, NAME = 10, 8  # points
ALIKE = 1.5  # times the fewest multiply-adds: up to there, what differs is the accuracy
LEFT, RIGHT = 0.06, 0.32  # of the axis' width: before the first point, and behind the last, where its name is
LONGEST = 2.2  # inches of a line of a name
APART = 0.042  # of the axis' height, between names that stand above one another
WIDE = 0.25  # of the axis' width: points of one column


def picture(read: Sequence[ComparisonResults], suffix: str = "svg") -> bytes:
    """The file's content, svg or png: a panel for each of `read` that has a result, of which there is one."""
    read = [found for found in read if found.trained]
    with style(font_size=9):
        return content(drawn(read), suffix)


def drawn(read: Sequence[ComparisonResults]) -> Figure:
    """The figure itself, of comparisons of the same networks, each of which has a result."""
    macs = [result.size.macs for found in read for result in found.trained]
    alike = max(macs) <= ALIKE * min(macs)
    room = PANEL - 0.8 - (LONGEST if alike else 0.0)  # of a title, which is above the axes
    height = 1.8 + ROW * max(len(found.trained) for found in read) if alike else HEIGHT
    figure = Figure(figsize=(PANEL * len(read), height), layout="constrained", facecolor="white")
    for axes, found in zip(figure.subplots(1, len(read), squeeze=False)[0], read, strict=True):
        (_in_order if alike else _by_macs)(axes, found)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.set_title(wrapped(_title(found), room, TITLE), fontsize=TITLE)
        below = -0.55 / height  # inches below the axes, which are about the panel
        axes.legend(
            *legend_entries(axes), frameon=False, fontsize=NAME, loc="upper center", bbox_to_anchor=(0.5, below - 0.04),
            ncols=3,
        )  # fmt: skip
    return figure


def _title(found: ComparisonResults) -> str:
    seeds = max(len(result.trainings) for result in found.trained)
    repeated = f"mean ± standard deviation of {seeds} seeds" if seeds > 1 else "one seed"
    return f"{found.data} {heading(found)}, {repeated}"


def _in_order(axes: Axes, found: ComparisonResults) -> None:
    """A row for each network: each seed's accuracy, their mean and deviation."""
    rows = sorted(found.trained, key=lambda result: result.test_accuracy)
    for row, result in enumerate(rows):
        if len(result.trainings) > 1:
            axes.plot(
                [_shown(found, value) for value in result.test_accuracies], [row] * len(result.trainings), "o",
                color=LINE, markersize=4, alpha=0.7, markeredgewidth=0, zorder=1, label="a seed",
            )  # fmt: skip
        _point(axes, found, result, row)
    labels = [wrapped(f"{r.name}, {format_count(r.size.macs)} MACs", LONGEST, NAME) for r in rows]
    axes.set_yticks(range(len(rows)), labels, fontsize=NAME)
    for label, result in zip(axes.get_yticklabels(), rows, strict=True):
        if result.found:
            label.set(color=FOUND, fontweight="bold")
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.margins(x=0.1)
    axes.set_xlabel(_axis(found))


def _by_macs(axes: Axes, found: ComparisonResults) -> None:
    """Points, each with its name; what is unbeaten in both is joined."""
    for result in found.trained:
        _point(axes, found, result)
    front = found.pareto
    x, y = [r.size.macs for r in front], [_shown(found, r.test_accuracy) for r in front]
    if len(front) > 1:
        axes.plot(x, y, color=LINE, linestyle="--", linewidth=1, zorder=1, label="Pareto front")
    axes.set_xscale("log")
    axes.margins(y=0.1)
    low, high = min(r.size.macs for r in found.trained), max(r.size.macs for r in found.trained)
    whole = (high / low) ** (1 / (1 - LEFT - RIGHT))
    axes.set_xlim(low / whole**LEFT, high * whole**RIGHT)
    axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda macs, _: format_count(macs)))
    axes.xaxis.set_minor_formatter(matplotlib.ticker.FuncFormatter(lambda macs, _: format_count(macs)))
    axes.xaxis.set_minor_locator(matplotlib.ticker.LogLocator(subs=(2, 5)))
    axes.set_xlabel("multiply-adds for one image")
    axes.set_ylabel(_axis(found))
    _names(axes, found)


def _shown(found: ComparisonResults, value: float) -> float:
    """In percent, but r2 and spearman as they are."""
    return value if found.recipe.metric in AS_NUMBERS else 100 * value


def _axis(found: ComparisonResults) -> str:
    return f"test {found.recipe.metric}{'' if found.recipe.metric in AS_NUMBERS else ', %'}"


def _point(axes: Axes, of: ComparisonResults, result: NetworkResult, row: int | None = None) -> None:
    """The mean and the deviation: over its multiply-adds, or in its row."""
    values = [_shown(of, value) for value in result.test_accuracies]
    level, error = _shown(of, result.test_accuracy), stdev(values) if len(values) > 1 else None
    x, y = (result.size.macs, level) if row is None else (level, row)
    axes.errorbar(
        x, y, xerr=None if row is None else error, yerr=error if row is None else None,
        fmt={"found": "o", "pretrained": "^"}.get(result.kind, "s"), markersize=8 if result.found else 5, capsize=3,
        elinewidth=0.9, color=FOUND if result.found else DESIGNED, label=result.kind,
        zorder=3 if result.found else 2,
    )  # fmt: skip


def _names(axes: Axes, of: ComparisonResults) -> None:
    """Right of the points; of points that are close in a column, one below the other, each with a line to its point."""
    to_axes = axes.transData + axes.transAxes.inverted()
    at = {r.name: to_axes.transform((r.size.macs, _shown(of, r.test_accuracy))) for r in of.trained}
    columns: list[list[NetworkResult]] = []
    for result in sorted(of.trained, key=lambda r: r.size.macs):
        if not columns or at[result.name][0] - at[columns[-1][0].name][0] > WIDE:
            columns.append([])
        columns[-1].append(result)
    for column in columns:
        x = max(at[r.name][0] for r in column) + 0.05
        y = math.inf
        for result in sorted(column, key=lambda r: -r.test_accuracy):
            y = min(at[result.name][1], y - APART)
            _name(axes, of, result, x, y)


def _name(axes: Axes, of: ComparisonResults, result: NetworkResult, x: float, y: float) -> None:
    axes.annotate(
        wrapped(result.name, LONGEST, NAME),
        (result.size.macs, _shown(of, result.test_accuracy)),
        (x, y),
        textcoords="axes fraction",
        va="center",
        fontsize=NAME,
        fontweight="bold" if result.found else "normal",
        color=FOUND if result.found else "#333333",
        arrowprops={
            "arrowstyle": "-", "color": LINE, "linewidth": 0.5, "relpos": (0, 0.5), "shrinkA": 1, "shrinkB": 4
        },
    )  # fmt: skip
