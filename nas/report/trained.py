"""What came of the networks of a run that were trained to the end: by class, and where they are wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas.checks import schema, schemas
from nas.files import MISTAKES, RESULT
from nas.report.markup import Markup, tag
from nas.report.numbers import Numbers
from nas.report.parts import note, picture, section, text_table
from nas.text.units import format_percent

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
    by_metric = f", {metric} {format_percent(result['test_score'])}" if "test_score" in result else ""
    said = f"test accuracy {format_percent(result['test_accuracy'])}{by_metric}"
    parts = [tag("h3", None, f"{result.get('network', path.parent.name)}: {said}")]
    names = result.get("class_names", [])
    if "by_class" in result and _fits(result["by_class"], names):
        parts += [_by_class(result["by_class"], names), note("Of the test images. F1 is of precision and recall.")]
    if "confusion" in result and len(result["confusion"]) == len(names) <= MOST_CLASSES:
        parts += [
            _confusion(result["confusion"], names),
            note("Rows: what images are. Columns: what for they are taken."),
        ]
    if (mistakes := path.with_name(MISTAKES)).is_file():
        first_three = " Of the images' channels the first three are shown." if result.get("channels", 3) > 3 else ""
        shown = picture("image/png", mistakes.read_bytes(), "the worst mistakes")
        parts += [
            tag("div", {"class": "mistakes"}, shown),
            note(f"The worst mistakes: what it is and, in red, what the network took it for.{first_three}"),
        ]
    return parts


def _fits(by_class: dict[str, Any], names: Sequence[str]) -> bool:
    return all(len(by_class.get(name, ())) == len(names) for name in ("precision", "recall", "f1", "images"))


def _by_class(by_class: dict[str, list[float]], names: Sequence[str]) -> Markup:
    """The worst first."""
    order = sorted(range(len(names)), key=lambda number: by_class["f1"][number])
    rows = [
        [
            names[n],
            *(format_percent(by_class[name][n]) for name in ("precision", "recall", "f1")),
            f"{by_class['images'][n]:,.0f}",
        ]
        for n in order
    ]
    return text_table(["class", "precision", "recall", "F1", "images"], rows, (1, 2, 3, 4))


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
