"""Text in columns, for a terminal."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from nas.text.cells import columns_of
from nas.text.visible import visible_in_line


def table(header: Sequence[str], rows: Sequence[Sequence[str]], words: Collection[str] = ()) -> str:
    """Columns padded to their widest cell; those whose cells begin with a digit, but for `words`, set to the right."""
    rows = [[visible_in_line(cell) for cell in row] for row in rows]
    columns = list(zip(header, *rows, strict=True))
    widths = [max(map(columns_of, column)) for column in columns]
    right = [column[0] not in words and any(cell[:1].isdigit() for cell in column[1:]) for column in columns]
    lines = [
        "  ".join(_padded(cell, w, r) for cell, w, r in zip(row, widths, right, strict=True)).rstrip()
        for row in (header, *rows)
    ]
    return "\n".join([lines[0], "-" * max(map(columns_of, lines)), *lines[1:]])


def _padded(cell: str, width: int, right: bool) -> str:
    room = " " * (width - columns_of(cell))
    return room + cell if right else cell + room
