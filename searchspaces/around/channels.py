"""Which channels of a network must be as many as which others, found by following each through a forward.

Every channel that a convolution or a linear layer puts out gets a number of its own, and the numbers travel with the
maps: a concatenation puts them side by side, a split, a shuffle or a permutation moves them, by the very function that
the forward calls. Where two maps are added, or one scales the other, the channels that meet are one class from then on:
both must be there, or neither. So a residual stage, whose blocks all add to one map, is one width, whatever its code.

The forward runs on an image without numbers, as Python runs it: it may branch on shapes and on its own settings. What
is known of a channel is lost in a function that mixes channels and has no weights of its own, such as the product of
two maps; the channels that go in there keep their number.

`torch.fx` would have to trace the code symbolically, which a branch on a shape already stops, and `torch.export` writes
shapes down as constants; what is asked here is only which channels meet.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import resolve_name

from searchspaces.cost import evaluating
from searchspaces.following import Following, tensors_in
from searchspaces.modules import PadChannels

OUTPUT = "they are the network's output"  # why the channels of its last layer stay
NONE = 0  # the label of what is no channel of a producer: an image's, a padded one


@dataclass(frozen=True)
class Producer:
    """A layer that puts out channels of its own: a convolution, a linear layer, a padding of channels.

    `labels` are those of its channels, before classes are made; `side` that of its map in pixels, 1 of a linear layer.
    """

    name: str  # in the network
    labels: range
    groups: int
    side: int


@dataclass
class Followed:
    """What a forward showed of `module`."""

    producers: dict[str, Producer] = field(default_factory=dict)
    inputs: dict[str, tuple[int, ...]] = field(default_factory=dict)  # labels that a module is given, by its name
    outputs: dict[str, tuple[int, ...]] = field(default_factory=dict)  # and that it puts out
    reads: dict[str, tuple[int, ...]] = field(default_factory=dict)  # of a layer: the label of each channel it is given
    shapes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)  # [C, H, W] in and out
    order: list[str] = field(default_factory=list)  # the modules as they are first run, with children
    needs: dict[int, int] = field(default_factory=dict)  # by labels: what their number is a multiple of, for groups
    fixed: dict[int, str] = field(default_factory=dict)  # labels whose number must stay, and what holds them
    vectors: dict[tuple[str, str], str] = field(default_factory=dict)  # weights of a module, a number for each channel
    functional: bool = False  # whether an activation is a function of some module, and none of its own
    _class: list[int] = field(default_factory=lambda: [NONE])  # by labels, another of the same class

    def new(self, number: int) -> range:
        """Labels of so many further channels."""
        labels = range(len(self._class), len(self._class) + number)
        self._class.extend(labels)
        return labels

    def made_by(self, labels: Sequence[int]) -> str | None:
        """The producer whose channels these are, all of them; the first of those that meet."""
        classes = [self.find(label) for label in labels]
        for name, producer in self.producers.items():
            if len(producer.labels) == len(classes) and [self.find(label) for label in producer.labels] == classes:
                return name
        return None

    def find(self, label: int) -> int:
        """The least label of the class."""
        while self._class[label] != label:
            self._class[label] = self._class[self._class[label]]
            label = self._class[label]
        return label

    def unite(self, one: int, other: int) -> None:
        low, high = sorted((self.find(one), self.find(other)))
        self._class[high] = low

    def fix(self, labels: Sequence[int], why: str) -> None:
        for label in labels:
            self.fixed.setdefault(label, why)


Known = Callable[[str, int], Sequence[int] | None]  # a producer and how many channels it has -> their labels


def follow(module: nn.Module, channels: int, side: int, known: Known | None = None, labels: int = 0) -> Followed:
    """Follow the channels of `module` for an image `[channels, side, side]`.

    Its weights are not used, and may be without numbers (`searchspaces.cost.shapes_only`). A producer's channels get
    labels of their own, or those that are `known` of it, which are of the first `labels`. Raises ValueError where the
    forward needs numbers, by the function and the line that ask for them.
    """
    found = Followed()
    found.new(labels)
    names = {id(part): name for name, part in module.named_modules()}
    follower = _Channels(found, known)
    hooks = [hook for part in module.modules() for hook in follower.hooks(part, names[id(part)])]
    try:
        with torch.no_grad(), evaluating([*module.modules()]), follower:
            image = torch.empty(1, channels, side, side, device="meta")
            out = module(follower.know(image, _nothing(image)))
    except (RuntimeError, IndexError, TypeError, NotImplementedError, AssertionError) as error:
        raise ValueError(
            f"the {type(module).__name__} cannot be followed without an image's numbers: "
            f"{follower.last} {_line(error)} says: {str(error).partition(chr(10))[0]}"
        ) from None
    finally:
        for hook in hooks:
            hook.remove()
    for tensor in tensors_in((out,)):
        if follower.knows(tensor):
            found.fix(_distinct(follower.known(tensor)), OUTPUT)
    return found


def _line(error: BaseException) -> str:
    """`in net.py, line 12`: of the code of a module, the innermost."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/torch/" not in frame.filename]
    ours = [frame for frame in frames if not frame.filename.endswith(("/channels.py", "/following.py"))]
    return f"in {ours[-1].filename.rpartition('/')[2]}, line {ours[-1].lineno}," if ours else ""


