"""Widths: one for all, or each architecture's own under a limit."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from searchspaces import Arch, get_space
from searchspaces.cost import cost, shapes_only
from searchspaces.scaled import RowSpace, ScaledSpace, last_within, macs_of


def scaled(name: str, max_macs: int = 3_000_000) -> ScaledSpace:
    space = get_space(name, image_size=16, max_macs=max_macs)
    assert isinstance(space, ScaledSpace)
    return space


def structure(space: ScaledSpace, arch: Arch) -> str:
    with shapes_only():
        return str(space.build(arch))


@pytest.mark.parametrize("name", ["chain", "compact", "mnas", "nasnet"])
def test_no_wider_network_is_within_the_limit(name: str) -> None:
    space, rng = scaled(name), random.Random(0)
    for arch in (space.sample(rng) for _ in range(3)):
        step = space.step_of(arch)
        macs = [space.costs_at(arch, space.width_at(s))["macs"] for s in (step, step + 1)]
        assert macs[0] <= 3_000_000 < macs[1]
        with shapes_only():
            assert cost(space.build(arch), 16).macs == macs[0]


@pytest.mark.parametrize("name", ["compact", "mnas"])
def test_canonical_is_exact_where_every_architecture_has_its_own_width(name: str) -> None:
    space = scaled(name, 200_000)  # narrow, so that channels often round to the same
    arch = space.sample(random.Random(2))
    key = space.canonical(arch)
    assert space.canonical(key) == key and structure(space, key) == structure(space, arch)
    for position, choice in list(enumerate(space.choices))[4::7]:
        changed = [(*arch[:position], i, *arch[position + 1 :]) for i in range(len(choice.options))]
        for one, other in combinations(changed, 2):
            same = structure(space, one) == structure(space, other)
            assert same == (space.canonical(one) == space.canonical(other)), (choice.name, one, other)


def test_a_layer_is_costed_as_the_network_that_it_is_in() -> None:
    space = scaled("compact")
    assert isinstance(space, RowSpace)
    arch = space.sample(random.Random(0))
    by_rows = macs_of(space.rows(arch, 0.5, 10, 16), 16)
    assert by_rows == space.costs_at(arch, 0.5, ("macs",))["macs"]
    assert space.costs_at(arch, 0.5) == ScaledSpace.costs_at(space, arch, 0.5)


@pytest.mark.parametrize("limit", [0, 5, 100, 5_000, 123_456, 10**9])
@pytest.mark.parametrize(("a", "b", "plateau"), [(1, 0, 1), (3, 50, 1), (2, 9, 7), (0, 7, 1), (0, 7, 40)])
def test_the_limit_is_found_by_few_looks(limit: int, a: int, b: int, plateau: int) -> None:
    """In a quadratic, a straight line, and both in stairs."""
    looks = []

    def macs_at(step: int) -> int:
        looks.append(step)
        w = step // plateau * plateau + 1
        return a * w * w + b * w

    steps = range(1, 2001)
    found = last_within(limit, steps, 256, macs_at)
    count = len(looks)
    assert found == max([step for step in steps if macs_at(step) <= limit], default=1)
    assert len(set(looks[:count])) == count <= 6 + 10 * (plateau > 1)


def test_the_width_does_not_depend_on_what_is_built_but_on_the_settings() -> None:
    space = get_space("compact", max_macs=8_000_000)
    arch = space.sample(random.Random(0))
    with shapes_only():
        small, large = (space.build(arch, classes, size) for classes, size in ((10, 32), (100, 48)))
    shapes = [[tuple(p.shape) for p in network.parameters()][:-2] for network in (small, large)]
    assert shapes[0] == shapes[1]


def test_more_classes_leave_less_for_the_rest() -> None:
    few, many = (get_space("mnas", max_macs=8_000_000, num_classes=n) for n in (10, 5000))
    arch = few.sample(random.Random(0))
    with shapes_only():
        assert cost(many.build(arch, 5000), 32).macs <= 8_000_000 < cost(few.build(arch, 5000), 32).macs


def test_a_limit_below_the_narrowest_gives_the_narrowest() -> None:
    space = scaled("compact", 1)
    arch = space.sample(random.Random(0))
    assert space.step_of(arch) == space.steps[0]
    assert space.canonical(space.canonical(arch)) == space.canonical(arch)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="give no width with it"):
        get_space("mnas", width=0.5, max_macs=8_000_000)
    with pytest.raises(ValueError, match="max_macs must be 1 to"):
        get_space("compact", max_macs=0)
    with pytest.raises(ValueError, match="goes with max_macs"):
        get_space("compact", num_classes=10)
