"""Zoph & Le's space: a network layer by layer, each layer with its own convolution and its own inputs.

Zoph, Le: "Neural Architecture Search with Reinforcement Learning" (2016, arXiv:1611.01578), sections 3.3 and 4.1.

    per layer   filter height     1, 3, 5 or 7
                filter width      1, 3, 5 or 7
                stride, of both   1; with `strides` 1, 2 or 3, down and across apart
                filters           24, 36, 48 or 64
                from1, from2...   whether it reads the output of that earlier layer

A layer is a convolution, batch norm (unless `bn` is off) and ReLU. Any pattern of connections is a network
(section 3.3): a layer that reads none takes the image; inputs are joined as channels, the smaller ones padded with
zeros to the largest; outputs that no layer reads are joined the same way before the classifier.

The controller decides a connection by its states at the two layers, see `Choice.anchor`; to every other strategy it
is a choice of 0 or 1.

Where the paper is silent:
- zeros are added on all four sides, an odd row or column at the bottom or the right;
- the classifier is global average pooling and one linear layer;
- `pooling` is how often, evenly spaced, 3x3 max-pooling at stride 2 follows a layer; its network of 39 layers has two,
  at 13 and 24. All outputs so far and the image are pooled: one that is not would bring every layer that reads it, by
  the zeros that are added to the others, back to its size;
- the width multiplier scales the filters, to the nearest whole number.
Not built: its blocks of three densely connected layers with 6 to 36 filters (the last experiment of section 4.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from searchspaces.graph import Edge, Graph, Node
from searchspaces.layers import conv, head, identity, max_pool
from searchspaces.space import Arch, Choice, Space
from searchspaces.weights import he_normal

SIZES = (1, 3, 5, 7)
STRIDES = (1, 2, 3)
FILTERS = (24, 36, 48, 64)
IMAGE = 0  # what a layer reads that reads no other; the layers are 1, 2, ...


class ConvLayer(NamedTuple):
    """One layer as it is built. `reads`: the numbers of its inputs."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    c: int
    pooled: bool
    reads: tuple[int, ...]


@dataclass(frozen=True)
class Chain(Space):
    """The space of networks of so many `layers`, `width` times as wide as the paper's."""

    image_size: int = 32
    width: float = 1.0
    layers: int = 6
    strides: bool = False
    pooling: int = 2
    bn: bool = True

    name: ClassVar[str] = "chain"

    def __post_init__(self) -> None:
        if self.image_size < 1 or not 0 < self.width <= 100:
            raise ValueError("chain: image_size must be positive, and width above 0 and at most 100")
        if self.layers < 1 or not 0 <= self.pooling < self.layers:
            raise ValueError("chain: layers must be at least 1, and pooling at least 0 and less than layers")

    @property
    def choices(self) -> tuple[Choice, ...]:
        return _choices(self.layers, self.strides)

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        norm = nn.BatchNorm2d if self.bn else None
        network, channels, unread = nn.Sequential(), [3], set[int]()
        for number, layer in enumerate(self.plan(arch), start=1):
            body, c = conv(layer.c, layer.kernel, layer.stride, norm=norm)(sum(channels[i] for i in layer.reads))
            pool, _ = (max_pool(3, stride=2) if layer.pooled else identity())(c)
            network.add_module(f"layer{number}", Reader(layer.reads, body, pool))
            channels.append(c)
            unread = unread - set(layer.reads) | {number}
        classifier, _ = head(num_classes)(sum(channels[i] for i in unread))
        network.add_module("head", Last(sorted(unread), classifier))
        return network.apply(he_normal())

    def plan(self, arch: Arch) -> list[ConvLayer]:
        """The layers of `arch`, first to last: the network as its paper would print it."""
        values, layers = iter(self.options(arch).values()), []
        between = self.layers // (self.pooling + 1)
        for number in range(1, self.layers + 1):
            height, width = int(next(values)), int(next(values))
            stride = (int(next(values)), int(next(values))) if self.strides else (1, 1)
            c = self._channels(int(next(values)))
            pooled = number % between == 0 and number <= self.pooling * between
            reads = tuple(earlier for earlier in range(1, number) if next(values))
            layers.append(ConvLayer((height, width), stride, c, pooled, reads or (IMAGE,)))
        return layers

    def graphs(self, arch: Arch) -> dict[str, Graph]:
        """The layers and what each reads."""
        plan = self.plan(arch)
        nodes, edges = [Node("image", "state")], list[Edge]()
        for number, layer in enumerate(plan, start=1):
            words = f"{number}: {layer.kernel[0]}x{layer.kernel[1]}"
            words += f"/{layer.stride[0]}x{layer.stride[1]}" if layer.stride != (1, 1) else ""
            nodes.append(Node(words + (", then pooling" if layer.pooled else ""), "conv", row=f"layer{number}"))
            edges += [Edge(source, number) for source in layer.reads]
        unread = set(range(1, len(nodes))) - {edge.source for edge in edges}
        edges += [Edge(source, len(nodes)) for source in sorted(unread)]
        return {"": Graph((*nodes, Node("classifier", "classifier", row="head")), tuple(edges), line=True)}

    def canonical(self, arch: Arch) -> Arch:
        """Of the numbers of filters that the width rounds alike, the first; all else makes another network."""
        rounded = [self._channels(c) for c in FILTERS]
        return tuple(
            rounded.index(rounded[index]) if choice.kind == "filters" else index
            for choice, index in zip(self.choices, self.check(arch), strict=True)
        )

    def _channels(self, c: int) -> int:
        return max(1, round(c * self.width))


