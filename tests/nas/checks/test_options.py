"""What an option may be is declared once, for every option of every command and every argument of every function."""

from __future__ import annotations

import inspect
import math
import os
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.checks.options import OPTIONS, check, kind_of, spelled
from tests.attack.options import options_of_all

FUNCTIONS = [name for name in nas.__all__ if name[0].islower()]


@pytest.mark.parametrize("command", options_of_all())
def test_every_option_is_declared(command: str) -> None:
    names = {option.name for option in options_of_all()[command]} - {"help"}
    assert not [name for name in names if kind_of(name, command) is None]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_argument_is_declared_and_its_default_is_one(function: str) -> None:
    for name, parameter in inspect.signature(getattr(nas, function)).parameters.items():
        assert name in OPTIONS
        if parameter.default is not parameter.empty:
            check({name: parameter.default})


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize(
    "value", [math.nan, math.inf, b"x", object(), 10**400, [None]], ids=lambda value: type(value).__name__
)
def test_nothing_takes_nonsense(name: str, value: Any) -> None:
    with pytest.raises(ValueError) as caught:
        check({name: value})
    assert spelled(name) in str(caught.value) and len(str(caught.value)) < 200 and "\n" not in str(caught.value)


@pytest.mark.parametrize("option", ["table", "out", "network"])
def test_a_pipe_or_a_device_is_no_file(option: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(ValueError, match="is a device or a pipe"):
            check({option: str(path)})
