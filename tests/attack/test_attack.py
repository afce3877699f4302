"""Every attack with a few tries, as CI has the time for: nothing goes wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.attack.__main__ import TRIES

SLOW = {"clusters", "moments"}  # which start Ray, and the tool as a person does
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in TRIES])
def test_nothing_goes_wrong(name: str) -> None:
    """In a process of its own: attacks fork, which a process with several threads must not."""
    command = [sys.executable, "-m", "tests.attack", name, "--tries", "3"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False)
    assert ran.returncode == 0, ran.stderr
