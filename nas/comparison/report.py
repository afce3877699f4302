"""A comparison, reported: to people in a table and sentences, to programs as JSON and CSV.

The sentences are for a sceptic. They say what was compared with what, how sure it is, and what that does not cover.
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
from nas.comparison.ensembles import Ensemble
from nas.comparison.results import ComparisonResults, NetworkResult, Verdict
from nas.data.targets import CLASSIFICATION
from nas.files import write_all
from nas.joint.fields import in_words as in_words_of
from nas.joint.fields import split
from nas.text.columns import table
from nas.text.units import AS_NUMBERS, format_bytes, format_count, format_points, format_qualities, format_seconds
from nas.text.visible import visible
from nas.training.trial import INFERENCE_BATCH

# ------------------------------------------------------------------ for people

HEADER = (
    "network", "test accuracy", "validation", "MACs", "params", "activations", "on disk", "trained on", "images/s",
    "inference/s", "n",
)  # fmt: skip
SIZES = 6  # of these columns are up to where further costs stand


def results_table(found: ComparisonResults) -> str:
    """A row for each network, in groups of about as many multiply-adds; ensembles below."""
    groups = _groups(found)
    lines = table(_header(found), [cells for _, rows in groups for cells in rows]).splitlines()
    out, rest = lines[:2], iter(lines[2:])
    for title, rows in groups:
        out += [f"{title}:"] if title else []
        out += [next(rest) for _ in rows]
    return "\n".join(out)


def _header(found: ComparisonResults) -> tuple[str, ...]:
    costs = [kind_of(cost).title for cost in found.costs]
    return (HEADER[0], f"test {found.recipe.metric}", *HEADER[2:SIZES], *costs, *HEADER[SIZES:])


def _groups(found: ComparisonResults) -> list[tuple[str, list[tuple[str, ...]]]]:
    """The rows under what stands above them."""
    groups = [(_title(found, limit), [_cells(r, found) for r in rows]) for limit, rows in found.groups]
    if found.own:
        groups.append(("by recipes of their own, so not beside the others", [_cells(r, found) for r in found.own]))
    return groups + ([("ensembles", [_voting(e, found) for e in found.ensembles])] if found.ensembles else [])


def _title(found: ComparisonResults, limit: int | None) -> str:
    if limit is not None:
        return f"up to {format_count(limit)} MACs"
    return "larger" if any(result.found for result in found.all) else ""


def _cells(result: NetworkResult, found: ComparisonResults) -> tuple[str, ...]:
    metric = found.recipe.metric
    sizes = [format_count(size) for size in (result.size.macs, result.size.params, result.size.activations)]
    sizes += [kind_of(cost).format(result.costs.get(cost)) for cost in found.costs]
    n = f"{len(result.trainings)}" + (f", {len(result.failures)} failed" if result.failures else "")
    if not result.trainings:
        return (result.called, "-", "-", *sizes, "-", "-", "-", "-", n)
    return (
        result.called,
        format_qualities(metric, result.test_accuracies),
        format_qualities(metric, result.val_accuracies),
        *sizes,
        format_bytes(result.bytes),
        f"{format_count(round(result.images))} in {format_seconds(result.seconds)}",
        f"{result.images / result.seconds:,.0f}",
        f"{result.inference:,.0f}",
        n,
    )


def _voting(ensemble: Ensemble, found: ComparisonResults) -> tuple[str, ...]:
    metric = found.recipe.metric
    sizes = [format_count(size) for size in (ensemble.size.macs, ensemble.size.params, ensemble.size.activations)]
    sizes += ["-"] * len(found.costs)
    accuracies = (format_qualities(metric, each) for each in (ensemble.test_accuracies, ensemble.val_accuracies))
    return (ensemble.name, *accuracies, *sizes, *["-"] * 4, f"{len(ensemble.test_accuracies)}")


def legend(found: ComparisonResults) -> list[str]:
    """What the table's figures are."""
    spreads = "mean ± standard deviation over seeds; " if found.seeds > 1 else ""
    return [
        f"{found.data}, {how_trained(found)}, {found.seeds} seed{'s' if found.seeds > 1 else ''}, {found.device}",
        f"{spreads}test {found.recipe.metric}: one look at the test images after each training's last epoch; MACs: "
        "multiply-adds for one image",
        "trained on: images, each counted as often as it was seen, and the time that took with validations; on disk: "
        f"weights.safetensors; inference/s: images a second, float32, {INFERENCE_BATCH} at a time",
    ]


