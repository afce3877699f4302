"""What a person may allow the commands that open runs and networks, which others may have written."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from typing import Annotated, Any

import typer

from nas.cli import panels

TrustSpace = Annotated[
    list[str],
    typer.Option(
        envvar="NAS_TRUST_SPACE",
        metavar="MODULE:CLASS",
        help="A space of one's own that the run or file names, and whose code may be run for it.",
        rich_help_panel=panels.OPENING,
    ),
]
Storage = Annotated[
    str | None,
    typer.Option(
        envvar="NAS_STORAGE",
        metavar="URL",
        help="The database that the run's ledger is in: it is opened only if it is named here.",
        rich_help_panel=panels.OPENING,
    ),
]


def opening(command: Callable[..., None]) -> Callable[..., None]:
    """`command` with the options `TrustSpace` and `Storage`, which do their work before it begins."""
    signature = inspect.signature(command, eval_str=True)
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    allowed = [
        inspect.Parameter("trust_space", kind, default=[], annotation=TrustSpace),
        inspect.Parameter("storage", kind, default=None, annotation=Storage),
    ]

    @functools.wraps(command)
    def allowing(*, trust_space: list[str], storage: str | None, **options: Any) -> None:
        if storage is not None:
            os.environ["NAS_STORAGE"] = storage  # for all that this command opens
        if trust_space:
            from nas.ledger.trust import trust

            trust(trust_space)
        command(**options)

    allowing.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *allowed])  # type: ignore[attr-defined]
    return allowing
