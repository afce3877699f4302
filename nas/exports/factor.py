"""What a network repeats, as functions: a stage of six equal blocks is then a row and not six copies.

Two expressions are alike where they differ in plain values only. Alike ones become calls of one function, whose
parameters are the values that differ; where one of those is a multiple of another in all of them, or a padding half
its kernel, it is written so. The smallest come first: larger functions are then made of calls of smaller ones.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from nas.exports.tree import REQUIRED, Arg, Call, Expression
from searchspaces.describe import describe

MOST_PARAMETERS = 8  # a function with more hides more than it shows
MOST_OF_A_STAGE = 4  # and of blocks one after the other: a loop says it better
CHANNELS = {"in_channels", "out_channels", "num_features", "in_features", "out_features", "groups"}
CHANNELS |= {"normalized_shape", "extra"}
SHORT = {"kernel_size": "kernel"}


@dataclass(frozen=True)
class Function:
    """`def name(parameters): return body`. `uses`: how many modules of the network it makes."""

    name: str
    parameters: tuple[Arg, ...]  # their values are of no meaning
    body: Call
    words: str
    uses: int


def factor(root: Call, taken: set[str]) -> tuple[list[Function], Call]:
    """`root` in calls of functions, which have other names than those `taken`."""
    shapes = _Shapes()
    shapes.number(root)
    functions: dict[int, Function] = {}

    def rewritten(call: Call) -> Call:
        args = [arg._replace(value=rewritten(arg.value)) if isinstance(arg.value, Call) else arg for arg in call.args]
        changed = replace(call, args=tuple(args))
        function = functions.get(shapes.of[id(call)])
        return changed if function is None else _as_call(function, changed)

    for shape, alike in sorted(shapes.calls.items()):
        if (
            len(alike) > 1
            and alike[0].parts
            and alike[0].function != "nn.ModuleList"
            and not shapes.always_in_another(shape)
        ):
            names = taken | {function.name for function in functions.values()}
            if function := _function([rewritten(call) for call in alike], names):
                functions[shape] = function
    return list(functions.values()), rewritten(root)


class _Shapes:
    """Numbers for expressions, the same for alike ones; a part's is lower than that of what it is in."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[Any, ...], int] = {}
        self.of: dict[int, int] = {}  # by the call's identity
        self.calls: dict[int, list[Call]] = defaultdict(list)
        self.inside: dict[int, Counter[int]] = defaultdict(Counter)

    def number(self, call: Call) -> int:
        parts = [self.number(part) for part in call.parts]
        names = tuple((arg.name, isinstance(arg.value, Call)) for arg in call.args)
        number = self.numbers.setdefault((call.function, names, *parts), len(self.numbers))
        self.of[id(call)] = number
        self.calls[number].append(call)
        for part in parts:
            self.inside[part][number] += 1
        return number

    def always_in_another(self, number: int) -> bool:
        """Whether it is only part of one other, and of that once."""
        return any(len(self.inside[number]) == 1 and n == len(self.calls[o]) for o, n in self.inside[number].items())


def values(call: Call) -> list[Arg]:
    """The plain values in `call`, first to last."""
    found = []
    for arg in call.args:
        found += values(arg.value) if isinstance(arg.value, Call) else [arg]
    return found


def with_values(call: Call, new: Iterator[Any]) -> Call:
    """`call` with `new` in the places of its plain values."""
    args = [a._replace(value=with_values(a.value, new) if isinstance(a.value, Call) else next(new)) for a in call.args]
    return replace(call, args=tuple(args))


# ---------------------------------------------------------------------------- one function


def _function(calls: list[Call], taken: set[str]) -> Function | None:
    """The function that makes all `calls`; None where it would have too many parameters."""
    holes = values(calls[0])
    columns = list(zip(*([arg.value for arg in values(call)] for call in calls), strict=True))
    new: list[Any] = []  # what stands in each hole: a value, or the number of a parameter and a factor of it
    parameters: list[int] = []  # the hole that each was found in
    for i, (hole, column) in enumerate(zip(holes, columns, strict=True)):
        if len(set(map(repr, column))) == 1:
            new.append(column[0])
            continue
        same = (_derived(column, hole.name, columns[p], holes[p].name) for p in parameters)
        derived = next(((p, how) for p, how in enumerate(same) if how), None)
        if derived is None:
            derived = len(parameters), "{}"
            parameters.append(i)
        new.append(_Use(*derived))
    stage = calls[0].function == "nn.Sequential" and all(map(_is_composite, calls[0].parts))
    if len(parameters) > (MOST_OF_A_STAGE if stage else MOST_PARAMETERS):
        return None
    uses = [(use, hole.name) for use, hole in zip(new, holes, strict=True) if isinstance(use, _Use)]
    used = [use.parameter for use, name in uses if _kind(name) == "c" and name not in ("groups", "extra")]
    names = _parameter_names([holes[i].name for i in parameters], used)
    defaults = [holes[i].default if holes[i].default in columns[i] else REQUIRED for i in parameters]
    body = with_values(
        calls[0], iter([Expression(v.how.format(names[v.parameter])) if isinstance(v, _Use) else v for v in new])
    )
    signature = [Arg(name, i, default) for name, i, default in zip(names, parameters, defaults, strict=True)]
    words = describe(calls[0].module)
    return Function(_name(calls, taken), tuple(signature), body, words, len(calls))


