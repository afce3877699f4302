"""MnasNet's space: what its paper says of it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nas import baselines
from searchspaces import Mnas, get_space
from searchspaces.cost import cost, shapes_only

MOBILENET_V2 = "sep_k3_se0.0_none_f1.0_n0," + ",".join(["mb6_k3_se0.0_id_f1.0_n0"] * 6)


def test_the_space_is_the_papers() -> None:
    space = Mnas()
    assert len(space.choices) == 7 * 6
    assert space.size == (4 * 2 * 2 * 3 * 3 * 3) ** 7
    assert {choice.kind for choice in space.choices} == {"op", "kernel", "se", "skip", "filters", "layers"}


@pytest.mark.parametrize("image_size", [32, 224])
def test_mobilenet_v2_is_a_point_of_it(image_size: int) -> None:
    space = Mnas(image_size=image_size)
    network = space.build(space.parse(MOBILENET_V2), num_classes=1000)
    assert cost(network, image_size) == cost(baselines.build("mobilenet_v2", 1000, image_size), image_size)


def test_two_stems_from_one_declaration() -> None:
    space = Mnas()
    arch = space.parse(MOBILENET_V2)
    assert [block.s for block in space.blocks(arch, 32)] == [1, 1, 2, 2, 1, 2, 1]
    assert [block.s for block in space.blocks(arch, 224)] == [1, 2, 2, 2, 1, 2, 1]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("sep_k3_se0.0_none_f1.0_n0", "sep_k3_se0.0_none_f1.0_n-1", True),  # one layer less than one is one
        ("sep_k3_se0.0_none_f1.0_n0", "sep_k3_se0.0_none_f0.75_n0", True),  # 12 filters round to 16
        ("sep_k3_se0.0_none_f1.0_n0", "sep_k3_se0.0_id_f1.0_n0", True),  # 32 -> 16 channels: nowhere to add
        ("sep_k3_se0.0_none_f1.0_n0", "sep_k3_se0.0_pool_f1.0_n0", False),
        ("sep_k3_se0.0_none_f1.0_n1", "sep_k3_se0.0_id_f1.0_n1", False),  # the second layer keeps its shape
    ],
)
def test_options_without_effect_make_no_second_network(one: str, other: str, same: bool) -> None:
    space, rest = Mnas(), MOBILENET_V2.split(",", 1)[1]
    archs = [space.parse(f"{first},{rest}") for first in (one, other)]
    assert (space.canonical(archs[0]) == space.canonical(archs[1])) == same
    assert (space.short_id(archs[0]) == space.short_id(archs[1])) == same


def test_an_identity_counts_where_stride_and_channels_allow_it() -> None:
    """A block of one layer keeps its shape when its filters equal those before it and its stride is 1."""
    space = Mnas(width=0.25)  # blocks 1 and 2 have 8 channels each
    text = "sep_k3_se0.0_none_f1.0_n0,sep_k3_se0.0_{}_f1.0_n-1," + MOBILENET_V2.split(",", 2)[2]
    none, identity = (space.parse(text.format(skip)) for skip in ("none", "id"))
    assert space.canonical(none) != space.canonical(identity)
    large = get_space("mnas", width=0.25, image_size=224)  # where block 2 has stride 2
    assert large.canonical(none) == large.canonical(identity)


def test_squeeze_excite_ratio_is_of_the_blocks_input() -> None:
    space = Mnas()
    with shapes_only():
        network = space.build(space.parse(MOBILENET_V2.replace("se0.0", "se0.25")))
    reduced = [m.out_channels for name, m in network.named_modules() if name.endswith("reduce")]
    assert reduced[:4] == [8, 4, 6, 6]  # a quarter of 32, 16, 24, 24
    assert all(isinstance(m, nn.Module) for m in network)


def test_the_skips_do_what_they_say() -> None:
    space = Mnas(width=0.25)
    text = MOBILENET_V2.replace("_none_", "_pool_").replace("_id_", "_pool_")
    network = space.build(space.parse(text)).eval()
    for parameter in network.parameters():  # every body gives zero: only the skips remain
        if parameter.ndim == 4 and parameter.shape[1:] != (3, 3, 3):
            nn.init.zeros_(parameter)
    image = torch.randn(1, 3, 32, 32)
    assert network[:8](image).abs().sum() > 0


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="width must be above 0"):
        get_space("mnas", width=0)
    with pytest.raises(ValueError, match="no space called 'xyz'; there are chain, compact, mnas, nasbench"):
        get_space("xyz")
    with pytest.raises(ValueError, match="the space mnas has no depth; it has image_size, width"):
        get_space("mnas", depth=3)
