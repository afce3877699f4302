"""The stages of a network that there is, and what of each can be changed.

A stage is a row of a paper's table as the code has it: a container of blocks that keep one size of map, such as
`conv3_x` of a ResNet or `blocks.2` of an EfficientNet of timm, or layers one after the other that put out as many
channels at as many pixels, such as `conv3_1` to `conv3_3` of a VGG. Their names are those of the modules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise
from typing import NamedTuple

from torch import nn

from searchspaces.around import strides
from searchspaces.around.channels import Followed, follow
from searchspaces.around.widths import Widths, is_in
from searchspaces.modules import PadChannels, TensorFlowConv2d

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU, "relu6": nn.ReLU6, "silu": nn.SiLU, "hardswish": nn.Hardswish, "gelu": nn.GELU,
}  # fmt: skip


class Repeat(NamedTuple):
    """Blocks one after the other that are alike: `keys` of the children of `container`, of `blocks` of its stage."""

    container: str
    keys: tuple[str, ...]
    blocks: int

    @property
    def last(self) -> str:
        """The name of the one of which there are copies, where there are more."""
        return _child(self.container, self.keys[-1])

    def left_out(self, blocks: int) -> tuple[str, ...]:
        """The names of those that are not there where the stage has so many."""
        gone = self.keys[blocks - self.blocks :] if blocks < self.blocks else ()
        return tuple(_child(self.container, key) for key in gone)


@dataclass(frozen=True)
class Stage:
    """Of what is said of it, names of modules. `outer` and `inner` are producers, whose channels are its own to set."""

    name: str
    parts: tuple[str, ...]  # modules, one after the other
    outer: tuple[str, ...] = ()  # that put out what the stage puts out
    inner: tuple[str, ...] = ()  # whose channels stay within a block
    repeat: Repeat | None = None
    windows: tuple[str, ...] = ()  # convolutions whose kernel may change
    kernel: int = 0
    depthwise: bool = False  # whether they have one filter a channel
    grouped: tuple[str, ...] = ()  # convolutions in groups
    gates: tuple[str, ...] = ()  # modules that scale channels by what the whole map shows
    gateable: tuple[tuple[str, str], ...] = ()  # where such a one can be put: `after` or `before`, a module
    strided: tuple[str, ...] = ()  # layers that make its map smaller than the one before
    stride: int = 1  # how many times
    stridable: tuple[str, ...] = ()  # convolutions that could, where none does

    @property
    def shrinking(self) -> tuple[str, ...]:
        """Layers whose strides may change."""
        return self.strided or self.stridable

    @property
    def varies(self) -> bool:
        """Whether anything of it can be changed. Its channels may be another stage's, to whose map it adds."""
        return any((
            self.outer, self.inner, self.repeat, self.windows, self.gates, self.gateable, self.shrinking,
        ))  # fmt: skip


