"""Spaces that a file names are not imported: looking at what somebody else wrote runs none of their code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import nas
from nas.ledger.config import Budget, Config
from nas.ledger.run import Run
from nas.ledger.trust import space_of_file, trust
from nas.network import Found
from nas.references.resolve import described, resolve
from searchspaces import Compact

SPACE = """
from pathlib import Path
Path("it ran").touch()
from dataclasses import dataclass
from searchspaces import Compact

@dataclass(frozen=True)
class Small(Compact):
    pass
"""
NAME = "strangers_space:Small"
SAID = f"where you trust that code, add --trust-space {NAME}"


@pytest.fixture
def there(tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a stranger's module, run, network and training."""
    (tmp_path / "strangers_space.py").write_text(SPACE)
    run = Run.create(tmp_path / "runs" / "theirs", config, Budget(trials=1))
    document = json.loads((run.path / "config.json").read_text())
    document["config"]["space"] = {"name": NAME, "settings": {}}
    (run.path / "config.json").write_text(json.dumps(document))
    network = json.loads(Found(Compact(), tuple(0 for _ in Compact().choices)).to_json())
    (tmp_path / "theirs.json").write_text(json.dumps(network | {"space": NAME, "settings": {}}))
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "architecture.json").write_text((tmp_path / "theirs.json").read_text())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-c", "from nas.cli import main; main()", *words]
    path = str(Path(nas.__file__).parents[1])
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": path, "COLUMNS": "1000"}
    )


LOOKS = [
    ("show", "theirs.json"),
    ("show", "theirs:best"),
    ("top", "theirs"),
    ("report", "theirs"),
    ("resume", "theirs"),
    ("train", "training"),
    ("compare", "--report", "theirs"),
    ("search", "--experience", "theirs"),
]


@pytest.mark.parametrize("words", LOOKS[1:3])
def test_a_command_that_looks_runs_nothing(there: Path, words: tuple[str, ...]) -> None:
    done = call(*words)
    assert done.returncode == 2 and SAID in done.stderr and done.stderr.count("\n") == 1
    assert not (there / "it ran").exists()


@pytest.mark.parametrize("words", LOOKS)
def test_nor_does_any_other(there: Path, words: tuple[str, ...], call_nas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(there)  # even where it could be found
    code, _, error = call_nas(*words)
    assert code == 2 and SAID in error and error.count("\n") == 1
    assert not (there / "it ran").exists()


def test_the_current_folder_is_no_place_for_modules_until_a_space_is_named(there: Path) -> None:
    (there / "matplotlib.py").write_text(SPACE)
    call("show", "resnet8", "--draw", "x.svg")
    assert not (there / "it ran").exists()


def test_runs_are_listed_without_their_spaces(there: Path) -> None:
    done = call("runs")
    assert done.returncode == 0 and NAME in done.stdout and not (there / "it ran").exists()


@pytest.mark.parametrize("how", ["option", "environment"])
def test_it_is_opened_where_a_person_says_so(there: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("--trust-space", NAME) if how == "option" else ()
    if how == "environment":
        monkeypatch.setenv("NAS_TRUST_SPACE", NAME)
    done = call("top", "theirs", *options)
    assert done.returncode == 0, done.stderr
    assert (there / "it ran").exists()


def test_an_earlier_search_is_opened_where_a_person_says_so(there: Path) -> None:
    done = call("search", "--experience", "theirs", "--trust-space", NAME)
    assert done.returncode == 2 and "theirs has trained 0 networks" in done.stderr
    assert (there / "it ran").exists()


def test_what_is_imported_may_be_named_and_an_unknown_one_is_one_line(
    there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match=r"cannot import the space nowhere\.at_all:X"):
        trust(["nowhere.at_all:X"])
    with pytest.raises(ValueError, match="cannot import 'nowhere' of --trust-space"):
        trust(["nowhere"])
    with pytest.raises(ValueError, match=SAID):
        nas.load("theirs.json")
    monkeypatch.setattr(sys, "path", [*sys.path])
    try:
        assert nas.load("theirs.json", trust_space=NAME).name.startswith("compact:")
        assert nas.open("theirs").config.space.reference == NAME
    finally:
        del sys.modules["strangers_space"]


@pytest.mark.parametrize("name", ["os:path", "sys:modules", "json:JSONDecoder", "nas.ledger.trust:trust"])
def test_what_is_imported_and_no_space_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no space"):
        space_of_file(name)


@pytest.mark.parametrize(
    "name", ["antigravity:x", "this:c", "nas.cli.bench:bench2", "\x1b[31m:x", ":", "a:b:c", "os:no"]
)
def test_what_is_not_imported_is_never_imported(name: str) -> None:
    with pytest.raises(ValueError, match=r"--trust-space|is no name of a space"):
        space_of_file(name)
    assert "antigravity" not in sys.modules and "this" not in sys.modules


@pytest.mark.parametrize("text", ["theirs.json", "training", "theirs:best", "./training", f"{NAME}:e1"])
def test_the_networks_of_a_comparison_are_no_files_and_no_code(there: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"is no architecture|--trust-space"):
        described(text)
    assert not (there / "it ran").exists()


@pytest.mark.parametrize("text", ["resnet20", "mobilenet_v2@0.5", "resnet20@1.1x1.2-36"])
def test_they_are_what_a_person_could_type(text: str) -> None:
    assert described(text) == resolve(text, Path())
