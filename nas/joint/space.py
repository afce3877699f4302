"""The space of networks together with recipes: the choices of a space, and then some fields of a recipe.

Whatever sees a space by its choices (strategies, ask and tell, a prior, the ledger) so sees those of the recipe, and
nothing is written twice. A trial is a network with a recipe, and two are the same where both are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from torch import nn

from nas.joint.fields import OPTIMISING, RESOLUTION, as_text, changed, own_values, split
from nas.training.recipe import Recipe
from searchspaces import Arch, Choice, Space
from searchspaces.graph import Graph
from searchspaces.scaled import ScaledSpace
from searchspaces.space import Option
from searchspaces.summary import Summary


@dataclass(frozen=True)
class JointSpace(Space):
    """The networks of `networks`, each with a recipe of its own: `recipe`, in which `fields` are chosen.

    `fields` are of `nas.joint.fields.choices_of`, and `pixels` a side what `recipe` trains at. A network that follows a
    limit is as wide as that allows at its trial's resolution. Raises ValueError where the space has no networks for one
    of the resolutions, or no image size that these could be.
    """

    networks: Space
    fields: tuple[Choice, ...]
    recipe: Recipe
    pixels: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.networks.name)  # by which a person knows it
        if twice := {choice.name for choice in self.networks.choices} & {choice.name for choice in self.fields}:
            raise ValueError(f"{self.name} has a choice {min(twice)} of its own: leave that out of --also")
        if len(self.resolutions) > 1 and "image_size" not in self.networks.settings():
            raise ValueError(f"--also {RESOLUTION} is of spaces with the setting image_size, which {self.name} has not")
        _ = self._at

    # ------------------------------------------------------------------ what an architecture is made of

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        return (*self.networks.choices, *self.fields)

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Pixels a side at which trials are trained."""
        of_field = (choice.options for choice in self.fields if choice.kind == RESOLUTION)
        return tuple(int(side) for side in next(of_field, (self.pixels,)))

    @property
    def asked(self) -> tuple[str, ...]:
        """What a person writes for the choices of the recipe, `lr=0.05/0.1`."""
        return tuple(f"{choice.tag}{'/'.join(map(str, choice.options))}" for choice in self.fields)

    @property
    def keeps_loss(self) -> bool:
        """Whether the losses of two trials say which one learned more: with other image changes they do not."""
        return all(choice.kind in OPTIMISING for choice in self.fields)

    def parts(self, arch: Arch) -> tuple[Space, Arch]:
        """The space of the network alone, at the resolution of `arch`, and the network's choices in it."""
        return self._at[self.pixels_of(arch)], arch[: self._split]

    def values_of(self, arch: Arch) -> dict[str, Option]:
        """What `arch` has of the recipe, by the names of fields."""
        return self._values(arch[self._split :])

    def recipe_of(self, arch: Arch) -> Recipe:
        """By which the network of `arch` is trained."""
        return changed(self.recipe, self.values_of(arch), self.pixels)

    def pixels_of(self, arch: Arch) -> int:
        """A side of the images on which the network of `arch` is trained."""
        return int(self.values_of(arch).get(RESOLUTION, self.pixels))

    def with_own(self, network: Arch, values: Mapping[str, Option] | None = None) -> Arch:
        """The architecture of a `network` with these `values`, and of other fields with what the recipe itself has.

        Raises ValueError where a value is none of the options, or the recipe's own is none.
        """
        own, given = own_values(self.recipe, self.pixels), dict(values or {})
        if unknown := given.keys() - {choice.kind for choice in self.fields}:
            raise ValueError(f"{self.name}: {min(unknown)} is not chosen in this search, but the same for all")
        positions = []
        for choice in self.fields:
            value = given.get(choice.kind, own[choice.kind])
            if value not in choice.options:
                instead = [choice.text(index) for index in range(len(choice.options))]
                raise ValueError(
                    f"{self.name}: {choice.tag}{value} is no option of this search, which has {', '.join(instead)}: "
                    f"add one behind the network, as +{instead[0]}"
                )
            positions.append(choice.options.index(value))
        return (*network, *positions)

    @cached_property
    def own(self) -> Arch | None:
        """The options of the recipe itself, one a field; None where some field has not that among its options."""
        values = own_values(self.recipe, self.pixels)
        if any(values[choice.kind] not in choice.options for choice in self.fields):
            return None
        return tuple(choice.options.index(values[choice.kind]) for choice in self.fields)

    @cached_property
    def _split(self) -> int:
        return len(self.networks.choices)

    @cached_property
    def _at(self) -> dict[int, Space]:
        """The space of networks, by resolutions."""
        if not any(choice.kind == RESOLUTION for choice in self.fields):
            return {self.pixels: self.networks}
        return {side: at_resolution(self.networks, side) for side in self.resolutions}

    def _values(self, positions: Arch) -> dict[str, Option]:
        return {c.kind: c.options[i] for c, i in zip(self.fields, positions, strict=True)}

    # ------------------------------------------------------------------ what every space offers

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        space, network = self.parts(arch)
        return space.build(network, num_classes, image_size or self.pixels_of(arch))

    def scaled(
        self, arch: Arch, width: float, depth: float, num_classes: int = 10, image_size: int | None = None
    ) -> nn.Module:
        space, network = self.parts(arch)
        return space.scaled(network, width, depth, num_classes, image_size or self.pixels_of(arch))

    def canonical(self, arch: Arch) -> Arch:
        space, network = self.parts(self.check(arch))
        return (*space.canonical(network), *self._alike(arch[self._split :]))

    def simplified(self, arch: Arch) -> Arch:
        space, network = self.parts(arch)
        return (*space.simplified(network), *self._alike(arch[self._split :]))

    def fixed(self, number: int) -> dict[str, Option]:
        """What the networks' space fixes; where that is a whole network, it has the recipe's own values, too."""
        fixed = self.networks.fixed(number)
        if len(fixed) < self._split:
            return fixed
        own = own_values(self.recipe, self.pixels)
        return fixed | {c.name: value for c in self.fields if (value := own[c.kind]) in c.options and value is not None}

    def graphs(self, arch: Arch) -> dict[str, Graph]:
        space, network = self.parts(arch)
        return space.graphs(network)

    def summary(self, arch: Arch) -> Summary:
        space, network = self.parts(arch)
        return space.summary(network)

    @property
    def quick_features(self) -> bool:
        return self.networks.quick_features

    def features(self, arch: Arch) -> Sequence[float]:
        """Those of the network, and the places of numbers among their options: 0.05 is nearer to 0.1 than to 0.2."""
        space, network = self.parts(arch)
        positions = zip(self.fields, self._alike(arch[self._split :]), strict=True)
        ordered = [float(sorted(c.options).index(c.options[i])) for c, i in positions if _is_of_numbers(c)]
        return [*space.features(network), *ordered]

    def format(self, arch: Arch) -> str:
        return f"{self.networks.format(arch[: self._split])}{as_text(self.values_of(arch))}"

    def parse(self, text: str) -> Arch:
        """The inverse of `format`. What the text does not say of the recipe is as that has it itself."""
        network, values = split(text.strip())
        return self.with_own(self.networks.parse(network), values)

    def short_id(self, arch: Arch) -> str:
        """That of the network: trials that differ in the recipe alone have the same."""
        space, network = self.parts(arch)
        return space.short_id(network)

    def settings(self) -> dict[str, Any]:
        return self.networks.settings()

    def changed_settings(self) -> dict[str, Any]:
        return self.networks.changed_settings()

    @property
    def title(self) -> str:
        return self.networks.title

    @property
    def reference(self) -> str:
        return self.networks.reference

    def _alike(self, positions: Arch) -> Arch:
        """The first options that train alike: what is not read, as momentum by AdamW, does not matter."""
        if positions not in self._first_alike:
            self._first_alike[positions] = self._found_alike(positions)
        return self._first_alike[positions]

    @cached_property
    def _first_alike(self) -> dict[Arch, Arch]:
        return {}

    def _found_alike(self, positions: Arch) -> Arch:
        def trains(at: Arch) -> Recipe:
            return changed(self.recipe, self._values(at), self.pixels).as_read

        wanted = trains(positions)
        for place, position in enumerate(positions):
            earlier = ((*positions[:place], index, *positions[place + 1 :]) for index in range(position))
            positions = next((at for at in earlier if trains(at) == wanted), positions)
        return positions