def how_trained(found: ComparisonResults) -> str:
    recipe = found.recipe
    scratch = "" if all(r.start for r in found.all) else " from scratch"
    if any(r.start for r in found.all):
        scratch += f"{',' if scratch else ''} from the weights of a file where it says pretrained,"
    if recipe.seconds is not None:
        return f"each trained{scratch} for {format_seconds(recipe.seconds)}"
    of = "all" if recipe.subset is None else f"{recipe.subset:,}"
    return f"each trained{scratch} for {recipe.epochs} epoch{'s' if recipe.epochs > 1 else ''} of {of} images"


def in_words(found: ComparisonResults) -> list[str]:
    """What the results show and what they do not, a sentence a line."""
    said = [(subject, found.verdict(subject), found.beside_original(subject)) for subject in found.subjects]
    lines = [_verdict(found, v) if v else _no_verdict(found, subject) for subject, v, own in said if v or not own]
    lines += [_original(found, own) for _, _, own in said if own]
    lines += [_rival(found, rival, subject) for rival in found.rivals for subject in found.subjects]
    verdicts = [verdict for _, *both in said for verdict in both if verdict and _known(found, verdict)]
    own = [_by_own(found, result) for result in found.own]
    return [*lines, *(_method(found, verdicts) if verdicts else []), *own, *_open(found)]


def _by_own(found: ComparisonResults, result: NetworkResult) -> str:
    """What a network came to by the recipe that was searched for with it: no comparison."""
    if not result.trainings:
        return f"{result.name}: none of its trainings has ended well"
    levels = format_qualities(found.recipe.metric, result.test_accuracies)
    return (
        f"{result.name} ({in_words_of(split(result.recipe)[1])}) has {levels}: not one recipe with the others, so no "
        "difference from them is given; what was searched for one network might help the others, too"
    )


def _verdict(found: ComparisonResults, verdict: Verdict) -> str:
    best, among = verdict.reference, verdict.among
    what = "hand-designed network" if verdict.subject.found else "network"
    of = f"the best of {among} {what}s" if among > 1 else f"the one {what}"
    against = (
        f"{verdict.subject.name} against {best.name}, {of} of at most {format_count(verdict.subject.size.macs)} MACs"
    )
    return f"{against}: {difference(found, verdict)}"


def _original(found: ComparisonResults, verdict: Verdict) -> str:
    subject, original = verdict.subject, verdict.reference
    macs = f"{format_count(original.size.macs)} MACs against {format_count(subject.size.macs)}"
    return f"{subject.name} against {original.name}, around which it was found ({macs}): {difference(found, verdict)}"


def _rival(found: ComparisonResults, rival: NetworkResult, subject: NetworkResult) -> str:
    """Whether a pretrained network or one from scratch won: not with equal means, which is said."""
    began = f"{rival.name} began from the weights of {rival.start}, {subject.name} from random ones"
    macs = f"{format_count(rival.size.macs)} MACs against {format_count(subject.size.macs)}"
    verdict = found.against(rival, subject)
    if verdict is None:
        return f"{began}: not compared, since one of both was not trained"
    if not _known(found, verdict):
        return f"{began} ({macs}): {difference(found, verdict)}"
    if verdict.interval is not None and not verdict.interval.shows:
        who = "neither is shown to be better"
    else:
        who = f"{subject.name if verdict.difference > 0 else rival.name} has the better {found.recipe.metric}"
    return f"{began}; {who}, at {macs}; {subject.name}: {difference(found, verdict)}"


def difference(found: ComparisonResults, verdict: Verdict) -> str:
    """In points of test accuracy, or of the recipe's metric, as a person reads it."""
    by_seed = list(verdict.by_seed.values())
    signed, unit = _signed(found, verdict.difference), "" if found.recipe.metric in AS_NUMBERS else " points"
    if not _known(found, verdict):
        if found.kind != CLASSIFICATION:
            return "neither is better than always saying the mean, so nothing is known of them: train longer"
        chance = f"{100 / found.num_classes:.3g} %"
        return f"neither is above chance, {chance}, so nothing is known of them: train longer, or on more images"
    if verdict.interval is None:
        return f"{signed}{unit}, but one seed each shows no spread, so this may be chance: use --seeds 3"
    seeds = f"{len(by_seed)} seed{'s' if len(by_seed) > 1 else ''}"
    if by_seed:
        seeds += f" ({', '.join(_signed(found, d) for d in by_seed)})"
    low, high = verdict.interval.low, verdict.interval.high
    percent = f"{100 * found.confidence:.3g} % interval"
    if not verdict.interval.shows:
        return f"no difference shown: {signed}{unit}, {percent} {_interval_in_words(found, low, high, True)}, {seeds}"
    better = verdict.difference > 0
    low, high = (low, high) if better else (-high, -low)
    by = _signed(found, abs(verdict.difference)).removeprefix("+")
    within = _interval_in_words(found, low, high, False)
    return f"{'better' if better else 'worse'} by {by}{unit}, {percent} {within}, {seeds}"


