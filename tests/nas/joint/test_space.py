"""The space of networks together with recipes keeps what a space promises."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
from torch import nn

from nas.joint.fields import choices_of
from nas.joint.space import JointSpace, networks_of, parts_of, values_in
from nas.training.recipe import Recipe
from searchspaces import Arch, Choice, Compact, Mnas, Space
from searchspaces.cost import cost, shapes_only

MNAS = Mnas(width=0.1, image_size=32)
RECIPE = Recipe(lr=0.1)


def joint(also: str, networks: Space = MNAS, recipe: Recipe = RECIPE) -> JointSpace:
    return JointSpace(networks, choices_of(also, recipe, 32), recipe, 32)


def some(space: Space, count: int = 20) -> list[Arch]:
    rng = random.Random(0)
    return [space.sample(rng) for _ in range(count)]


def test_choices_are_the_spaces_own_and_then_the_recipes() -> None:
    space = joint("lr,resolution")
    assert space.choices[: len(MNAS.choices)] == MNAS.choices and space.size == MNAS.size * 15
    assert [(c.name, c.kind) for c in space.choices[-2:]] == [("recipe.lr", "lr"), ("recipe.resolution", "resolution")]
    assert (space.name, space.title, space.reference, space.settings()) == ("mnas", "mnas", "mnas", MNAS.settings())


@pytest.mark.parametrize(
    "also", ["lr,weight_decay,augment,resolution", "flip,optimizer,min_area=none/0.5,batch_size=8/16"]
)
def test_architectures_round_trip(also: str) -> None:
    space = joint(also)
    for arch in some(space):
        assert (
            space.parse(space.format(arch)) == arch == space.from_options(json.loads(json.dumps(space.options(arch))))
        )
        assert space.from_json(space.to_json(arch)) == arch
        assert values_in(space, arch).keys() == {choice.kind for choice in space.fields}


def test_a_text_without_a_recipe_has_the_recipes_own() -> None:
    space = joint("lr,resolution")
    network = some(MNAS, 1)[0]
    own = space.parse(MNAS.format(network))
    assert space.values_of(own) == {"lr": 0.1, "resolution": 32} and space.recipe_of(own) == replace(
        RECIPE, image_size=32
    )
    assert space.values_of(space.parse(f"{MNAS.format(network)}+resolution=24")) == {"lr": 0.1, "resolution": 24}
    with pytest.raises(ValueError, match=r"lr=0.1 is no option of this search, which has lr=0.3, lr=0.4"):
        joint("lr=0.3/0.4").parse(MNAS.format(network))
    with pytest.raises(ValueError, match="flip is not chosen in this search"):
        space.parse(f"{MNAS.format(network)}+flip=true")


def test_each_network_follows_the_limit_at_its_own_resolution() -> None:
    space = joint("resolution=16/32", Compact(image_size=32, max_macs=1_000_000))
    network = some(space, 1)[0][:-1]
    small, large = (*network, 0), (*network, 1)
    for arch, side in ((small, 16), (large, 32)):
        with shapes_only():
            macs = cost(space.build(arch), side).macs
        assert 0.8e6 < macs <= 1e6 and space.pixels_of(arch) == space.parts(arch)[0].settings()["image_size"] == side
    assert space.short_id(small) != space.short_id(large) and space.features(small) != space.features(large)


def test_canonical_merges_the_same_network_by_the_same_recipe() -> None:
    space = joint("optimizer,momentum=0.8/0.9,schedule,warmup=0.1/0.2")
    network = some(MNAS, 1)[0]
    assert space.canonical((*network, 1, 1, 1, 1)) == (*MNAS.canonical(network), 1, 0, 1, 0)  # AdamW, a cosine: neither
    assert space.canonical((*network, 0, 1, 0, 1)) == (*MNAS.canonical(network), 0, 1, 0, 1)
    assert space.simplified((*network, 1, 1, 0, 1)) == (*MNAS.simplified(network), 1, 0, 0, 1)
    for arch in some(joint("lr,augment")):
        assert joint("lr,augment").canonical(arch)[-2:] == arch[-2:]


def test_numbers_are_seen_in_their_order() -> None:
    space = joint("lr=0.4/0.1/0.2,flip")
    network, beyond = some(MNAS, 1)[0], len(MNAS.features(some(MNAS, 1)[0]))
    assert [space.features((*network, index, 0))[beyond:] for index in range(3)] == [[2.0], [0.0], [1.0]]


def test_losses_are_compared_where_images_and_labels_are_the_same() -> None:
    assert joint("lr,momentum=0.8/0.9").keeps_loss and not joint("lr,augment").keeps_loss


@dataclass(frozen=True)
class Sizeless(Space):
    name: ClassVar[str] = "sizeless"

    @property
    def choices(self) -> tuple[Choice, ...]:
        return (Choice("recipe.lr", (1, 2)), Choice("x", (1, 2)))

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        return nn.Identity()


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(ValueError, match="--also resolution is of spaces with the setting image_size"):
        joint("resolution", Sizeless())
    with pytest.raises(ValueError, match=r"sizeless has a choice recipe\.lr of its own"):
        joint("lr", Sizeless())


def test_any_space_is_asked_alike() -> None:
    space: Any = joint("lr")
    arch = some(space, 1)[0]
    assert parts_of(space, arch) == (MNAS, arch[:-1]) and networks_of(space) is networks_of(MNAS) is MNAS
    assert parts_of(MNAS, arch[:-1]) == (MNAS, arch[:-1]) and values_in(MNAS, arch[:-1]) == {}
