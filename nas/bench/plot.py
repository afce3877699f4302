"""Learning curves of strategies, as a picture. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import matplotlib.ticker
import numpy as np
from matplotlib.figure import Figure

from nas.bench.report import label
from nas.bench.searches import Result
from nas.drawing.pictures import content, style

STYLES = ("-", "--", ":", "-.")  # after ten strategies the colours begin again
FIRST = 5  # evaluations at which the picture begins
DEPTH = 3000  # of the vertical axis; a curve that leaves at the bottom is at 0, or nearly so


def picture(results: Sequence[Result], title: str, unit: str, suffix: str = "png") -> bytes:
    """Mean regret by evaluations, with a 95 % band of the mean, on logarithmic axes: a file's content."""
    with style():
        figure = Figure(figsize=(7.5, 5), layout="constrained", facecolor="white")
        axis = figure.add_subplot()
        colours = matplotlib.colormaps["tab10"]
        seeds = len(results[0].regret)
        means = [result.regret.mean(0) for result in results]
        for i, (result, mean) in enumerate(zip(results, means, strict=True)):
            x = np.arange(1, len(mean) + 1)
            error = 1.96 * result.regret.std(0) / max(1, len(result.regret) - 1) ** 0.5
            axis.plot(x, mean, STYLES[i // 10 % 4], color=colours(i % 10), label=label(result.setup, results))
            if seeds > 1:
                axis.fill_between(x, mean - error, mean + error, color=colours(i % 10), alpha=0.15, linewidth=0)
        top = max(1e-9, *(mean[min(FIRST, len(mean)) - 1] for mean in means))
        bottom = max(top / DEPTH, 0.7 * min((m[m > 0].min() for m in means if (m > 0).any()), default=0))
        axis.set(xscale="log", xlim=(min(FIRST, len(means[0]) - 0.5), len(means[0])), xlabel="evaluations")
        axis.set(
            yscale="log",
            ylim=(bottom, 1.5 * top),
            ylabel=f"regret ({unit}){', mean and its 95 % band' if seeds > 1 else ', one search'}",
        )
        axis.set_title(title, fontsize=10)
        for either in (axis.xaxis, axis.yaxis):
            either.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:g}"))
            # Between powers of ten only where few of these are seen, and as plain numbers: 0.6, not 6 x 10^-1.
            either.set_minor_formatter(matplotlib.ticker.LogFormatter(minor_thresholds=(2, 0.5)))
        axis.grid(which="both", alpha=0.2)
        axis.legend(fontsize=9)
        return content(figure, suffix, dpi=150)
