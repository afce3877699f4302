"""What the surrogate sees of architectures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from torch import nn

from nas.samplers.sight import Sight, why_unseen
from nas.samplers.strategy import IGNORANCE, Knowledge
from searchspaces import get_space
from searchspaces.space import Arch, Choice, Space

CHOICES = (Choice("a", (0, 1, 2)), Choice("b", (0, 1)))


def test_features_are_in_units_of_their_deviation_and_constant_ones_left_out() -> None:
    sight = Sight(CHOICES, tuple, Knowledge(lambda arch: (100.0 * arch[0], 7.0)))
    codes = sight.codes([(0, 0), (1, 0), (2, 1)])
    assert codes.shape == (3, 5 + 1)
    assert codes[2, -1] - codes[1, -1] == pytest.approx(codes[1, -1] - codes[0, -1])
    assert abs(codes[:, -1]).max() < 2


def test_each_architecture_is_looked_at_once() -> None:
    seen: list[Arch] = []

    def features(arch: Arch) -> tuple[float]:
        seen.append(arch)
        return (float(sum(arch)),)

    sight = Sight(CHOICES, tuple, Knowledge(features))
    first = sight.codes([(0, 0), (1, 1), (0, 0)])
    number = len(seen)
    np.testing.assert_array_equal(sight.codes([(1, 1), (0, 0)]), first[[1, 0]])
    assert len(seen) == number


def test_a_network_without_features_is_an_average_one_and_a_space_without_is_seen_by_choices() -> None:
    def some(arch: Arch) -> tuple[float]:
        if arch == (2, 1):
            raise ValueError("there is no such network")
        return (float(arch[0]),)

    def none(arch: Arch) -> tuple[float]:
        raise ValueError("there is no such network")

    assert Sight(CHOICES, tuple, Knowledge(some)).codes([(2, 1)])[0, -1] == 0
    for features in (Knowledge(none), Knowledge(lambda arch: (1.0,)), IGNORANCE):
        assert Sight(CHOICES, tuple, features).codes([(0, 0)]).shape == (1, 5)
    assert Sight(CHOICES, tuple).codes([]).shape == (0, 5)


@dataclass(frozen=True)
class Opaque(Space):
    """Its networks have forwards that need numbers."""

    name: ClassVar[str] = "opaque"

    @property
    def choices(self) -> tuple[Choice, ...]:
        return CHOICES

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        class Asks(nn.Module):
            def forward(self, x: object) -> object:
                return x if bool((x > 0).all()) else None  # type: ignore[operator]

        return Asks()


def test_it_is_said_why_a_space_has_no_features() -> None:
    assert "the Asks has no summary" in str(why_unseen(Opaque()))
    assert why_unseen(get_space("compact")) is None
