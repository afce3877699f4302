"""A network's kernels are all that it multiplies, and its parts can be built alone."""

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
from searchspaces.kernels import Kernel, part_of, parts_of
from searchspaces.layers import conv, head, network


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


def test_kinds() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 5, padding=2, groups=8, bias=False),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 6, 1, bias=False),
        nn.AdaptiveAvgPool2d(1),
        nn.Conv2d(6, 4, 1, bias=False),
        nn.Flatten(),
        nn.Linear(4, 10, bias=False),
    )
    module.train()
    part = part_of(module, 3, 16)
    assert part.kernels == (
        Kernel("conv", 3, 3, 8, 16, 8, 216, 216 * 64),
        Kernel("depthwise", 5, 8, 8, 8, 8, 200, 200 * 64),
        Kernel("pool", 2, 8, 8, 8, 4, 0, 0),
        Kernel("pointwise", 1, 8, 6, 4, 4, 48, 48 * 16),
        Kernel("linear", 1, 6, 4, 1, 1, 24, 24),
        Kernel("linear", 1, 4, 10, 1, 1, 40, 40),
    )
    assert (part.c_in, part.side_in, part.c_out, part.side_out) == (3, 16, 10, 1)
    assert part.kernels[0].moved == 3 * 256 + 8 * 64
    assert all(inner.training for inner in module.modules())


def test_a_broadcast_has_the_shape_of_the_larger() -> None:
    class Gated(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean((2, 3), keepdim=True) * x

    assert part_of(Gated(), 4, 8).side_out == 8


def test_what_needs_numbers_says_so() -> None:
    class Branches(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x if x.sum().item() > 0 else -x

    with pytest.raises(ValueError, match="the Branches cannot be followed without numbers"):
        part_of(Branches(), 3, 8)
    with pytest.raises(ValueError, match="cannot be followed"):
        part_of(nn.Conv2d(4, 4, 3), 3, 8)
