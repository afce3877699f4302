"""What all parts of a report are made of."""

from __future__ import annotations

from pathlib import Path

from nas.published import benchmark_of
from nas.report.markup import Markup, tag
from nas.report.numbers import Numbers

TRIALS = 10  # of the best, listed


def section(title: str, *parts: Markup | None) -> Markup:
    return tag("section", None, tag("h2", None, title), *parts)


def note(text: str) -> Markup:
    return tag("p", {"class": "note"}, text)


def key(colour: int) -> Markup:
    return tag("i", {"class": "key", "style": f"background:var(--run{colour % 6})"})


def text_table(header: list[str], rows: list[list[str]], numbers: tuple[int, ...] = ()) -> Markup:
    """A table in a frame of its own that scrolls where it is too wide; columns `numbers` are set to the right."""

    def cells(name: str, row: list[str]) -> Markup:
        return tag("tr", None, *(tag(name, {"class": "number"} if i in numbers else {}, c) for i, c in enumerate(row)))

    body = [cells("td", row) for row in rows]
    table = tag("table", None, tag("thead", None, cells("th", header)), tag("tbody", None, *body))
    return tag("div", {"class": "scroll"}, table)


def measured(numbers: Numbers) -> str:
    config = numbers.run.config
    return f"of {benchmark_of(config.space, Path(config.table)).observed}" if config.table else "of validation images"
