"""Expressions as Python that a person reads: lines of up to 120 characters, what is repeated as comprehensions."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from torch import nn

from nas.exports.factor import values, with_values
from nas.exports.source import WIDTH
from nas.exports.tree import REQUIRED, Arg, Call, Expression, torch_base

LEAST_IN_LOOP = 3  # blocks that differ in a value are a loop from so many on, equal ones from two


class Item:
    """A piece of a list of arguments: `before` it, then a value or several values in brackets."""

    def __init__(self, before: str, value: Any, after: str = "") -> None:
        self.before, self.value, self.after = before, value, after


def in_docstring(text: str) -> str:
    """`text` without what would end a docstring, or be an escape in it."""
    return text.replace("\\", "/").replace('"', "'")


def render(value: Any, indent: int = 0, room: int = WIDTH) -> str:
    """`value` as Python. Where it does not fit into `room`, an argument a line, `indent` spaces in."""
    if isinstance(value, Call):
        opening, items, closing = _pieces(value)
    elif isinstance(value, tuple) and value:
        opening, items, closing = _pieces_of_tuple(value)
    else:
        return literal(value)
    flat = literal(value) if isinstance(value, tuple) else opening + ", ".join(map(_flat, items)) + closing
    if len(flat) <= room or not items:
        return flat
    inner = indent + 4
    lines = [
        f"{' ' * inner}{i.before}{render(i.value, inner, WIDTH - inner - len(i.before) - len(i.after) - 1)}{i.after},"
        for i in items
    ]
    return "\n".join([opening, *lines, " " * indent + closing])


def _flat(item: Item) -> str:
    return item.before + render(item.value, 0, 10**9) + item.after


def literal(value: Any) -> str:
    """A plain value on one line."""
    if isinstance(value, Expression):
        return str(value)
    if isinstance(value, tuple) and value:
        opening, items, closing = _pieces_of_tuple(value)
        alone = "," if len(items) == 1 and opening == "(" else ""
        return opening + ", ".join(item.before + literal(item.value) for item in items) + alone + closing
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return f'float("{value}")'
    quoted = isinstance(value, str) and value.isprintable() and not set(value) & set('"\\')
    return f'"{value}"' if quoted else repr(value)


def _pieces_of_tuple(value: tuple[Any, ...]) -> tuple[str, list[Item], str]:
    """Of a named tuple its class and fields, those left out that are as by default."""
    fields: tuple[str, ...] = getattr(value, "_fields", ())
    if not fields:
        return "(", [Item("", one) for one in value], ")"
    defaults: dict[str, Any] = getattr(value, "_field_defaults", {})
    changed = [name for name in fields if name not in defaults or getattr(value, name) != defaults[name]]
    items = [Item("" if fields[i] == name else f"{name}=", getattr(value, name)) for i, name in enumerate(changed)]
    return f"{type(value).__name__}(", items, ")"


def _pieces(call: Call) -> tuple[str, list[Item], str]:
    """What stands before the arguments, them, and what closes."""
    if call.style != "parts":
        items = []
        for arg in call.args:
            if arg.default is REQUIRED or repr(arg.value) != repr(arg.default):
                positional = call.style == "layer" and arg.default is REQUIRED and not _own(call, arg)
                items.append(Item("" if positional else f"{arg.name}=", arg.value))
        return f"{call.function}(", items, ")"
    parts = [arg for arg in call.args if isinstance(arg.value, Call)]
    fields = [Item(f"{arg.name}=", arg.value) for arg in call.args if not isinstance(arg.value, Call)]
    numbered = [arg.name for arg in parts] == [str(i) for i in range(len(parts))]
    items = loops([arg.value for arg in parts]) if numbered else [Item(f'"{arg.name}": ', arg.value) for arg in parts]
    ours, base = torch_base(call.kind) is not call.kind, torch_base(call.kind)
    if base is nn.ModuleList:
        return (f"{call.function}(", [*items, *fields], ")") if ours else (f"{call.function}([", items, "])")
    if numbered and not ours:
        return f"{call.function}(", items, ")"
    named = items if not numbered else [Item(f'"{arg.name}": ', arg.value) for arg in parts]
    after = "".join(f", {f.before}{literal(f.value)}" for f in fields)
    return f"{call.function}(OrderedDict({{", named, "})" + after + ")"


def _own(call: Call, arg: Arg) -> bool:
    """Whether it is an argument that PyTorch's layer does not have and ours, which is made of it, has."""
    base = torch_base(call.kind)
    return (
        base is not nn.Module
        and call.function == call.kind.__name__
        and arg.name not in base.__init__.__code__.co_varnames
    )


# ---------------------------------------------------------------------------- repetitions


def loops(calls: Sequence[Call]) -> list[Item]:
    """Equal neighbours as `*[block for _ in range(n)]`, those that differ in one value as a loop over it."""
    items, i = list[Item](), 0
    while i < len(calls):
        equal = _run(calls, i, operator.eq)
        place = _difference(calls[i], calls[i + 1]) if i + 1 < len(calls) else None
        varied = _run(calls, i, partial(_differs_at, place)) if place is not None else 1
        if equal > 1 and (equal >= LEAST_IN_LOOP or calls[i].parts or values(calls[i])):
            items.append(Item("*[", calls[i], f" for _ in range({equal})]"))
            i += equal
        elif varied >= LEAST_IN_LOOP and place is not None:
            items.append(_loop(calls[i : i + varied], place))
            i += varied
        else:
            items.append(Item("", calls[i]))
            i += 1
    return items


def _run(calls: Sequence[Call], start: int, alike: Callable[[Call, Call], bool]) -> int:
    """How many from `start` on are each alike to the one before."""
    return next((n for n, (a, b) in enumerate(pairwise(calls[start:]), start=1) if not alike(a, b)), len(calls) - start)


def _differs_at(place: int | None, a: Call, b: Call) -> bool:
    return _difference(a, b) == place


def _difference(a: Call, b: Call) -> int | None:
    """The one value in which two calls of a function differ, by its place; None where it is not just one."""
    if a.function != b.function or a.style == "parts":
        return None
    ours, others = values(a), values(b)
    if [v.name for v in ours] != [v.name for v in others] or a.parts or b.parts:
        return None
    different = [i for i, (x, y) in enumerate(zip(ours, others, strict=True)) if repr(x.value) != repr(y.value)]
    return different[0] if len(different) == 1 and not isinstance(ours[different[0]].value, Expression) else None


def _loop(calls: Sequence[Call], place: int) -> Item:
    given = values(calls[0])
    over = [values(call)[place].value for call in calls]
    name = given[place].name
    while any(isinstance(v.value, Expression) and name in v.value for v in given):
        name += "_"
    variable = [Expression(name) if i == place else v.value for i, v in enumerate(given)]
    return Item("*[", with_values(calls[0], iter(variable)), f" for {name} in {_sequence(over)}]")


def _sequence(numbers: Sequence[Any]) -> str:
    """`range(64, 256, 32)` where they are that."""
    steps = {b - a for a, b in pairwise(numbers)} if all(type(n) is int for n in numbers) else set()
    if len(steps) != 1:
        return literal(tuple(numbers))
    (step,) = steps
    return f"range({numbers[0]}, {numbers[-1] + (1 if step > 0 else -1)}{f', {step}' if step != 1 else ''})"
