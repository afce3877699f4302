"""A grid search of compound scaling, reported: to people in a table and sentences, to programs as JSON and CSV.

What is best is said with how sure that is: which other triples may be as good, and intervals around differences. They
are Tukey's, which hold for all pairs of networks at once, since the best was picked after looking.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from nas.checks.costs import kind_of
from nas.files import write_all
from nas.scale.grid import ALONE, kind
from nas.scale.results import CONFIDENCE, GridResults, TripleResult
from nas.statistics.differences import Interval
from nas.text.columns import table
from nas.text.units import format_count, format_points, format_spread
from nas.text.visible import visible
from scaling.compound import Compound

# ------------------------------------------------------------------ for people


def _header(found: GridResults) -> tuple[str, ...]:
    costs = [kind_of(name).title for name in found.costs]
    return (
        "network",
        *("alpha", "beta", "gamma", "pixels"),
        "params",
        "MACs",
        *costs,
        "formula",
        "measured",
        "accuracy",
        "n",
    )


def results_table(found: GridResults) -> str:
    """A row for each network: its factors, what they come to, and its accuracy."""
    return table(_header(found), [_cells(found, result) for result in found.all])


def _cells(found: GridResults, result: TripleResult) -> tuple[str, ...]:
    c, ratio = result.compound, found.ratio(result)
    return (
        result.name,
        *(f"{factor:g}" for factor in (c.alpha, c.beta, c.gamma)),
        str(result.image_size),
        format_count(result.params),
        format_count(result.macs),
        *(kind_of(name).format(result.costs.get(name)) for name in found.costs),
        f"x{c.ratio:.2f}",
        f"x{ratio:.2f}" if ratio else "-",
        format_spread(tuple(result.accuracies.values())) if result.accuracies else "-",
        f"{len(result.accuracies)}" + (f", {len(result.failures)} failed" if result.failures else ""),
    )


def in_words(found: GridResults) -> list[str]:
    """What the results show and what they do not, a sentence a line."""
    if not found.compounds:
        return [*_open(found), "no triple is trained yet, so there is no best one"]
    if not found.learned:
        chance = f"{100 / (found.num_classes or 1):.3g} %"
        advice = "which way of growing is best cannot be said: start another grid with more --epochs or images"
        return [f"no network is above chance, {chance}, so {advice}", *_open(found)]
    best, *others = found.compounds
    n = len(best.accuracies)
    lines = [
        f"{_called(found)}: {_triple(best.compound)}, {format_spread(tuple(best.accuracies.values()))} on validation "
        f"images, {n} seed{'s' if n > 1 else ''}"
    ]
    if best.same:
        lines.append(f"at phi = 1 the same network is also {', '.join(map(_triple, best.same))}")
    alone = [r for r in found.trained if kind(r.compound) in ALONE]
    base = [r for r in found.trained if kind(r.compound) == "base"]
    lines += _not_told_apart(found, best, others)
    lines += [_against(found, best, other) for other in (*alone, *base)]
    return [*lines, *_on_average(found, found.compounds, alone), *_method(found), *_open(found)]


def to_text(found: GridResults) -> str:
    """What a terminal shows: the table, what is in it, and in words what it says."""
    legend = "MACs: multiply-adds for one image; formula: alpha * beta^2 * gamma^2; measured: MACs to the base's"
    return "\n".join([f"{results_table(found)}\n\n{legend}\n", *in_words(found)])


def _called(found: GridResults) -> str:
    """The triple of the highest accuracy, which luck alone may have made that."""
    return "best triple" if found.is_shown else "highest triple, not shown to be best"


def _triple(compound: Compound) -> str:
    return f"depth x{compound.alpha:g}, width x{compound.beta:g}, resolution x{compound.gamma:g}"


def _not_told_apart(found: GridResults, best: TripleResult, others: Sequence[TripleResult]) -> list[str]:
    """Which of the other triples may be as good."""
    if not others:
        return []
    alike = [other for other in others if not ((i := found.difference(best, other)) and i.shows)]
    if not alike:
        return [f"every other triple is worse, {len(others)} of them"]
    names = ", ".join(other.name for other in alike)
    return [f"not told apart from it, of {len(others)} other triples: {names}"]


def _against(found: GridResults, best: TripleResult, other: TripleResult) -> str:
    """`best` against the base or what grew in one dimension alone."""
    n = min(len(best.accuracies), len(other.accuracies))
    said = _difference(found.level(best) - found.level(other), found.difference(best, other))
    return f"against {other.name}: {said}, {n} seed{'s' if n > 1 else ''}{_multiply_adds_apart(best, other)}"


def _on_average(found: GridResults, compounds: Sequence[TripleResult], alone: Sequence[TripleResult]) -> list[str]:
    """All triples against all that grew in one dimension: the claim itself, whichever of them came out best."""
    if found.fit is None or not alone:
        return []
    interval = found.fit.planned([r.compound for r in compounds], [r.compound for r in alone], CONFIDENCE)
    points = mean(map(found.level, compounds)) - mean(map(found.level, alone))
    said = _difference(points, interval)
    return [f"all {len(compounds)} triples against the {len(alone)} that grew in one dimension, on average: {said}"]


def _difference(share: float, interval: Interval | None) -> str:
    """In points, as a person reads it."""
    points = 100 * share
    if interval is None:
        return f"{format_points(share)} points, and whether that is chance is not known"
    low, high = 100 * interval.low, 100 * interval.high
    if not interval.shows:
        return f"no difference shown ({format_points(share)} points, 95 % interval {low:.1f} to {high:.1f})"
    low, high = (low, high) if points > 0 else (-high, -low)
    return f"{'better' if points > 0 else 'worse'} by {abs(points):.1f} points, 95 % interval {low:.1f} to {high:.1f}"


def _multiply_adds_apart(best: TripleResult, other: TripleResult) -> str:
    """Said where the one that grew alone is not of about the same cost, since whole layers did not allow it."""
    if kind(other.compound) == "base" or not (best.macs and other.macs) or abs(other.macs / best.macs - 1) <= 0.05:
        return ""
    share = 100 * (other.macs / best.macs - 1)
    return f"; it has {abs(share):.0f} % {'more' if share > 0 else 'fewer'} multiply-adds"


def _method(found: GridResults) -> list[str]:
    """How the intervals are made, and whether anything could be seen with them at all."""
    if found.fit is None or found.fit.variance is None:
        return ["with one seed there is no spread, and nothing can be told apart: start another grid with --seeds 3"]
    intervals, lines = found.against_best, []
    if intervals and not found.is_shown:
        least = 100 * min((i.high - i.low) / 2 for i in intervals)
        lines.append(
            f"this grid is too small to tell which way of growing is best: only differences above {least:.1f} points "
            "would show. More --seeds, --epochs or images would sharpen it"
        )
    return [
        *lines,
        f"intervals: Tukey's, 95 % for all pairs of the {len(found.trained)} networks together, Student's on average; "
        f"paired by seed, one variance for all ({found.fit.freedom} degrees of freedom), the same validation images",
    ]


def _open(found: GridResults) -> list[str]:
    """What failed and what is missing."""
    lines = [f"failed: {r.name}, seed {seed}: {reason}" for r in found.all for seed, reason in r.failures.items()]
    if found.missing:
        total = found.seeds * len(found.all)
        lines.append(
            f"missing: {found.missing} of {total} trainings; `nas resume {found.run}`, with a larger --budget or "
            "--trials where that has ended, trains them"
        )
    return lines


# ------------------------------------------------------------------ for programs


def to_json(found: GridResults) -> dict[str, Any]:
    """Every figure. Accuracies and differences are 0..1; `best_minus_this` is the best triple's difference."""
    best = found.compounds[0] if found.compounds else None
    return {
        "run": found.run,
        "base": found.base,
        "data": found.data,
        "seeds": found.seeds,
        "best": None if best is None else asdict(best.compound),
        "networks": [_json_row(found, result, best) for result in found.all],
        "missing": found.missing,
        "words": in_words(found),
    }


