"""What is said of a user's mistake: one line, with what to do."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import typer

from nas.text.visible import visible

LONGEST = 800  # characters of a message
UsageError: Any = typer.BadParameter.__base__  # click's, which typer carries with it and does not name


def in_a_line(error: Exception) -> str:
    """The text of `error`. Of a command line that is none also where its command says how it is used."""
    if not isinstance(error, UsageError):
        return shortened(visible(" ".join(str(error).split())))
    usage: Any = error
    message = shortened(visible(" ".join(_message(usage).split())))
    if usage.ctx is None:
        return message
    return (
        f"{message.rstrip('.')}{'' if message.endswith('?') else ':'} `{usage.ctx.command_path} -h` says how it is used"
    )


def shortened(text: str) -> str:
    """`text`; of a long one, as one that repeats what was typed may be, the beginning and the end."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 4 :]}"


def _message(error: Any) -> str:
    option, similar = getattr(error, "option_name", None), getattr(error, "possibilities", None)
    if not similar:
        said: str = error.format_message()
        return said.partition(", unable to parse")[0]  # pydantic's further words
    return f"{error.message}. Did you mean {get_close_matches(option, similar, 1, 0.0)[0]}?"
