"""EfficientNets: the published families, and those between."""

from __future__ import annotations

import pytest
from torch import nn

from scaling.efficientnet import LITE, B, dropout_at, efficientnet
from searchspaces.cost import cost, shapes_only

# Parameters as issued by the authors: B0..B7 in their code's logs and every later implementation
PARAMS = {
    "b0": 5_288_548,
    "b1": 7_794_184,
    "b2": 9_109_994,
    "b3": 12_233_232,
    "b4": 19_341_616,
    "b5": 30_389_784,
    "b6": 43_040_704,
    "b7": 66_347_960,
    "l2": 480_309_308,
}
# timm 1.0.31, tf_efficientnet_lite0 to 4
LITE_PARAMS = {"lite0": 4_652_008, "lite1": 5_416_680, "lite2": 6_092_072, "lite3": 8_197_096, "lite4": 13_006_568}


def shapes(name: str) -> nn.Sequential:
    of = (B | LITE)[name]
    with shapes_only():
        return efficientnet(1000, of.image_size, of.width, of.depth, lite=name in LITE)


@pytest.mark.parametrize(("name", "params"), [*PARAMS.items(), *LITE_PARAMS.items()])
def test_its_parameters_are_the_published(name: str, params: int) -> None:
    assert cost(shapes(name), 64).params == params


@pytest.mark.parametrize("name", [*B, *LITE])
def test_dropout_is_the_published_one(name: str) -> None:
    of = (B | LITE)[name]
    assert dropout_at(of.depth, name in LITE) == of.dropout
    assert [part.p for part in shapes(name).modules() if isinstance(part, nn.Dropout)] == [of.dropout]


def test_dropout_between_is_that_of_the_last_member_before() -> None:
    assert [dropout_at(depth) for depth in (0.5, 1.15, 1.2, 1.79, 1.8, 4.0)] == [0.2, 0.2, 0.3, 0.3, 0.4, 0.5]


def test_survival_falls_to_eight_tenths() -> None:
    drops = [part.drop.p for part in shapes("b3").modules() if hasattr(part, "body") and hasattr(part, "drop")]
    assert drops == sorted(drops) and 0.18 < drops[-1] < 0.2


def test_lite_has_no_squeeze_excitation_and_fixed_ends() -> None:
    lite, plain = shapes("lite4"), shapes("b4")
    assert "SqueezeExcite" in str(plain) and "SqueezeExcite" not in str(lite)
    assert "SiLU" in str(plain) and "SiLU" not in str(lite) and "ReLU6" in str(lite)
    assert [len(stage) for stage in lite][1:-1] == [1, 4, 4, 6, 6, 8, 1]
    assert [len(stage) for stage in plain][1:-1] == [2, 4, 4, 6, 6, 8, 2]
    assert lite[0][0].out_channels == 32 and lite[-1][0][0].out_channels == 1280
