"""The layout's promises: imports run downward, `ray` is imported only where it is used, help is quick."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BELOW = {"searchspaces": {"searchspaces"}, "scaling": {"searchspaces", "scaling"}}
FLOORS = (  # of `nas`, from the ground up: rooms, and files that stand by themselves
    {"detection", "files", "heads", "pruning", "statistics", "text"},
    {"baselines"},
    {"checks", "drawing", "network"},
    {"options"},
    {"data", "devices", "reward", "samplers"},
    {"latencies", "training"},
    {"joint"},
    {"engines", "ledger"},
    {"references", "searching"},
    {"bench", "comparison", "exports", "proxies", "report"},
    {"final", "fusion", "scale", "seeing", "weight_sharing"},
    {"soups"},
    {"api"},
    {"cli", "results"},
)
NO_TEXT = {"Image", "api", "archive", "cls", "os", "tarfile"}  # whose `open` opens no text
OURS = {"searchspaces", "scaling", "nas"}


def imported_packages(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize("package", sorted(BELOW))
def test_imports_run_downward(package: str) -> None:
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        above = imported_packages(path) & OURS - BELOW[package]
        assert not above, f"{path.relative_to(ROOT)} imports {above}"


def test_rooms_are_built_on_those_below_them() -> None:
    """So there is no circle of them. What a function imports, or a type checker, may be above: it is loaded later."""
    floor = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    here = {path.stem for path in (ROOT / "nas").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert set(floor) == here - {"__init__"}
    wrong = []
    for path in (ROOT / "nas").rglob("*.py"):
        room = path.relative_to(ROOT / "nas").parts[0].removesuffix(".py")
        for other in rooms_imported_first(path) - {room} if room != "__init__" else ():
            if floor[other] >= floor[room]:
                wrong.append(f"{path.relative_to(ROOT)} imports of {other}")
    assert not wrong


def rooms_imported_first(path: Path) -> set[str]:
    """The rooms of `nas` that are imported when the file `path` is."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    whole = [f"{node.module}.{alias.name}" for node in names for alias in node.names]
    return {name.split(".")[1] for name in whole if name.startswith("nas.")} - {"__version__"}


@pytest.mark.parametrize("package", sorted(OURS))
def test_text_is_utf_8_whatever_the_locale(package: str) -> None:
    """`path.read_text()` and its like take the locale's encoding, where none is said."""
    said = []
    for path in (ROOT / package).rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and opens_text(call) and "encoding" not in {k.arg for k in call.keywords}:
                said.append(f"{path.relative_to(ROOT)}:{call.lineno}")
    assert not said


def opens_text(call: ast.Call) -> bool:
    """Whether it opens a file as text: `open`, of paths too, `os.fdopen`, and what `pathlib.Path` has."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name in ("open", "fdopen"):
        owner = getattr(getattr(call.func, "value", None), "id", "")
        modes = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        return owner not in NO_TEXT and not owner.endswith("Run") and not any("b" in mode for mode in modes)
    return isinstance(call.func, ast.Attribute) and name in ("read_text", "write_text")  # `nas.files` has its own


def test_only_the_ray_engine_imports_ray() -> None:
    importers = {p.relative_to(ROOT).as_posix() for p in (ROOT / "nas").rglob("*.py") if "ray" in imported_packages(p)}
    assert importers == {"nas/engines/quiet_ray.py"}


def test_help_loads_nothing_heavy() -> None:
    code = "import nas.cli, sys; print(sorted({'torch', 'optuna', 'ray', 'numpy', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_local_search_loads_no_ray() -> None:
    code = (
        "import nas.searching.driver, nas.searching.progress, nas.references.resolve, sys; print('ray' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_no_module_hides_a_function() -> None:
    """Importing `nas.x` sets `nas.x` to the module, whatever it was."""
    import nas

    modules = {path.stem for path in (ROOT / "nas").iterdir()}
    assert {"search", "train", "compare", "predict", "export"} <= set(nas.__all__)
    assert not modules & set(nas.__all__)


@pytest.mark.parametrize("package", sorted(OURS))
def test_its_types_are_for_whoever_imports_it(package: str) -> None:
    """`py.typed` says so, and comes along with what is installed."""
    assert (ROOT / package / "py.typed").exists()
    files = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]
    assert "py.typed" in files[package]


@pytest.mark.slow
def test_a_user_s_mistake_is_found_by_mypy(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    (tmp_path / "mine.py").write_text(
        'import nas\n\nnas.search(spce="compact")\nreveal_type(nas.open("a").best)\n', "utf-8"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", tmp_path / "cache", "mine.py"],
        cwd=tmp_path, env=os.environ | {"MYPYPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert 'Unexpected keyword argument "spce" for "search"' in done.stdout
    assert 'Revealed type is "nas.results.Trial' in done.stdout
