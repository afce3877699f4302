"""What a person sees of the command line before a command runs: help, completion, and a line for a mistake."""

from __future__ import annotations

import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer.main

import nas
from nas.baselines.zoo import BASELINES
from nas.cli import COMMANDS, app
from nas.options import names, panels
from nas.samplers import STRATEGIES
from searchspaces import SPACES

GROUP: Any = typer.main.get_command(app)


def commands(group: Any = GROUP, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and its words: `("baselines", "show")`."""
    for name, command in group.commands.items():
        yield (*path, name), command
        yield from commands(command, (*path, name)) if hasattr(command, "commands") else ()


EVERY = [pytest.param(words, command, id=" ".join(words)) for words, command in commands()]


def words_of(text: str) -> str:
    """`text` without what lays it out."""
    return re.sub(r"[\s│╭╰╮╯─]+", " ", text)


@pytest.mark.parametrize(("words", "command"), EVERY)
def test_help_is_plain_and_narrow_where_no_person_reads(call_nas, words: tuple[str, ...], command: Any) -> None:
    code, out, err = call_nas(*words, "-h")
    assert (code, err) == (0, "") and call_nas(*words, "--help")[1] == out
    assert "\x1b" not in out and "│" not in out and max(map(len, out.splitlines())) <= 80
    assert f"\n{panels.OUTPUT}:\n" in out and "-h, --help" in out


@pytest.mark.parametrize(("words", "command"), EVERY)
@pytest.mark.parametrize("columns", [80, 120])
def test_on_a_terminal_help_is_in_panels_and_loses_no_word(
    call_nas, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], command: Any, columns: int
) -> None:
    """What stands in brackets, say, would be taken for a style."""
    monkeypatch.setattr("nas.cli.help._on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    code, out, _ = call_nas(*words, "--help")
    assert code == 0 and f"╭─ {panels.OUTPUT} ─" in out and max(map(len, out.splitlines())) <= columns
    said = words_of(out).replace(" ", "")
    texts = [command.help.partition("\f")[0], command.epilog, *(getattr(p, "help", None) for p in command.params)]
    for text in filter(None, texts):
        assert words_of(text).replace(" ", "") in said


@pytest.mark.parametrize(("words", "command"), EVERY)
def test_every_option_has_a_panel_of_those_that_there_are(words: tuple[str, ...], command: Any) -> None:
    for option in command.params:
        if option.param_type_name == "option":
            assert option.rich_help_panel in panels.ORDER, option.opts


@pytest.mark.parametrize(("words", "command"), EVERY)
def test_examples_are_commands(words: tuple[str, ...], command: Any) -> None:
    lines = re.findall(r"^ *\$ nas (.*)$", command.epilog, re.MULTILINE)
    assert lines and all(len(line) < 74 for line in lines)
    for line in lines:
        arguments = shlex.split(line)
        assert arguments[: len(words)] == list(words)
        command.make_context(words[-1], arguments[len(words) :])  # raises where an option or an argument is none


@pytest.mark.parametrize(("words", "command"), EVERY)
def test_help_is_wrapped_by_the_terminal_alone(words: tuple[str, ...], command: Any) -> None:
    assert not re.search(r"[^\n]\n[^\n]", command.help)


def test_help_groups_the_commands(call_nas) -> None:
    code, out, _ = call_nas()
    assert code == 0 and out == call_nas("-h")[1]
    assert [line[:-1] for line in out.splitlines() if line[:-1] in COMMANDS] == list(COMMANDS)
    assert all(re.search(rf"^  {name}\s", out, re.MULTILINE) for name in GROUP.commands)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("srch",), "No such command 'srch'. Did you mean 'search'? `nas -h` says how it is used"),
        (("baselines", "shw"), "No such command 'shw'. Did you mean 'show'? `nas baselines -h` says how it is used"),
        (("search", "--dta", "x"), "No such option: --dta. Did you mean --data? `nas search -h` says how it is used"),
        (("search", "more"), "Got unexpected extra argument(s) (more): `nas search -h` says how it is used"),
        (("top",), "Missing argument 'RUN': `nas top -h` says how it is used"),
        (("train",), "Missing argument 'NETWORK': `nas train -h` says how it is used"),
        (("bench",), "Missing option '--space': `nas bench -h` says how it is used"),
        (
            ("search", "--trials", "x"),
            "Invalid value for '--trials': Input should be a valid integer: `nas search -h` says how it is used",
        ),
    ],
)
def test_a_command_line_that_is_none_is_one_line(call_nas, arguments: tuple[str, ...], said: str) -> None:
    assert call_nas(*arguments) == (2, "", f"nas: {said}\n")


def test_the_version_is_the_package_s(call_nas) -> None:
    python = platform.python_version()
    assert call_nas("--version") == (0, f"nas {nas.__version__} (torch {version('torch')}, Python {python})\n", "")
    assert set(nas.__all__) <= set(dir(nas)) and "import_module" not in dir(nas)


# ---------------------------------------------------------------------------- completion


def test_completed_names_are_all_that_there_are() -> None:
    assert set(names.SPACES) == set(SPACES)
    assert list(names.BASELINES) == list(BASELINES)
    assert sorted(names.STRATEGIES) == sorted(STRATEGIES)


def completed(line: str, folder: Path) -> list[str]:
    """What bash offers for the last word of `line`, in `folder`; no torch may be imported for it."""
    code = (
        "import nas.cli, sys\ntry: nas.cli.main()\nfinally: assert not {'torch', 'optuna', 'numpy'} & set(sys.modules)"
    )
    how = {"_NAS_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    environment = {name: value for name, value in os.environ.items() if name != "NAS_RUNS"} | how
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert not done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("nas re", ["resume", "report", "repair"]),
        ("nas top f", ["first", "further"]),
        ("nas report first fu", ["further"]),
        ("nas train fi", ["first:best"]),
        ("nas compare resnet5", ["resnet50", "resnet56"]),
        ("nas search --space nasb", ["nasbench201", "nasbench_macro"]),
        ("nas search --strategy r", ["reinforce", "random"]),
        ("nas train --data c", ["cifar10", "cifar100"]),
        ("nas baselines show vgg16_", ["vgg16_c", "vgg16_c_bn", "vgg16_bn"]),
        ("nas top --par", ["--pareto"]),
    ],
)
def test_the_shell_completes(tmp_path: Path, line: str, expected: list[str]) -> None:
    for name in ("first", "further"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "config.json").touch()
    (tmp_path / "runs" / "no-run").mkdir()
    assert completed(line, tmp_path) == expected
