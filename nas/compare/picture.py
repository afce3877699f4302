"""A picture of a comparison: multiply-adds against test accuracy, as in figure 1 of EfficientNet's paper
(Tan & Le 2019, arXiv:1905.11946)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import stdev

import matplotlib
import matplotlib.ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nas.compare.report import heading
from nas.compare.results import Result, Results
from nas.pictures import content, legend_entries, style
from nas.units import format_count

FOUND, DESIGNED, LINE = "#b8741a", "#3b5b92", "#8a8a8a"
APART = 0.042  # of the axis' height, between names that stand above one another
WIDE = 0.25  # of the axis' width: points of one column


def picture(read: Sequence[Results], suffix: str = "svg") -> bytes:
    """The file's content, svg or png: a panel for each of `read` that has a result, of which there is one."""
    read = [found for found in read if found.trained]
    with style(font_size=9):
        figure = Figure(figsize=(7.2 * len(read), 5), layout="constrained", facecolor="white")
        for axes, found in zip(figure.subplots(1, len(read), squeeze=False)[0], read, strict=True):
            _panel(axes, found)
        return content(figure, suffix)


def _panel(axes: Axes, found: Results) -> None:
    for result in found.trained:
        _point(axes, result)
    front = found.pareto
    x, y = [r.size.macs for r in front], [100 * r.test_accuracy for r in front]
    if len(front) > 1:
        axes.plot(x, y, color=LINE, linestyle="--", linewidth=1, zorder=1, label="Pareto front")
    axes.set_xscale("log")
    axes.margins(y=0.1)
    low, high = min(r.size.macs for r in found.trained), max(r.size.macs for r in found.trained)
    axes.set_xlim(low / 1.3, high * 1.3 * (high / low) ** 0.3 * 1.6)  # room for names
    axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda macs, _: format_count(macs)))
    axes.xaxis.set_minor_formatter(matplotlib.ticker.FuncFormatter(lambda macs, _: format_count(macs)))
    axes.xaxis.set_minor_locator(matplotlib.ticker.LogLocator(subs=(2, 5)))
    axes.set_xlabel("multiply-adds for one image")
    axes.set_ylabel("test accuracy, %")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    _names(axes, found.trained)
    seeds = max(len(result.trainings) for result in found.trained)
    repeated = f"mean ± standard deviation of {seeds} seeds" if seeds > 1 else "one seed"
    axes.set_title(f"{found.data} {heading(found)}, {repeated}", fontsize=10)
    axes.legend(
        *legend_entries(axes), frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3
    )


def _point(axes: Axes, result: Result) -> None:
    values = [100 * accuracy for accuracy in result.test_accuracies]
    axes.errorbar(
        result.size.macs, 100 * result.test_accuracy, yerr=stdev(values) if len(values) > 1 else None,
        fmt="o" if result.found else "s", markersize=8 if result.found else 5, capsize=3, elinewidth=0.9,
        color=FOUND if result.found else DESIGNED, label="found" if result.found else "hand-designed",
        zorder=3 if result.found else 2,
    )  # fmt: skip


def _names(axes: Axes, found: Sequence[Result]) -> None:
    """Right of the points; of points that are close in a column, one below the other, each with a line to its point."""
    to_axes = axes.transData + axes.transAxes.inverted()
    at = {r.name: to_axes.transform((r.size.macs, 100 * r.test_accuracy)) for r in found}
    columns: list[list[Result]] = []
    for result in sorted(found, key=lambda r: r.size.macs):
        if not columns or at[result.name][0] - at[columns[-1][0].name][0] > WIDE:
            columns.append([])
        columns[-1].append(result)
    for column in columns:
        x = max(at[r.name][0] for r in column) + 0.05
        y = math.inf
        for result in sorted(column, key=lambda r: -r.test_accuracy):
            y = min(at[result.name][1], y - APART)
            _name(axes, result, x, y)


def _name(axes: Axes, result: Result, x: float, y: float) -> None:
    axes.annotate(
        result.name, (result.size.macs, 100 * result.test_accuracy), (x, y), textcoords="axes fraction", va="center",
        fontsize=8, fontweight="bold" if result.found else "normal", color=FOUND if result.found else "#333333",
        arrowprops={
            "arrowstyle": "-", "color": LINE, "linewidth": 0.5, "relpos": (0, 0.5), "shrinkA": 1, "shrinkB": 4
        },
    )  # fmt: skip