class _Channels(Following[Tensor]):
    """What is known of a tensor: the label of each of its numbers, `[...]` as itself, expanded where they are alike."""

    def __init__(self, found: Followed, known: Known | None) -> None:
        super().__init__()
        self.last = ""
        self._found, self._known_labels = found, known
        self._stack: list[tuple[str, nn.Module]] = []

    def hooks(self, part: nn.Module, name: str) -> Iterator[Any]:
        def before(part: nn.Module, given: Any) -> None:
            self._stack.append((name, part))
            if name not in self._found.shapes:
                self._found.order.append(name)

        def after(part: nn.Module, given: Any, out: Any) -> Any:
            self._stack.pop()
            if isinstance(part, PadChannels):
                out = self._padded(name, given[0], out)
            self._note(part, name, given, out)
            return out

        yield part.register_forward_pre_hook(before)
        yield part.register_forward_hook(after)

    def knows(self, tensor: Tensor) -> bool:
        return id(tensor) in self._known

    def called(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], given: list[Tensor]) -> Any:
        self.last = resolve_name(func) or getattr(func, "__name__", "a function")
        if func in _WEIGHTED and self._stack and isinstance(self._stack[-1][1], nn.Conv2d | nn.Linear):
            return self._produced(func, args, kwargs)
        if func in _ACTS and len(self._stack) and any(True for _ in self._stack[-1][1].children()):
            self._found.functional = True
        out = _run(func, args, kwargs)
        if self._stack and isinstance(self._stack[-1][1], PadChannels):
            return self.know(out, _nothing(out))  # what it puts out are its own, see `hooks`
        if func in _MOVES:
            self._moved(func, args, kwargs, out)
            return out
        for tensor in tensors_in((out,)):
            if id(tensor) not in self._known or tensor is args[0]:
                self._elementwise(tensor, given, args, kwargs)
        return out

    # ------------------------------------------------------------------ layers with weights

    def _produced(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        name, part = self._stack[-1]
        given = kwargs.get("input", args[0])
        out: Tensor = _run(func, args, kwargs)
        axis = 1 if isinstance(part, nn.Conv2d) else out.ndim - 1
        reads = _along(self.known(given), axis)
        groups = part.groups if isinstance(part, nn.Conv2d) else 1
        if groups > 1 and groups == given.shape[1] == out.shape[1] and reads is not None:
            return self.know(out, _spread(reads, out.shape, 1))  # one filter a channel: the channels are those given
        if groups > 1:
            for label in _distinct(self.known(given)):
                self._found.needs[label] = groups
            if groups == given.shape[1]:
                self._found.fix(_distinct(self.known(given)), f"{name} has several filters for each of them")
        labels = self._new(name, out.shape[axis], groups, out.shape[-1] if out.ndim == 4 else 1)
        return self.know(out, _spread(torch.tensor(labels, device="cpu"), out.shape, axis))

    def _new(self, name: str, number: int, groups: int, side: int) -> Sequence[int]:
        """Of a layer that runs twice, the same as the first time."""
        if name not in self._found.producers:
            self._found.producers[name] = Producer(name, self._found.new(number), groups, side)
        given = self._known_labels(name, number) if self._known_labels else None
        return self._found.producers[name].labels if given is None else given

    def _padded(self, name: str, given: Tensor, out: Tensor) -> Tensor:
        labels = self._new(name, out.shape[1], 1, out.shape[-1])
        return self.know(out, _spread(torch.tensor(labels, device="cpu"), out.shape, 1))

    # ------------------------------------------------------------------ functions

    def _moved(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        """What only moves numbers moves their labels: the same function, on these."""
        named = dict(zip(kwargs, _replaced(list(kwargs.values()), self._labels_of), strict=True))
        labels = func(*_replaced(args, self._labels_of), **named)
        for tensor, its in zip(tensors_in((out,)), tensors_in((labels,)), strict=True):
            self.know(tensor, _compact(its))

    def _labels_of(self, tensor: Tensor) -> Tensor:
        if id(tensor) in self._known:
            return self._known[id(tensor)]
        return _nothing(tensor)

    def _elementwise(self, out: Tensor, given: list[Tensor], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """`out`, whose channels are those of `given`, which meet in it; or nothing is known of them."""
        maps = [labels for tensor in given if (labels := self._fitted(self.known(tensor), out)) is not None]
        if not maps or len(maps) < len(given):
            held = f"{self.last} {self._place()}mixes them".replace("  ", " ")
            for tensor in given:
                self._found.fix(_distinct(self.known(tensor)), held)
            self.know(out, _nothing(out))
            return
        first, *others = maps
        for other in others:
            first = self._met(first, other)
        for tensor in tensors_in((*args, *kwargs.values())):
            if id(tensor) not in self._known and tensor.numel() > 1 and not self._is_norm():
                self._weighed(tensor, first)
        self.know(out, first.expand(out.shape))

    def _weighed(self, tensor: Tensor, labels: Tensor) -> None:
        """`tensor` is of the network, and meets maps of these `labels`: it may have a number for each channel."""
        its = _distinct(labels)
        name, part = self._stack[-1] if self._stack else ("", nn.Identity())
        attribute = next((key for key, own in part._parameters.items() if own is tensor or own is tensor._base), None)
        made_by = self._found.made_by(its)
        if attribute and made_by and max(tensor.shape) == tensor.numel() == len(its):
            self._found.vectors[name, attribute] = made_by
        else:
            self._found.fix(its, f"{name or 'the network'} has weights for each of them")

    def _fitted(self, labels: Tensor, out: Tensor) -> Tensor | None:
        """`labels` for a result of the shape of `out`: a map's channels are those that went in, at other pixels too."""
        channels = _along(labels, 1) if labels.ndim >= 2 else None
        if labels.shape == out.shape:
            return labels
        if channels is not None and out.ndim >= 2 and out.shape[1] == labels.shape[1] and labels.ndim in (out.ndim, 4):
            return _spread(channels, out.shape, 1)
        try:
            return labels.expand(out.shape)
        except RuntimeError:
            return None

    def _met(self, one: Tensor, other: Tensor) -> Tensor:
        """The labels of what is added: those of `one`, where it has some."""
        one, other = _thinned(one, other)
        pairs = torch.stack([one.reshape(-1), other.reshape(-1)], 1).unique(dim=0).tolist()  # type: ignore[no-untyped-call]
        for a, b in pairs:
            if NONE not in (a, b):
                self._found.unite(a, b)
            elif a != b:
                self._found.fix([a or b], f"{self.last} {self._place()}adds what is no channel of a layer to them")
        return torch.where(one != NONE, one, other)

    def _is_norm(self) -> bool:
        return bool(self._stack) and isinstance(self._stack[-1][1], NORMS)

    def _place(self) -> str:
        return f"in {self._stack[-1][0]} " if self._stack and self._stack[-1][0] else ""

    def _note(self, part: nn.Module, name: str, given: Any, out: Any) -> None:
        """What went into a module and came out, of its first run."""
        first = next(tensors_in((given,)), None)
        last = next(tensors_in((out,)), None)
        if name in self._found.shapes or first is None or last is None or not self.knows(last):
            return
        if isinstance(part, (nn.Conv2d, nn.Linear, *NORMS)) and self.knows(first):
            labels = self.known(first)
            along = _along(labels, 1) if isinstance(part, nn.Conv2d) or labels.ndim == 4 else None
            along = _along(labels, labels.ndim - 1) if along is None else along
            if along is not None:
                self._found.reads[name] = tuple(along.tolist())
        self._found.shapes[name] = tuple(first.shape[1:]), tuple(last.shape[1:])
        self._found.inputs[name] = tuple(_distinct(self.known(first))) if self.knows(first) else ()
        self._found.outputs[name] = tuple(_distinct(self.known(last)))


NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.PReLU)
"""Layers with weights for each channel that they are given: as many as there are."""

_ACTS = {F.relu, torch.relu, Tensor.relu, torch.relu_, Tensor.relu_, F.relu6, F.silu, F.hardswish, F.gelu}
_WEIGHTED = {F.conv2d, F.linear}
_MOVES: set[Callable[..., Any]] = {
    Tensor.view, Tensor.reshape, torch.reshape, Tensor.permute, torch.permute, Tensor.transpose, torch.transpose,
    Tensor.flatten, torch.flatten, Tensor.chunk, torch.chunk, Tensor.split, torch.split, Tensor.unbind, torch.unbind,
    torch.cat, torch.concat, torch.stack, Tensor.__getitem__, Tensor.narrow, torch.narrow, Tensor.select,
    torch.channel_shuffle, F.channel_shuffle, Tensor.squeeze, torch.squeeze, Tensor.unsqueeze, torch.unsqueeze,
    Tensor.contiguous, Tensor.clone, Tensor.expand, Tensor.repeat, Tensor.roll, torch.roll, Tensor.unflatten,
}  # fmt: skip


def _run(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What `func` gives, of tensors without numbers."""
    named = dict(zip(kwargs, _replaced(list(kwargs.values()), _without_numbers), strict=True))
    with torch.device("meta"):
        return func(*_replaced(args, _without_numbers), **named)


def _without_numbers(tensor: Tensor) -> Tensor:
    return tensor if tensor.is_meta else tensor.detach().to("meta")


def _replaced(values: Sequence[Any], by: Callable[[Tensor], Tensor]) -> list[Any]:
    """`values`, and those in lists among them, each tensor `by` another."""
    return [
        by(value) if isinstance(value, Tensor)
        else type(value)(_replaced(value, by)) if type(value) in (list, tuple)
        else value
        for value in values
    ]  # fmt: skip


def _nothing(tensor: Tensor) -> Tensor:
    """The labels of what is no channel of a layer."""
    return torch.full((), NONE, dtype=torch.long, device="cpu").expand(tensor.shape)


def _distinct(labels: Tensor) -> list[int]:
    """The labels that there are, in their order along the channels where they lie along one axis."""
    thin, _ = _thinned(labels, labels)
    return list(dict.fromkeys(label for label in thin.reshape(-1).tolist() if label != NONE))


def _along(labels: Tensor, axis: int) -> Tensor | None:
    """`[C]`: the labels along `axis`; None where they differ along another one."""
    others = [n for n in range(labels.ndim) if n != axis]
    if any(labels.stride(n) and labels.shape[n] > 1 for n in others):
        return None
    for n in reversed(others):
        labels = labels.select(n, 0)
    return labels


def _spread(channels: Tensor, shape: Sequence[int], axis: int) -> Tensor:
    """`channels` `[C]` along `axis` of a tensor of `shape`."""
    return channels.reshape([-1 if n == axis else 1 for n in range(len(shape))]).expand(*shape)


def _compact(labels: Tensor) -> Tensor:
    """The same, expanded along each axis on which they are alike."""
    for axis in range(labels.ndim):
        if labels.shape[axis] > 1 and labels.stride(axis):
            first = labels.narrow(axis, 0, 1)
            if torch.equal(first.expand(labels.shape), labels):
                labels = first.expand(labels.shape)
    return labels


def _thinned(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Both of one shape, of length 1 along each axis on which neither differs."""
    one, other = torch.broadcast_tensors(one, other)  # type: ignore[no-untyped-call]
    for axis in range(one.ndim):
        if not one.stride(axis) and not other.stride(axis):
            one, other = one.narrow(axis, 0, min(1, one.shape[axis])), other.narrow(axis, 0, min(1, other.shape[axis]))
    return one, other
