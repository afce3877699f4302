"""A study of proxies, reported: to people in a table and sentences, to programs as JSON and CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from nas.files import write_all
from nas.proxies.ranking import LEAST
from nas.proxies.results import AREA, BUDGETS, CEILING, USUAL_BUDGET, Judged, Proxy, StudyResults
from nas.reward import ACCURACY, LOSS
from nas.statistics.differences import Interval
from nas.text.columns import table
from nas.text.units import format_count, format_seconds
from nas.text.visible import visible

HEADER = (
    "training", "signal", "seeds", "Spearman", "95 % interval", "Kendall", "95 % interval", "best third", "regret",
    "CPU time", "of full", f"finds in {USUAL_BUDGET}",
)  # fmt: skip
LEGEND = (
    "cut: of the full schedule; short: with a schedule of its own, images x passes @ pixels. accuracy: on validation "
    "images; loss: training loss of the last quarter; area: training loss since the start. best third: how much of the "
    "truly best third is in its own. regret: points lost by taking its best. "
    f"finds in {USUAL_BUDGET}: by the time of {USUAL_BUDGET} full trainings, points above a random network, expected."
)
WORDS = {ACCURACY: "validation accuracy", LOSS: "training loss", AREA: "mean training loss since the start"}


def name_of(proxy: Proxy) -> str:
    """What it trains, in a table."""
    kinds = {"control": proxy.signal, "full": "full", "short": f"short {proxy.training}"}
    return kinds.get(proxy.kind) or f"cut at {format_count(proxy.images)}"


def in_full(proxy: Proxy) -> str:
    """What it is, in a sentence."""
    if proxy.kind == "control":
        return f"the number of {proxy.signal}"
    trained = {"full": "the full training", "short": f"a training of its own, {proxy.training}"}.get(
        proxy.kind, f"the full schedule cut at {format_count(proxy.images)} images"
    )
    seeds = "" if proxy.seeds == 1 else f", mean of {proxy.seeds} seeds"
    return f"{WORDS[proxy.signal]} of {trained}{seeds}"


# ------------------------------------------------------------------ for people


def results_table(found: StudyResults) -> str:
    """A row for each proxy, the cheapest first, below what chance does."""
    kept, regret = found.by_chance
    chance = ("random", "", "", "0.00", "", "0.00", "", f"{100 * kept:.0f} %", _points(regret), "0", "0 %", "")
    return table(HEADER, [chance, *(_cells(found, judged) for judged in found.judged)], words={"training", "signal"})


def _cells(found: StudyResults, judged: Judged) -> tuple[str, ...]:
    proxy, gain = judged.proxy, None if found.ranks is False else judged.found.get(USUAL_BUDGET)
    trained = proxy.kind != "control"
    return (
        name_of(proxy),
        proxy.signal if trained else "",
        str(proxy.seeds) if trained else "",
        f"{judged.spearman.estimate:.2f}",
        _range(judged.spearman),
        f"{judged.kendall.estimate:.2f}",
        _range(judged.kendall),
        f"{100 * judged.kept:.0f} %",
        _points(judged.regret),
        format_seconds(judged.seconds) if trained else "0",
        f"{100 * judged.share:.0f} %" if judged.share >= 0.1 else f"{100 * judged.share:.1f} %" if trained else "0 %",
        "" if gain is None else f"{100 * gain:+.1f}",
    )


def _points(share: float) -> str:
    """`0.3`: a share that cannot be negative, in points of a percent; what rounding makes of none is `0.0`."""
    return f"{abs(100 * share):.1f}"


def _range(interval: Interval) -> str:
    return f"{interval.low:.2f} to {interval.high:.2f}"


def in_words(found: StudyResults) -> list[str]:
    """What the study shows and what it does not, a sentence a line."""
    if not found.judged:
        return ["not half of the networks are trained in full yet, so there is nothing to judge by", *_open(found)]
    lines = [_truth(found), *_ceiling(found)]
    if found.ranks is not False:
        lines += [*_best(found), *_against_controls(found)]
    return [*lines, *_method(found), *_open(found)]


def to_text(found: StudyResults) -> str:
    """What a terminal shows: the table, once there is something in it, and in words what it says."""
    drawn = [f"{results_table(found)}\n\n{LEGEND}\n"] if found.judged else []
    return "\n".join([*drawn, *in_words(found)])


def _truth(found: StudyResults) -> str:
    known = 100 * found.truth[~np.isnan(found.truth)]
    networks = int((~np.isnan(found.truth)).any(0).sum())
    sizes = found.macs[~np.isnan(found.macs)]
    start = " from the given weights" if found.study.truth_inherits else ""
    return (
        f"truth: validation accuracy after the full training{start}; {networks} networks of "
        f"{format_count(sizes.min())} to {format_count(sizes.max())} MACs, {known.min():.1f} to {known.max():.1f} %, "
        f"standard deviation {100 * found.spread:.1f} points"
    )


def _ceiling(found: StudyResults) -> list[str]:
    ceiling = found.ceiling
    if not found.learned:
        chance = f"{100 / (found.num_classes or 1):.3g} %"
        so = "so there is no order to judge proxies by: use a longer --full"
        return [f"no network is above chance, {chance}, after the full training, {so}"]
    if ceiling is None:
        return [
            "ceiling: unknown, there is one seed of the full training. A bad proxy cannot be told from a noisy truth, "
            "and a cut is judged by the very training that it is of, which flatters it: use --seeds 2"
        ]
    rho = ceiling.spearman.estimate
    without_luck = f"; a proxy without any luck would reach about {math.sqrt(rho):.2f}" if rho > 0 else ""
    lines = [
        f"ceiling: one full training ranks another of the same networks with {rho:.2f} "
        f"(Spearman, {_range(ceiling.spearman)}), keeps {100 * ceiling.kept:.0f} % of the best third, and its best "
        f"loses {_points(ceiling.regret)} points{without_luck}"
    ]
    if not found.ranks:
        lines.append(
            "that the full training ranks the networks is not shown, so which proxy is best, or better than the number "
            "of MACs, cannot be said: use more --networks, a longer --full or a wider range of --macs"
        )
    return lines


def _best(found: StudyResults) -> list[str]:
    """The best proxy per second, by the rule and for several budgets, and how sure that choice is."""
    lines = []
    for budget in BUDGETS:
        if best := found.best(budget):
            lines.append(
                f"best per second, in the time of {budget} full trainings: {in_full(best.proxy)} "
                f"({100 * best.found[budget]:+.1f} points above a random network, expected; Spearman "
                f"{best.spearman.estimate:.2f}, {format_seconds(best.seconds)} a network){_doubt(found, best)}"
            )
    likely = sorted((j for j in found.judged if j.chosen), key=lambda j: -(j.chosen or 0.0))[:3]
    shares = "; ".join(f"{100 * (j.chosen or 0.0):.0f} % {in_full(j.proxy)}" for j in likely)
    return (
        [*lines, f"with other networks, in the time of {USUAL_BUDGET}, the best would be: {shares}"]
        if likely
        else lines
    )


def _doubt(found: StudyResults, best: Judged) -> str:
    """What speaks against a proxy that came out best."""
    if not best.spearman.low > 0:
        return "; that it ranks the networks at all is not shown"
    own = found.ranks is None and best.proxy.kind == "cut"
    return "; judged by the very training that it is a cut of" if own else ""


def _against_controls(found: StudyResults) -> list[str]:
    """Which proxies do better than counting multiply-adds."""
    trained = [judged for judged in found.judged if judged.against_macs and judged.proxy.kind in ("cut", "short")]
    if not trained:
        return []
    better = [judged for judged in trained if judged.against_macs and judged.against_macs.low > 0]
    cheapest = f", of which the cheapest is {in_full(better[0].proxy)}" if better else ""
    return [f"shown to rank better than the number of MACs: {len(better)} of {len(trained)} proxies{cheapest}"]


def _method(found: StudyResults) -> list[str]:
    networks = max(judged.networks for judged in found.judged)
    few = f"; with fewer than {LEAST} networks nothing is known of them" if networks < LEAST else ""
    against = (
        "each proxy is judged by the full trainings of other seeds than its own, one at a time"
        if found.repeated
        else "each proxy is judged by the full training of its own seed"
    )
    lines = [f"{against}; intervals: 95 %, by the bootstrap over networks alone{few}"]
    if not any(map(found.best, BUDGETS)):
        return lines
    return [
        *lines,
        "best per second: of as many random networks as it ranks in that time, less that of training the chosen one in "
        "full, the best is expected above the average by its correlation x the largest of so many normal values x the "
        "truth's standard deviation",
    ]


def _open(found: StudyResults) -> list[str]:
    """What failed and what is missing."""
    lines = [
        f"failed: network {network}, {training}, seed {seed}: {reason}"
        for (training, seed, network), reason in found.failures.items()
    ]
    if found.missing:
        lines.append(
            f"missing: {found.missing} of {found.study.size} trainings; `nas resume {found.run}`, with a larger "
            "--budget where that has ended, trains them"
        )
    return lines


# ------------------------------------------------------------------ for programs


def to_json(found: StudyResults) -> dict[str, Any]:
    """Every figure. Accuracies, `regret` and `finds` are 0..1; what is said of a network is by seed, more is better."""
    best = {str(budget): found.best(budget) for budget in BUDGETS}
    proxies = [judged.proxy for judged in found.judged if judged.proxy.seeds == 1 and judged.proxy.kind != "control"]
    columns = {_key(proxy): found.values(proxy) for proxy in dict.fromkeys([CEILING, *proxies])}
    return {
        "run": found.run,
        "data": found.data,
        "seeds": found.study.seeds,
        "ceiling": None if found.ceiling is None else _json_row(found.ceiling),
        "random": dict(zip(("best_third", "regret"), found.by_chance, strict=True)) if found.judged else None,
        "best_per_second": {budget: None if judged is None else _key(judged.proxy) for budget, judged in best.items()},
        "proxies": [_json_row(judged) for judged in found.judged],
        "networks": [
            {"network": text, "macs": _number(found.macs[i]), "params": _number(found.params[i])}
            | {key: [_number(value) for value in values[:, i]] for key, values in columns.items()}
            for i, text in enumerate(found.study.networks)
        ],
        "missing": found.missing,
        "words": in_words(found),
    }


def _key(proxy: Proxy) -> str:
    """For programs: `full:12500:area`, `12.5k@16:loss`, `MACs`."""
    if proxy.kind == "control":
        return proxy.signal
    parts = [proxy.training, *([] if proxy.images is None else [str(proxy.images)]), proxy.signal]
    return ":".join(parts) + ("" if proxy.seeds == 1 else f" x{proxy.seeds}")


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _json_row(judged: Judged) -> dict[str, Any]:
    return {
        "proxy": _key(judged.proxy),
        "kind": judged.proxy.kind,
        **asdict(judged.proxy),
        "networks": judged.networks,
        "spearman": asdict(judged.spearman),
        "kendall": asdict(judged.kendall),
        "best_third": judged.kept,
        "regret": judged.regret,
        "seconds": judged.seconds,
        "share_of_full": judged.share,
        "finds": {str(budget): gain for budget, gain in judged.found.items()},
        "chosen_in_resamples": judged.chosen,
        "spearman_above_macs": None if judged.against_macs is None else asdict(judged.against_macs),
    }


def to_csv(found: StudyResults) -> str:
    """A line for each proxy: the columns of the JSON."""
    rows = []
    for row in to_json(found)["proxies"]:
        flat: dict[str, Any] = {}
        for name, value in row.items():
            inner = value if isinstance(value, dict) else None
            flat |= {name: value} if inner is None else {f"{name}_{key}": v for key, v in inner.items()}
        rows.append(flat)
    return _lines(rows)


def networks_csv(found: StudyResults) -> str:
    """A line for each network and seed: what every proxy said of it."""
    rows = [
        {name: value[seed] if isinstance(value, list) else value for name, value in row.items()} | {"seed": seed}
        for row in to_json(found)["networks"]
        for seed in range(found.study.seeds)
    ]
    return _lines(rows)


def _lines(rows: Sequence[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return visible(out.getvalue())


def to_markdown(found: StudyResults) -> str:
    """The table and the words, to keep."""
    lines = [HEADER, ("---",) * len(HEADER), *(_cells(found, judged) for judged in found.judged)]
    rows = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    said = "\n".join(f"- {line}" for line in in_words(found))
    return f"# {found.run}: proxies on {found.data}\n\n{rows}\n\n{LEGEND}\n\n{said}\n"


def write(found: StudyResults, folder: Path) -> list[Path]:
    """Keep the report in `folder`: as Markdown, as CSV and, where matplotlib is installed, as a picture."""
    files: dict[str, str | bytes] = {"proxies.md": to_markdown(found), "networks.csv": networks_csv(found)}
    if found.judged:
        files["proxies.csv"] = to_csv(found)
    if found.judged and find_spec("matplotlib"):
        from nas.proxies.picture import picture

        files["proxies.png"] = picture(found, "png")
    return write_all({folder / name: content for name, content in files.items()})
