"""A network's parts multiply all that it does, and can be built alone."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import nn

from searchspaces import Arch, Choice, Space, get_space
from searchspaces.cost import cost_of
from searchspaces.kernels import part_of
from searchspaces.layers import conv, head, network
from searchspaces.parts import parts_of


@pytest.mark.parametrize("name", ["compact", "mnas", "nasnet", "chain", "nasbench201", "nasbench_macro"])
def test_their_multiply_adds_are_the_network_s(name: str) -> None:
    space, rng = get_space(name), random.Random(0)
    for _ in range(2):
        arch = space.canonical(space.sample(rng))
        parts = [built.part for built in parts_of(space, arch, 10, 32)]
        assert sum(part.macs for part in parts) == cost_of(lambda a=arch: space.build(a, 10, 32), 32).macs
        assert parts[-1].c_out == 10
        for before, after in itertools.pairwise(parts):
            assert (before.c_out, before.side_out) == (after.c_in, after.side_in)


@pytest.mark.parametrize("name", ["compact", "nasbench201"])
def test_a_part_is_built_alone(name: str) -> None:
    space = get_space(name)
    for part, build in parts_of(space, space.sample(random.Random(1)), 10, 16, channels=1):
        out = build().eval()(torch.zeros(1, part.c_in, part.side_in, part.side_in))
        assert out.shape[1] == part.c_out and (out.ndim == 2 or out.shape[-1] == part.side_out)


@dataclass(frozen=True)
class Own(Space):
    """Of networks that are chains, though not of rows that are values."""

    name: ClassVar[str] = "own"

    @property
    def choices(self) -> tuple[Choice, ...]:
        return (Choice("c", (8, 12)),)

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        return network(conv(8, stride=2), conv((8, 12)[arch[0]]), head(num_classes))


def test_a_chain_of_modules_is_cut_at_these() -> None:
    built = parts_of(Own(), (1,), 7, 16, channels=1)
    assert [part.c_in for part, _ in built] == [1, 8, 12]
    for part, build in built:
        assert part_of(build(), part.c_in, part.side_in) == part


def test_what_is_no_chain_is_one_part() -> None:
    space = get_space("nasnet")
    (built,) = parts_of(space, space.sample(random.Random(0)))
    assert isinstance(built.build(), nn.Module) and built.part.side_in == 32
