"""What every search space promises."""

from __future__ import annotations

import json
import random
from itertools import combinations

import numpy as np
import pytest
import torch

from searchspaces import SPACES, Arch, Space, get_space
from searchspaces.cost import cost, shapes_only

ALL = [get_space(name) for name in sorted(SPACES)]


@pytest.fixture(params=ALL, ids=lambda space: space.name)
def space(request: pytest.FixtureRequest) -> Space:
    found: Space = request.param
    return found


def some(space: Space, n: int, seed: int = 0) -> list[Arch]:
    rng = np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(n)]


def structure(space: Space, arch: Arch) -> str:
    """The network of `arch` as text: two are equal where the networks are."""
    with shapes_only():
        return str(space.build(arch))


def test_choice_names_are_unique(space: Space) -> None:
    names = [choice.name for choice in space.choices]
    assert len(set(names)) == len(names)


def test_architectures_round_trip(space: Space) -> None:
    for arch in some(space, 50):
        assert space.parse(space.format(arch)) == arch
        assert space.from_options(space.options(arch)) == arch
        assert space.from_json(space.to_json(arch)) == arch
        assert space.check(json.loads(json.dumps(arch))) == arch
        assert hash(arch) == hash(space.parse(space.format(arch)))


def test_settings_give_an_equal_space(space: Space) -> None:
    assert get_space(space.name, **json.loads(json.dumps(space.settings()))) == space


def test_samples_are_seeded_and_reach_every_option(space: Space) -> None:
    assert some(space, 5, seed=1) == some(space, 5, seed=1)
    seen = [set(options) for options in zip(*some(space, 300), strict=True)]
    assert [len(options) for options in seen] == [len(choice.options) for choice in space.choices]
    assert space.check(space.sample(random.Random(0)))


def test_neighbours_are_one_choice_away_and_other_networks(space: Space) -> None:
    arch = some(space, 1)[0]
    found = space.neighbours(arch)
    assert found
    assert all(sum(a != b for a, b in zip(arch, other, strict=True)) == 1 for other in found)
    keys = [space.canonical(other) for other in found]
    assert len(set(keys)) == len(keys) and space.canonical(arch) not in keys


def test_canonical_merges_just_the_architectures_that_build_the_same_network(space: Space) -> None:
    for arch in some(space, 3, seed=2):
        key = space.canonical(arch)
        assert space.canonical(key) == key
        assert structure(space, key) == structure(space, arch)
        assert space.short_id(key) == space.short_id(arch)
        for position, choice in enumerate(space.choices):
            changed = [(*arch[:position], i, *arch[position + 1 :]) for i in range(len(choice.options))]
            for one, other in combinations(changed, 2):
                same = structure(space, one) == structure(space, other)
                assert same == (space.canonical(one) == space.canonical(other)), (choice.name, one, other)


def test_networks_train_at_any_class_count_and_size(space: Space) -> None:
    for arch, classes, size in zip(some(space, 3, seed=3), (7, 10, 100), (24, 32, 65), strict=True):
        network = space.build(arch, num_classes=classes, image_size=size)
        out = network(torch.randn(2, 3, size, size))
        assert out.shape == (2, classes)
        out.sum().backward()
        without = [name for name, p in network.named_parameters() if p.grad is None]
        assert not without


def test_cost_is_the_same_with_and_without_weights(space: Space) -> None:
    arch = some(space, 1)[0]
    with shapes_only():
        network = space.build(arch)
    assert cost(network, 32) == cost(space.build(arch), 32)


def test_mistakes_are_named(space: Space) -> None:
    arch = some(space, 1)[0]
    options = space.options(arch)
    first = space.choices[0].name
    with pytest.raises(ValueError, match=first):
        space.from_options({k: v for k, v in options.items() if k != first})
    with pytest.raises(ValueError, match="nonsense"):
        space.from_options(options | {first: "nonsense"})
    with pytest.raises(ValueError, match="no choice called"):
        space.from_options(options | {"what": 1})
    with pytest.raises(ValueError, match="choices"):
        space.check(arch[:-1])
    with pytest.raises(ValueError, match="index"):
        space.check((99, *arch[1:]))
    with pytest.raises(ValueError, match="zzz"):
        space.parse("zzz" + space.format(arch))