def _signed(found: ComparisonResults, difference: float) -> str:
    """`+0.3` in points of a percent, and of r2 and spearman `+0.021`."""
    return f"{difference:+.3f}" if found.recipe.metric in AS_NUMBERS else format_points(difference)


def _interval_in_words(found: ComparisonResults, low: float, high: float, signs: bool) -> str:
    """`0.3 to 1.2`, or with their `signs`."""
    if found.recipe.metric in AS_NUMBERS:
        return f"{low:+.3f} to {high:+.3f}" if signs else f"{low:.3f} to {high:.3f}"
    low, high = 100 * low, 100 * high
    return f"{low:+.1f} to {high:+.1f}" if signs else f"{low:.1f} to {high:.1f}"


def _known(found: ComparisonResults, verdict: Verdict) -> bool:
    """Whether one of the two learned anything: differences between networks that guess are none."""
    return found.learned(verdict.subject) or found.learned(verdict.reference)


def _no_verdict(found: ComparisonResults, subject: NetworkResult) -> str:
    if not subject.trainings:
        return f"{subject.name}: none of its trainings has ended well, so there is nothing to say of it"
    others = [r for r in found.trained if not r.found and bool(r.start) == bool(subject.start)]
    if not any(r for r in others if r is not subject):
        alike = (
            ""
            if not any(r.start for r in found.all)
            else " from weights of a file"
            if subject.start
            else " from scratch"
        )
        return f"{subject.name}: no other network was trained{alike} that it could be compared with"
    said = "--match-macs narrows hand-designed ones to that" if subject.found else "name a smaller one"
    return f"{subject.name}: no network of at most its {format_count(subject.size.macs)} MACs was trained; {said}"


def _method(found: ComparisonResults, verdicts: Sequence[Verdict]) -> list[str]:
    """How the comparison was made, and what it does not cover."""
    names = [subject.name for subject in found.subjects]
    count = found.planned
    if count == 1:
        planned = "planned: this one comparison"
    else:
        planned = f"planned: these {count} comparisons, whose intervals hold together (Bonferroni)"
    hardest = "; the reference is the one of the best mean on the test images, so the hardest to beat"
    by_size = any(map(found.references, found.subjects))
    lines = [planned + (hardest if by_size else "") + _how_chosen(found, names)]
    return [*lines, *(_interval(found, v, len(names) > 1) for v in verdicts if v.interval)]


def _how_chosen(found: ComparisonResults, names: Sequence[str]) -> str:
    if not any(result.found for result in found.all):
        return ""
    if all(name.endswith(":best") for name in names):
        return f"; {' and '.join(names)} had the best reward in its search, which sees validation images only"
    return "; searches see validation images only"


def _interval(found: ComparisonResults, verdict: Verdict, several: bool) -> str:
    whose = f" of {verdict.subject.name}" if several else ""
    others = f" and the others above chance, {verdict.networks} networks" if verdict.networks > 2 else ""
    said = (
        f"interval{whose}: Student's, of the mean difference within seeds, one variance for these two{others} "
        f"({verdict.freedom} degree{'s' if verdict.freedom > 1 else ''} of freedom)"
    )
    if verdict.alone and verdict.networks > 2:
        alone = _interval_in_words(found, verdict.alone.low, verdict.alone.high, True)
        said += f"; from these two alone it is {alone}"
    return (
        said + "; the luck of weights and of the order of images is in it, other test images, data and recipes are not"
    )


def _open(found: ComparisonResults) -> list[str]:
    """What failed and what is missing."""
    everyone = (*found.all, *found.own)
    lines = [f"failed: {r.name}, seed {seed}: {reason}" for r in everyone for seed, reason in r.failures.items()]
    if found.missing:
        total = found.seeds * len(everyone)
        lines.append(f"missing: {found.missing} of {total} trainings; `nas resume {found.run}` continues")
    return lines


def heading(found: ComparisonResults) -> str:
    """What is equal."""
    return "at equal training images" if found.recipe.seconds is None else "at equal training seconds"


def to_text(read: Sequence[ComparisonResults]) -> str:
    """All that a person is told."""
    parts = []
    for found in read:
        title = [f"{heading(found)}\n"] if len(read) > 1 else []
        parts.append("\n".join([*title, results_table(found), "", *legend(found), "", *in_words(found)]))
    return "\n\n".join(parts)


