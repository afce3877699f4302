"""NAS-Bench-Macro's space: it builds the networks that its table is of."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from searchspaces import Arch, NASBenchMacro
from searchspaces.cost import cost, shapes_only

SPACE = NASBenchMacro()


@pytest.fixture(scope="module")
def table(published_table: Callable[[str], Path]) -> dict[Arch, Any]:
    rows = json.loads(published_table("nasbench_macro").read_text())
    return {tuple(map(int, digits)): row for digits, row in rows.items()}


def costs(arch: Arch) -> tuple[int, int]:
    with shapes_only():
        network = SPACE.build(arch)
    found = cost(network, 32)
    return found.params, found.macs


def test_the_space_is_the_papers() -> None:
    assert SPACE.size == 6_561
    assert SPACE.format((0, 2, 0, 1, 2, 1, 0, 0)) == "id,mb6k5,id,mb3k3,mb6k5,mb3k3,id,id"


def test_some_networks_cost_what_the_table_says(table: dict[Arch, Any]) -> None:
    for arch in random.Random(0).sample(sorted(table), 40):
        assert costs(arch) == (table[arch]["params"], table[arch]["flops"]), arch


@pytest.mark.slow
def test_every_network_costs_what_the_table_says(table: dict[Arch, Any]) -> None:
    assert len(table) == SPACE.size
    assert [arch for arch, row in table.items() if costs(arch) != (row["params"], row["flops"])] == []


def test_an_identity_may_stand_anywhere_behind_a_stages_first_block() -> None:
    one, other = (SPACE.parse(f"mb3k3,id,mb3k3,{middle},id,id,id") for middle in ("id,mb6k5", "mb6k5,id"))
    assert SPACE.canonical(one) == SPACE.canonical(other) == other
    first = SPACE.parse("id,mb3k3,mb3k3,id,id,id,id,id")  # there it is a 1x1 convolution
    assert SPACE.canonical(first) == first


def test_the_table_has_the_same_results_for_networks_that_are_the_same(table: dict[Arch, Any]) -> None:
    merged = defaultdict(set)
    for arch in product(range(3), repeat=8):
        merged[SPACE.canonical(arch)].add(json.dumps(table[arch], sort_keys=True))
    assert len(merged) == 3_969
    assert all(len(rows) == 1 for rows in merged.values())
