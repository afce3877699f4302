"""One line at the bottom of a terminal that changes while lines are printed above it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.live import Live
from rich.text import Text

A_SECOND = 4
"""So often the line is written anew: the times in it tick, whatever the program waits for."""


class LiveLine:
    """Shows what `parts` says at the moment, the most important first: as many of these as the terminal is wide for.

    `parts` is called in a thread of the line's own, until `close`.
    """

    def __init__(self, out: TextIO, parts: Callable[[], Sequence[str]]) -> None:
        self._console = Console(file=out, markup=False, highlight=False, emoji=False)
        self._live = Live(
            get_renderable=lambda: Text(fitting(parts(), self._console.width - 1), no_wrap=True, overflow="crop"),
            console=self._console,
            refresh_per_second=A_SECOND,
            transient=True,
        )
        self._live.start(refresh=True)

    def print(self, text: str) -> None:
        """A line above it, which stays."""
        self._console.print(text, soft_wrap=True)

    def close(self) -> None:
        """Take the line away."""
        self._live.stop()


def fitting(parts: Sequence[str], width: int) -> str:
    """As many of `parts`, from the first, as there is room for in `width` columns; no part is broken."""
    text = parts[0] if parts else ""
    for part in parts[1:]:
        longer = f"{text}  {part}"
        if cell_len(longer) > width:
            break
        text = longer
    return text
