"""What every search space promises: see `searchspaces.testing`."""

from __future__ import annotations

from typing import Any

import pytest

from searchspaces import SPACES, Space, get_space
from searchspaces.testing import SpaceContract

# Settings of spaces that by default build more than a test of many networks has time for
SMALL: dict[str, dict[str, Any]] = {
    "nasnet": {"blocks": 2, "filters": 4, "ops": ["identity", "avg3x3", "conv1x1", "sep3x3"]}
}
ALL = [get_space(name, **SMALL.get(name, {})) for name in sorted(SPACES)]


class TestOurs(SpaceContract):
    @pytest.fixture(params=ALL, ids=lambda space: space.name)
    def space(self, request: pytest.FixtureRequest) -> Space:
        found: Space = request.param
        return found
