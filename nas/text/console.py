"""Text that fits a terminal."""

from __future__ import annotations

import contextlib
import os
import re
import textwrap
from collections.abc import Sequence
from typing import TextIO

from nas.text.cells import closed, spaced
from nas.text.visible import visible

NARROW = 80  # columns of a terminal that does not say how many it has
GAP = re.compile(r" {2,}(?=\S)")  # between two columns of a table


def width_of(out: TextIO) -> int | None:
    """The columns of the terminal that `out` is; None for a pipe or a file, where a line may have any length."""
    if not out.isatty():
        return None
    with contextlib.suppress(ValueError):
        if (told := int(os.environ.get("COLUMNS", ""))) > 0:
            return told
    with contextlib.suppress(OSError, ValueError):
        return os.get_terminal_size(out.fileno()).columns or NARROW
    return NARROW


def can_change(out: TextIO) -> bool:
    """Whether what is written to `out` can be written over: it is a terminal, and no dumb one."""
    return out.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")


def say(text: str, out: TextIO) -> None:
    """Print `text`, in which nothing acts, see `nas.text.visible`; in a terminal its lines are no wider than that."""
    print(fitted(visible(text), width_of(out)), file=out, flush=True)


def fitted(text: str, width: int | None) -> str:
    """`text` with lines of at most `width` columns, broken between words; all as it is where that is None.

    What goes on is set below the words that it goes on from: in `time      about 2 s a trial`, below `about`; so of a
    mistake, `nas: there is no run`. A word
    that is wider than that stays whole. A table that is wider is broken between its columns, see `folded`.
    """
    if width is None:
        return text
    lines, fit = spaced(text).split("\n"), []
    while lines:
        size = _table_lines(lines)
        block, lines = lines[: size or 1], lines[size or 1 :]
        if max(map(len, block)) <= width:
            fit += block
        else:
            fit += folded(block, width) if size else [_wrapped(block[0], width)]
    return closed("\n".join(fit))


def _table_lines(lines: Sequence[str]) -> int:
    """How many of `lines` are a table that begins with the first: a header, a rule, rows up to an empty line. Or 0."""
    if len(lines) < 2 or not lines[1] or set(lines[1]) != {"-"}:
        return 0
    return next((number for number, line in enumerate(lines) if not line), len(lines))


def _wrapped(line: str, width: int) -> str:
    label = re.match(r"\S+ {2,}|nas: ", line)
    indent = " " * (label.end() if label and label.end() <= width // 3 else 0)
    return textwrap.fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True,
        replace_whitespace=False, expand_tabs=False,
    )  # fmt: skip


def folded(lines: Sequence[str], width: int) -> list[str]:
    """A table of `nas.text.columns` in at most `width` columns of the terminal.

    Where that leaves the last column of words a fifth of the width, its words go on in rows of their own. Else the
    columns stand in several tables below each other, each of which begins with the first column. A line without gaps,
    as the heading of a group of rows, is in all of them.
    """
    rows = [line for line in (lines[0], *lines[2:]) if GAP.search(line)]
    longest = max(map(len, rows), default=0)
    blank = "".join(" " if all(row[at : at + 1] in ("", " ") for row in rows) else "x" for at in range(longest))
    starts = [0, *(gap.end() for gap in GAP.finditer(blank))]
    ends = [*starts[1:], longest]
    if starts[-1] and width - starts[-1] >= width // 5 and not any(row[starts[-1] :][:1] == " " for row in rows):
        return _last_wrapped(lines, starts[-1], width)
    blocks: list[list[int]] = [[]]  # numbers of columns, but for the first
    for column in range(1, len(starts)):
        if blocks[-1] and starts[1] + sum(ends[c] - starts[c] for c in [*blocks[-1], column]) > width:
            blocks.append([])
        blocks[-1].append(column)
    tables = []
    for block in blocks:
        cut = ["".join(line[starts[c] : ends[c]] for c in (0, *block)).rstrip() if GAP.search(line) else line
               for line in (lines[0], *lines[2:])]  # fmt: skip
        tables.append([cut[0], "-" * max(map(len, cut)), *cut[1:]])
    return [line for number, table in enumerate(tables) for line in ([""] if number else []) + table]


def _last_wrapped(lines: Sequence[str], start: int, width: int) -> list[str]:
    """With the words from `start` on in as many rows as they need."""
    said = [lines[0]]
    for line in lines[2:]:
        parts = textwrap.wrap(line[start:], width - start, break_on_hyphens=False) if GAP.search(line) else []
        said += [line[:start] + parts[0], *(" " * start + part for part in parts[1:])] if parts else [line]
    return [said[0], "-" * max(map(len, said)), *said[1:]]


def elided(text: str, width: int) -> str:
    """`text`, cut to `width` columns with an ellipsis where it is longer."""
    return text if len(text) <= width else f"{text[: max(0, width - 3)].rstrip()}..."


def first_that_fits(texts: Sequence[str], width: int | None) -> str:
    """Of `texts`, which say less and less, the first of at most `width` columns; else the last, cut."""
    if width is None:
        return texts[0]
    return next((text for text in texts if len(text) <= width), elided(texts[-1], width))