def _json_row(found: GridResults, result: TripleResult, best: TripleResult | None) -> dict[str, Any]:
    interval = found.difference(best, result) if best and result.accuracies else None
    accuracies = list(result.accuracies.values())
    return {
        "network": result.name,
        **asdict(result.compound),
        "image_size": result.image_size,
        "params": result.params,
        "macs": result.macs,
        **{name: result.costs.get(name) for name in found.costs},
        "formula_ratio": result.compound.ratio,
        "measured_ratio": found.ratio(result),
        "accuracy": mean(accuracies) if accuracies else None,
        "deviation": stdev(accuracies) if len(accuracies) > 1 else None,
        "accuracies": {str(seed): accuracy for seed, accuracy in result.accuracies.items()},
        "failures": {str(seed): reason for seed, reason in result.failures.items()},
        "best_minus_this": None if interval is None else asdict(interval) | {"shown": interval.shows},
        "same_network": [asdict(compound) for compound in result.same],
    }


def to_csv(found: GridResults) -> str:
    """A line for each network: the columns of the table, in full."""
    rows = to_json(found)["networks"]
    columns = [name for name, value in rows[0].items() if not isinstance(value, dict | list)]
    columns = [name for name in columns if name != "best_minus_this"]
    out = io.StringIO()
    writer = csv.DictWriter(out, [*columns, "n"], extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(row | {"n": len(row["accuracies"])} for row in rows)
    return visible(out.getvalue())


def to_markdown(found: GridResults) -> str:
    """The table and the words, to keep."""
    header = _header(found)
    lines = [header, ("---",) * len(header), *(_cells(found, result) for result in found.all)]
    rows = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    said = "\n".join(f"- {line}" for line in in_words(found))
    return f"# {found.run}: compound scaling on {found.data}\n\n{rows}\n\n{said}\n"


def write(found: GridResults, folder: Path) -> list[Path]:
    """Keep the report in `folder`: as Markdown, as CSV and, where matplotlib is installed, as a picture."""
    files: dict[str, str | bytes] = {"scaling.md": to_markdown(found), "scaling.csv": to_csv(found)}
    if found.trained and find_spec("matplotlib"):
        from nas.scale.picture import picture

        files["scaling.png"] = picture(found, "png")
    return write_all({folder / name: content for name, content in files.items()})
