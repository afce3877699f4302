"""Lines at the lower end of a terminal that change while something takes its time."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from nas.text.console import can_change, elided
from nas.text.units import format_ticking
from nas.text.visible import visible_in_line

REFRESHES = 2  # a second


class Plain(Console):
    """No colours; and the cursor stays in sight, since a process that is killed could not bring it back."""

    def __init__(self, out: TextIO, width: int | None = None) -> None:
        super().__init__(
            file=out, width=width, highlight=False, markup=False, emoji=False, no_color=True, force_terminal=True
        )

    def show_cursor(self, show: bool = True) -> bool:
        return False


def live(console: Console, lines: Callable[[int], Sequence[str]]) -> Live:
    """`lines`, asked for twice a second at the width there is; what is printed meanwhile stands above.

    To be started and stopped, or entered. They come after half a second, and vanish in the end.
    """

    def render() -> Text:
        width = max(1, console.width - 1)  # in the last column a terminal may go on to the next line
        return Text(
            "\n".join(elided(visible_in_line(line), width) for line in lines(width)), no_wrap=True, overflow="crop"
        )

    return Live(
        get_renderable=render, console=console, refresh_per_second=REFRESHES, transient=True,
        redirect_stdout=console.file is sys.stdout, redirect_stderr=sys.stderr.isatty(),
    )  # fmt: skip


def passing(what: str, out: TextIO) -> AbstractContextManager[object]:
    """Say in a terminal, for as long as the context lasts, that `what` is being done, and for how many seconds.

    Elsewhere say nothing.
    """
    if not can_change(out):
        return contextlib.nullcontext()
    began = time.monotonic()
    return live(Plain(out), lambda width: [f"{what} ...  {format_ticking(time.monotonic() - began)}"])
