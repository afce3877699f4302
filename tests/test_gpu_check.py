"""What is checked on a GPU can be checked here with a stand-in, and the documentation has the list."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

ROOT = Path(__file__).parents[1]


@pytest.fixture
def gpu_check(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.delitem(sys.modules, "gpu_check", raising=False)
    import gpu_check

    return gpu_check


def test_every_check_passes_with_a_stand_in_or_says_that_it_needs_a_gpu(gpu_check: ModuleType) -> None:
    said: list[str] = []
    assert gpu_check.run_all(torch.device("cpu"), True, said.append), "\n".join(said)
    assert len(said) == len(gpu_check.CHECKS) + 1
    assert sum(line.startswith("pass") for line in said) >= 14


def test_a_check_that_fails_is_said(gpu_check: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(device: torch.device, quick: bool) -> str:
        raise AssertionError("as it was to")

    monkeypatch.setattr(gpu_check, "CHECKS", [gpu_check.Check("it fails", fails)])
    said: list[str] = []
    assert not gpu_check.run_all(torch.device("cpu"), True, said.append)
    assert said[0].startswith("FAIL   1. it fails (AssertionError: as it was to) [")


def test_the_documentation_has_the_checklist(gpu_check: ModuleType) -> None:
    text = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    for number, check in enumerate(gpu_check.CHECKS, 1):
        assert f"\n{number}. {check.says}\n" in text


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_says_so(
    gpu_check: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import gpu

    monkeypatch.setattr(sys, "argv", ["gpu.py", "--check"])
    assert gpu.main() == 2
    assert capsys.readouterr().out.count("\n") == 1
