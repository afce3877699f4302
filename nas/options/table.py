"""The options of a command as a table, for the documentation."""

from __future__ import annotations

from nas.options.option import Options, defaults_of, options_of


def table(options: type[Options]) -> str:
    """A Markdown table with a row for each option: how it is typed, what it is, what it is by default."""
    usual = defaults_of(options)
    lines = ["| option | what it is | by default |", "| --- | --- | --- |"]
    for name, option in options_of(options).items():
        if option.by_place or option.panel:
            typed = (option.metavar or name.upper()) if option.by_place else option.spelled(name)
            default = option.usual or _written(usual.get(name))
            lines.append(f"| `{typed}` | {_cell(option.whole_help)} | {_cell(default)} |")
    return "\n".join(lines)


def _written(default: object) -> str:
    """A default as it is typed; "" where nothing is."""
    return "" if default in (None, False, True, "none", (), "") else f"`{default}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
