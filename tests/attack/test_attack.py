"""Every attack with a few tries, as CI has the time for: nothing goes wrong."""

from __future__ import annotations

import pytest

from tests.attack.__main__ import TRIES, run

SLOW = ("clusters",)  # a Ray cluster begins and ends in each try


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in TRIES])
def test_nothing_goes_wrong(name: str) -> None:
    faults = [f"{o.target}: {fault.kind}: {fault.how}" for o in run(name, 3, seed=0) for fault in o.faults]
    assert not faults
