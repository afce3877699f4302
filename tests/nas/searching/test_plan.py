"""What is found out before a search starts."""

from __future__ import annotations

import dataclasses

import pytest

from nas.searching.plan import fit_width, typical_macs
from searchspaces import Mnas


@pytest.mark.parametrize("target", [10e6, 60e6])
def test_the_fitted_width_brings_a_random_network_to_the_target(target: float) -> None:
    space = fit_width(Mnas(), target, 32)
    assert typical_macs(space, 32) == pytest.approx(target, rel=0.35)
    assert dataclasses.replace(space, width=1.0) == Mnas()
