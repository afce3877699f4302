"""What the documentation shows, works."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer.main

from nas.cli import app
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


def test_options_in_the_documentation_exist() -> None:
    """Every `--option` that a page names is one of some command."""
    known = {"--version", "--no-deps", "--head", *_options(typer.main.get_command(app))}
    for path in [*(ROOT / "nas" / "cli").glob("*.py"), *(ROOT / "benchmarks").glob("*.py")]:
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
