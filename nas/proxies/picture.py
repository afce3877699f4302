"""A picture of a study of proxies: what some of them say beside the truth, and how well each ranks for its seconds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from nas.drawing.pictures import content, legend_entries, style
from nas.proxies.report import WORDS, name_of
from nas.proxies.results import AREA, CEILING, USUAL_BUDGET, Judged, Proxy, StudyResults
from nas.reward import ACCURACY, LOSS

COLOURS = {ACCURACY: "#3b5b92", LOSS: "#3a7d52", AREA: "#b8741a", "MACs": "#5f5f5f", "params": "#9a9a9a"}
MARKERS = {"cut": "o", "short": "s", "full": "D"}
LOWEST = -0.3  # rank correlation that there is room for, or the lowest; a longer bar is cut off


def picture(found: StudyResults, suffix: str = "svg") -> bytes:
    """The file's content, svg or png. At least one proxy is judged."""
    with style(font_size=9):
        figure = Figure(figsize=(13, 6), layout="constrained", facecolor="white")
        parts = figure.subplot_mosaic("abt;cdt", width_ratios=(1, 1, 2.4))
        shown = dict(zip("abcd", _shown(found), strict=False))
        for place, axes in parts.items():
            if place in shown:
                _beside_truth(axes, found, shown[place], first=place in "ac")
            axes.set_visible(place in shown or place == "t")
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(alpha=0.25, linewidth=0.6)
        _by_seconds(parts["t"], found)
        entries = legend_entries(parts["t"])
        figure.legend(*entries, frameon=False, loc="outside lower center", ncols=9, handletextpad=0.2)
        seeds = f", {found.study.seeds} seeds" if found.study.seeds > 1 else ", one seed"
        figure.suptitle(f"Proxies for the full training on {found.data}{seeds}", fontsize=10)
        return content(figure, suffix)


def _shown(found: StudyResults) -> Iterator[Judged]:
    """Of the cuts and short trainings the best per second, that of the other kind, an accuracy; and MACs."""
    able = [judged for judged in found.judged if judged.proxy.kind in ("cut", "short")]
    ranked = sorted(able, key=lambda judged: -judged.found.get(USUAL_BUDGET, -1.0))
    chosen = ranked[:1]
    chosen += [judged for judged in ranked if judged.proxy.kind != ranked[0].proxy.kind][:1]
    chosen += [judged for judged in ranked if judged.proxy.signal == ACCURACY and judged not in chosen][:1]
    yield from chosen
    yield from (judged for judged in found.judged if judged.proxy == Proxy("", "MACs"))


def _beside_truth(axes: Axes, found: StudyResults, judged: Judged, first: bool) -> None:
    """A point for each network: the mean over seeds of what the proxy said, and of the truth."""
    proxy = judged.proxy
    said, truth = found.values(proxy), 100 * found.truth
    known = ~np.isnan(said).any(0) & ~np.isnan(truth).any(0)
    x = said[:, known].mean(0) * {ACCURACY: 100, LOSS: -1, AREA: -1}.get(proxy.signal, 1e-6)
    axes.scatter(x, truth[:, known].mean(0), s=18, color=COLOURS[proxy.signal], marker=MARKERS.get(proxy.kind, "^"))
    unit = {ACCURACY: f"{WORDS[ACCURACY]}, %", LOSS: WORDS[LOSS], AREA: "area, training loss"}
    axes.set_xlabel(unit.get(proxy.signal, f"{proxy.signal}, millions"))
    axes.set_title(f"{name_of(proxy)}: Spearman {judged.spearman.estimate:.2f}", fontsize=9)
    if proxy.signal in (LOSS, AREA):
        axes.invert_xaxis()
    if first:
        axes.set_ylabel("truth, %")


def _by_seconds(axes: Axes, found: StudyResults) -> None:
    """Rank correlation against cost; bars are 95 % intervals, lines what costs nothing."""
    for judged in found.judged:
        proxy, rho = judged.proxy, judged.spearman
        if proxy.kind == "control":
            axes.axhline(rho.estimate, color=COLOURS[proxy.signal], linewidth=1, linestyle="--")
            axes.annotate(proxy.signal, (1, rho.estimate), xycoords=("axes fraction", "data"), ha="right", va="bottom")
        elif proxy.seeds == 1:
            bar = [[rho.estimate - rho.low], [rho.high - rho.estimate]]
            beside = {ACCURACY: 1.0, LOSS: 0.985, AREA: 1.015}[proxy.signal]  # so that bars of equal cost are seen
            axes.errorbar(
                judged.seconds * beside, rho.estimate, yerr=np.maximum(bar, 0), fmt=MARKERS[proxy.kind], markersize=6,
                color=COLOURS[proxy.signal], elinewidth=0.8, capsize=2,
                markerfacecolor=COLOURS[proxy.signal] if proxy.kind == "cut" else "white",
                label="ceiling: full, accuracy" if proxy == CEILING else f"{proxy.kind}, {proxy.signal}",
            )  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.set_ylim(min([LOWEST, *(judged.spearman.estimate - 0.05 for judged in found.judged)]), 1.05)
    axes.set_xlabel("seconds for a network, of the CPU where that trained")
    axes.set_ylabel("Spearman rank correlation with the truth")
