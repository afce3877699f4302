"""How `--help` looks: on a terminal options in panels, in a pipe the same groups as plain text."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

from typer.core import TyperCommand, TyperGroup

from nas.options import panels

WHOLE = 200  # characters: a command's first sentence is not cut


class Stopped(Exception):
    """Somebody pressed Ctrl-C. `notes` are of what it meant for a run, which was said already."""

    def __init__(self, notes: list[str]) -> None:
        self.notes = notes


class Command(TyperCommand):
    """A command whose help has panels on a terminal alone."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:  # of which Typer would leave an exit code alone
            raise Stopped(getattr(stop, "__notes__", [])) from stop

    def get_params(self, ctx: Any) -> Any:
        return _by_panel(super().get_params(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        if _on_terminal():
            super().format_help(ctx, formatter)
        else:
            super(TyperCommand, self).format_help(ctx, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_sections(_parameters(self, ctx), formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        _write_lines(self.epilog, formatter)


class Group(TyperGroup):
    """The same of commands that have commands."""

    def get_params(self, ctx: Any) -> Any:
        parameters = super().get_params(ctx)
        return parameters if ctx.parent is None else _by_panel(parameters)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        if _on_terminal():
            super().format_help(ctx, formatter)
        else:
            super(TyperGroup, self).format_help(ctx, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_sections(_parameters(self, ctx), formatter)
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        shown = [
            (getattr(command, "rich_help_panel", None) or "Commands", (name, command.get_short_help_str(WHOLE)))
            for name, command in commands
            if command is not None and not command.hidden
        ]
        _write_sections(shown, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        _write_lines(self.epilog, formatter)


def prose(command: Callable[..., None]) -> str:
    """A docstring whose paragraphs are lines: they are wrapped where they are shown, not where they are in the file."""
    paragraphs = (inspect.getdoc(command) or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def examples(*commands: str) -> str:
    """What stands below a command's options."""
    return "\n".join([f"Example{'s' * (len(commands) > 1)}:", *(f"  $ {command}" for command in commands)])


def _on_terminal() -> bool:
    """Whether a person sees panels and colours: not in a pipe or a file, nor on a terminal that knows none."""
    return sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb")


def _by_panel(parameters: list[Any]) -> list[Any]:
    """Arguments first, then options in the order of their panels; `--help`, which is typer's, in the last."""
    for parameter in parameters:
        if parameter.name == "help":
            parameter.rich_help_panel = panels.OUTPUT
    return sorted(parameters, key=lambda p: panels.place(getattr(p, "rich_help_panel", None) or ""))


def _parameters(command: Any, ctx: Any) -> list[tuple[str, tuple[str, str]]]:
    """Of each argument and option its panel, and its name and help."""
    records = [(parameter, parameter.get_help_record(ctx)) for parameter in command.get_params(ctx)]
    usual = {"argument": "Arguments", "option": "Options"}
    return [
        (getattr(parameter, "rich_help_panel", None) or usual[parameter.param_type_name], record)
        for parameter, record in records
        if record is not None
    ]


def _write_sections(items: Iterable[tuple[str, tuple[str, str]]], formatter: Any) -> None:
    """Rows under the names of their panels, which come in the order of their first rows."""
    sections: dict[str, list[tuple[str, str]]] = {}
    for name, row in items:
        sections.setdefault(name, []).append(row)
    for name, rows in sections.items():
        with formatter.section(name):
            formatter.write_dl(rows)


def _write_lines(text: str | None, formatter: Any) -> None:
    """`text` as it stands: a command is not wrapped."""
    if text:
        formatter.write(f"\n{text}\n")
