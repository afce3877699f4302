"""What every search space promises: see `searchspaces.testing`."""

from __future__ import annotations

from typing import Any

import pytest

from nas.references.around import Around
from searchspaces import SPACES, Space, get_space
from searchspaces.testing import SpaceContract

# Settings of spaces that by default build more than a test of many networks has time for
SMALL: dict[str, dict[str, Any]] = {
    "nasnet": {"blocks": 2, "filters": 4, "ops": ["identity", "avg3x3", "conv1x1", "sep3x3"]}
}
ALL = [get_space(name, **SMALL.get(name, {})) for name in sorted(SPACES)]
# With each architecture as wide as a limit allows, and with networks of several depths
ALL += [
    get_space("chain", layers=3, pooling=1, grow_every=1, grow_from=2),
    get_space("chain", layers=2, pooling=0, grow_every=1, grow_from=1, max_macs=100_000),
    get_space("nasnet", blocks=1, ops=["identity", "conv1x1", "avg3x3"], max_macs=1_000_000),
]
# Around a network of each kind: residuals, concatenations, one filter a channel, channels in groups that are shuffled
ALL += [
    Around(network="resnet8@0.5"),
    Around(network="resnet8@0.5", max_macs=1_000_000),
    Around(network="densenet_16_4"),
    Around(network="squeezenet1_1@0.1", vary=("width", "expand", "op")),
    Around(network="mobilenet_v2@0.1", vary=("width", "kernel", "se", "activation")),
    Around(network="shufflenet_v2_x0_5@0.5", vary=("width", "depth")),
    Around(network="resnet8@0.5", vary=("width", "depth", "kernel"), by="layer", max_macs=1_000_000),
    Around(network="mobilenet_v2@0.1", vary=("width", "depth", "stride"), max_macs=500_000),
]


class TestOurs(SpaceContract):
    @pytest.fixture(params=ALL, ids=lambda space: f"{space.name}@{space.changed_settings()}")
    def space(self, request: pytest.FixtureRequest) -> Space:
        found: Space = request.param
        return found
