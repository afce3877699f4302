"""A comparison as a space."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nas.comparison.design import COMPARISON, Candidate, ComparisonSpace, comparison_of
from nas.ledger.config import Config
from nas.ledger.run import Run
from nas.network import Designed, Found, grown
from nas.reward import Reward
from nas.samplers import EXHAUSTIVE
from nas.training.recipe import Recipe
from searchspaces import Compact, Mnas

NETWORKS = {
    "a:best": Found(Mnas(width=0.1), (0,) * 42),
    "one, with a comma_and_more": Designed("mobilenet_v2@0.15"),
    "larger": grown(Found(Compact(max_macs=2_000_000), (0,) * 38), 1.1, 1.2, 36),
}


@pytest.fixture
def comparison() -> ComparisonSpace:
    candidates = [Candidate(name, network) for name, network in NETWORKS.items()]
    return ComparisonSpace.of(candidates, 10, 32, 2, equal_seconds=False, ensemble=True)


def test_it_comes_back_from_its_configuration(comparison: ComparisonSpace) -> None:
    config = Config(comparison, "tiny", Recipe(), Reward(), EXHAUSTIVE, 0, kind=COMPARISON)
    again = Config.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config and again.workload.tests
    assert [e.network for e in again.space.candidates] == list(NETWORKS.values())  # type: ignore[attr-defined]
    assert [e.found for e in comparison.candidates] == [True, False, True]


def test_its_trainings_are_all_pairs_of_seed_and_network(comparison: ComparisonSpace) -> None:
    assert comparison.size == 6
    arch = (1, 1)
    assert (
        comparison.format(arch) == "seed 1, one, with a comma_and_more"
        and comparison.parse(comparison.format(arch)) == arch
    )
    assert (comparison.seed_of(arch), comparison.network_of(arch)) == (
        1, NETWORKS["one, with a comma_and_more"],
    )  # fmt: skip
    for wrong in ("seed 2, larger", "seed 1, other", "larger"):
        with pytest.raises(ValueError, match="is no training of this comparison: write seed 0, a:best"):
            comparison.parse(wrong)


def test_a_search_is_no_comparison(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one searches mnas: a comparison is a run of nas compare"):
        comparison_of(run)
