"""Which weights the networks of a space can have in common: what a supernet is made of.

A supernet holds one set of weights for all networks of a space (Pham et al. 2018). Here it is not written beside the
space: networks are built as ever, and what this module says is by what `key` each of their layers' weights are kept.
Layers with equal keys, of whatever networks, have one tensor, of which each takes as much as it needs: the first output
and input channels, and the middle of a larger kernel (Cai et al. 2019, "Once-for-all"; Yu et al. 2020, "BigNAS").

A key has the *place* of a row in the space (`RowSpace.placed`), the layer's part in what stands there, and by `WAYS`:

    elastic       rows of the same build share: MBConv of expansion 3 is the first half of that of 6, 3x3 the middle of
                  5x5, and squeeze-excite or a skip is there or not; a plain convolution there has weights of its own
    single-path   each operation has weights of its own (Guo et al. 2019, "Single Path One-Shot")

In `nasbench201` a row is a stack of cells, whose edges hold the operations: there a place is an edge of a cell.

All networks are of one width. Where each is as wide as a limit allows, a layer has no largest size to share.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from torch import Tensor, nn

from searchspaces.cost import shapes_only
from searchspaces.images import for_images_of
from searchspaces.modules import SqueezeExcite
from searchspaces.scaled import Placed, Row, RowSpace
from searchspaces.space import Arch

WAYS = (ELASTIC, SINGLE_PATH) = ("elastic", "single-path")

CHANNELS, STRIDE = "c", "stride"
"""What rows call the channels that come out, and their stride: layers that differ in these alone share weights."""


@dataclass(frozen=True)
class Leaf:
    """A layer with weights: its `name` in the network, the `key` of its weights, and the layer, as shapes alone."""

    name: str
    key: str
    module: nn.Module


def leaves(placed: Placed, part: nn.Module, way: str) -> Iterator[Leaf]:
    """The layers of `part`, which is what the row `placed` makes, that have weights."""
    kind = _kind(placed.row) if way == SINGLE_PATH else ""
    layers = list(_with_weights(part))
    build = "-".join(_build(layer) for _, layer, gated in layers if not gated and not _is_norm(layer))
    number = gates = 0
    for name, layer, gated in layers:
        gates += gated
        number += not gated
        role = f"gate{gates}" if gated else f"{build}.{number}"
        yield Leaf(".".join(filter(None, (placed.name, name))), f"{placed.place}|{kind}|{role}", layer)


def largest(rows: Iterable[Placed]) -> list[Placed]:
    """Of rows at a place that differ in channels alone one, with the most that go in and come out of any row there."""
    kinds: dict[tuple[str, str], Placed] = {}
    most_in: dict[str, int] = {}
    most_out: dict[str, int] = {}
    for at in rows:
        kinds.setdefault((at.place, _kind(at.row)), at)
        most_in[at.place] = max(most_in.get(at.place, 0), at.c_in)
        most_out[at.place] = max(most_out.get(at.place, 0), _channels(at.row))
    return [
        at._replace(row=_with_channels(at.row, most_out[at.place]), c_in=most_in[at.place]) for at in kinds.values()
    ]


def _channels(row: Row) -> int:
    """What a row says that comes out; 0 where it does not say."""
    return max((value for name, value in _arguments(row) if name == CHANNELS), default=0)


def _with_channels(row: Row, c: int) -> Row:
    """`row` with `c` channels that come out, where it says so."""
    return row._replace(args=tuple(c if name == CHANNELS else value for name, value in _arguments(row)))


def _arguments(row: Row) -> list[tuple[str, Any]]:
    return list(zip(inspect.signature(row.make).parameters, row.args, strict=False))


def _with_weights(part: nn.Module) -> Iterator[tuple[str, nn.Module, bool]]:
    """The layers of `part` that have weights, by their names, and whether they are of a squeeze-excite."""
    gates = {id(layer) for gate in part.modules() if isinstance(gate, SqueezeExcite) for layer in gate.modules()}
    for name, layer in part.named_modules():
        if any(True for _ in layer.parameters(recurse=False)):
            yield name, layer, id(layer) in gates


def _is_norm(layer: nn.Module) -> bool:
    return isinstance(layer, nn.modules.batchnorm._BatchNorm)


def _build(layer: nn.Module) -> str:
    """What a layer is, whatever its channels and, beyond 1x1, its kernel."""
    if not isinstance(layer, nn.Conv2d):
        return type(layer).__name__.lower()
    if layer.groups > 1:
        return "depthwise"
    return "pointwise" if layer.kernel_size == (1, 1) else "dense"


def _kind(row: Row) -> str:
    """A row's operation as its space says it, without channels and strides."""
    said = [str(value) for name, value in _arguments(row) if name not in (CHANNELS, STRIDE)]
    return " ".join([row.make.__name__.strip("_"), *said])


