"""A supernet: one network that holds the weights of all networks of a space (Pham et al. 2018, arXiv:1802.03268).

It is trained once, by `nas supernet`; then each network of the space has weights, its part of these. What is shared is
declared nowhere but in the space: see `searchspaces.sharing`.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from searchspaces.cost import shapes_only
from searchspaces.sharing import Sharing, largest, leaves, part
from searchspaces.space import Arch

SCANNED = 2000
"""Architectures that are looked at, beside those with each option, to find how large shared weights must be."""


class Supernet(nn.Module):
    """The shared weights of the networks of `sharing`, drawn by `seed`, as parameters.

    A tensor is as large as the largest that any of some hundred networks takes of it: those of random architectures,
    and some with every option.
    """

    def __init__(self, sharing: Sharing, seed: int = 0) -> None:
        super().__init__()
        self.sharing = sharing
        self.tensors: dict[str, nn.Parameter] = {}  # by their keys
        generator = torch.Generator().manual_seed(seed)
        for key, size in sorted(_sizes(sharing, seed).items()):
            self.tensors[key] = nn.Parameter(_initial(key, size, generator))
        self.weights = nn.ParameterList(self.tensors.values())

    def member(self, arch: Arch) -> Member:
        """The network of `arch` with its part of the weights."""
        network, layers = self.sharing.network(arch)
        for layer in network.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.track_running_stats, layer.running_mean, layer.running_var = False, None, None
        return Member(network, part(self.tensors, layers))


@dataclass(frozen=True)
class Member:
    """A network of a supernet: its modules, as shapes alone, and its part of the weights by their names, as views."""

    network: nn.Module
    weights: dict[str, Tensor]

    def __call__(self, x: Tensor) -> Tensor:
        """`[B, C, H, W]` -> logits `[B, num_classes]`; its norms go by this batch."""
        said: Tensor = functional_call(self.network, self.weights, x)
        return said


def _sizes(sharing: Sharing, seed: int) -> dict[str, tuple[int, ...]]:
    """By the tensors' keys, the largest size in each dimension that a network takes."""
    sizes: dict[str, tuple[int, ...]] = {}
    for at in largest(row for arch in _scan(sharing, seed) for row in sharing.rows(arch)):
        with shapes_only():
            module, _ = at.row.layer()(at.c_in)
        for leaf in leaves(at, module, sharing.way):
            for name, parameter in leaf.module.named_parameters(recurse=False):
                before = sizes.get(key := f"{leaf.key}.{name}", parameter.shape)
                sizes[key] = tuple(max(pair) for pair in zip(before, parameter.shape, strict=True))
    return sizes


def _scan(sharing: Sharing, seed: int) -> Iterator[Arch]:
    """Architectures in which all that is in the space should be seen."""
    space, rng = sharing.space, random.Random(seed)
    for position, choice in enumerate(space.choices):
        for option, _ in itertools.product(range(len(choice.options)), range(3)):
            arch = space.sample(rng)
            yield (*arch[:position], option, *arch[position + 1 :])
    for extreme in (0, -1):
        yield tuple(range(len(choice.options))[extreme] for choice in space.choices)
    for _ in range(SCANNED):
        yield space.sample(rng)


def _initial(key: str, size: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """The first values of a tensor, as networks have them (`searchspaces.weights.he_normal`)."""
    if len(size) == 1:  # of a norm, or a bias
        return torch.full(size, 1.0 if key.endswith(".weight") else 0.0)
    std = math.sqrt(2 / (size[0] * math.prod(size[2:]))) if len(size) == 4 else 1 / math.sqrt(size[1])
    return torch.empty(size).normal_(0.0, std, generator=generator)
