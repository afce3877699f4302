"""What the site shows of the program itself, made when the site is: its options and functions, and files."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import nas
from nas.cli import COMMANDS
from nas.options.table import arguments_table, options_table

OPTIONS, FUNCTIONS = "<!-- the options of all commands -->", "<!-- the functions of nas -->"
FILE = re.compile(r"<!-- the file (\S+) -->")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the tables where the page has the mark for them."""
    if OPTIONS in markdown:
        markdown = markdown.replace(OPTIONS, _options())
    if FUNCTIONS in markdown:
        markdown = markdown.replace(FUNCTIONS, _functions())
    return FILE.sub(lambda named: _shown(named[1]), markdown)


def _shown(name: str) -> str:
    """A file that lies beside the pages, whole."""
    return f'```bash title="{name}"\n{(Path(__file__).parent / name).read_text("utf-8")}```'


def _options() -> str:
    commands: list[Any] = [command for panel in COMMANDS.values() for command in panel]
    return "\n\n".join(f"## nas {c.__name__.replace('_', '-')}\n\n{options_table(c.options)}" for c in commands)


def _functions() -> str:
    functions: list[Any] = [getattr(nas, name) for name in nas.__all__ if name[0].islower()]
    return "\n\n".join(_function(function) for function in functions)


def _function(function: Any) -> str:
    """Its name, what it gives and what it does, and a table of what it takes."""
    doc, _, after = inspect.getdoc(function.of).partition("\nReturns:")
    doc, _, raises = (doc if not after else f"{doc}\nRaises:{after.partition('Raises:')[2]}").partition("\nRaises:")
    gives = f"\n\nReturns: {' '.join(after.partition('Raises:')[0].split())}" if after else ""
    wrong = f"\n\nRaises {' '.join(raises.split())}" if raises.strip() else ""
    gives_type = inspect.signature(function.of).return_annotation
    head = f"## nas.{function.__name__}\n\n`nas.{function.__name__}(...) -> {gives_type}`"
    return f"{head}\n\n{doc.strip()}{gives}{wrong}\n\n{arguments_table(function.options)}"
