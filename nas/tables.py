"""Tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, stdev

from nas.compare import Contender
from nas.run import Row
from nas.units import format_count, format_percent, format_seconds


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns padded to their widest cell; those whose cells begin with a digit are set to the right."""
    columns = list(zip(header, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    right = [any(cell[:1].isdigit() for cell in column[1:]) for column in columns]
    lines = [
        "  ".join(cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(row, widths, right, strict=True)).rstrip()
        for row in (header, *rows)
    ]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def trials_table(rows: Sequence[Row]) -> str:
    """What `nas top` prints."""
    header = ("trial", "state", "accuracy", "reward", "MACs", "params", "time", "id", "reason")
    return table(
        header,
        [
            (
                str(row.number),
                str(row.state),
                format_percent(row.accuracy),
                "-" if row.reward is None else f"{row.reward:.4f}",
                format_count(row.macs),
                format_count(row.params),
                format_seconds(row.seconds),
                row.id,
                row.reason if row.duplicate_of is None else f"the network of trial {row.duplicate_of}",
            )
            for row in rows
        ],
    )


def comparison_table(contenders: Sequence[Contender]) -> str:
    """What `nas compare` prints."""
    header = ("network", "test accuracy", "validation", "MACs", "params", "training")
    return table(
        header,
        [
            (
                contender.name,
                spread(contender.test_accuracies),
                spread(contender.val_accuracies),
                format_count(contender.size.macs),
                format_count(contender.size.params),
                format_seconds(contender.seconds),
            )
            for contender in contenders
        ],
    )


def spread(shares: Sequence[float]) -> str:
    """0.612 and 0.618 -> `61.5 ± 0.4 %`: mean and standard deviation; of one value, the value."""
    if len(shares) == 1:
        return format_percent(shares[0])
    return f"{100 * mean(shares):.1f} ± {100 * stdev(shares):.1f} %"
