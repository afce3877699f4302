"""A network with some of its layers changed, made of the original's own modules.

The module tree stays the original's: its classes, its forwards and its names. Blocks are left out or stand there once
more, convolutions get other kernels, and then one forward on an image without numbers tells every layer how many
channels it is given, so that all that follows from the widths of the producers is found and nothing has to be known of
the code between them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from searchspaces.around.channels import NORMS
from searchspaces.around.stages import ACTIVATIONS, Original, Repeat
from searchspaces.around.strides import set_stride
from searchspaces.cost import Cost, shapes_only
from searchspaces.counting import Counter, ReshapedInPlace
from searchspaces.layers import relu
from searchspaces.modules import PadChannels, SqueezeExcite, TensorFlowConv2d

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Gate(NamedTuple):
    """A squeeze-and-excitation `before` or `after` a module: of so many `channels`, and a share of them inside."""

    where: str
    channels: int
    share: float


@dataclass(frozen=True)
class Changes:
    """What is other than in the original, by the names of its modules; `blocks` by stages."""

    blocks: Mapping[str, tuple[Repeat, int]] = field(default_factory=lambda: NOTHING)  # how many of a stage
    channels: Mapping[str, int] = field(default_factory=lambda: NOTHING)  # of producers
    kernels: Mapping[str, int] = field(default_factory=lambda: NOTHING)  # of convolutions, in pixels a side
    groups: Mapping[str, int] = field(default_factory=lambda: NOTHING)  # likewise
    separable: frozenset[str] = frozenset()  # convolutions that become one filter a channel and a 1x1
    ungated: frozenset[str] = frozenset()  # squeeze-and-excitations that are left out
    gated: Mapping[str, Gate] = field(default_factory=lambda: NOTHING)  # modules that get a squeeze-and-excitation
    activation: tuple[tuple[str, ...], str] = ((), "")  # modules, and what they become
    strides: Mapping[str, int] = field(default_factory=lambda: NOTHING)  # of layers

    def __or__(self, other: Changes) -> Changes:
        """Both, of different stages."""
        return Changes(
            {**self.blocks, **other.blocks}, {**self.channels, **other.channels}, {**self.kernels, **other.kernels},
            {**self.groups, **other.groups}, self.separable | other.separable, self.ungated | other.ungated,
            {**self.gated, **other.gated}, other.activation if other.activation[1] else self.activation,
            {**self.strides, **other.strides},
        )  # fmt: skip

    @property
    def key(self) -> tuple[object, ...]:
        """Equal of changes that make the same network."""
        return (
            tuple(sorted((name, number) for name, (_, number) in self.blocks.items())),
            *(tuple(sorted(values.items())) for values in (self.channels, self.kernels, self.groups, self.gated)),
            tuple(sorted(self.strides.items())), tuple(sorted(self.separable)), tuple(sorted(self.ungated)),
            self.activation[1],
        )  # fmt: skip


def changed(
    build: Callable[[], nn.Module], original: Original, changes: Changes, channels: int, side: int, weights: bool
) -> nn.Module:
    """What `build` gives, which is the `original`, with `changes`, for images `[channels, side, side]`.

    With `weights` layers of other sizes start as the original's do: normal, of the same spread for what they read.
    Raises ValueError where the layers no longer fit together.
    """
    shapes = Shapes(build, original, changes)
    shapes.fit(changes.channels, channels, side)
    if not weights:
        return shapes.module
    module = build()
    _edited(module, changes)
    for part, like in zip(module.modules(), shapes.module.modules(), strict=True):
        _resize_like(part, like)
    return module


class Shapes:
    """The `module` that a network becomes by `changes`, without numbers: its widths can be set again and again."""

    def __init__(self, build: Callable[[], nn.Module], original: Original, changes: Changes) -> None:
        with shapes_only():
            self.module = build()
        self._original, self._changes = original, changes
        self._source = _edited(self.module, changes)
        blocks = set(original.widths.completed.values())
        self._fitted = [
            part for part in self.module.modules() if isinstance(part, FITTED) or self._source.get(part) in blocks
        ]

    def sources(self) -> dict[str, str]:
        """What each module was called in the original, by what it is called now; those that are new are left out."""
        return {name: self._source[part] for name, part in self.module.named_modules() if part in self._source}

    def fit(self, widths: Mapping[str, int], channels: int, side: int) -> Cost:
        """Give each layer the channels that it is given, and those that it is to put out: of a producer the original's
        number, or that of `widths`. Returns what an image costs. Raises ValueError where they do not fit together.
        """
        fitter = _Fitter(self._source, self._original, self._changes, widths)
        hooks = [part.register_forward_pre_hook(fitter) for part in self._fitted]
        modes = [(part, part.training) for part in self.module.modules()]
        self.module.eval()
        try:
            for part, name in self._source.items():
                fitter.fit_vectors(part, name)
            counter = _run(self.module, torch.empty(1, channels, side, side, device="meta"))
            fitter.check_all_ran(self.module)
        except (RuntimeError, IndexError, TypeError, AttributeError, AssertionError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise ValueError(f"its layers do not fit together once they are changed: {reason}") from None
        finally:
            for hook in hooks:
                hook.remove()
            for part, training in modes:
                part.training = training
        parameters = {id(p): p.numel() for p in self.module.parameters()}
        return Cost(sum(parameters.values()), counter.macs, counter.activations)


# ---------------------------------------------------------------------------- other layers


def _edited(module: nn.Module, changes: Changes) -> dict[nn.Module, str]:
    """Change the layers of `module` in place, but for how many channels they have: what each was in the original."""
    source = {part: name for name, part in module.named_modules()}
    parts = {name: part for part, name in source.items()}
    for name in changes.ungated:
        _replace(module, name, nn.Identity())
    for name, stride in changes.strides.items():
        _replace(module, name, set_stride(parts[name], stride))
    for name, kernel in changes.kernels.items():
        _set_kernel(parts[name], kernel)
    for name in changes.separable:
        separable = _separable(parts[name])
        _replace(module, name, separable)
        source |= {separable[0]: f"{name}.depthwise", separable[1]: name}
    names, kind = changes.activation
    for name in names:
        _replace(module, name, ACTIVATIONS[kind]() if kind == "gelu" else ACTIVATIONS[kind](inplace=True))
    for name, gate in changes.gated.items():
        inner = module.get_submodule(name)
        made = SqueezeExcite(gate.channels, _inside(gate, gate.channels), relu).to(next(module.parameters()).device)
        source[made] = f"{name}{GATE}"
        _replace(module, name, nn.Sequential(*((made, inner) if gate.where == "before" else (inner, made))))
    containers = {repeat.container: module.get_submodule(repeat.container) for repeat, _ in changes.blocks.values()}
    for repeat, number in changes.blocks.values():
        source |= _repeated(containers[repeat.container], repeat, number, source)
    for container in containers.values():  # once all are found by the keys that they had
        _number(container)
    return source


def _set_kernel(conv: nn.Module, kernel: int) -> None:
    assert isinstance(conv, nn.Conv2d)
    conv.kernel_size = kernel, kernel
    if not isinstance(conv.padding, str) and max(conv.padding):
        conv.padding = kernel // 2, kernel // 2
    conv._reversed_padding_repeated_twice = [kernel // 2] * 4
    _set_weight(conv, (*conv.weight.shape[:2], kernel, kernel))


def _separable(conv: nn.Module) -> nn.Sequential:
    """Xception's: one filter a channel, then 1x1, and nothing in between."""
    assert isinstance(conv, nn.Conv2d)
    kind: Any = TensorFlowConv2d if isinstance(conv, TensorFlowConv2d) else nn.Conv2d
    of: dict[str, Any] = {"device": conv.weight.device, "dtype": conv.weight.dtype}
    c = conv.in_channels
    filters = kind(c, c, conv.kernel_size, conv.stride, conv.padding, groups=c, bias=False, **of)
    mixing = nn.Conv2d(c, conv.out_channels, 1, bias=conv.bias is not None, **of)
    for part in (filters, mixing):
        _draw_like(part.weight, conv.weight)
    return nn.Sequential(filters, mixing)