class Original:
    """A network as it is, `module`, for images `[channels, side, side]`, and what can be changed of it.

    Raises ValueError where its channels cannot be followed.
    """

    def __init__(self, module: nn.Module, channels: int, side: int) -> None:
        self.module = module
        self.modules = dict(module.named_modules())
        self.followed: Followed = follow(module, channels, side)
        self.widths = Widths(self.followed)

    # ------------------------------------------------------------------ stages

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """From top to bottom; those of which nothing can be changed are left out."""
        parts = list(self._merged(self._parts("", self.module)))
        owner = {name: n for n, names in enumerate(parts) for name in self.widths.producers if is_in(name, names)}
        stage_of: dict[str, int] = {}
        for group in self.widths.groups:
            votes = [owner[name] for name in group if name in owner]
            if votes and not any(name in self.widths.fixed or name in self.widths.completed for name in group):
                most = max(votes, key=lambda n: (votes.count(n), n))
                stage_of |= dict.fromkeys(group, most)
        words = distinct_names(parts)
        found = [self._stage(n, names, stage_of, words[n]) for n, names in enumerate(parts)]
        return tuple(stage for stage in found if stage.varies)

    def _parts(self, name: str, module: nn.Module) -> Iterator[tuple[str, ...]]:
        """Modules that are one stage each, by their names, in the order in which they run."""
        children = [_child(name, key) for key, _ in module.named_children()]
        children = [child for child in children if self._layers(child)]
        for child in sorted(children, key=self._first_run):
            if isinstance(self.modules[child], CONTAINERS) and self._spans(child):
                yield from self._parts(child, self.modules[child])
            else:
                yield (child,)

    def _spans(self, name: str) -> bool:
        """Whether a container has several stages: blocks that put out maps of several sizes, or other containers."""
        below = [_child(name, key) for key, _ in self.modules[name].named_children()]
        below = [child for child in below if self._layers(child)]
        sides = {self.followed.shapes[child][1][-1] for child in below if child in self.followed.shapes}
        nested = all(isinstance(self.modules[child], CONTAINERS) and self._has_blocks(child) for child in below)
        return len(sides) > 1 or (len(below) > 1 and nested and isinstance(self.modules[name], nn.ModuleList))

    def _has_blocks(self, name: str) -> bool:
        """Whether a module is made of parts that have layers themselves."""
        return any(any(True for _ in child.children()) for child in self.modules[name].children())

    def _first_run(self, name: str) -> int:
        runs = [n for n, run in enumerate(self.followed.order) if run == name or run.startswith(f"{name}.")]
        return runs[0] if runs else len(self.followed.order)

    def _merged(self, parts: Iterator[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
        """Neighbours that put out as many channels at as many pixels as one, but for containers of blocks."""
        last: tuple[str, ...] = ()
        for part in parts:
            if (
                last
                and self._is_single(last[-1])
                and self._is_single(part[0])
                and self._out(last[-1]) == self._out(part[0])
            ):
                last += part
                continue
            if last:
                yield last
            last = part
        if last:
            yield last

    def _is_single(self, name: str) -> bool:
        """Whether a module is a block or a layer, and no row of such."""
        return not (isinstance(self.modules[name], CONTAINERS) and self._has_blocks(name))

    def _out(self, name: str) -> tuple[int, ...]:
        return self.followed.shapes[name][1] if name in self.followed.shapes else ()

    def _stage(self, number: int, parts: tuple[str, ...], stage_of: dict[str, int], name: str) -> Stage:
        own = tuple(producer for producer, at in stage_of.items() if at == number)
        own = tuple(producer for producer in self.widths.producers if producer in own)
        within = [name for name in self.widths.producers if is_in(name, parts)]
        out = {self.followed.find(label) for label in self.followed.outputs.get(parts[-1], ())}
        has_blocks = any(
            not isinstance(self.modules[part], nn.Conv2d) and self._has_blocks_or_is_one(part) for part in parts
        )
        groups = [group for group in self.widths.groups if group[0] in own]
        inner = tuple(
            producer
            for group in groups
            if has_blocks
            and set(group) <= set(within)
            and out.isdisjoint(c for n in group for c in self.widths.classes[n])
            for producer in group
        )
        windows, kernel, depthwise = self._windows(parts) if has_blocks or len(parts) > 1 else ((), 0, False)
        gates = tuple(self._gates(parts))
        repeat = self._repeat(parts)
        shrinking, stride = strides.strided(self.followed, parts, self.modules)
        copied = () if repeat is None else (repeat.last,)
        stridable = strides.stridable(self.followed, parts, self.modules) if stride == 1 else ()
        return Stage(
            name,
            parts,
            tuple(producer for producer in own if producer not in inner),
            inner,
            repeat,
            windows,
            kernel,
            depthwise,
            tuple(n for n in within if self.widths.producers[n].groups > 1 and self._is_free(n)),
            gates,
            () if gates or not has_blocks else tuple(self._gateable(parts, out)),
            shrinking,
            stride,
            () if any(is_in(conv, copied) for conv in stridable) else stridable,  # a copy of it would, too
        )

    def _is_free(self, name: str) -> bool:
        conv = self.modules[name]
        return isinstance(conv, nn.Conv2d) and conv.groups < conv.in_channels

    def _has_blocks_or_is_one(self, name: str) -> bool:
        module = self.modules[name]
        return self._has_blocks(name) or not isinstance(module, CONTAINERS)

    # ------------------------------------------------------------------ blocks

    def _repeat(self, parts: tuple[str, ...]) -> Repeat | None:
        """The longest row of blocks that are alike; of one block where it keeps its map's shape."""
        rows = [row for siblings in self._siblings(parts) for row in self._alike(siblings)]
        rows = [row for row in rows if row.container in (parts[0], _parent(parts[0])) or self._is_of_blocks(row)]
        longest = max(rows, key=lambda row: len(row.keys), default=None)
        if longest is None or len(longest.keys) > 1:
            return longest
        return next((row for row in rows if self._can_repeat(row.container, row.keys[0])), None)

    def _siblings(self, parts: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
        """Containers and those of their children that are blocks of the stage."""
        if len(parts) > 1:
            container = _parent(parts[0])
            if all(_parent(part) == container for part in parts):
                yield container, [part.rpartition(".")[2] for part in parts]
            return
        for name, module in self.modules.items():
            if is_in(name, parts) and (name == parts[0] or isinstance(module, CONTAINERS)) and self._has_blocks(name):
                yield name, [key for key, _ in module.named_children()]

    def _alike(self, siblings: tuple[str, list[str]]) -> Iterator[Repeat]:
        """Rows of blocks that are alike among the children of a container."""
        container, keys = siblings
        keys = [key for key in keys if self._layers(_child(container, key))]
        for _, row in groupby(keys, key=lambda key: signature(self.modules[_child(container, key)])):
            yield Repeat(container, tuple(row), len(keys))

    def _can_repeat(self, container: str, key: str) -> bool:
        """Whether a block that stands there once may stand there again: it keeps its map's shape, and is no layer."""
        name = _child(container, key)
        given, out = self.followed.shapes.get(name, ((), ()))
        return given == out and len(out) == 3 and self._layers(name) > 1 and name not in self._gates((name,))

    def _is_of_blocks(self, row: Repeat) -> bool:
        """Whether what comes again is more than a layer of a block."""
        return self._layers(_child(row.container, row.keys[0])) > 1

    def _layers(self, name: str) -> int:
        return sum(is_in(producer, (name,)) for producer in self.widths.producers)

    def _windows(self, parts: tuple[str, ...]) -> tuple[tuple[str, ...], int, bool]:
        """The convolutions of more than one pixel, where they are all of one size and one kind, padded to keep it."""
        convs = [
            (name, module)
            for name, module in self.modules.items()
            if isinstance(module, nn.Conv2d) and is_in(name, parts) and max(module.kernel_size) > 1
        ]
        kinds = {(conv.kernel_size, conv.groups == conv.in_channels > 1) for _, conv in convs}
        if len(kinds) != 1 or not all(_keeps_size(conv) for _, conv in convs):
            return (), 0, False
        ((kernel, depthwise),) = kinds
        return tuple(name for name, _ in convs), kernel[0], depthwise

    def _gates(self, parts: tuple[str, ...]) -> Iterator[str]:
        """Modules whose layers see one pixel, and that give a map of the shape that they are given."""
        found: list[str] = []
        for name in self.modules:
            shape = self.followed.shapes.get(name)
            layers = [below for below in self.widths.producers if is_in(below, (name,))]
            if not (is_in(name, parts) and shape and layers and name not in self.widths.producers) or is_in(
                name, found
            ):
                continue
            given, out = shape
            if (
                given == out
                and len(out) == 3
                and out[-1] > 1
                and all(self.widths.producers[n].side == 1 for n in layers)
            ):
                found.append(name)
                yield name

    def _gateable(self, parts: tuple[str, ...], out: set[int]) -> Iterator[tuple[str, str]]:
        """Where squeeze-and-excitation belongs: before the convolution that reads a depthwise one, as in MBConv, else
        after the norm of the last convolution of a residual's body, as in SE-ResNet."""
        run = [name for name in self.followed.order if is_in(name, parts)]
        convs = [name for name in run if isinstance(self.modules[name], nn.Conv2d)]
        filters = [n for n in convs if n not in self.widths.producers]
        if filters:
            for name, following in pairwise(convs):
                conv = self.modules[following]
                if (
                    name in filters
                    and following in self.widths.producers
                    and isinstance(conv, nn.Conv2d)
                    and conv.kernel_size == (1, 1)
                ):
                    yield "before", following
            return
        for name in convs:
            given = set(self.followed.inputs.get(_block_of(name, parts), ()))
            ends = name in self.widths.producers and not out.isdisjoint(self.widths.classes[name])
            added = any(name in group and len(group) > 1 for group in self.widths.groups)
            if ends and added and given and given.isdisjoint(self.followed.inputs[name]):  # and is no shortcut
                yield "after", self._normed(name, run)

    def _normed(self, conv: str, run: Sequence[str]) -> str:
        """The norm that runs right after `conv`; itself where there is none."""
        leaves = [name for name in run if not any(True for _ in self.modules[name].children())]
        following = leaves[leaves.index(conv) + 1 :][:1]
        return following[0] if following and isinstance(self.modules[following[0]], nn.BatchNorm2d) else conv

    # ------------------------------------------------------------------ of the whole network

    @cached_property
    def activations(self) -> tuple[str, ...]:
        """Modules that are activations of maps, where all are of one kind and none is called as a function."""
        if self.followed.functional:
            return ()
        found = [
            name
            for name, module in self.modules.items()
            if type(module) in ACTIVATIONS.values() and (self._out(name) or (0,))[-1] > 1
        ]
        return tuple(found) if len({type(self.modules[name]) for name in found}) == 1 else ()


def signature(module: nn.Module) -> tuple[object, ...]:
    """What two blocks have in common that are alike, whatever they are given."""
    found: list[object] = []
    for name, part in module.named_modules():
        own: tuple[object, ...] = ()
        if isinstance(part, nn.Conv2d):
            depthwise = part.groups == part.in_channels > 1
            out = 0 if depthwise else part.out_channels
            own = out, part.kernel_size, part.stride, part.dilation, 0 if depthwise else part.groups
        elif isinstance(part, nn.Linear):
            own = (part.out_features,)
        elif isinstance(part, PadChannels):
            own = part.extra, part.subsample
        found.append((name, type(part), *own))
    return tuple(found)


def _keeps_size(conv: nn.Conv2d) -> bool:
    """Whether it is of an odd number of pixels a side, and padded by half of it."""
    height, width = conv.kernel_size
    padding = conv.padding
    half = (height // 2, height // 2)
    plain = padding in ("same", half, height // 2) or isinstance(conv, TensorFlowConv2d)
    return height == width and height % 2 == 1 and plain and set(conv.dilation) == {1}


def _block_of(name: str, parts: Sequence[str]) -> str:
    """The child of a part that `name` is in, or the part where that is a block itself."""
    part = next(part for part in parts if is_in(name, (part,)))
    rest = name[len(part) + 1 :]
    return f"{part}.{rest.partition('.')[0]}" if rest else part


def _child(container: str, key: str) -> str:
    return f"{container}.{key}" if container else key


def _parent(name: str) -> str:
    return name.rpartition(".")[0]


def distinct_names(parts: Sequence[tuple[str, ...]]) -> list[str]:
    """Words of letters, digits and underscores, from the modules' names."""
    found: list[str] = []
    for names in parts:
        word = re.sub(r"\W+", "_", names[0]).strip("_")
        word = word if re.match(r"[A-Za-z_]", word) else f"stage_{word}"
        while word in found:
            word += "_"
        found.append(word)
    return found
