"""Every attack with a few tries, as CI has the time for: nothing goes wrong."""

from __future__ import annotations

import pytest

from tests.attack.__main__ import TRIES, run

SLOW = {"clusters", "moments"}  # which start Ray, and the tool as a person does


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in TRIES])
def test_nothing_goes_wrong(name: str) -> None:
    faults = [f"{o.target}: {fault.kind}: {fault.how}" for o in run(name, 3, seed=0) for fault in o.faults]
    assert not faults