def _repeated(container: nn.Module, repeat: Repeat, number: int, source: dict[nn.Module, str]) -> dict[nn.Module, str]:
    """Have the stage so many blocks, by those of the row that are left out or copied; what copies are copies of."""
    more, last = number - repeat.blocks, repeat.keys[-1]
    children: list[tuple[str, nn.Module]] = []
    copied: dict[nn.Module, str] = {}
    for key, child in container.named_children():
        if key not in repeat.keys[more:] or more >= 0:
            children.append((key, child))
        if key == last:
            copies = [deepcopy(child) for _ in range(more)]
            children += [(f"{key}_{n}", copy) for n, copy in enumerate(copies, start=1)]
            for copy in copies:
                copied |= _begun_anew(copy, child, source)
    container._modules.clear()
    for key, child in children:
        container.add_module(key, child)
    return copied


def _number(container: nn.Module) -> None:
    """Number the children of a list anew, where some were left out or copied."""
    children = list(container.named_children())
    if all(key.partition("_")[0].isdigit() for key, _ in children):
        container._modules.clear()
        for number, (_, child) in enumerate(children):
            container.add_module(str(number), child)


def _begun_anew(copy: nn.Module, block: nn.Module, source: dict[nn.Module, str]) -> dict[nn.Module, str]:
    """Give the layers of the `copy` of a `block` weights of their own; what each is a copy of."""
    for layer in copy.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            _draw_like(layer.weight, layer.weight)
    pairs = zip(block.modules(), copy.modules(), strict=True)
    return {other: source[one] for one, other in pairs if one in source}


