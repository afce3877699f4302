"""NASNet's space: what its paper says of it, published cells in it, and which architectures are the same."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import pytest
import torch

from nas import baselines
from nas.baselines.nasnet import BASELINES
from nas.searching.plan import fit_width, typical_macs
from searchspaces import Arch, NASNet, Space, get_space
from searchspaces.auxiliary import WithAuxiliary
from searchspaces.cells import Block, Cell, Genotype
from searchspaces.cost import cost, shapes_only
from searchspaces.genotypes import AMOEBANET_A, DARTS_V2, NASNET_A, format_genotype
from searchspaces.modules import ScheduledDropPath

Structure = Callable[[Space, Arch], str]

# The settings of the paper's networks: N, filters (penultimate / 24), and what is theirs on ImageNet
MOBILE = NASNet(224, n=4, filters=44, stem=1, dropout=0.5, bn_momentum=3e-4).holding(NASNET_A)
LARGE = NASNet(331, n=6, filters=168, hide_input=True, dropout=0.5, bn_momentum=3e-4).holding(NASNET_A)
PUBLISHED = {
    "nasnet_a_cifar": NASNet(n=6, filters=32).holding(NASNET_A),
    "nasnet_a_mobile": MOBILE,
    "nasnet_a_large": LARGE,
}


def test_the_space_is_the_papers() -> None:
    space = NASNet()
    assert len(space.choices) == 2 * 5 * 5
    assert [choice.name for choice in space.choices[5:10]] == [
        f"normal2.{name}" for name in ("left", "right", "left_op", "right_op", "combine")
    ]
    assert [len(choice.options) for choice in space.choices if choice.kind == "state"] == 2 * [
        2, 2, 3, 3, 4, 4, 5, 5, 6, 6
    ]  # fmt: skip
    assert space.size == ((2 * 3 * 4 * 5 * 6) ** 2 * (13 * 13 * 2) ** 5) ** 2


# ---------------------------------------------------------------------------- published cells


@pytest.mark.parametrize("name", PUBLISHED)
def test_nasnet_a_of_the_space_is_the_baseline(name: str) -> None:
    space, baseline = PUBLISHED[name], BASELINES[name]
    arch = space.encode(NASNET_A)
    assert space.genotype(arch) == NASNET_A
    with shapes_only():
        ours = space.build(arch, baseline.num_classes)
        theirs = baselines.build(name, baseline.num_classes, baseline.image_size)
    assert cost(ours, baseline.image_size) == cost(theirs, baseline.image_size)
    assert str(ours) == str(theirs)
    shapes = [{name: p.shape for name, p in network.state_dict().items()} for network in (ours, theirs)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(("name", "size"), [("nasnet_a_cifar", 16), ("nasnet_a_mobile", 65)])
def test_nasnet_a_gives_the_baselines_logits(name: str, size: int) -> None:
    space = PUBLISHED[name]
    ours = space.build(space.encode(NASNET_A), 10, size).eval()
    theirs = baselines.build(name, 10, size).eval()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, size, size)
    with torch.no_grad():
        assert torch.equal(ours(x), theirs(x))
    assert ours(x).std() > 0


@pytest.mark.parametrize(
    ("genotype", "filters", "params"), [(NASNET_A, 32, 3.3e6), (DARTS_V2, 36, 3.3e6), (AMOEBANET_A, 36, 3.2e6)]
)
def test_published_cells_have_about_their_published_size(genotype: Genotype, filters: int, params: float) -> None:
    """At N = 6, in table 1 of each paper; DARTS and AmoebaNet have other stems and other inputs of cells."""
    space = NASNet(n=6, filters=filters).holding(genotype)
    with shapes_only():
        network = space.build(space.encode(genotype))
    assert cost(network, 32).params == pytest.approx(params, rel=0.02)


@pytest.mark.parametrize("genotype", [NASNET_A, AMOEBANET_A, DARTS_V2])
def test_published_cells_are_architectures_of_a_space_that_holds_them(genotype: Genotype) -> None:
    space = NASNet(filters=2).holding(genotype)
    arch = space.encode(genotype)
    assert space.genotype(arch) == genotype
    assert space.parse(format_genotype(genotype)) == space.parse(space.format(arch)) == arch
    assert space.genotype(space.from_json(space.to_json(arch))) == genotype
    assert get_space("nasnet", **json.loads(json.dumps(space.settings()))) == space
    network = space.build(arch)
    network(torch.randn(2, 3, 16, 16)).sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_what_a_space_lacks_for_a_genotype_is_said() -> None:
    with pytest.raises(ValueError, match=r"normal cell joins the states \[1, 2, 3.*\], but .*normal_keeps"):
        NASNet().encode(NASNET_A)
    with pytest.raises(ValueError, match=r"normal4.right_op is 'dilsep3x3'"):
        NASNet(blocks=4).encode(DARTS_V2)
    with pytest.raises(ValueError, match=r"normal5.left is missing"):
        replace(NASNet().holding(DARTS_V2), blocks=5).encode(DARTS_V2)
    with pytest.raises(ValueError, match="no choice called normal5"):
        NASNet(blocks=4).encode(AMOEBANET_A)


def test_any_genotype_is_built() -> None:
    """Also one that leaves a state out, which no architecture does."""
    plan = Cell((Block(0, "sep3x3", 0, "identity"), Block(2, "avg3x3", 2, "max3x3")), output=(3,))
    network = NASNet(filters=2).network(Genotype(plan, plan), num_classes=7)
    assert network(torch.randn(2, 3, 16, 16)).shape == (2, 7)


# ---------------------------------------------------------------------------- equal architectures


def shuffled(space: NASNet, arch: Arch, rng: random.Random) -> Arch:
    """`arch` written in another way: its blocks in another order that is possible, their sides at random."""
    cells = []
    for plan in space.genotype(arch):
        left, numbers, blocks = dict(enumerate(plan.blocks, start=2)), {0: 0, 1: 1}, []
        while left:
            state = rng.choice([s for s, b in left.items() if b.left in numbers and b.right in numbers])
            b = left.pop(state)
            sides = [(numbers[b.left], b.left_op), (numbers[b.right], b.right_op)]
            rng.shuffle(sides)
            numbers[state] = 2 + len(blocks)
            blocks.append(Block(*sides[0], *sides[1], b.combine))
        cells.append(Cell(tuple(blocks), tuple(sorted(numbers[state] for state in plan.output))))
    return space.encode(Genotype(*cells))


def test_order_of_blocks_and_sides_makes_no_second_network(structure: Structure) -> None:
    rng = random.Random(0)
    for blocks in (3, 4):
        space = NASNet(filters=4, blocks=blocks)
        for _ in range(4):
            arch = space.sample(rng)
            other = shuffled(space, arch, rng)
            assert space.canonical(arch) == space.canonical(other)
            assert space.short_id(arch) == space.short_id(other)
            assert structure(space, arch) == structure(space, other)


def test_an_exchanged_side_computes_the_same() -> None:
    space = NASNet(filters=4, blocks=1)
    one, other = (space.parse(t) for t in ("0_1_sep3x3_max3x3_add,0_1_identity_avg3x3_add",
                                           "1_0_max3x3_sep3x3_add,1_0_avg3x3_identity_add"))  # fmt: skip
    assert space.canonical(one) == space.canonical(other)
    networks = [space.build(arch).eval() for arch in (one, other)]
    sides = {"left": "right", "right": "left"}
    weights = networks[0].state_dict()
    networks[1].load_state_dict({".".join(sides.get(p, p) for p in key.split(".")): v for key, v in weights.items()})
    x = torch.randn(2, 3, 16, 16)
    assert torch.equal(networks[0](x), networks[1](x))


@pytest.mark.parametrize("keeps", [(), (2,), (1, 3)])
@pytest.mark.parametrize("kind", ["normal", "reduction"])
def test_canonical_divides_a_small_space_as_its_networks_do(
    structure: Structure, kind: str, keeps: tuple[int, ...]
) -> None:
    """Any two of 150 architectures, many of which are the same, rather than neighbours only."""
    space = NASNet(filters=4, blocks=2, ops=("identity", "conv1x1"), normal_keeps=keeps, reduction_keeps=keeps)
    rng, fixed = random.Random(0), space.sample(random.Random(1))
    start = 0 if kind == "normal" else 10
    archs = sorted({(*fixed[:start], *space.sample(rng)[start : start + 10], *fixed[start + 10 :]) for _ in range(150)})
    built = [structure(space, arch) for arch in archs]
    keys = [space.canonical(arch) for arch in archs]
    assert len(set(built)) < len(archs)
    for (b, k), (other_b, other_k) in combinations(zip(built, keys, strict=True), 2):
        assert (b == other_b) == (k == other_k)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        # Two blocks that are written alike are two: their weights differ.
        ("0_1_sep3x3_sep3x3_add,0_1_sep3x3_sep3x3_add,2_3_avg3x3_max3x3_add,2_3_avg3x3_max3x3_add",
         "0_1_sep3x3_sep3x3_add,0_1_sep3x3_sep3x3_add,2_3_avg3x3_max3x3_add,3_2_avg3x3_max3x3_add", False),
        ("0_1_sep3x3_sep3x3_add,0_1_sep3x3_sep3x3_add,2_0_avg3x3_max3x3_add,4_3_avg3x3_max3x3_add",
         "0_1_sep3x3_sep3x3_add,0_1_sep3x3_sep3x3_add,3_0_avg3x3_max3x3_add,4_2_avg3x3_max3x3_add", True),
        # The identity of a concatenation is a 1x1 convolution; that of a sum is none.
        ("0_1_sep3x3_sep3x3_concat,2_0_identity_avg3x3_add,3_0_avg3x3_avg3x3_add,4_4_max3x3_avg3x3_add",
         "0_1_sep3x3_sep3x3_concat,2_0_conv1x1_avg3x3_add,3_0_avg3x3_avg3x3_add,4_4_max3x3_avg3x3_add", True),
        ("0_1_sep3x3_sep3x3_add,2_0_identity_avg3x3_add,3_0_avg3x3_avg3x3_add,4_4_max3x3_avg3x3_add",
         "0_1_sep3x3_sep3x3_add,2_0_conv1x1_avg3x3_add,3_0_avg3x3_avg3x3_add,4_4_max3x3_avg3x3_add", False),
    ],
)  # fmt: skip
def test_what_is_the_same_and_what_only_looks_so(structure: Structure, one: str, other: str, same: bool) -> None:
    space = NASNet(filters=4, blocks=4)
    archs = [space.parse(f"{text},{one}") for text in (one, other)]
    assert (structure(space, archs[0]) == structure(space, archs[1])) == same
    assert (space.canonical(archs[0]) == space.canonical(archs[1])) == same


def test_with_path_dropout_an_identity_is_no_convolution(structure: Structure) -> None:
    """It is never dropped, a convolution is."""
    for drop_path, same in ((0.0, True), (0.2, False)):
        space = NASNet(filters=4, blocks=1, drop_path=drop_path)
        archs = [space.parse(f"0_1_avg3x3_avg3x3_add,0_1_{op}_avg3x3_add") for op in ("identity", "conv1x1")]
        assert (space.canonical(archs[0]) == space.canonical(archs[1])) == same
        assert (structure(space, archs[0]) == structure(space, archs[1])) == same


def test_within_a_limit_stages_have_twice_the_filters_but_for_rounding() -> None:
    space = NASNet(max_macs=8_000_000, blocks=2)
    arch = space.sample(random.Random(0))
    width = space.width_of(arch)
    filters = [space._filters(stage, width) for stage in range(3)]
    assert filters == [max(2, round(8 * width * 2**stage)) for stage in range(3)]
    assert space.canonical(arch) == NASNet(blocks=2).canonical(arch)
    with shapes_only():
        assert 0.7 * 8e6 < cost(space.build(arch), 32).macs <= 8e6


# ---------------------------------------------------------------------------- settings


def test_paths_are_dropped_more_often_in_later_cells() -> None:
    space = NASNet(filters=4, drop_path=0.4)
    network = space.build(space.sample(random.Random(0)))
    rates = [{part.p for part in row.modules() if isinstance(part, ScheduledDropPath)} for row in network.children()]
    assert [round(rate, 2) for cell in rates for rate in cell] == [0.08, 0.16, 0.24, 0.32, 0.4]


@pytest.mark.parametrize("size", [8, 32, 65])
def test_an_auxiliary_classifier_is_trained_at_two_thirds(size: int) -> None:
    space = NASNet(filters=4, n=2, aux=0.4)
    network = space.build(space.sample(random.Random(0)), num_classes=7, image_size=size)
    assert isinstance(network, WithAuxiliary) and network.aux_weight == 0.4
    x = torch.randn(2, 3, size, size)
    logits, auxiliary = network(x)
    assert logits.shape == auxiliary.shape == (2, 7)
    (logits.sum() + auxiliary.sum()).backward()
    assert all(p.grad is not None for p in network.parameters())
    assert any(name.startswith("cell_3.head") for name, _ in network.named_parameters())
    assert network.eval()(x).shape == (2, 7)


@pytest.mark.parametrize(("size", "pixels"), [(32, 4), (224, 4), (331, 6)])
def test_the_auxiliary_classifiers_last_convolution_sees_all_as_its_authors_does(size: int, pixels: int) -> None:
    space = NASNet(size, aux=0.4)
    with shapes_only():
        network = space.build(space.sample(random.Random(0)))
    assert network.get_parameter("cell_1.head.conv.0.weight").shape == (768, 128, pixels, pixels)


def test_the_width_is_fitted_to_a_target() -> None:
    space = fit_width(NASNet(), 8e6, 32)
    assert typical_macs(space, 32) == pytest.approx(8e6, rel=0.35)
    assert space == NASNet(width=space.settings()["width"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"blocks": 0}, "blocks"),
        ({"width": 0}, "width must be above 0"),
        ({"drop_path": 1.0}, "drop_path"),
        ({"aux": -1}, "aux"),
        ({"ops": ["sep3x3", "sep9x9"]}, "ops are at least one of identity, .*sep9x9"),
        ({"normal_keeps": [7]}, "states 0 to 6"),
        ({"ops": []}, "at least one"),
        ({"colour": 1}, "colour"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        get_space("nasnet", **settings)
