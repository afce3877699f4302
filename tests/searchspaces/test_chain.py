"""Zoph & Le's space: what its paper says of it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from itertools import combinations

import pytest
import torch
from torch import nn

from searchspaces import Arch, Chain, Choice, Space, get_space
from searchspaces.chain import ConvLayer, join
from searchspaces.cost import cost, shapes_only

Structure = Callable[[Space, Arch], str]

FOUR = Chain(layers=4, pooling=0)


def test_the_space_is_the_papers() -> None:
    space = Chain(layers=15)
    assert space.size == (4 * 4 * 4) ** 15 * 2 ** (15 * 14 // 2)
    assert Chain(layers=15, strides=True).size == space.size * 9**15
    assert {choice.kind for choice in space.choices} == {"height", "width", "filters", "skip"}


def test_every_skip_is_a_choice_of_no_or_yes_anchored_at_the_earlier_layer() -> None:
    positions = {choice.name: i for i, choice in enumerate(FOUR.choices)}
    skips = {choice.name: choice for choice in FOUR.choices if choice.anchor}
    assert list(skips) == [f"layer{i}.from{j}" for i in range(2, 5) for j in range(1, i)]
    for name, choice in skips.items():
        layer, earlier = name.removeprefix("layer").split(".from")
        assert choice.anchor == f"layer{earlier}.filters" and choice.options == (0, 1)
        assert positions[choice.anchor] < positions[f"layer{layer}.height"] < positions[name]


def test_an_anchor_is_for_choices_of_two_options() -> None:
    with pytest.raises(ValueError, match="no and yes"):
        Choice("layer2.from1", (0, 1, 2), anchor="layer1.filters")


def test_the_plan_reads_as_the_text_does() -> None:
    arch = Chain(layers=3, strides=True, pooling=1).parse("h3_w7_d1_a2_f24,h5_w1_d3_a1_f36_0,h1_w1_d1_a1_f64_1_1")
    assert Chain(layers=3, strides=True, pooling=1).plan(arch) == [
        ConvLayer((3, 7), (1, 2), 24, True, (0,)),
        ConvLayer((5, 1), (3, 1), 36, False, (0,)),
        ConvLayer((1, 1), (1, 1), 64, False, (1, 2)),
    ]


def test_any_connections_make_a_network() -> None:
    """Layer 2 reads nothing, so it takes the image; layers 3 and 4 are read by none, so the classifier gets both."""
    text = "h3_w3_f24,h1_w3_f36_0,h3_w1_f48_1_1,h1_w1_f64_1_0_0"
    with shapes_only():
        network = FOUR.build(FOUR.parse(text))
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert [m.in_channels for m in convolutions] == [3, 3, 24 + 36, 24]
    assert [m.kernel_size for m in convolutions] == [(3, 3), (1, 3), (3, 1), (1, 1)]
    assert [m.in_features for m in network.modules() if isinstance(m, nn.Linear)] == [48 + 64]


def test_inputs_are_padded_with_zeros_to_the_largest() -> None:
    large, small = torch.full((1, 2, 4, 3), 2.0), torch.ones(1, 1, 1, 2)
    joined = join([small, large])
    assert joined.shape == (1, 3, 4, 3)
    assert torch.equal(joined[:, 1:], large)
    assert joined[0, 0].tolist() == [[0, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert torch.equal(join([large]), large)


def test_strides_of_three_down_to_one_pixel_are_a_network() -> None:
    space = Chain(layers=4, strides=True, width=0.1)
    text = "h7_w7_d3_a3_f24," + ",".join("h7_w7_d3_a3_f24_" + "_".join("1" * i) for i in (1, 2, 3))
    network = space.build(space.parse(text))
    assert network(torch.randn(2, 3, 32, 32)).shape == (2, 10)
    assert space.build(space.parse(text), image_size=8)(torch.randn(2, 3, 8, 8)).shape == (2, 10)


@pytest.mark.parametrize(("pooling", "pooled"), [(0, []), (1, [3]), (2, [2, 4]), (5, [1, 2, 3, 4, 5])])
def test_pooling_is_evenly_spaced_and_halves_all_that_is_read_afterwards(pooling: int, pooled: list[int]) -> None:
    space = Chain(pooling=pooling, width=0.1)
    arch = space.sample(random.Random(0))
    assert [i for i, layer in enumerate(space.plan(arch), start=1) if layer.pooled] == pooled
    network = space.build(arch)
    assert isinstance(network, nn.Sequential)
    outputs = network[:-1](torch.randn(2, 3, 32, 32))
    assert {output.shape[2:] for output in outputs} == {(32 // 2**pooling,) * 2}


def test_batch_norm_can_be_left_out() -> None:
    arch = (0,) * len(FOUR.choices)
    with shapes_only():
        with_norm, without = FOUR.build(arch), Chain(layers=4, pooling=0, bn=False).build(arch)
    assert any(isinstance(m, nn.BatchNorm2d) for m in with_norm.modules())
    assert not any(isinstance(m, nn.BatchNorm2d) for m in without.modules())
    assert all(m.bias is not None for m in without.modules() if isinstance(m, nn.Conv2d))


def test_filters_that_round_alike_are_one_network() -> None:
    space = Chain(layers=2, pooling=0, width=0.05)  # 24, 36, 48, 64 -> 1, 2, 2, 3
    archs = [space.parse(f"h3_w3_f{c},h1_w1_f24_1") for c in (24, 36, 48, 64)]
    keys = [space.canonical(arch) for arch in archs]
    assert keys == [archs[0], archs[1], archs[1], archs[3]]
    assert len({space.short_id(arch) for arch in archs}) == 3


@pytest.mark.parametrize("max_macs", [2_000, 60_000, 3_000_000])
def test_within_a_limit_networks_are_the_same_as_often_as_they_look_so(structure: Structure, max_macs: int) -> None:
    """All pairs of 20 architectures that differ in filters alone, which a width of their own can make the same."""
    space, rng = Chain(image_size=16, layers=4, pooling=1, max_macs=max_macs), random.Random(1)
    positions = [i for i, choice in enumerate(space.choices) if choice.kind == "filters"]
    archs = []
    for filters in [(0,) * 4, (3,) * 4, (0, 1, 0, 1), *[[int(4 * rng.random()) for _ in range(4)] for _ in range(17)]]:
        arch = [0] * len(space.choices)
        for position, index in zip(positions, filters, strict=True):
            arch[position] = index
        archs.append(space.check(arch))
    built = [structure(space, arch) for arch in archs]
    keys = [space.canonical(arch) for arch in archs]
    assert keys[0] == keys[1] and len(set(built)) < len(built)
    for (b, k), (other_b, other_k) in combinations(zip(built, keys, strict=True), 2):
        assert (b == other_b) == (k == other_k)
    assert [structure(space, key) for key in keys] == built


def test_depth_grows_by_two_from_six() -> None:
    space = Chain(layers=11, grow_every=5)
    assert space.depths == (6, 8, 10, 11)
    assert [space.fixed(number)["layers"] for number in (0, 4, 5, 10, 15, 99)] == [6, 6, 8, 10, 11, 11]
    assert list(space.fixed(99)) == ["layers"] and Chain(layers=11).fixed(0) == {}
    beyond = {choice.name for choice in space.choices if choice.group in {f"layer{i}" for i in (9, 10, 11)}}
    assert space.fixed(7).keys() == beyond | {"layers"}
    chosen = space.options(space.sample(random.Random(0))) | space.fixed(7)
    arch = space.from_options(chosen)
    assert space.canonical(arch) == arch and len(space.plan(arch)) == 8


def test_what_is_beyond_the_depth_is_not_built(structure: Structure) -> None:
    space, plain = Chain(layers=5, pooling=1, grow_every=1, grow_from=3), Chain(layers=3, pooling=1)
    arch = (0, *space.sample(random.Random(0))[1:])
    short = arch[1 : 1 + len(plain.choices)]
    assert structure(space, arch) == structure(plain, short)
    assert space.plan(arch) == plain.plan(short) and len(space.graphs(arch)[""].nodes) == 1 + 3 + 1
    key = space.canonical(arch)
    assert key != arch and key[1 : 1 + len(short)] == short and not any(key[1 + len(short) :])
    assert space.format(key) == f"n3,{plain.format(short)}" and space.parse(space.format(key)) == key
    assert space.format(arch).count(",") == 5 and space.parse(space.format(arch)) == arch
    with pytest.raises(ValueError, match="expected 6 parts"):
        space.parse(f"n5,{plain.format(short)}")


def test_the_width_scales_the_cost() -> None:
    arch = Chain().sample(random.Random(1))
    with shapes_only():
        full, half = Chain().build(arch), Chain(width=0.5).build(arch)
    assert cost(full, 32).macs / cost(half, 32).macs == pytest.approx(4, rel=0.15)
    assert math.isclose(cost(full, 64).macs / cost(full, 32).macs, 4, rel_tol=0.01)


@pytest.mark.parametrize(
    "settings",
    [
        {"width": 0},
        {"image_size": 0},
        {"layers": 0},
        {"pooling": 6},
        {"pooling": -1},
        {"grow_every": 0, "layers": 8},
        {"grow_every": 5},
        {"grow_every": 5, "layers": 8, "grow_by": 0},
        {"grow_every": 5, "layers": 8, "grow_from": 0},
        {"grow_every": 5, "layers": 8, "pooling": 6},
    ],
)
def test_bad_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="chain: "):
        get_space("chain", **settings)
