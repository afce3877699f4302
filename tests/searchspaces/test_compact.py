"""The compact space: the networks that it must beat are in it, and each architecture is as wide as the limit allows."""

from __future__ import annotations

import random
from itertools import islice

import pytest
from torch import nn

from nas import baselines
from searchspaces import Compact, get_space
from searchspaces.compact import STAGES
from searchspaces.cost import Cost, cost, shapes_only
from searchspaces.modules import PadChannels

OUT = "n0_conv_k3_se0.0_s1_g1.0"  # a stage that is left out


def text(*stages: str, stem: str = "s1", last: int = 0) -> str:
    return ",".join([stem, *stages, *[OUT] * (STAGES - len(stages)), f"last{last}"])


def stage(n: int, op: str, s: int, g: float, k: int = 3) -> str:
    return f"n{n}_{op}_k{k}_se0.0_s{s}_g{g}"


def resnet(n: int) -> str:
    return text(stage(n, "basic", 1, 1.0), stage(n, "basic", 2, 2.0), stage(n, "basic", 2, 2.0))


# MobileNetV1 at 32 pixels: 512 channels six times are two stages; its channels begin at 32, the space's at 16
MOBILENET_V1 = text(
    stage(1, "sep", 1, 2.0),
    stage(2, "sep", 1, 2.0),
    stage(2, "sep", 2, 2.0),
    stage(3, "sep", 2, 2.0),
    stage(3, "sep", 1, 1.0),
    stage(2, "sep", 2, 2.0),
)
# MobileNetV2 at 32 pixels, from 16 to 256 channels by halves and doublings; without its single layers at the ends
MOBILENET_V2 = text(
    stage(2, "mb6", 1, 1.5),
    stage(3, "mb6", 2, 1.5),
    stage(3, "mb6", 2, 2.0),
    stage(3, "mb6", 1, 1.5),
    stage(3, "mb6", 2, 1.5),
    last=4,
)
SQUEEZENET = text(
    stage(2, "conv", 2, 1.5), stage(2, "conv", 2, 2.0), stage(2, "conv", 2, 1.5), stage(2, "conv", 1, 1.5)
)
SHUFFLENET_V2 = text(
    stage(3, "sep", 2, 2.0), stage(3, "sep", 2, 2.0), stage(3, "sep", 1, 1.0), stage(3, "sep", 2, 2.0), last=2
)


def cost_of(space: Compact, written: str, image_size: int = 32) -> Cost:
    with shapes_only():
        return cost(space.build(space.parse(written), image_size=image_size), image_size)


@pytest.mark.parametrize(("name", "n"), [("resnet8", 1), ("resnet20", 3)])
def test_the_cifar_resnets_are_points_of_it(name: str, n: int) -> None:
    space = Compact()
    network = space.build(space.parse(resnet(n)))
    baseline = baselines.build(name, 10, 32)
    assert cost(network, 32) == cost(baseline, 32)
    assert [type(m) for m in leaves(network)] == [type(m) for m in leaves(baseline)]


def leaves(network: nn.Module) -> list[nn.Module]:
    return [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear | PadChannels | nn.BatchNorm2d)]


def test_mobilenet_v1_is_a_point_of_it_but_for_its_identities_and_last_activations() -> None:
    assert cost_of(Compact(width=2.0), MOBILENET_V1) == cost_of_baseline("mobilenet_v1")


@pytest.mark.parametrize(
    ("written", "width", "name", "outputs"),
    [
        # The pixels and channels of the reference's stages, which differ from ours by at most a third
        (MOBILENET_V2, 1.0, "mobilenet_v2", [(32, 24), (16, 32), (8, 64), (8, 96), (4, 160)]),
        (SQUEEZENET, 64 / 16 * 4 / 3, "squeezenet1_1", [(16, 128), (8, 256), (4, 384), (4, 512)]),
        (SHUFFLENET_V2, 58 / 16, "shufflenet_v2_x1_0", [(16, 116), (8, 232), (8, 232), (4, 464)]),
    ],
)
def test_other_small_networks_are_near(written: str, width: float, name: str, outputs: list[tuple[int, int]]) -> None:
    """Their layouts: as many pixels where they have them, and channels within a third."""
    space = Compact(width=width)
    arch = space.parse(written)
    pixels, ours = 32, []
    for block in space.blocks(arch):
        pixels //= block.s
        ours.append((pixels, block.c))
    found = list(dict.fromkeys(ours))
    assert [p for p, _ in found] == [p for p, _ in dict.fromkeys(outputs)] and name in baselines.BASELINES
    for (_, c), (_, reference) in zip(found, dict.fromkeys(outputs), strict=True):
        assert 3 / 4 <= c / reference <= 4 / 3


def cost_of_baseline(name: str) -> Cost:
    with shapes_only():
        return cost(baselines.build(name, 10, 32), 32)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # A stage that is left out has no other choices, and may be any
        (text(stage(1, "basic", 2, 2.0)), text("n0_mb6_k5_se0.25_s2_g2.0", stage(1, "basic", 2, 2.0))),
        # A stage of three is one of two and one of one
        (text(stage(3, "mb3", 2, 1.5)), text(stage(2, "mb3", 2, 1.5), stage(1, "mb3", 1, 1.0))),
        (text(stage(3, "mb3", 2, 1.5)), text(stage(1, "mb3", 2, 1.5), stage(2, "mb3", 1, 1.0))),
        # A regular convolution has no kernel or squeeze-excite to choose
        (text(stage(1, "conv", 1, 1.0)), text("n1_conv_k5_se0.25_s1_g1.0")),
    ],
)
@pytest.mark.parametrize("max_macs", [None, 8_000_000])
def test_one_network_told_in_several_ways_is_one(one: str, other: str, max_macs: int | None) -> None:
    space = Compact(max_macs=max_macs)
    keys = [space.canonical(space.parse(written)) for written in (one, other)]
    assert keys[0] == keys[1]
    assert len({str(space.build(space.parse(written))) for written in (one, other)}) == 1


def test_growth_that_rounds_away_is_none() -> None:
    """At a width of which 8 channels are the least, 1.5 times as many can be as few, and tell the same network."""
    space = Compact(width=0.3)  # 4.8 channels are 8, and so are 7.2
    one, other = (space.parse(text(stage(1, "basic", 1, g))) for g in (1.0, 1.5))
    assert space.canonical(one) == space.canonical(other)
    wide = Compact()
    assert wide.canonical(one) != wide.canonical(other)


def test_large_images_get_a_stem_of_stride_2() -> None:
    space = Compact(width=0.5)
    small, large = (cost_of(space, resnet(1), size).macs for size in (64, 128))
    assert large == small


def test_every_architecture_is_just_within_the_limit() -> None:
    space, rng = Compact(max_macs=8_000_000), random.Random(0)
    macs = []
    for arch in (space.sample(rng) for _ in range(8)):
        with shapes_only():
            macs.append(cost(space.build(arch), 32).macs)
    assert max(macs) <= 8_000_000 and sum(macs) / len(macs) > 0.85 * 8_000_000


def test_settings_survive_json_and_neighbours_are_other_networks_within_a_limit() -> None:
    space = get_space("compact", max_macs=500_000, num_classes=100, image_size=16)
    arch = space.parse(resnet(1))
    assert get_space("compact", **space.settings()) == space
    for other in islice(space.neighbours(arch), 5):
        assert str(space.build(other)) != str(space.build(arch))