@dataclass(frozen=True)
class _Use:
    """A parameter's number, and how a value is made of it."""

    parameter: int
    how: str


def _as_call(function: Function, call: Call) -> Call:
    """`call` as one of `function`, whose parameters know the places of their values."""
    given = values(call)
    ordered = sorted(function.parameters, key=lambda arg: arg.default is not REQUIRED)
    args = tuple(Arg(arg.name, given[arg.value].value, arg.default) for arg in ordered)
    return Call(function.name, args, "layer", call.kind, call.module)


def _derived(column: tuple[Any, ...], name: str, other: tuple[Any, ...], other_name: str) -> str:
    """How the values of `column` are made of those of `other`, if they are; `{}` stands for the latter."""
    kind, other_kind = _kind(name), _kind(other_name)
    if kind == other_kind and list(map(repr, column)) == list(map(repr, other)):
        return "{}"
    pairs = list(zip(column, other, strict=True))
    if not all(type(a) is int and type(b) is int and a > 0 and b > 0 for a, b in pairs):
        halves = kind == "padding" and other_kind == "kernel" and all(type(b) is int for b in other)
        return "{} // 2" if halves and all(a == b // 2 for a, b in pairs) else ""
    if kind == "padding" and other_kind == "kernel" and all(a == b // 2 for a, b in pairs):
        return "{} // 2"
    if kind == other_kind == "c":
        (a, b), *_ = pairs
        if all(x * b == y * a for x, y in pairs):
            return f"{a // b} * {{}}" if a % b == 0 else f"{{}} // {b // a}" if b % a == 0 else ""
    return ""


def _kind(name: str) -> str:
    """What a parameter is of: channels are "c", whatever they are called."""
    bare = re.sub(r"\d+$", "", name)
    return "c" if bare in CHANNELS or re.fullmatch(r"c(_\w+)?", bare) else SHORT.get(bare, bare)


def _parameter_names(holes: list[str], channels: list[int]) -> list[str]:
    """`c_in`, `c_out` and between them `c_mid` for channels; the others as PyTorch calls them."""
    names: list[str] = []
    for number, hole in enumerate(holes):
        name = _kind(hole)
        if hole in ("groups", "extra"):
            name = hole
        elif name == "c" and channels[0] != channels[-1]:
            name = {channels[0]: "c_in", channels[-1]: "c_out"}.get(number, "c_mid")
        names.append(_free(name, set(names)))
    return names


def _free(name: str, taken: set[str]) -> str:
    return next(new for new in (name, *(f"{name}{i}" for i in range(2, 10_000))) if new not in taken)


# ---------------------------------------------------------------------------- what it is called


def _name(calls: list[Call], taken: set[str]) -> str:
    call, words = calls[0], describe(calls[0].module)
    if match := re.match(r"(\d+ x )?\(?(mbconv|sep)\d? \S+( se)?( \+ x)?\)?$", words):
        name = ("stage_of_" if match[1] else "") + {"sep": "separable"}.get(match[2], match[2])
        name += "_with_skip" if match[4] and not match[1] else ""
    elif call.function == "nn.Sequential" and not any(_is_composite(part) for part in call.parts):
        name = "_".join(_short_name([c.parts[i] for c in calls]) for i in range(len(call.parts)))
    elif call.function == "nn.Sequential":
        name = "stage" if re.match(r"\d+ x ", words) and len(call.parts) > 1 and _alike(call.parts) else "block"
    else:
        name = _snake(call.kind.__name__)
    return _free(name, taken)


def _alike(calls: list[Call]) -> bool:
    """Whether they are blocks of one kind, apart from the first, which may change the shape."""
    return len(calls) > 2 and len({call.function for call in calls[1:]}) == 1


def _is_composite(call: Call) -> bool:
    return bool(list(call.module.children()))


def _short_name(layers: list[Call]) -> str:
    """`conv`, `bn`, `relu`."""
    if all(isinstance(x.module, nn.Conv2d) and x.module.groups == x.module.in_channels > 1 for x in layers):
        return "depthwise"
    name = _snake(layers[0].kind.__name__)
    return {"batch_norm": "bn", "tensor_flow_conv": "tf_conv", "scaled_std_conv": "std_conv"}.get(name, name)


def _snake(name: str) -> str:
    bare = re.sub(r"2d$|Module$", "", name.strip("_")).replace("LU", "lu")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", bare).lower()
