"""Genotypes as text: what DARTS prints comes in and goes out, and nothing else does."""

from __future__ import annotations

import pytest

from searchspaces.cells import Block, Cell, Genotype
from searchspaces.genotypes import (
    AMOEBANET_A,
    DARTS_NAMES,
    DARTS_V2,
    NASNET_A,
    format_genotype,
    parse_genotype,
)
from searchspaces.operations import OPERATIONS

# As in the code of DARTS's authors
DARTS_V2_TEXT = """Genotype(
    normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1),
            ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)],
    normal_concat=[2, 3, 4, 5],
    reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1),
            ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)],
    reduce_concat=range(2, 6))"""
MIXED = Genotype(
    Cell((Block(0, "max7x7", 0, "conv1x1", "concat"), Block(2, "dil3x3", 1, "1x3-3x1")), (3,)),
    Cell((Block(0, "dilsep5x5", 1, "conv3x3"), Block(0, "max5x5", 0, "identity")), (2, 3)),
)


def test_darts_text_is_read() -> None:
    assert parse_genotype(DARTS_V2_TEXT) == DARTS_V2
    assert format_genotype(DARTS_V2).replace(" ", "") == "".join(
        DARTS_V2_TEXT.replace("range(2, 6)", "[2, 3, 4, 5]").split()
    )


@pytest.mark.parametrize("genotype", [NASNET_A, AMOEBANET_A, DARTS_V2, MIXED])
def test_they_round_trip(genotype: Genotype) -> None:
    assert parse_genotype(format_genotype(genotype)) == genotype


def test_combinations_are_said_where_not_all_are_sums() -> None:
    text = format_genotype(MIXED)
    assert "normal_combine=['concat', 'add']" in text and "reduce_combine" not in text
    assert "combine" not in format_genotype(NASNET_A)


def test_every_operation_has_a_name_of_its_own() -> None:
    assert DARTS_NAMES.keys() == OPERATIONS.keys()
    assert len(set(DARTS_NAMES.values())) == len(DARTS_NAMES)


CELLS = "Genotype(normal=[('skip_connect', 0), ('skip_connect', 1)], normal_concat=[2], reduce={}, reduce_concat={})"
SUM_OF_TWO = CELLS.replace("{}", "[('skip_connect', 0), ('skip_connect', 1)]", 1)
SUM_OF_TWO = SUM_OF_TWO.format("{}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a genotype is written"),
        ("Genotype(", "a genotype is written"),
        ("x\0", "a genotype is written"),
        ("(" * 5000, "a genotype is written"),
        ("__import__('os').system('true')", "a genotype is written"),
        ("Genotype([], [], [], [])", "a genotype is written"),
        ("Genotype()", "normal is a list"),
        (CELLS.format("[('skip_connect', 0)]", "[2]"), "reduce is a list of .* two a block"),
        (CELLS.format("[('skip_connect', 0), ('none', 1)]", "[2]"), r"'none', 1.* in a genotype's reduce"),
        (CELLS.format("[('skip_connect', 0), ('skip_connect', 2)]", "[2]"), "on a state below 2"),
        (CELLS.format("[('skip_connect', 0), ('skip_connect', -1)]", "[2]"), "on a state below 2"),
        (CELLS.format("[('skip_connect', 0), 'skip_connect']", "[2]"), "in a genotype's reduce"),
        (SUM_OF_TWO.format("[3]"), "reduce_concat .* below 3"),
        (SUM_OF_TWO.format("[2, 2]"), "different states"),
        (SUM_OF_TWO.format("[]"), "reduce_concat"),
        (
            SUM_OF_TWO.format("range(10 ** 12)"),
            "reduce_concat is a list of names and numbers",
        ),
        (
            SUM_OF_TWO.format("range(1000000000000)"),
            "reduce_concat is .* below 3",
        ),
        (SUM_OF_TWO.format("-" * 20000 + "1"), "a genotype"),
        (
            SUM_OF_TWO.format("open('x')"),
            "reduce_concat is a list of names and numbers",
        ),
        (SUM_OF_TWO.format("[2], colour=1"), "has no colour"),
        (SUM_OF_TWO.format("[2], **{'a': 1}"), "has no"),
        (SUM_OF_TWO.format("[2], reduce_combine=['mul']"), "'add' or 'concat'"),
    ],
)
def test_anything_else_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_genotype(text)
