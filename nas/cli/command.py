"""How options become a command: as Typer takes them, read off their declarations in `nas.options`."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

import typer

from nas.cli import completion
from nas.options.groups import OpeningOptions, TrainingOptions
from nas.options.option import Option, Options, defaults_of, options_of

O = TypeVar("O", bound=Options)  # noqa: E741
Command = Callable[..., None]


def command(options: type[O], function: Callable[[O], None], opens: bool = True) -> Command:
    """`function` with the arguments that Typer reads, of which its `options` are made.

    With `opens` it has the `OpeningOptions`, too, which do their work before it begins: it opens runs or networks,
    which others may have written.
    """
    own = options_of(options)
    beside = {name: option for name, option in options_of(OpeningOptions).items() if opens and name not in own}

    @functools.wraps(function)
    def called(ctx: typer.Context | None = None, **given: Any) -> None:
        given = given if ctx is None else _without_defaults(ctx, own, given)
        typed = {name: value for name, value in given.items() if value != []}  # of a list nothing is typed: as usual
        read = {name: _read(option, typed[name]) for name, option in [*own.items(), *beside.items()] if name in typed}
        if beside:
            _allow(OpeningOptions(**{name: read.pop(name) for name in beside if name in read}))
        function(options(**read))

    defaults = defaults_of(OpeningOptions) | defaults_of(options)
    parameters = [
        _parameter(name, option, defaults.get(name, inspect.Parameter.empty))
        for name, option in [*own.items(), *beside.items()]
        if option.by_place or option.panel
    ]
    if issubclass(options, TrainingOptions):  # where it matters what was typed, and what is so by default
        parameters.insert(0, inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context))
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.options = options  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return called


def _without_defaults(ctx: typer.Context, own: Mapping[str, Option], given: dict[str, Any]) -> dict[str, Any]:
    """`given` without what nobody typed, so that a preset of a recipe can tell; what is read from texts stays."""
    kept = {name for name in given if name not in own or own[name].read is not None}
    return {n: value for n, value in given.items() if n in kept or ctx.get_parameter_source(n).name != "DEFAULT"}  # type: ignore[union-attr]


def _read(option: Option, typed: Any) -> Any:
    """The option's value, where `typed` is what Typer gives."""
    return typed if option.read is None or typed is None else option.read(typed)


def _parameter(name: str, option: Option, default: Any) -> inspect.Parameter:
    """As Typer has it: a type with a declaration, and a default, which is `empty` where it has to be typed."""
    needed = default is inspect.Parameter.empty
    if option.on_the_line is bool and not isinstance(default, bool | None):
        default = False
    elif getattr(option.on_the_line, "__origin__", None) is list and not needed:
        default = list(default or ())
    shared: dict[str, Any] = {
        "help": option.whole_help,
        "metavar": option.metavar,
        "autocompletion": getattr(completion, option.completes) if option.completes else None,
        "envvar": option.env,
        "show_default": option.usual or bool(default is not None and default != ""),
    }
    declared = (
        typer.Argument(**shared)
        if option.by_place
        else typer.Option(*_flags(name, option), rich_help_panel=option.panel, **shared)
    )
    type_ = option.on_the_line | None if default is None else option.on_the_line
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[type_, declared]
    )


def _flags(name: str, option: Option) -> tuple[str, ...]:
    """A flag has no --no-flag, unless it says so."""
    return option.flags or (f"--{name.replace('_', '-')}",)


def _allow(asked: OpeningOptions) -> None:
    """What a person allows is allowed to all that this command opens."""
    if asked.storage is not None:
        os.environ["NAS_STORAGE"] = asked.storage
    if asked.trust_space:
        from nas.ledger.trust import trust

        trust(list(asked.trust_space))
