"""What an option is, and how the options of a command become the arguments of a function.

An option is declared once: its type and what it is for in one `Annotated` name (`nas.options.groups`), its default
where a group or a command has it as a field. From these fields come the options of the command line
(`nas.cli.command`), the arguments of `nas.search` and its like (`takes`), their help, their docs and their checks.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Concatenate, ParamSpec, Protocol, Self, TypeVar

from nas.checks.kinds import Place
from nas.checks.limits import Checks, Flag, Number, Optional
from nas.options import panels

P = ParamSpec("P")
S = TypeVar("S")
O = TypeVar("O", bound="Options")  # noqa: E741
O_contra = TypeVar("O_contra", bound="Options", contravariant=True)
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

_TYPES = ((Flag, bool), (Place, Path))


@dataclass(frozen=True)
class Option:
    """One option of commands, and argument of functions: which values it has, and what it is for.

    `help` is shown in the panel of that name; "" is Python's alone, where `python` is said as well. `usual` says what
    it is where the default does not: `the run's`. The command line reads what is `typed`, by default what its kind has,
    and `read` makes the option's value of that.
    """

    kind: Checks
    help: str
    panel: str = ""
    python: str = ""
    usual: str = ""
    flags: tuple[str, ...] = ()  # as it is typed; by default --its-name, and of a flag without --no-its-name
    typed: Any = None
    read: Callable[[Any], Any] | None = None
    metavar: str | None = None
    completes: str = ""  # with which names, see `nas.cli.completion`
    env: str | None = None  # the variable that is taken where it is not typed
    by_place: bool = False  # an argument: `nas train NETWORK`

    def spelled(self, name: str) -> str:
        """As it is typed, where it has this `name` in Python."""
        if self.by_place:
            return f"the {name}"
        if not self.panel:
            return name
        return self.flags[0].partition("/")[0] if self.flags else f"--{name.replace('_', '-')}"

    @property
    def order(self) -> int:
        """Where it stands: arguments first, then by the panels, what is Python's alone last."""
        return panels.place(self.panel) if self.panel or self.by_place else len(panels.ORDER)

    @property
    def on_the_line(self) -> Any:
        """The type that the command line reads."""
        kind = self.kind.kind if isinstance(self.kind, Optional) else self.kind
        if isinstance(kind, Number):
            return self.typed or (int if kind.whole else float)
        return self.typed or next((type_ for of, type_ in _TYPES if isinstance(kind, of)), str)

    @property
    def whole_help(self) -> str:
        """Its help, and which numbers it may be."""
        kind = self.kind.kind if isinstance(self.kind, Optional) else self.kind
        numbers = kind.words if isinstance(kind, Number) else ""
        return f"{self.help.rstrip('.')} ({numbers})." if numbers else self.help


@dataclass(frozen=True, kw_only=True)
class Options:
    """Some options with their values, which are what they may be: base of all groups and of all commands.

    Numbers with units and paths may be given as texts. They are read when this is made.
    """

    _given: ClassVar[frozenset[str]] = frozenset()  # the names of those that it was made with; of one made so, its own
    _filled: ClassVar[frozenset[str]] = frozenset()  # of those that another option has set, as a preset does

    def __new__(cls, *_: Any, **given: Any) -> Self:
        made = super().__new__(cls)
        object.__setattr__(made, "_given", frozenset(given))
        return made

    def __post_init__(self) -> None:
        for name, option in options_of(type(self)).items():
            called = name if option.read else option.spelled(name)  # what is typed is read, and can be no other kind
            value = option.kind.checked(called, getattr(self, name))
            object.__setattr__(self, name, value)

    def changed(self, *names: str) -> list[str]:
        """Which of the options `names`, of all by default, have another value than usual: as they are typed."""
        usual, options = defaults_of(type(self)), options_of(type(self))
        own = [name for name in names or options if name in usual and name not in self._filled]
        return [options[name].spelled(name) for name in own if getattr(self, name) != usual[name]]

    def says(self, name: str) -> bool:
        """Whether a person gave the option `name`: else it is as usual, or as another one has set it."""
        return name in self._given

    def values_for(self, made: type) -> dict[str, Any]:
        """The values of those options that the dataclass `made` has as fields, by their names."""
        return {field.name: getattr(self, field.name) for field in fields(made) if hasattr(self, field.name)}