def to_markdown(read: Sequence[ComparisonResults]) -> str:
    """Tables and words, to keep."""
    parts = [f"# {read[0].run}: networks compared on {read[0].data}"]
    for found in read:
        parts += [f"## {heading(found).capitalize()}"] if len(read) > 1 else []
        for title, rows in _groups(found):
            lines = [_header(found), ("---",) * len(_header(found)), *rows]
            parts += [f"### {title[0].upper()}{title[1:]}"] if title else []
            parts.append("\n".join(f"| {' | '.join(cells)} |" for cells in lines))
        parts.append("\n".join(f"- {line}" for line in [*in_words(found), *legend(found)]))
    return "\n\n".join(parts) + "\n"


# ------------------------------------------------------------------ for programs


def to_json(found: ComparisonResults) -> dict[str, Any]:
    """Every figure. Accuracies and differences are 0..1, and by the `metric` where that is another."""
    document: dict[str, Any] = {
        "run": found.run,
        "equal": "images" if found.recipe.seconds is None else "seconds",
        "data": found.data,
        "metric": found.recipe.metric,
        "device": found.device,
        "recipe": asdict(found.recipe),
        "seeds": found.seeds,
        "networks": [_json_row(limit, result) for limit, rows in found.groups for result in rows],
        "ensembles": [asdict(ensemble) for ensemble in found.ensembles],
        "verdicts": [
            _json_verdict(found, verdict)
            for subject in found.subjects
            for verdict in (found.verdict(subject), found.beside_original(subject))
            if verdict
        ],
        "pareto": [result.name for result in found.pareto],
        "missing": found.missing,
        "words": in_words(found),
    }
    if found.own:
        document["by_own_recipe"] = [_json_row(None, result) for result in found.own]
    of_both = [found.against(rival, subject) for rival in found.rivals for subject in found.subjects]
    return document | ({"pretrained": [_json_verdict(found, v) for v in of_both if v]} if of_both else {})


def _json_row(limit: int | None, result: NetworkResult) -> dict[str, Any]:
    row: dict[str, Any] = {"network": result.name, "architecture": result.text, "found": result.found}
    row |= {"start": result.start} if result.start else {}
    row |= {"recipe": result.recipe.removeprefix("+")} if result.recipe else {}
    row |= {"macs_budget": limit, **asdict(result.size), "costs": dict(result.costs)}
    trained = bool(result.trainings)
    for name, values in (("test_accuracy", result.test_accuracies), ("val_accuracy", result.val_accuracies)):
        row |= {name: mean(values) if trained else None, f"{name}_deviation": stdev(values) if values[1:] else None}
    row |= {name: getattr(result, name) if trained else None for name in ("bytes", "images", "seconds")}
    row |= {
        "images_per_second": result.images / result.seconds if trained else None,
        "inference_images_per_second": result.inference if trained else None,
        "n": len(result.trainings),
    }
    return row | {
        "trainings": {str(seed): asdict(training) for seed, training in result.trainings.items()},
        "failures": {str(seed): reason for seed, reason in result.failures.items()},
    }


def _json_verdict(found: ComparisonResults, verdict: Verdict) -> dict[str, Any]:
    interval = verdict.interval
    return {
        "network": verdict.subject.name,
        "reference": verdict.reference.name,
        "references": verdict.among,
        "difference": verdict.difference,
        "by_seed": {str(seed): value for seed, value in verdict.by_seed.items()},
        "confidence": found.confidence,
        "interval": None if interval is None else [interval.low, interval.high],
        "interval_of_the_two_alone": verdict.alone and [verdict.alone.low, verdict.alone.high],
        "shown": interval is not None and interval.shows and _known(found, verdict),
    }


def to_csv(read: Sequence[ComparisonResults]) -> str:
    """A line for each network, and for each once more at equal seconds."""
    rows = [
        {"equal": document["equal"]} | row
        for document in map(to_json, read)
        for row in (*document["networks"], *document.get("by_own_recipe", ()))
    ]
    out = io.StringIO()
    columns = [name for name in {key: None for row in rows for key in row} if name not in ("trainings", "failures")]
    writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return visible(out.getvalue())


def write(
    read: Sequence[ComparisonResults], folder: Path, markdown: Path | None = None, csv: Path | None = None,
    plot: Path | None = None,
) -> list[Path]:  # fmt: skip
    """Keep the report in `folder` or elsewhere: as Markdown, CSV and, where matplotlib is installed, a picture."""
    files: dict[Path, str | bytes] = {
        markdown or folder / "comparison.md": to_markdown(read),
        csv or folder / "comparison.csv": to_csv(read),
    }
    if read[0].trained and (plot or find_spec("matplotlib")):
        from nas.comparison.picture import picture

        at = plot or folder / "comparison.png"
        files[at] = picture(read, at.suffix.removeprefix("."))
    return write_all(files)
