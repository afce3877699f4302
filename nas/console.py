"""Text that fits a terminal."""

from __future__ import annotations

import contextlib
import os
import re
import textwrap
from collections.abc import Sequence
from typing import TextIO

NARROW = 80  # columns of a terminal that does not say how many it has


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
    """Print `text`; in a terminal its lines are no wider than that."""
    print(fitted(text, width_of(out)), file=out, flush=True)


def fitted(text: str, width: int | None) -> str:
    """`text` with lines of at most `width` columns, broken between words; all as it is where that is None.

    What goes on is set below the words that it goes on from: in `time      about 2 s a trial`, below `about`. A word
    that is wider than that stays whole, and so does a table's row, which no break between words would make readable.
    """
    if width is None:
        return text
    lines = text.split("\n")
    return "\n".join(
        line if len(line) <= width or (len(lines) > 1 and _is_a_row(line)) else _wrapped(line, width) for line in lines
    )


def _is_a_row(line: str) -> bool:
    """Whether a line among others is a table's, by its columns."""
    return len(re.findall(r"\S {2,}(?=\S)", line)) > 1


def _wrapped(line: str, width: int) -> str:
    label = re.match(r"\S+ {2,}", line)
    indent = " " * (label.end() if label and label.end() <= width // 3 else 0)
    return textwrap.fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True,
        replace_whitespace=False, expand_tabs=False,
    )  # fmt: skip


def elided(text: str, width: int) -> str:
    """`text`, cut to `width` columns with an ellipsis where it is longer."""
    return text if len(text) <= width else f"{text[: max(0, width - 3)].rstrip()}..."


def first_that_fits(texts: Sequence[str], width: int | None) -> str:
    """Of `texts`, which say less and less, the first of at most `width` columns; else the last, cut."""
    if width is None:
        return texts[0]
    return next((text for text in texts if len(text) <= width), elided(texts[-1], width))
