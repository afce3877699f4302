"""Block strings: what the spaces have goes there and back, what they do not have is refused by its name."""

from __future__ import annotations

import numpy as np
import pytest

from nas.baselines.mnasnet import A1, Rows
from searchspaces import Arch, Compact, Mnas
from searchspaces.blockstrings import format_blocks, parse_blocks, read

MOBILENET_V2 = "sep_k3_se0.0_none_f1.0_n0," + ",".join(["mb6_k3_se0.0_id_f1.0_n0"] * 6)


def strings(rows: Rows) -> list[str]:
    """MnasNet's rows as its authors write them, for 224 pixels."""
    return [
        f"{'ds' if t == 1 else 'ir'}_r{n}_k{k}_s{s}_e{t}_c{c}{f'_se{se}' if se else ''}{'_noskip' if t == 1 else ''}"
        for t, k, se, c, n, s, _ in rows
    ]


def test_mobilenet_v2_is_written_as_elsewhere() -> None:
    space = Mnas(image_size=224)
    assert format_blocks(space, space.parse(MOBILENET_V2)) == [
        "ds_r1_k3_s1_e1_c16_noskip",
        "ir_r2_k3_s2_e6_c24",
        "ir_r3_k3_s2_e6_c32",
        "ir_r4_k3_s2_e6_c64",
        "ir_r3_k3_s1_e6_c96",
        "ir_r3_k3_s2_e6_c160",
        "ir_r1_k3_s1_e6_c320_noskip",
    ]


@pytest.mark.parametrize(
    "space", [Mnas(), Mnas(width=0.5, image_size=224), Mnas(max_macs=8_000_000), Compact(), Compact(max_macs=8_000_000)]
)
def test_architectures_round_trip(space: Mnas | Compact) -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        arch = sayable(space, space.sample(rng))
        assert parse_blocks(space, format_blocks(space, arch)) == space.canonical(arch)


def sayable(space: Mnas | Compact, arch: Arch) -> Arch:
    """`arch` without what block strings have no word for."""
    options = space.options(arch)
    for name, value in options.items():
        if value in ("pool", "basic"):
            options[name] = {"pool": "id", "basic": "sep"}[str(value)]
        elif value == "conv":
            options[name.replace("op", "se")] = 0.0
    return space.from_options(options)


def test_strides_of_either_form_are_understood() -> None:
    space = Mnas()
    arch = space.parse(MOBILENET_V2)
    small, large = format_blocks(space, arch), format_blocks(space, arch, 224)
    assert small != large and parse_blocks(space, small) == parse_blocks(space, large) == space.canonical(arch)


def test_mnasnet_a1_is_in_the_space_but_for_one_block() -> None:
    space, blocks = Mnas(image_size=224), strings(A1)
    with pytest.raises(
        ValueError, match=r"block 5 \(ir_r2_k3_s1_e6_c112_se0.25\) is not in .* 112, not .* 72, 96, 120"
    ):
        parse_blocks(space, blocks)
    blocks[4] = blocks[4].replace("c112", "c120")
    assert [row[2] for row in A1] == [block.se for block in space.blocks(parse_blocks(space, blocks))]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("_k3_s1_e1", "_k7_s1_e1"), "its kernel is 7, not one of 3, 5"),
        (("_e6_c24", "_e4_c24"), "its operation is mb4"),
        (("ir_r2", "ir_r7"), "its number of layers is 7, not one of 1, 2, 3"),
        (("ir_r1_k3_s1", "ir_r1_k3_s2"), "strides"),
        (("ir_r2", "er_r2"), "a block is written"),
        (("ir_r2", "ir_q2"), "'q2' in the block"),
    ],
)
def test_what_mnas_does_not_have_is_named(change: tuple[str, str], why: str) -> None:
    space = Mnas(image_size=224)
    blocks = format_blocks(space, space.parse(MOBILENET_V2))
    with pytest.raises(ValueError, match=why):
        parse_blocks(space, [block.replace(*change) for block in blocks])
    with pytest.raises(ValueError, match="mnas has 7 blocks, got 2"):
        parse_blocks(space, blocks[:2])


def test_what_block_strings_cannot_say_is_refused() -> None:
    space = Mnas()
    with pytest.raises(ValueError, match="block 1 has a pooling skip"):
        format_blocks(space, space.parse(MOBILENET_V2.replace("_none_", "_pool_")))
    with pytest.raises(ValueError, match="block 1 has a plain convolution with squeeze-excite"):
        format_blocks(space, space.parse(MOBILENET_V2.replace("sep_k3_se0.0", "conv_k3_se0.25")))


def test_compact_has_its_stem_and_last_convolution_too() -> None:
    space = Compact()
    blocks = ["cn_r1_k3_s1_c16", "ds_r2_k5_s2_e1_c32_se0.25", "ir_r1_k3_s1_e6_c48", "cn_r1_k1_s1_c96"]
    assert format_blocks(space, parse_blocks(space, blocks)) == blocks
    for wrong, why in (
        (["ds_r1_k3_s1_e1_c16"], "the first block is the stem"),
        ([], "the first block is the stem"),
        ([*blocks[:2], "ir_r1_k3_s1_e6_c33"], "layers and channels"),
        ([*blocks[:2], "cn_r1_k3_s1_c32_skip"], "a cn has no skip"),
    ):
        with pytest.raises(ValueError, match=why):
            parse_blocks(space, wrong)


def test_a_blocks_text_is_read_in_any_order() -> None:
    assert read("ir_se0.25_c40_e3_s2_k5_r3").text() == "ir_r3_k5_s2_e3_c40_se0.25"
