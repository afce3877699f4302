"""What modules do, in words."""

from __future__ import annotations

import pytest

from nas import baselines
from searchspaces.cost import shapes_only
from searchspaces.describe import describe
from searchspaces.graph import kind_of

INCEPTION = "[conv 1x1 | conv 1x1, conv 3x3 | conv 1x1, conv 5x5 | max pool 3x3, conv 1x1]"


@pytest.mark.parametrize(
    ("name", "row", "words"),
    [
        ("resnet50", "conv3_x", "4 x (conv 1x1, conv 3x3/2, conv 1x1) + x"),
        ("mobilenet_v2", "bottleneck2", "2 x mbconv6 3x3/2 + x"),
        ("densenet121", "dense_block1", "6 x [x | conv 1x1, conv 3x3]"),
        ("googlenet", "inception_3a", INCEPTION),
        ("googlenet+aux", "inception_4a", INCEPTION),
        ("vit_b_16", "encoder", "12 x (attention + x, 2 x linear + x)"),
    ],
)
def test_rows_of_known_networks(name: str, row: str, words: str) -> None:
    with shapes_only():
        network = baselines.build(name)
    assert describe(network.get_submodule(row)) == words


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("3 x mbconv6 5x5 + x", "depthwise"),
        ("nor_conv_3x3", "conv"),
        ("avg_pool_3x3", "pool"),
        ("skip_connect", "identity"),
        ("global pool, linear", "classifier"),
        ("something", "other"),
    ],
)
def test_kinds(words: str, kind: str) -> None:
    assert kind_of(words) == kind
