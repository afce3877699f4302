"""What the documentation shows, works."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer.main

from nas.baselines.pretrained import read_checkpoint
from nas.cli import app
from nas.devices import recording
from nas.drawing import draw
from nas.references import show
from nas.searching import published
from nas.training import transfer
from searchspaces import Space, get_space
from searchspaces.testing import SpaceContract

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md"))]
BLOCKS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
]


@pytest.fixture
def run_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    """Runs a block as a module of its own; gives what it defines."""

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(recording, "RECORDERS", dict(recording.RECORDERS))  # to which a block adds one
    monkeypatch.chdir(tmp_path)

    def run(block: str) -> dict[str, Any]:
        module = ModuleType("documentation")
        monkeypatch.setitem(sys.modules, "documentation", module)
        exec(block, vars(module))
        return vars(module)

    return run


@pytest.mark.parametrize("block", BLOCKS)
def test_python_blocks_run(block: str, run_block: Callable[[str], dict[str, Any]]) -> None:
    run_block(block)


def test_the_first_space_of_the_guide_is_a_space(run_block: Callable[[str], dict[str, Any]]) -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    space = run_block(re.findall(r"```python\n(.*?)```", guide, re.DOTALL)[0])["Small"]()
    arch = (0, 1, 2, 0)
    assert space.parse(space.format(arch)) == arch and space.size == 36
    assert space.format(arch) == "c8_k5,c32_k3" and len(space.neighbours(arch)) == 6


class TestTheFirstSpaceOfTheGuide(SpaceContract):
    """It keeps what every space promises, and is found by its module and class as anybody's own."""

    @pytest.fixture
    def space(self, run_block: Callable[[str], dict[str, Any]]) -> Space:
        guide = (ROOT / "CONTRIBUTING.md").read_text()
        run_block(re.findall(r"```python\n(.*?)```", guide, re.DOTALL)[0])
        return get_space("documentation:Small")


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def _in_the_reference() -> Iterator[Callable[..., Any]]:
    """Every function, and every method of a class, of what the pages in docs/api name, or the modules there have."""
    for page in sorted((ROOT / "docs" / "api").glob("*.md")):
        for name in re.findall(r"^::: ([\w.]+)$", page.read_text(), re.MULTILINE):
            parent, _, last = name.rpartition(".")
            try:
                documented, home = import_module(name), name
            except ModuleNotFoundError:
                documented, home = getattr(import_module(parent), last), parent.partition(".")[0]
            for thing in vars(documented).values() if inspect.ismodule(documented) else [documented]:
                members = vars(thing).values() if inspect.isclass(thing) else [thing]
                functions = [getattr(member, "__func__", member) for member in members]
                yield from (f for f in functions if inspect.isfunction(f) and f.__module__.startswith(home))


def test_paths_may_be_text() -> None:
    """Of what the reference documents, and of what reads the files that a run or a reader has."""
    readers = [published.read, transfer.Weights.read.__func__, read_checkpoint, draw.draw, show.usual_shape]
    parameters = [
        (function, parameter)
        for function in [*_in_the_reference(), *readers]
        for parameter in inspect.signature(function).parameters.values()
        if re.search(r"\bPath\b", str(parameter.annotation)) and not function.__name__.startswith("_")
    ]
    assert len(parameters) > 15
    for function, parameter in parameters:
        assert re.search(r"\bstr\b", str(parameter.annotation)), f"{function.__module__}.{function.__qualname__}"


def test_options_in_the_documentation_exist() -> None:
    """Every `--option` that a page names is one of some command."""
    of_others = {
        "--no-deps",
        "--head",
        "--rm",
        "--build-arg",
        "--user",
        "--torch-backend",
        "--nodes",
        "--gpus-per-node",
        "--all-ip-addresses",
    }
    known = {"--version", *of_others, *_options(typer.main.get_command(app))}
    folders = (ROOT / "nas" / "cli", ROOT / "benchmarks", ROOT / "tests" / "attack")
    for path in (path for folder in folders for path in folder.glob("*.py")):
        known |= set(re.findall(r'"(--[a-z0-9-]+)"', path.read_text()))
    for page in PAGES:
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*[a-z0-9](?![\w-])", page.read_text()))
        assert named <= known, f"{page.name}: {named - known}"


def _options(command: Any) -> Iterator[str]:
    """Those of a command and of the commands below it, `--no-...` too."""
    for parameter in command.params:
        yield from (*parameter.opts, *parameter.secondary_opts)
    for below in getattr(command, "commands", {}).values():
        yield from _options(below)
