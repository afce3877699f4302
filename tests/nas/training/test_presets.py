"""Recipes by one name."""

from __future__ import annotations

from typing import Any

import pytest

from nas.options import names
from nas.options.commands import CompareOptions, SearchOptions, TrainOptions
from nas.searching.choices import choose_recipe
from nas.training.presets import PRESETS
from nas.training.recipe import Recipe


def test_the_names_are_those_of_the_options() -> None:
    assert tuple(PRESETS) == names.PRESETS


@pytest.mark.parametrize("options", [TrainOptions, CompareOptions])
@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_recipe(name: str, options: Any) -> None:
    recipe = choose_recipe(options("resnet8", preset=name), None)
    expected: dict[str, Any] = {n: None if v == "all" else v for n, v in PRESETS[name].items()}
    assert {field: getattr(recipe, field) for field in expected} == expected
    assert choose_recipe(options("resnet8", recipe=name), None) == recipe


def test_plain_is_what_there_is_by_default() -> None:
    for options in (TrainOptions("resnet8"), SearchOptions()):
        plain = type(options)(*(["resnet8"] if isinstance(options, TrainOptions) else []), preset="plain")
        assert choose_recipe(plain, None) == choose_recipe(options, None)


def test_what_is_given_besides_wins() -> None:
    asked = TrainOptions("resnet8", preset="strong", epochs=10, recipe={"ema": 0.5})
    recipe = choose_recipe(asked, None)
    assert (recipe.epochs, recipe.ema) == (10, 0.5)  # 10 is what it is by default, too
    assert recipe.lr == PRESETS["strong"]["lr"] != Recipe().lr


def test_one_that_there_is_not_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="--recipe is one of plain, strong, not 'weak'"):
        TrainOptions("resnet8", recipe="weak")
    with pytest.raises(ValueError, match="preset is plain and recipe strong: give one of them"):
        TrainOptions("resnet8", recipe="strong", preset="plain")