@dataclass(frozen=True)
class Sharing:
    """Which weights networks share: those of `space`, built for so many classes and such images, by one of `WAYS`."""

    space: RowSpace
    way: str
    num_classes: int
    image_size: int
    channels: int

    def __post_init__(self) -> None:
        if self.space.limited:
            (limit, *_) = self.space.limits
            raise ValueError(
                f"networks that are each as wide as max_{limit} allows share no weights: give the supernet a width, "
                f"and the search that width and --max-{limit}"
            )

    def rows(self, arch: Arch) -> list[Placed]:
        """Those of `arch`, and where they stand."""
        with for_images_of(self.channels):
            return list(self.space.placed(self.space.simplified(arch), self.num_classes, self.image_size))

    def network(self, arch: Arch) -> tuple[nn.Module, list[Leaf]]:
        """The network of `arch`, as shapes alone, and its layers that have weights."""
        same = self.space.simplified(arch)  # of equal networks one, since places depend on how a network is told
        with for_images_of(self.channels), shapes_only():
            network = self.space.build(same, self.num_classes, self.image_size)
        rows = self.rows(same)
        return network, [leaf for at in rows for leaf in leaves(at, network.get_submodule(at.name), self.way)]

    def keys(self, arch: Arch) -> frozenset[str]:
        """Those of all the weights of `arch`."""
        return frozenset().union(*(_keys(at.place, at.row, at.c_in, self.way) for at in self.rows(arch)))

    def macs(self, arch: Arch) -> int:
        """Of an image, at the space's own width: by it the versions of a network are told apart in size."""
        return self.space.costs_at(arch, self.space.width, ("macs",))["macs"]


@lru_cache(maxsize=1 << 16)
def _keys(place: str, row: Row, c_in: int, way: str) -> frozenset[str]:
    with shapes_only():
        module, _ = row.layer()(c_in)
    return frozenset(leaf.key for leaf in leaves(Placed("", place, row, c_in), module, way))


def part(tensors: Mapping[str, Tensor], of: Iterable[Leaf]) -> dict[str, Tensor]:
    """The weights of a network with the layers `of`, by their names in it: views of the shared `tensors`.

    Raises ValueError where they are of other networks.
    """
    found = {}
    for leaf in of:
        for name, parameter in leaf.module.named_parameters(recurse=False):
            if (whole := tensors.get(f"{leaf.key}.{name}")) is None:
                raise ValueError(f"the shared weights are of other networks: they have none for {leaf.name}")
            found[f"{leaf.name}.{name}"] = piece(whole, parameter)
    return found


def piece(whole: Tensor, like: Tensor) -> Tensor:
    """The part of a shared tensor that a layer with weights of the shape of `like` takes: a view.

    The first channels, and the middle of a kernel. Raises ValueError where `whole` has not so much.
    """
    if any(ours < theirs for ours, theirs in zip(whole.shape, like.shape, strict=True)):
        raise ValueError(
            f"the shared weights are of other networks: {tuple(whole.shape)} where {tuple(like.shape)} is needed"
        )
    part = whole
    for dimension, size in enumerate(like.shape):
        start = (whole.shape[dimension] - size) // 2 if dimension >= 2 else 0
        part = part.narrow(dimension, start, size)
    return part