@cache
def _choices(layers: int, strides: bool) -> tuple[Choice, ...]:
    return tuple(choice for number in range(1, layers + 1) for choice in _choices_of(number, strides))


def _choices_of(number: int, strides: bool) -> list[Choice]:
    """What is decided about one layer; its anchor point follows the number of filters."""
    layer, ways = f"layer{number}", ("down", "across") if strides else ()
    return [
        Choice(f"{layer}.height", SIZES, tag="h"),
        Choice(f"{layer}.width", SIZES, tag="w"),
        *[Choice(f"{layer}.{way}", STRIDES, kind="stride", tag=way[0]) for way in ways],
        Choice(f"{layer}.filters", FILTERS, tag="f"),
        *[
            Choice(f"{layer}.from{earlier}", (0, 1), kind="skip", anchor=f"layer{earlier}.filters")
            for earlier in range(1, number)
        ],
    ]


class Reader(nn.Module):
    """The image, or with it the outputs so far -> these and `body`'s on some of them, all after `pool`."""

    def __init__(self, reads: Sequence[int], body: nn.Module, pool: nn.Module) -> None:
        super().__init__()
        self.reads, self.body, self.pool = tuple(reads), body, pool

    def forward(self, outputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        outputs = (outputs,) if isinstance(outputs, Tensor) else outputs
        own = self.body(join([outputs[i] for i in self.reads]))
        return tuple(self.pool(output) for output in (*outputs, own))

    def extra_repr(self) -> str:
        return f"reads={self.reads}"


class Last(nn.Module):
    """The outputs so far -> `body`'s on some of them."""

    def __init__(self, reads: Sequence[int], body: nn.Module) -> None:
        super().__init__()
        self.reads, self.body = tuple(reads), body

    def forward(self, outputs: tuple[Tensor, ...]) -> Tensor:
        out: Tensor = self.body(join([outputs[i] for i in self.reads]))
        return out

    def extra_repr(self) -> str:
        return f"reads={self.reads}"


def join(tensors: Sequence[Tensor]) -> Tensor:
    """`[B, C, H, W]` of any sizes, side by side as channels, with zeros around the smaller ones."""
    height, width = (max(tensor.shape[axis] for tensor in tensors) for axis in (2, 3))
    return torch.cat([_zero_padded(tensor, height, width) for tensor in tensors], dim=1)


def _zero_padded(x: Tensor, height: int, width: int) -> Tensor:
    down, across = height - x.shape[2], width - x.shape[3]
    if not down and not across:
        return x
    return F.pad(x, (across // 2, across - across // 2, down // 2, down - down // 2))
