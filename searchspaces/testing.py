"""What every search space promises, as tests that a space of your own can be put through, with pytest:

    class TestMySpace(SpaceContract):
        @pytest.fixture
        def space(self) -> Space:
            return MySpace()

A space whose networks are slow to build is best given as a small one: few blocks, few channels.
"""

from __future__ import annotations

import json
import math
import random
import re
from itertools import combinations, permutations

import numpy as np
import pytest
import torch
from torch import nn

from searchspaces import Arch, Space, get_space
from searchspaces.cells import CellModule
from searchspaces.cost import cost, shapes_only


class SpaceContract:
    """Inherit it, and give a fixture `space`."""

    def test_choices_have_names_of_their_own(self, space: Space) -> None:
        """Words with dots between groups, so that a module or a parameter can be named after a choice."""
        names = [choice.name for choice in space.choices]
        assert len(set(names)) == len(names)
        assert all(re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", name) for name in names)

    def test_architectures_round_trip(self, space: Space) -> None:
        """Whatever the options are: each of them is in one of these."""
        base = some(space, 1)[0]
        each = [
            (*base[:position], index, *base[position + 1 :])
            for position, choice in enumerate(space.choices)
            for index in range(len(choice.options))
        ]
        assert len({space.format(arch) for arch in each}) == len(set(each))
        for arch in some(space, 50) + each:
            assert space.parse(space.format(arch)) == arch
            assert space.from_options(space.options(arch)) == arch
            assert space.from_json(space.to_json(arch)) == arch
            assert space.check(json.loads(json.dumps(arch))) == arch
            assert hash(arch) == hash(space.parse(space.format(arch)))

    def test_settings_give_an_equal_space(self, space: Space) -> None:
        assert get_space(space.reference, **json.loads(json.dumps(space.settings()))) == space

    def test_samples_are_seeded_and_reach_every_option(self, space: Space) -> None:
        assert some(space, 5, seed=1) == some(space, 5, seed=1)
        seen = [set(options) for options in zip(*some(space, 300), strict=True)]
        assert [len(options) for options in seen] == [len(choice.options) for choice in space.choices]
        assert space.check(space.sample(random.Random(0)))

    def test_neighbours_are_one_choice_away_and_other_networks(self, space: Space) -> None:
        arch = some(space, 1)[0]
        found = space.neighbours(arch)
        assert found
        assert all(sum(a != b for a, b in zip(arch, other, strict=True)) == 1 for other in found)
        keys = [space.canonical(other) for other in found]
        assert len(set(keys)) == len(keys) and space.canonical(arch) not in keys

    def test_canonical_merges_just_the_architectures_that_build_the_same_network(self, space: Space) -> None:
        for arch in some(space, 3, seed=2):
            key = space.canonical(arch)
            assert space.canonical(key) == key == space.canonical(space.simplified(arch))
            assert network_text(space, key) == network_text(space, arch)
            assert space.short_id(key) == space.short_id(arch)
            for position, choice in enumerate(space.choices):
                changed = [(*arch[:position], i, *arch[position + 1 :]) for i in range(len(choice.options))]
                built = {other: network_text(space, other) for other in changed}
                for one, other in combinations(changed, 2):
                    same = built[one] == built[other]
                    assert same == (space.canonical(one) == space.canonical(other)), (choice.name, one, other)

    def test_features_are_as_many_finite_numbers_for_each_architecture(self, space: Space) -> None:
        """Or there are none, where a network's forward cannot be followed without numbers: a ValueError says why."""
        try:
            rows = [list(space.features(space.canonical(arch))) for arch in some(space, 10)]
        except ValueError:
            return
        assert {len(row) for row in rows} == {len(rows[0])}
        assert all(math.isfinite(figure) for row in rows for figure in row)

    def test_what_a_trial_is_given_are_options_of_the_space(self, space: Space) -> None:
        options = {choice.name: choice.options for choice in space.choices}
        for number in (0, 1, 10, 1_000_000):
            assert all(value in options[name] for name, value in space.fixed(number).items())

    def test_networks_train_at_any_class_count_and_size(self, space: Space) -> None:
        for arch, classes, size in zip(some(space, 3, seed=3), (7, 10, 100), (24, 32, 65), strict=True):
            network = space.build(arch, num_classes=classes, image_size=size)
            out = network(torch.randn(2, 3, size, size))
            assert out.shape == (2, classes)
            out.sum().backward()
            without = [name for name, p in network.named_parameters() if p.grad is None]
            assert not without

    def test_cost_is_the_same_with_and_without_weights(self, space: Space) -> None:
        """There is something to count, and counting leaves a network as it was."""
        arch = some(space, 1)[0]
        with shapes_only():
            without = space.build(arch)
        network = space.build(arch)
        before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        assert cost(without, 32) == cost(network, 32) and cost(network, 32).macs > 0
        assert network.training and all(torch.equal(t, before[name]) for name, t in network.state_dict().items())

    def test_mistakes_are_named(self, space: Space) -> None:
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


def some(space: Space, n: int, seed: int = 0) -> list[Arch]:
    rng = np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(n)]


# ---------------------------------------------------------------------------- when two networks are the same


def network_text(space: Space, arch: Arch) -> str:
    """The network that `space` builds, as text: two are equal where the networks are.

    They are the same where they differ only in the names of weights and the order of channels.
    """
    with shapes_only():
        return described(space.build(arch))


def described(module: nn.Module) -> str:
    """`str(module)` without the names of its parts, and with cells as graphs."""
    if isinstance(module, CellModule):
        return described_cell(module)
    return f"{type(module).__name__}({module.extra_repr()})[{', '.join(map(described, module.children()))}]"


def described_cell(cell: CellModule) -> str:
    """The first of the texts for a cell with its states numbered in every way, and the sides of a block in order."""
    joins = [described(join) for join in cell.joins]
    pairs = [
        (pair.extra_repr(), described(pair.get_submodule("left")), described(pair.get_submodule("right")))
        for pair in cell.blocks
    ]
    texts = []
    for numbers in permutations(range(2, 2 + len(pairs))):
        new = (0, 1, *numbers)
        blocks = [
            f"{new[state]} = {combine} {sorted([(new[plan.left], left), (new[plan.right], right)])}"
            for state, (plan, (combine, left, right)) in enumerate(zip(cell.plan.blocks, pairs, strict=True), start=2)
        ]
        output = sorted((new[state], join) for state, join in zip(cell.plan.output, joins, strict=True))
        texts.append(f"{sorted(blocks)} {output}")
    return f"Cell({cell.hide_input})[{described(cell.current)}, {described(cell.previous)}, {min(texts)}]"