def parts_of(space: Space, arch: Arch) -> tuple[Space, Arch]:
    """The network that `arch` of any `space` is: of the space of networks alone."""
    return space.parts(arch) if isinstance(space, JointSpace) else (space, arch)


def networks_of(space: Space) -> Space:
    """The space of networks alone, of any `space`."""
    return space.networks if isinstance(space, JointSpace) else space


def with_networks(space: Space, networks: Space) -> Space:
    """Any `space` with others for its networks."""
    return replace(space, networks=networks) if isinstance(space, JointSpace) else networks


def values_in(space: Space, arch: Arch) -> dict[str, Option]:
    """What `arch` of any `space` has of the recipe, by the names of fields; mostly nothing."""
    return space.values_of(arch) if isinstance(space, JointSpace) else {}


def at_resolution(space: Space, side: int) -> Space:
    """`space` for images of `side` pixels. Raises ValueError where it has no networks for such."""
    if space.settings().get("image_size", side) == side:
        return space
    other: Any = space
    try:
        moved: Space = (
            other.changed(image_size=side) if isinstance(other, ScaledSpace) else replace(other, image_size=side)
        )
    except ValueError as error:
        raise ValueError(f"--also {RESOLUTION}={side}: {error}") from None
    return moved


def _is_of_numbers(choice: Choice) -> bool:
    return not any(isinstance(option, str) for option in choice.options)
