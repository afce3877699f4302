"""The source of a network's own classes, and of what they use, put together so that it needs PyTorch alone.

What a class's methods name is looked up where the class is defined: functions, constants and further classes come
along as they are written there, PyTorch and Python's own modules as imports. A class's `__init__` is written anew, as
`nas.exports.tree` calls it: with the parts that the module is made of.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from nas.exports.tree import CONTAINERS, fields_of, own_fields, torch_base

WIDTH = 120
TENSOR = "tuple[int, ...]"  # an argument that is the shape of a parameter or a buffer


@dataclass(frozen=True)
class Statement:
    """A definition on a module's top level, or in `bound` what an import there names, maybe for type checkers alone."""

    node: ast.stmt
    text: str
    bound: tuple[str, str, str] | None = None  # module, name in it or "", name here
    for_types: bool = False


class Sources:
    """Definitions in an order in which they can stand in one file, and the imports that they need."""

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        """Of the classes of `modules`. Raises ValueError where one needs more than PyTorch and Python."""
        self.texts: dict[str, str] = {}
        self.imports: dict[str, tuple[str, str]] = {}
        self.for_types: dict[str, tuple[str, str]] = {}
        self._homes: dict[str, ModuleType] = {}
        self._examples: dict[type, nn.Module] = {}
        for module in modules:
            for kind in type(module).__mro__:
                self._examples.setdefault(kind, module)
        for kind in dict.fromkeys(map(type, self._examples.values())):
            if torch_base(kind) is not kind:
                self._add(kind.__name__, inspect.getmodule(kind))

    def add(self, function: Callable[..., Any]) -> None:
        """The definition of a function on the top level of a file, and of all that it needs."""
        self._add(function.__name__, inspect.getmodule(function))

    def _add(self, name: str, home: ModuleType | None) -> None:
        """The definition of `name` in `home`, after what it needs itself."""
        found = _top_level(home).get(name) if home else None
        if home is None or found is None:
            raise ValueError(f"{name} is not defined on the top level of a file: it cannot be written to another")
        if found.bound and found.for_types:
            self.for_types[found.bound[2]] = found.bound[:2]
            return
        if found.bound:
            self._import(*found.bound)
            return
        if self._homes.setdefault(name, home) is not home:
            raise ValueError(f"{name} is defined in {self._homes[name].__name__} and in {home.__name__}: rename one")
        if name in self.texts or found.text in self.texts.values():  # one statement may define several names
            return
        value = getattr(home, name)
        text = self._class(value, found) if isinstance(value, type) and issubclass(value, nn.Module) else found.text
        self.texts[name] = ""  # being added: it may name itself
        for needed in sorted(_names_in(ast.parse(text)) - {name}):
            if needed in _top_level(home):
                self._add(needed, home)
        del self.texts[name]
        self.texts[name] = text

    def _import(self, module: str, name: str, here: str) -> None:
        if module.partition(".")[0] in {"torch", *sys.stdlib_module_names}:
            if module != "__future__":
                self.imports[here] = (module, name)
        elif name:
            self._add(name, importlib.import_module(module))
        else:
            raise ValueError(f"{module} is neither PyTorch nor Python's own: a file that needs it is not standalone")

    def _class(self, kind: type[Any], found: Statement) -> str:
        """The class with an `__init__` that takes its parts."""
        assert isinstance(found.node, ast.ClassDef)
        lines = found.text.splitlines()
        first = (found.node.end_lineno or 0) - len(lines) + 1  # of its decorators, where it has some
        init = next((n for n in found.node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
        if init is None:
            return found.text
        new = textwrap.indent(self._init(kind), "    ").splitlines()
        return "\n".join([*lines[: init.lineno - first], *new, *lines[(init.end_lineno or 0) - first + 1 :]])

    def _init(self, kind: type[Any]) -> str:
        base, fields, own = torch_base(kind), fields_of(kind), own_fields(kind)
        module, inherited = self._examples[kind], [name for name in fields_of(kind) if name not in own_fields(kind)]
        takes = [f"{name}: {self._type(module, name)}" for name in fields]
        if base is nn.Module:
            signature, above = ["self", *takes], ", ".join(inherited)
        elif base in CONTAINERS:
            of = "nn.Module" if base is nn.ModuleList else "OrderedDict[str, nn.Module]"
            parts = "*parts" if base is nn.ModuleList else "parts"
            signature, above = ["self", f"{parts}: {of}", *takes], "parts"
        else:
            signature, above = ["self", "*args: Any", *takes, "**kwargs: Any"], "*args, **kwargs"
            self._import("typing", "Any", "Any")
        line = f"def __init__({', '.join(signature)}) -> None:"
        if len(line) > WIDTH - 4:
            line = "def __init__(\n" + "".join(f"    {part},\n" for part in signature) + ") -> None:"
        lines = [line, f"    super().__init__({above})"]
        return "\n".join([*lines, *(f"    {self._assign(kind, module, name)}" for name in own)])

    def _type(self, module: nn.Module, name: str) -> str:
        if isinstance(module._parameters.get(name), nn.Parameter) or module._buffers.get(name) is not None:
            return TENSOR
        value = getattr(module, name)
        if isinstance(value, nn.Module) or name in module._modules:
            return "nn.Module"
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            self._add(type(value).__name__, inspect.getmodule(type(value)))
            return type(value).__name__
        return "nn.Module | None" if value is None else type(value).__name__

    def _assign(self, kind: type, module: nn.Module, name: str) -> str:
        """How the new `__init__` sets one attribute; tensors start as ones where they did, else as zeros."""
        if name in module._parameters or name in module._buffers:
            self._import("torch", "", "torch")
        fill = "ones" if _starts_as_ones(kind, name) else "zeros"
        if module._parameters.get(name) is not None:
            return f"self.{name} = nn.Parameter(torch.{fill}({name}))"
        if module._buffers.get(name) is not None:
            return f'self.register_buffer("{name}", torch.{fill}({name}))'
        return f"self.{name} = {name}"


def run_source(source: str, file: Path) -> ModuleType:
    """The module that the text of a Python file is, as if it stood in `file`. It is a text that we have written."""
    module = ModuleType(file.stem)
    module.__file__ = str(file)
    exec(compile(source, file.name, "exec"), vars(module))
    return module


Imports = Mapping[str, tuple[str, str]]
"""`{name here: (module, name there or "")}`."""


def imports_of(imports: Imports, for_types: Imports) -> str:
    """Python's own first, then PyTorch's; last those for a type checker alone."""
    if for_types:
        imports = {**imports, "TYPE_CHECKING": ("typing", "TYPE_CHECKING")}
    lines = _import_lines(imports)
    torchs = [line for line in lines if line.split()[1].partition(".")[0] == "torch"]
    others = [line for line in lines if line not in torchs]
    typed = ["if TYPE_CHECKING:", *(f"    {line}" for line in _import_lines(for_types))] if for_types else []
    blocks = [["from __future__ import annotations"], others, torchs, typed]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _import_lines(imports: Imports) -> list[str]:
    whole = [f"import {m}" + (f" as {here}" if here != m else "") for here, (m, name) in imports.items() if not name]
    names: dict[str, list[str]] = {}
    for here, (module, name) in sorted(imports.items(), key=lambda item: (item[0].islower(), item[0])):
        if name:
            names.setdefault(module, []).append(name if name == here else f"{name} as {here}")
    return [*sorted(whole), *sorted(f"from {module} import {', '.join(some)}" for module, some in names.items())]


@cache
def _top_level(module: ModuleType) -> dict[str, Statement]:
    """What the names on the top level of a module's file are bound by."""
    try:
        source = inspect.getsource(module)
    except (OSError, TypeError):
        raise ValueError(f"{module.__name__} has no source: its classes cannot be written to a file") from None
    lines, found = source.splitlines(), dict[str, Statement]()
    body = ast.parse(source).body
    conditional = [node for node in body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    typed = [inner for node in conditional for inner in node.body]
    for node in [*body, *typed]:
        decorators = [d.lineno for d in getattr(node, "decorator_list", [])]
        text = "\n".join(lines[min([node.lineno, *decorators]) - 1 : node.end_lineno])
        names: dict[str, tuple[str, str, str] | None] = {}
        match node:
            case ast.Import():
                names = {a.asname or a.name: (a.name, "", a.asname or a.name) for a in node.names}
            case ast.ImportFrom(module=str(origin)):
                names = {a.asname or a.name: (origin, a.name, a.asname or a.name) for a in node.names}
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names = {name: None}
            case ast.Assign() | ast.AnnAssign():
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names = {n.id: None for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}
        found |= {name: Statement(node, text, bound, node in typed) for name, bound in names.items()}
    return found


def _names_in(tree: ast.AST) -> set[str]:
    """The names that `tree` reads and does not set in the same function; those in annotations, too."""
    found = set[str]()
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.Lambda)]
    inner = {id(node) for function in functions for node in ast.walk(function)} - {id(tree)}
    for scope in [tree, *functions]:
        nodes = [n for n in ast.walk(scope) if scope is not tree or id(n) not in inner]
        stored = {n.id for n in nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
        stored |= {n.arg for n in nodes if isinstance(n, ast.arg)} if scope is not tree else set()
        annotations = [a for n in nodes for a in (getattr(n, "annotation", None), getattr(n, "returns", None)) if a]
        found |= {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)} - stored
        found |= {n.id for annotation in annotations for n in ast.walk(annotation) if isinstance(n, ast.Name)}
    return found


def _starts_as_ones(kind: type, name: str) -> bool:
    """Whether the class's own `__init__` makes this tensor with `torch.ones`."""
    tree: Any = ast.parse(textwrap.dedent(inspect.getsource(vars(kind)["__init__"])))
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(getattr(target, "attr", "") == name for target in node.targets):
            return any(getattr(part, "attr", "") == "ones" for part in ast.walk(node.value))
    return False
