"""Networks that no machine builds are refused before they take its time and memory."""

from __future__ import annotations

import pytest

from nas.network import Designed
from searchspaces import get_space
from searchspaces.bounded import MOST_TENSORS, bounded
from searchspaces.cost import shapes_only


@pytest.mark.parametrize("name", ["resnet99999998", "wrn9994-1", "densenet_40_1000000000", "resnext29_9999x9999d"])
def test_a_network_beyond_all_measure_is_not_built(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}.*(too deep|too large|at most 9,999)"):
        Designed(name).build(10, 32)


def test_the_deepest_that_was_published_is() -> None:
    with shapes_only():
        assert len([*Designed("resnet1202").build(10, 32).parameters()]) < MOST_TENSORS


def test_what_else_goes_wrong_is_not_hidden() -> None:
    with pytest.raises(RuntimeError, match="another"), bounded("it"):
        raise RuntimeError("another")


@pytest.mark.parametrize(
    ("space", "setting"),
    [("nasnet", "blocks"), ("nasnet", "n"), ("nasnet", "filters"), ("chain", "layers"), ("nasbench201", "cells")],
)
def test_settings_of_spaces_have_a_most(space: str, setting: str) -> None:
    for value in (0, 10**6):
        with pytest.raises(ValueError, match=rf"{space}: {setting} must be 1 to"):
            get_space(space, **{setting: value})
