"""What came of the networks of a run that were trained to the end: by class, and where they are wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas.checks import schema, schemas
from nas.data.targets import CLASSIFICATION, DETECTION, MULTILABEL, REGRESSION, SEGMENTATION
from nas.files import MISTAKES, RESULT
from nas.report.charts import Axis, Point, Series, chart
from nas.report.markup import Markup, tag
from nas.report.numbers import Numbers
from nas.report.parts import note, picture, section, text_table
from nas.text.units import format_percent, format_quality

MOST_CLASSES = 20
"""More have no confusion matrix on the page: it would be wider than any."""


def trained(numbers: Numbers) -> Markup | None:
    """A part for each network of the run that `nas train` has trained; None where there is none."""
    found = sorted(numbers.run.path.glob(f"trained-*/{RESULT}"))
    parts = [part for path in found for part in _training(path)]
    return section("Trained to the end", *parts) if parts else None


def _training(path: Path) -> list[Markup]:
    result = schema.read(path, schemas.RESULT)
    metric = result.get("recipe", {}).get("metric", "accuracy")
    by_metric = [f"{metric} {format_quality(metric, result['test_score'])}"] if "test_score" in result else []
    called = {MULTILABEL: "exact match", SEGMENTATION: "pixel accuracy"}.get(result.get("task", ""), "accuracy")
    right = [] if result["test_accuracy"] is None else [f"{called} {format_percent(result['test_accuracy'])}"]
    said = f"test {', '.join([*right, *by_metric])}"
    parts = [tag("h3", None, f"{result.get('network', path.parent.name)}: {said}")]
    names = result.get("class_names", [])
    by_class = result.get("by_class", {})
    if _fits(by_class, names, OF_PIXELS):
        parts += [
            _by_class_of_pixels(by_class, names),
            note("Of the pixels of the test images that are of some class."),
        ]
    if _fits(by_class, names, OF_IMAGES):
        parts += [_by_class(by_class, names), note("Of the test images. F1 is of precision and recall.")]
    if result.get("task") == DETECTION and len(by_class.get("objects", ())) == len(names):
        parts += [
            _by_objects(by_class, names),
            note("Of the test images. mAP is the mean over overlaps of 0.5 to 0.95; - of a class that no image shows."),
        ]
    if "confusion" in result and len(result["confusion"]) == len(names) <= MOST_CLASSES:
        parts += [
            _confusion(result["confusion"], names),
            note(f"Rows: what {_shown(result)} are. Columns: what for they are taken."),
        ]
    if "by_number" in result and len(result["by_number"].get("r2", ())) == len(names):
        parts += [
            _by_number(result["by_number"], names),
            note("Of the test images; MAE and RMSE are in the number's units."),
        ]
        parts += [_scatter(name, pairs) for name, pairs in zip(names, result.get("scatter", ()), strict=False)]
    if (mistakes := path.with_name(MISTAKES)).is_file():
        first_three = " Of the images' channels the first three are shown." if result.get("channels", 3) > 3 else ""
        shown = picture("image/png", mistakes.read_bytes(), "the worst mistakes")
        parts += [
            tag("div", {"class": "mistakes"}, shown),
            note(f"{_WORST[result.get('task', CLASSIFICATION)]}{first_three}"),
        ]
    return parts


def _shown(result: dict[str, Any]) -> str:
    return "pixels" if result.get("task") == SEGMENTATION else "images"


_WORST = {
    CLASSIFICATION: "The worst mistakes: what it is and, in red, what the network took it for.",
    MULTILABEL: "The worst mistakes: a label that it has or has not and, in red, its probability by the network.",
    DETECTION: "The images with the most objects missed or wrong: with their boxes, and with those that were found.",
    SEGMENTATION: "The images with the fewest pixels right: as they are, with their masks, and with what was said.",
    REGRESSION: "The numbers that are farthest off, by their deviations: what is and, in red, what was said.",
}


OF_IMAGES, OF_PIXELS = ("precision", "recall", "f1", "images"), ("iou", "precision", "recall", "pixels")
"""What is known of each class, by the names that a `result.json` has for it."""


def _fits(by_class: dict[str, Any], names: Sequence[str], columns: Sequence[str]) -> bool:
    return bool(names) and all(len(by_class.get(column, ())) == len(names) for column in columns)


def _by_class_of_pixels(by_class: dict[str, list[float]], names: Sequence[str]) -> Markup:
    """The worst first, and last what no test image shows."""
    order = sorted(range(len(names)), key=lambda n: (by_class["pixels"][n] == 0, by_class["iou"][n]))
    rows = [
        [names[n], *(format_percent(by_class[name][n]) for name in OF_PIXELS[:3]), f"{by_class['pixels'][n]:,.0f}"]
        if by_class["pixels"][n]
        else [names[n], "-", "-", "-", "0"]
        for n in order
    ]
    return text_table(["class", "IoU", "precision", "recall", "pixels"], rows, (1, 2, 3, 4))


def _by_class(by_class: dict[str, list[float]], names: Sequence[str]) -> Markup:
    """The worst first. Labels have their average precision, too."""
    columns = ["precision", "recall", "f1", *(["average_precision"] if _has_ap(by_class, names) else [])]
    order = sorted(range(len(names)), key=lambda number: by_class["f1"][number])
    rows = [
        [
            names[n],
            *(format_percent(by_class[name][n]) for name in columns),
            f"{by_class['images'][n]:,.0f}",
        ]
        for n in order
    ]
    ap = columns[3:]
    header = ["label" if ap else "class", "precision", "recall", "F1", *(["AP"] if ap else []), "images"]
    return text_table(header, rows, tuple(range(1, len(header))))


def _by_objects(by_class: dict[str, list[Any]], names: Sequence[str]) -> Markup:
    shares = [[format_percent(by_class[column][n]) for column in ("map", "map50")] for n in range(len(names))]
    rows = [[name, *shares[n], f"{by_class['objects'][n]:,.0f}"] for n, name in enumerate(names)]
    return text_table(["class", "mAP", "mAP at 0.5", "objects"], rows, (1, 2, 3))


def _has_ap(by_class: dict[str, list[float]], names: Sequence[str]) -> bool:
    return len(by_class.get("average_precision", ())) == len(names)


def _by_number(by_number: dict[str, list[float]], names: Sequence[str]) -> Markup:
    columns = [column for column in ("r2", "spearman", "mae", "rmse") if len(by_number.get(column, ())) == len(names)]
    rows = [[name, *(f"{by_number[column][n]:.3g}" for column in columns)] for n, name in enumerate(names)]
    titles = {"r2": "R²", "spearman": "Spearman", "mae": "MAE", "rmse": "RMSE"}
    return text_table(["number", *(titles[column] for column in columns)], rows, tuple(range(1, len(columns) + 1)))


def _scatter(name: str, pairs: Sequence[Sequence[float]]) -> Markup:
    """What it is, across, against what the network says, upwards: on the line where both are the same."""
    found = [Point(true, said, f"{true:.4g}, taken for {said:.4g}") for true, said in pairs]
    low, high = min(min(p.x, p.y) for p in found), max(max(p.x, p.y) for p in found)
    drawn = chart(
        [Series(0, found, [], [(low, low), (high, high)])], Axis(f"{name}, as it is", "{:.4g}".format),
        Axis("as the network says", "{:.4g}".format),
    )  # fmt: skip
    return tag("figure", None, tag("figcaption", None, name), drawn)


def _confusion(confusion: Sequence[Sequence[int]], names: Sequence[str]) -> Markup:
    """A table whose cells are the darker, the larger their share of the row is."""
    header = tag("tr", None, tag("th"), *(tag("th", {"class": "number"}, name) for name in names))
    rows = []
    for name, row in zip(names, confusion, strict=True):
        total = max(1, sum(row))
        cells = [tag("td", {"class": "number", "style": _shade(count / total)}, count or "") for count in row]
        rows.append(tag("tr", None, tag("th", None, name), *cells))
    return tag("div", {"class": "scroll"}, tag("table", {"class": "confusion"}, header, *rows))


def _shade(share: float) -> str:
    return f"background:color-mix(in srgb, var(--run0) {round(60 * share)}%, transparent)"
