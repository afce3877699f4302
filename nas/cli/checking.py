"""Options of a command are checked before it begins, and its help says what they may be, see `nas.checks.options`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from nas.checks.limits import Number, Optional
from nas.checks.options import check, kind_of

Command = Callable[..., None]


def checking(name: str) -> Callable[[Command], Command]:
    """Of a command called `name`: it begins when its options are what they may be."""

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def checked(*args: Any, **options: Any) -> None:
            check(options, name)
            command(*args, **options)

        return checked

    return decorate


def range_of(parameter: str, command: str) -> str:
    """`1 to 1,024`: which numbers the `parameter` of a command may be; "" where it is none, or any."""
    kind = kind_of(parameter, command)
    if isinstance(kind, Optional):
        kind = kind.kind
    return kind.words if isinstance(kind, Number) else ""