_READ: dict[type[Options], Mapping[str, Option]] = {}  # to read annotations takes milliseconds, and all are at start


def options_of(group: type[Options]) -> Mapping[str, Option]:
    """The options of a group or a command by their names, in the order of their panels."""
    if group not in _READ:
        annotated = typing.get_type_hints(group, include_extras=True)
        found = {
            field.name: next(part for part in annotated[field.name].__metadata__ if isinstance(part, Option))
            for field in fields(group)
        }
        _READ[group] = dict(sorted(found.items(), key=lambda item: item[1].order))
    return _READ[group]


def defaults_of(group: type[Options]) -> dict[str, Any]:
    """The defaults of those options that have one, as they are read."""
    options = options_of(group)
    given = {field.name: field.default for field in fields(group) if field.default is not MISSING}
    return {name: options[name].kind.checked(name, value) for name, value in given.items()}


def number(value: float | str) -> float:
    """What an option has that was given as a number or as a text, and is a number since it was read."""
    assert not isinstance(value, str)
    return value


def path(value: Path | str | None) -> Path | None:
    """What an option has that is the path of a file or a folder, or nothing."""
    return None if value is None else Path(value)


def several(given: str | Path | Sequence[str | Path]) -> Sequence[str | Path]:
    """What an option has that is one or a list of them, as a list."""
    return [given] if isinstance(given, str | Path) else given


class Taking(Protocol[P, O_contra, R_co]):
    """A function that takes options as its arguments; `of` takes them as they are."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    def of(self, asked: O_contra) -> R_co: ...


def takes(options: Callable[P, O]) -> Callable[[Callable[[O], R]], Taking[P, O, R]]:
    """Of a function of `options`: it takes each as an argument, and its docstring says what each is."""

    def decorate(function: Callable[[O], R]) -> Taking[P, O, R]:
        signature = signature_of(options)

        @functools.wraps(function)
        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            signature.bind(*args, **kwargs)  # a TypeError is the function's
            return function(options(*args, **kwargs))

        made: Taking[P, O, R] = _made(called, function, options, signature)
        return made

    return decorate


def method_takes(options: Callable[P, O]) -> Callable[[Callable[[S, O], R]], Callable[Concatenate[S, P], R]]:
    """The same of a method."""

    def decorate(function: Callable[[S, O], R]) -> Callable[Concatenate[S, P], R]:
        signature = signature_of(options)

        @functools.wraps(function)
        def called(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
            signature.bind(*args, **kwargs)
            return function(self, options(*args, **kwargs))

        me = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        whole = signature.replace(parameters=[me, *signature.parameters.values()])
        made: Callable[Concatenate[S, P], R] = _made(called, function, options, whole)
        return made

    return decorate


def signature_of(options: Callable[..., Options]) -> inspect.Signature:
    """Those of its arguments that have a place first, then the others in the order of their panels."""
    group: Any = options
    types = typing.get_type_hints(group)
    known = {
        name: parameter.replace(annotation=types[name])
        for name, parameter in inspect.signature(group).parameters.items()
    }
    placed = [name for name, parameter in known.items() if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
    names = dict.fromkeys([*placed, *options_of(group)])
    return inspect.Signature([known[name] for name in names])


def arguments_of(options: type[Options]) -> str:
    """What each argument is, as a docstring has it."""
    lines = []
    for name, option in options_of(options).items():
        usual = f"By default: {option.usual.rstrip('.')}." if option.usual else ""
        lines.append(f"    {name}: {' '.join(filter(None, (option.whole_help, option.python, usual)))}")
    return "\n".join(["Args:", *lines])


def _made(called: Any, function: Callable[..., Any], options: Any, signature: inspect.Signature) -> Any:
    """`called` with what `help` shows of it."""
    doc = inspect.getdoc(function) or ""
    before, heading, after = doc.partition("\nReturns:") if "\nReturns:" in doc else doc.partition("\nRaises:")
    called.__doc__ = f"{before.rstrip()}\n\n{arguments_of(options)}\n{heading and chr(10)}{heading.strip()}{after}"
    result = inspect.signature(function).return_annotation
    called.__signature__ = signature.replace(return_annotation=result)
    called.of, called.options = function, options
    return called