def _replace(module: nn.Module, name: str, other: nn.Module) -> None:
    container, _, key = name.rpartition(".")
    parent = module.get_submodule(container)
    other.train(parent._modules[key].training)  # type: ignore[union-attr]
    parent._modules[key] = other


# ---------------------------------------------------------------------------- other sizes


def _run(module: nn.Module, image: Tensor) -> Counter:
    try:
        with torch.no_grad(), Counter(()) as counter:
            module(image)
    except ReshapedInPlace:
        with torch.no_grad(), Counter((), careful=True) as counter:
            module(image)
    return counter


class _Fitter:
    """Sets the sizes of each layer as it is about to run, by what it is given."""

    def __init__(
        self, source: dict[nn.Module, str], original: Original, changes: Changes, widths: Mapping[str, int]
    ) -> None:
        self._source, self._original, self._changes, self._widths = source, original, changes, widths
        self._given: dict[str, int] = {}  # channels, by blocks
        self._ran: set[nn.Module] = set()

    def __call__(self, part: nn.Module, given: tuple[Any, ...]) -> None:
        x: Tensor = given[0]
        self._ran.add(part)
        name = self._source.get(part, "")
        match part:
            case nn.Conv2d():
                self._convolution(part, name, x.shape[1])
            case nn.Linear():
                self._linear(part, name, x.shape[-1])
            case PadChannels():
                part.extra = self._width(name) - x.shape[1]
            case nn.ChannelShuffle():
                was = self._original.modules[name]
                part.groups = _shuffled(was.groups, self._original.followed.shapes[name][0][0], x.shape[1])
            case SqueezeExcite():
                if gate := self._changes.gated.get(name.removesuffix(GATE)) if name.endswith(GATE) else None:
                    part.reduce.out_channels, part.expand.out_channels = _inside(gate, x.shape[1]), x.shape[1]
            case nn.Module() if isinstance(part, NORMS):
                self._norm(part, name, x)
            case _:
                self._given[name] = x.shape[1]

    def _own(self, name: str) -> int:
        return len(self._original.widths.producers[name].labels)

    def _width(self, name: str) -> int:
        return self._widths.get(name, self._own(name))

    def _convolution(self, conv: nn.Conv2d, name: str, given: int) -> None:
        if conv.groups == conv.in_channels > 1 and name not in self._original.widths.producers:
            conv.groups = conv.in_channels = conv.out_channels = given
            size = (given, 1)
        else:
            out = self._completing(name) or (
                self._width(name) if name in self._original.widths.producers else conv.out_channels
            )
            conv.groups = self._changes.groups.get(name, conv.groups)
            conv.in_channels, conv.out_channels = given, out
            size = (out, given // conv.groups)
        _set_weight(conv, (*size, *conv.weight.shape[2:]))

    def check_all_ran(self, module: nn.Module) -> None:
        """Raises ValueError where a layer was put into `module` that its forward does not run."""
        for name, part in module.named_modules():
            was = self._source.get(part)
            if isinstance(part, nn.Conv2d) and part not in self._ran and was in self._original.followed.shapes:
                raise ValueError(f"the forward does not run {name}")

    def fit_vectors(self, part: nn.Module, name: str) -> None:
        """Weights that a module has beside its layers, a number for each channel of a producer."""
        for (owner, attribute), producer in self._original.followed.vectors.items():
            if owner == name:
                tensor = getattr(part, attribute)
                axis = tensor.shape.index(tensor.numel())
                shape = tuple(self._width(producer) if n == axis else 1 for n in range(tensor.ndim))
                if shape != tensor.shape:
                    _set(part, attribute, shape)

    def _completing(self, name: str) -> int:
        """The channels that a block is short of, where the layer called `name` is to put them out; else 0."""
        block = self._original.widths.completed.get(name)
        if block is None:
            return 0
        own, given = self._own(name), self._original.followed.shapes[block][0][0]
        return self._given[block] - self._given[block] * (given - own) // given

    def _linear(self, linear: nn.Linear, name: str, given: int) -> None:
        linear.in_features = given
        linear.out_features = self._width(name) if name in self._original.widths.producers else linear.out_features
        _set_weight(linear, (linear.out_features, given))

    def _norm(self, norm: nn.Module, name: str, x: Tensor) -> None:
        was = self._original.modules.get(name, norm)
        if isinstance(norm, nn.LayerNorm):
            if len(norm.normalized_shape) == 1:
                shape = self._original.followed.shapes.get(name, ((), ()))[0]
                first = len(shape) == 3 and shape[0] == was.normalized_shape[0] != shape[-1]
                norm.normalized_shape = (x.shape[1 if first else -1],)
                _set_each(norm, norm.normalized_shape[0])
        elif isinstance(norm, nn.PReLU):
            if norm.num_parameters > 1:
                norm.num_parameters = x.shape[1]
                _set_each(norm, x.shape[1])
        else:
            if isinstance(norm, nn.GroupNorm):
                norm.num_groups, norm.num_channels = math.gcd(was.num_groups, x.shape[1]), x.shape[1]
            else:
                norm.num_features = x.shape[1]  # type: ignore[assignment]
            _set_each(norm, x.shape[1])


FITTED = (nn.Conv2d, nn.Linear, PadChannels, nn.ChannelShuffle, SqueezeExcite, *NORMS)
GATE = "+gate"  # behind the name of what it was put beside


def _inside(gate: Gate, channels: int) -> int:
    return max(1, int(channels * gate.share))


def _shuffled(groups: int, channels: int, now: int) -> int:
    """The groups in which `now` channels are shuffled: as many, or where each had few channels, each as large."""
    return groups if groups * groups <= channels else max(1, groups * now // channels)


def _set_weight(layer: nn.Conv2d | nn.Linear, shape: tuple[int, ...]) -> None:
    if layer.weight.shape != shape:
        _set(layer, "weight", shape)
    if layer.bias is not None and layer.bias.shape != shape[:1]:
        _set(layer, "bias", shape[:1])


def _set_each(norm: nn.Module, channels: int) -> None:
    """The tensors of `norm` for so many channels."""
    for name, tensor in [*norm._parameters.items(), *norm._buffers.items()]:
        if tensor is not None and tensor.ndim == 1 and tensor.shape != (channels,):
            _set(norm, name, (channels,))


def _set(layer: nn.Module, name: str, shape: tuple[int, ...]) -> None:
    """The tensor called so of another shape; where it has numbers, as `_redrawn` says."""
    tensor = getattr(layer, name)
    made = torch.empty(shape, dtype=tensor.dtype, device=tensor.device)
    if tensor.device.type != "meta":
        _redraw(layer, name, tensor, made)
    setattr(layer, name, nn.Parameter(made, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else made)


def _redraw(layer: nn.Module, name: str, tensor: Tensor, made: Tensor) -> None:
    """Fill `made` as `tensor` was: with its one number, or normal, of the same spread for what a layer reads."""
    if name == "weight" and isinstance(layer, nn.Conv2d | nn.Linear):
        _draw_like(made, tensor)
    else:
        _draw(made, _deviation(tensor), float(tensor.detach().float().mean()))


def _draw_like(made: Tensor, weight: Tensor) -> None:
    """Fill the weights `made`, where they have numbers: what comes of them varies as what comes of `weight`."""
    if not made.is_meta:
        _draw(made, _deviation(weight) * math.sqrt(weight[0].numel() / made[0].numel()), 0.0)


def _deviation(tensor: Tensor) -> float:
    return float(tensor.detach().float().std()) if tensor.numel() > 1 else 0.0


@torch.no_grad()
def _draw(tensor: Tensor, spread: float, mean: float) -> None:
    tensor.normal_(mean, spread) if spread else tensor.fill_(mean)


def _resize_like(part: nn.Module, like: nn.Module) -> None:
    """Give `part` the sizes of `like`, the same module without numbers."""
    if isinstance(part, FITTED):
        for name in _SIZES:
            if hasattr(like, name):
                setattr(part, name, getattr(like, name))
    for name, tensor in [*like._parameters.items(), *like._buffers.items()]:
        own = getattr(part, name)
        if tensor is not None and own.shape != tensor.shape:
            _set(part, name, tuple(tensor.shape))


_SIZES = (
    "in_channels", "out_channels", "groups", "in_features", "out_features", "num_features", "num_groups",
    "num_channels", "normalized_shape", "num_parameters", "extra",
)  # fmt: skip
