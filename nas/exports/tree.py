"""A built network as the expression that makes it: calls of PyTorch's classes and of those that a network brings.

A layer of PyTorch's is the call of its class with the arguments that its attributes hold. A module of ours is the call
of its class with its parts: whatever its own `__init__` takes and computes, the exported one takes what the module
ended up with. So any module can be written, of our spaces and of anybody's, that only keeps modules, parameters,
buffers and plain values.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from types import FunctionType
from typing import Any, Literal, NamedTuple

from torch import nn

CONTAINERS = (nn.Sequential, nn.ModuleList)
REQUIRED = inspect.Parameter.empty


class Arg(NamedTuple):
    """An argument: a `Call`, a plain value, or an `Expression` of a function's parameters.

    `name` is the parameter's, or a part's in a container. Where `value` is the `default` it goes without saying.
    """

    name: str
    value: Any
    default: Any = REQUIRED


@dataclass(frozen=True)
class Call:
    """`function(args)`. In `style` "parts" the arguments are the modules in a container, by their names there."""

    function: str
    args: tuple[Arg, ...]
    style: Literal["layer", "keywords", "parts"]
    kind: type[nn.Module] = field(repr=False)
    module: nn.Module = field(repr=False, compare=False)  # one that it makes

    @property
    def parts(self) -> list[Call]:
        """The calls that are its arguments."""
        return [arg.value for arg in self.args if isinstance(arg.value, Call)]


class Expression(str):
    """Python in a function's parameters, such as `2 * c`."""


def expression_of(module: nn.Module) -> Call:
    """The call that makes `module`. Raises ValueError where it holds something that has no text."""
    kind, base = type(module), torch_base(type(module))
    named = [Arg(name, expression_of(part)) for name, part in module._modules.items() if part is not None]
    own = [Arg(name, _value(module, name)) for name in fields_of(kind)] if kind is not base else []
    name = f"nn.{kind.__name__}" if kind is base else kind.__name__
    if base in CONTAINERS:
        return Call(name, (*named, *own), "parts", kind, module)
    if base is not nn.Module:
        return Call(name, (*_layer_arguments(module, base), *own), "layer", kind, module)
    parts = {arg.name: arg for arg in named}
    return Call(name, tuple(parts.get(arg.name, arg) for arg in own), "keywords", kind, module)


def torch_base(kind: type[nn.Module]) -> type[nn.Module]:
    """The first class of PyTorch's own that `kind` is or inherits from."""
    return next(base for base in kind.__mro__ if base.__module__.startswith("torch.nn."))


def fields_of(kind: type[nn.Module]) -> tuple[str, ...]:
    """What the `__init__` of a class and of those that it inherits from, PyTorch's apart, give to `self`."""
    found: dict[str, None] = {}
    for base in reversed(kind.__mro__):
        if not base.__module__.startswith("torch.") and inspect.isfunction(vars(base).get("__init__")):
            found |= dict.fromkeys(own_fields(base))
    return tuple(found)


def own_fields(kind: type) -> tuple[str, ...]:
    """The attributes of `self` that the `__init__` of this very class sets, in its order."""
    return _set_by(vars(kind)["__init__"])


@cache
def _set_by(init: FunctionType) -> tuple[str, ...]:
    body = ast.parse(textwrap.dedent(inspect.getsource(init)))
    targets = [
        (node.lineno, node.col_offset, node.attr)
        for node in ast.walk(body)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and getattr(node.value, "id", "") == "self"
    ]
    buffers = [
        (node.lineno, node.col_offset, node.args[0].value)
        for node in ast.walk(body)
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", "") in ("register_buffer", "register_parameter", "add_module")
        and isinstance(node.args[0], ast.Constant)
    ]
    return tuple(dict.fromkeys(str(name) for *_, name in sorted([*targets, *buffers])))


def check_fields(modules: Iterable[nn.Module]) -> None:
    """Raises ValueError where a module of ours holds something that its class's `__init__` does not set by name."""
    usual = set(vars(nn.Module()))
    for module in modules:
        kind = type(module)
        if torch_base(kind) not in (nn.Module, *CONTAINERS):
            continue
        tensors = {**module._parameters, **module._buffers}
        parts = {} if torch_base(kind) in CONTAINERS else module._modules
        held = {*(vars(module).keys() - usual), *parts, *tensors}
        for name in held - set(fields_of(kind)):
            if kind is not torch_base(kind) and not hasattr(kind, name):  # what shadows a class's is a training's state
                raise ValueError(f"{kind.__name__} has {name!r}, which its __init__ does not set: it cannot be written")


def _value(module: nn.Module, name: str) -> Any:
    """A plain value as it is, of a parameter or buffer its shape."""
    if name in module._non_persistent_buffers_set:
        raise ValueError(f"{type(module).__name__}.{name} is not in the state_dict: it cannot be written")
    tensors = {**module._parameters, **module._buffers}
    value = getattr(module, name)
    if tensors.get(name) is not None:
        return tuple(value.shape)
    if not isinstance(value, nn.Module) and not _plain(value):
        raise ValueError(f"{type(module).__name__}.{name} is {value!r}, which has no text: it cannot be written")
    return value


def _plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def _layer_arguments(module: nn.Module, base: type[nn.Module]) -> list[Arg]:
    """Of PyTorch's layers: they keep their arguments under their names, and a bias that there is not as None."""
    found = []
    for name, parameter in list(inspect.signature(base.__init__).parameters.items())[1:]:
        if name in ("device", "dtype") or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if not hasattr(module, name):
            raise ValueError(f"nn.{base.__name__} does not say its {name!r}: it cannot be written")
        value = getattr(module, name)
        found.append(Arg(name, value is not None if name == "bias" else _short(value), parameter.default))
    return found


def _short(value: Any) -> Any:
    """`(3, 3)` is 3 to a convolution."""
    return value[0] if isinstance(value, tuple) and value and len(set(value)) == 1 else value
