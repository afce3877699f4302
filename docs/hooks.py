"""What the site shows of the program itself, made when the site is."""

from __future__ import annotations

from typing import Any

from nas.cli import COMMANDS
from nas.options.table import table

MARK = "<!-- the options of all commands -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the tables of options where the page has the mark."""
    return markdown.replace(MARK, _tables()) if MARK in markdown else markdown


def _tables() -> str:
    commands = [command for panel in COMMANDS.values() for command in panel]
    return "\n\n".join(f"## nas {c.__name__.replace('_', '-')}\n\n{table(c.options)}" for c in commands)  # type: ignore[attr-defined]
