"""The options of commands and functions as tables, for the documentation."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from nas.options.option import Option, Options, defaults_of, options_of, signature_of


def options_table(options: type[Options]) -> str:
    """A Markdown table with a row for each option: how it is typed, what it is, what it is by default."""
    usual = defaults_of(options)
    rows = [
        (f"`{_typed(name, option)}`", option.whole_help, option.usual or _written(usual.get(name)))
        for name, option in options_of(options).items()
        if option.by_place or option.panel
    ]
    return _table(("option", "what it is", "by default"), rows)


def arguments_table(options: type[Options]) -> str:
    """The same for the arguments of a function: the name and the type in Python."""
    declared, rows = options_of(options), []
    for name, parameter in signature_of(options).parameters.items():
        type_ = inspect.formatannotation(parameter.annotation).replace("collections.abc.", "").replace("typing.", "")
        type_ = type_.replace("pathlib.", "").replace(" | ", " or ")
        default = "" if parameter.default is parameter.empty else f"`{parameter.default!r}`"
        option = declared[name]
        said = " ".join(filter(None, (option.whole_help, option.python)))
        rows.append((f"`{name}`", f"`{type_}`", said, ": ".join(filter(None, (default, option.usual)))))
    return _table(("argument", "type", "what it is", "by default"), rows)


def _typed(name: str, option: Option) -> str:
    return option.metavar or name.upper() if option.by_place else option.spelled(name)


def _written(default: object) -> str:
    """A default as it is typed; "" where nothing is."""
    return "" if default in (None, False, True, "none", (), "") else f"`{default}`"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """In Markdown."""
    lines = [header, ["---"] * len(header), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
