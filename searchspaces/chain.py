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

With `grow_every` the depth grows during a search, as section 4.1 has it: from 6 layers by two after every so many
trials (the paper's 1,600) to `layers`. A space has the same choices from the first trial to the last, so the depth is
one of them, those about layers beyond it build nothing, and a trial is given these by its number (`Space.fixed`).

Where the paper is silent:
- zeros are added on all four sides, an odd row or column at the bottom or the right;
- the classifier is global average pooling and one linear layer;
- `pooling` is how often, evenly spaced, 3x3 max-pooling at stride 2 follows a layer; its network of 39 layers has two,
  at 13 and 24. All outputs so far and the image are pooled: one that is not would bring every layer that reads it, by
  the zeros that are added to the others, back to its size;
- the width multiplier scales the filters, to the nearest whole number;
- a network has `pooling` poolings at every depth.
Not built: its blocks of three densely connected layers with 6 to 36 filters (the last experiment of section 4.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from searchspaces.graph import Edge, Graph, Node
from searchspaces.images import image_channels
from searchspaces.layers import conv, head, identity, max_pool, relu, repeats
from searchspaces.scaled import Row, ScaledSpace, summary_of_row
from searchspaces.space import Arch, Choice, Option
from searchspaces.summary import POOL, Part, Summary, through
from searchspaces.weights import he_normal

SIZES = (1, 3, 5, 7)
STRIDES = (1, 2, 3)
FILTERS = (24, 36, 48, 64)
IMAGE = 0  # what a layer reads that reads no other; the layers are 1, 2, ...


class Output(NamedTuple):
    """What a layer puts out: the parts that do, as `through` counts them, its channels and its side in pixels."""

    ends: tuple[int, ...]
    c: int
    side: int


class ConvLayer(NamedTuple):
    """One layer as it is built. `reads`: the numbers of its inputs."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    c: int
    pooled: bool
    reads: tuple[int, ...]


@dataclass(frozen=True)
class Chain(ScaledSpace):
    """The space of networks of so many `layers`, `width` times as wide as the paper's, or within `max_macs`.

    With `grow_every` it has those of `grow_from`, `grow_from + grow_by`, ... layers too, up to `layers`.
    """

    layers: int = 6
    strides: bool = False
    pooling: int = 2
    bn: bool = True
    grow_every: int | None = None  # trials of a search at each depth but the last; None: every network has `layers`
    grow_from: int = 6
    grow_by: int = 2

    name: ClassVar[str] = "chain"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.grow_every is not None and not 1 <= self.grow_from < self.layers:
            raise ValueError(f"chain: depth grows from {self.grow_from} (grow_from) to more layers: raise `layers`")
        if self.grow_every is not None and min(self.grow_every, self.grow_by) < 1:
            raise ValueError("chain: grow_every and grow_by must be at least 1")
        if not 0 <= self.pooling < self.depths[0]:
            raise ValueError("chain: pooling must be at least 0 and less than there are layers")

    def bounds(self) -> dict[str, tuple[float, float, float]]:
        return super().bounds() | {"layers": (self.layers, 1, 64)}

    @property
    def depths(self) -> tuple[int, ...]:
        """The numbers of layers that networks have."""
        growing = range(self.grow_from, self.layers, self.grow_by) if self.grow_every is not None else ()
        return *growing, self.layers

    @property
    def choices(self) -> tuple[Choice, ...]:
        depth = (Choice("layers", self.depths, tag="n"),) if self._grows else ()
        return depth + _choices(self.layers, self.strides)

    def fixed(self, number: int) -> dict[str, Option]:
        """With `grow_every` the depth of trial `number`, and the first option for the layers beyond."""
        if self.grow_every is None:
            return {}
        step = min(number // self.grow_every, len(self.depths) - 1)
        beyond = self.choices[self._about(self.depths[step]) :]
        return {"layers": self.depths[step]} | {choice.name: choice.options[0] for choice in beyond}

    def network_at(self, arch: Arch, width: float, num_classes: int, image_size: int, depth: float = 1.0) -> nn.Module:
        norm = nn.BatchNorm2d if self.bn else None
        network, channels, unread = nn.Sequential(), [image_channels()], set[int]()
        for number, layer in enumerate(deepened(self._plan(arch, width), depth), start=1):
            body, c = conv(layer.c, layer.kernel, layer.stride, norm=norm)(sum(channels[i] for i in layer.reads))
            pool, _ = (max_pool(3, stride=2) if layer.pooled else identity())(c)
            network.add_module(f"layer{number}", Reader(layer.reads, body, pool))
            channels.append(c)
            unread = unread - set(layer.reads) | {number}
        classifier, _ = head(num_classes)(sum(channels[i] for i in unread))
        network.add_module("head", Last(sorted(unread), classifier))
        return network.apply(he_normal())

    @property
    def quick_features(self) -> bool:
        return not self.strides  # with which maps are no squares

    def summary_at(self, arch: Arch, width: float) -> Summary:
        """By its layers, each of which is followed once in a process for what it is given."""
        if not self.quick_features:
            return super().summary_at(arch, width)
        size, c_image = self.image_size, self.image_channels or image_channels()
        parts, outputs = list[Part](), [Output((-1,), c_image, size)]
        unread = set[int]()
        for number, layer in enumerate(self._plan(arch, width), start=1):
            c_in, side = sum(outputs[i].c for i in layer.reads), max(outputs[i].side for i in layer.reads)
            row = Row(conv, (layer.c, layer.kernel, layer.stride, 1, relu, nn.BatchNorm2d if self.bn else None))
            layer_summary, c, side = summary_of_row(row, c_in, side, size)
            parts.append(Part(layer_summary, tuple(end for i in layer.reads for end in outputs[i].ends)))
            outputs.append(Output((len(parts) - 1,), c, side))
            if layer.pooled:
                for i, output in enumerate(outputs):
                    parts.append(Part(POOL, output.ends))
                    outputs[i] = Output((len(parts) - 1,), output.c, (output.side + 1) // 2)
            unread = unread - set(layer.reads) | {number}
        last = [outputs[i] for i in sorted(unread)]
        row = Row(head, (self.num_classes or 10,))
        classifier, _, _ = summary_of_row(row, sum(o.c for o in last), max(o.side for o in last), size)
        return through(parts, tuple(end for output in last for end in output.ends)) + classifier

    def depth(self, arch: Arch) -> int:
        """The number of layers of `arch`."""
        return self.depths[arch[0]] if self._grows else self.layers

    def plan(self, arch: Arch) -> list[ConvLayer]:
        """The layers of `arch`, first to last: the network as its paper would print it."""
        return self._plan(arch, self.width_of(arch))

    def _plan(self, arch: Arch, width: float) -> list[ConvLayer]:
        depth, layers = self.depth(arch), list[ConvLayer]()
        values = iter(list(self.options(arch).values())[self._grows :])
        between = depth // (self.pooling + 1)
        for number in range(1, depth + 1):
            kernel = int(next(values)), int(next(values))
            stride = (int(next(values)), int(next(values))) if self.strides else (1, 1)
            c = self.channels(int(next(values)), width)
            pooled = number % between == 0 and number <= self.pooling * between
            reads = tuple(earlier for earlier in range(1, number) if next(values))
            layers.append(ConvLayer(kernel, stride, c, pooled, reads or (IMAGE,)))
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

    # ------------------------------------------------------------------ which architectures build one network

    def canonical(self, arch: Arch) -> Arch:
        """The first of those with the same channels in which layers of as many channels have the same `filters`.

        One of them builds the same network: give the most `filters` of any layer with as many channels to all of
        these. At the width of `arch` that is its network, and at a greater one it costs no less. All else makes another
        network, but for the layers beyond the depth, which are none.
        """
        plan = self.plan(arch)
        told = self.check(arch)[: self._about(len(plan))]
        beyond = (0,) * (len(self.choices) - len(told))
        counts = sorted({layer.c for layer in plan})
        for filters in combinations(range(len(FILTERS)), len(counts)):
            steps = self.steps
            for c, index in zip(counts, filters, strict=True):
                steps = self.steps_giving(c, FILTERS[index], steps)
            if steps:
                chosen = (filters[counts.index(layer.c)] for layer in plan)
                kinds = (choice.kind for choice in self.choices)
                same = tuple(next(chosen) if kind == "filters" else i for kind, i in zip(kinds, told, strict=False))
                if self.is_built_in(same + beyond, steps):
                    return same + beyond
        return told + beyond  # at another width latency or memory may let the other one be wider

    def channels(self, nominal: float, width: float) -> int:
        return max(1, round(nominal * width))

    # ------------------------------------------------------------------ text

    def format(self, arch: Arch) -> str:
        """As of any space, but without the layers beyond the depth where their choices are the first."""
        depth, parts = self.depth(arch), super().format(arch).split(",")
        return ",".join(parts if any(arch[self._about(depth) :]) else parts[: self._grows + depth])

    def parse(self, text: str) -> Arch:
        """The inverse of `format`."""
        parts = text.strip().split(",")
        if self._grows and parts[0] == f"n{len(parts) - 1}":
            parts += super().format((0,) * len(self.choices)).split(",")[len(parts) :]
        return super().parse(",".join(parts))

    # ------------------------------------------------------------------ depth

    @property
    def _grows(self) -> bool:
        return self.grow_every is not None

    def _about(self, depth: int) -> int:
        """How many of the choices are about a network of so many layers, the number of its layers included."""
        return self._grows + len(_choices(depth, self.strides))


def deepened(plan: Sequence[ConvLayer], depth: float) -> list[ConvLayer]:
    """`depth` times as many layers: some stand there again, and again, behind themselves.

    Every layer is its own, so what is repeated is a layer and not a stage. A copy reads the layer before it alone, has
    no stride, and is what others read instead.
    """
    deeper, last = list[ConvLayer](), {IMAGE: IMAGE}
    for number, (layer, times) in enumerate(zip(plan, repeats(len(plan), depth), strict=True), start=1):
        first = layer._replace(reads=tuple(last[i] for i in layer.reads), pooled=False)
        for copy in range(times):
            deeper.append(first._replace(reads=(len(deeper),), stride=(1, 1)) if copy else first)
        deeper[-1] = deeper[-1]._replace(pooled=layer.pooled)
        last[number] = len(deeper)
    return deeper


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
