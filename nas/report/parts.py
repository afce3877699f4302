"""What all parts of a report are made of."""

from __future__ import annotations

import base64
from collections.abc import Collection
from pathlib import Path

from nas.data.judging import uncertainty, without
from nas.report.markup import Markup, tag
from nas.report.numbers import Numbers
from nas.searching.published import benchmark_of

TRIALS = 10  # of the best, listed


def section(title: str, *parts: Markup | None) -> Markup:
    return tag("section", None, tag("h2", None, title), *parts)


def note(text: str) -> Markup:
    return tag("p", {"class": "note"}, text)


def key(colour: int) -> Markup:
    return tag("i", {"class": "key", "style": f"background:var(--run{colour % 6})"})


def picture(kind: str, data: bytes, alt: str) -> Markup:
    """An image of the media type `kind`, as `image/png`, that is in the page itself."""
    return tag("img", {"src": f"data:{kind};base64,{base64.b64encode(data).decode()}", "alt": alt})


def text_table(header: list[str], rows: list[list[str]], numbers: Collection[int] = ()) -> Markup:
    """A table in a frame of its own that scrolls where it is too wide; columns `numbers` are set to the right."""

    def cells(name: str, row: list[str]) -> Markup:
        return tag("tr", None, *(tag(name, {"class": "number"} if i in numbers else {}, c) for i, c in enumerate(row)))

    body = [cells("td", row) for row in rows]
    table = tag("table", None, tag("thead", None, cells("th", header)), tag("tbody", None, *body))
    return tag("div", {"class": "scroll"}, table)


def measured(numbers: Numbers) -> str:
    """On what the accuracies are: `of 388 validation images, ±5.0 points`, as far as the run noted it."""
    config = numbers.run.config
    if config.table:
        return f"of {benchmark_of(config.space, Path(config.table)).observed}"
    if not config.validation:
        return "of validation images"
    images = sum(config.validation.values())
    return f"of {images:,} validation images, {uncertainty(images)}"


def judged(numbers: Numbers) -> str:
    """What the uncertainty is, and which classes no image judges; empty where the run did not note it."""
    of_each = numbers.run.config.validation
    if not of_each:
        return ""
    none = f" No validation image is of {', '.join(unjudged)}." if (unjudged := without(of_each)) else ""
    return f" The ± is half a 95 % confidence interval, at an accuracy of 50 %.{none}"
