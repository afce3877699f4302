"""Which fields of a recipe a search may choose, and how a person writes that."""

from __future__ import annotations

from dataclasses import fields

import pytest

from nas.checks.schemas import RECIPE_FIELDS
from nas.joint.fields import AUGMENT, FIELDS, HELD, LEVELS, RESOLUTION, as_text, changed, choices_of, own_values, split
from nas.training.recipe import Recipe


def options(asked: str, recipe: Recipe = Recipe(), pixels: int = 32) -> dict[str, tuple[object, ...]]:  # noqa: B008
    return {choice.kind: choice.options for choice in choices_of(asked, recipe, pixels)}


def test_every_field_of_a_recipe_can_be_chosen_or_has_a_reason() -> None:
    assert {field.name for field in fields(Recipe)} == ({*FIELDS} - {AUGMENT, RESOLUTION}) | HELD.keys()
    assert not HELD.keys() & {*FIELDS} and {*HELD} | {*FIELDS} > RECIPE_FIELDS.keys()


def test_usual_options_are_around_the_recipes_own() -> None:
    own = Recipe(lr=0.1, weight_decay=1e-4)
    assert options("lr,weight_decay,resolution", own) == {
        "lr": (0.025, 0.05, 0.1, 0.2, 0.4),
        "weight_decay": (0.0, 2.5e-5, 1e-4, 4e-4),
        "resolution": (24, 32, 40),
    }
    assert options("resolution", pixels=28) == {"resolution": (24, 28, 32)}  # three quarters are 21
    assert options("weight_decay", Recipe(weight_decay=0)) == {"weight_decay": (0, 1e-4, 5e-4)}
    assert options("optimizer,flip") == {"optimizer": ("sgd", "adamw"), "flip": ("false", "true")}
    assert options("augment", Recipe(cutmix=1)) == {"augment": ("plain", "cutout", "trivialaugment", "mixup", "cutmix")}


def test_options_that_a_person_gives() -> None:
    assert options("lr=0.01/0.05/2e-1,resolution=24/32") == {"lr": (0.01, 0.05, 0.2), "resolution": (24, 32)}
    assert [c.name for c in choices_of(["lr", "batch_size=32/64"], Recipe(), 32)] == ["recipe.lr", "recipe.batch_size"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("size", "'size' is no field that can be chosen: there are lr, weight_decay"),
        ("epochs=1/2", "cannot choose epochs: of two trials the longer one would win"),
        ("image_size=24/32", "it is called resolution here"),
        ("lr=0.1", "lr=0.1 leaves nothing to choose: give several options"),
        ("lr=", "lr= leaves nothing to choose: give several options, as lr"),
        ("lr=0.1|0.2", r"lr=0.1\|0.2: options are parted by /"),
        ("lr=0.1/0.1", "lr=0.1/0.1 has an option twice"),
        ("lr,lr", "names lr twice"),
        ("momentum", "momentum has no usual options: give some"),
        ("momentum=0.5/2", "momentum must be at most 1, not 2"),
        ("resolution=4/32", "resolution must be at least 8 pixels, not 4"),
        ("augment=plain/strong", "augment is one of plain, cutout"),
        ("augment,mixup", "augment chooses mixup, too"),
        (",", "names no field"),
    ],
)
def test_mistakes_are_named_in_a_line(asked: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        choices_of(asked, Recipe(), 32)
    assert "\n" not in str(caught.value) and "--also" in str(caught.value)


def test_what_a_recipe_refuses_is_no_option() -> None:
    with pytest.raises(ValueError, match=r"--also progressive=0.5: progressive goes by epochs"):
        choices_of("progressive", Recipe(seconds=3), 32)
    with pytest.raises(ValueError, match="--also augment chooses all of cutout, policy, mixup, cutmix"):
        choices_of("augment", Recipe(mixup=0.3), 32)


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_sets_all_that_any_level_sets(level: str) -> None:
    busy = Recipe(cutout=3, policy="randaugment", mixup=0.7, cutmix=0.7, flip=False)
    made = changed(busy, {AUGMENT: level}, 32)
    assert own_values(made, 32)[AUGMENT] == level and not made.flip
    assert changed(busy, {AUGMENT: "cutout", RESOLUTION: 64}, 32).cutout == 16  # of the side that is trained at


def test_values_stand_behind_a_networks_text() -> None:
    values = {"lr": 5e-05, "weight_decay": 0, "flip": "true", "resolution": 24}
    text = as_text(values)
    assert text == "+lr=5e-05,weight_decay=0,flip=true,resolution=24"
    assert split(f"mnas:mb3_k5,a+b{text}") == ("mnas:mb3_k5,a+b", values)
    assert split("resnet18+bn") == ("resnet18+bn", {}) and split("a+init=x.safetensors") == ("a+init=x.safetensors", {})
    with pytest.raises(ValueError, match="lr must be above 0"):
        split("x+lr=0")
