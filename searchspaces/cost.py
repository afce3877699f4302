"""What a network costs: parameters, multiply-adds and activations, by shape alone.

MACs are the multiply-adds of convolutions and linear layers for one image: what the MnasNet and
EfficientNet papers call FLOPs. Batch norm, pooling and elementwise work are not counted (EfficientNet-B0
at 224 pixels is 385.8M so, where fvcore's default total, which counts them too, says 401.7M). The figures
equal fvcore's `FlopCountAnalysis(...).by_operator()`, `conv` plus `linear`; a test holds that. See docs/macs.md.

A network built under `shapes_only()` is costed without ever allocating its weights:

    with shapes_only():
        network = space.build(arch)
    cost(network, image_size=32)        # Cost(params=..., macs=..., activations=...)

which is `cost_of(lambda: space.build(arch), image_size=32)` where the network itself is not wanted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode, resolve_name

from searchspaces.counting import Counter, ReshapedInPlace, Uncountable
from searchspaces.images import for_images_of, image_channels


@dataclass(frozen=True)
class Cost:
    """Sizes for one image. `activations`: elements that convolutions and linear layers put out
    (Radosavovic et al. 2020), which track a network's time on accelerators better than MACs do."""

    params: int
    macs: int
    activations: int


@dataclass(frozen=True)
class RowCost:
    """A network's child by its name: what it puts out (`[C, H, W]` or `[C]` of one image) and what it costs."""

    name: str
    output: tuple[int, ...]
    cost: Cost


def cost(module: nn.Module, image_size: int, channels: int = 3) -> Cost:
    """The cost of `module` for an image `[1, channels, image_size, image_size]`, in evaluation mode.

    Runs `module` once on a meta tensor, which holds a shape and no numbers: a few milliseconds, whatever the network's
    size. The module is left as it was; one with lazy layers is counted by a copy. Raises ValueError where the image is
    too small, layers do not fit together, or the module does what cannot be counted, by the name of that.
    """

    def whole(module: nn.Module, image: Tensor, counter: Counter) -> Cost:
        module(image)
        check_counted(module, counter)
        return cost_seen(module, counter)

    return counted(module, image_size, channels, whole)


def check_counted(module: nn.Module, counter: Counter) -> None:
    """Raises ValueError where all that `module` multiplied is not counted."""
    if not counter.macs and counter.passed_over:
        raise Uncountable(
            f"the {type(module).__name__}",
            f"all that it multiplies are numbers of an image with each other ({', '.join(counter.passed_over)}), "
            "and multiply-adds are counted of layers with weights",
        )


def largest_output(module: nn.Module, image_size: int, channels: int = 3) -> int:
    """The elements of the largest output of a convolution or linear layer for one image. Otherwise as `cost`."""

    def largest(module: nn.Module, image: Tensor, counter: Counter) -> int:
        module(image)
        return counter.largest

    return counted(module, image_size, channels, largest)


def costs_by_row(network: nn.Sequential, image_size: int, channels: int = 3) -> list[RowCost]:
    """The cost of each child of `network`, top to bottom: with it a paper's table is printed. Otherwise as `cost`."""

    def by_row(network: nn.Module, image: Tensor, counter: Counter) -> list[RowCost]:
        rows, x = [], image
        for name, child in network.named_children():
            counter.macs = counter.activations = 0
            x = child(x)
            last = x[-1] if isinstance(x, tuple) else x  # a cell also hands on what it was given
            rows.append(RowCost(name, tuple(last.shape[1:]), cost_seen(child, counter)))
        return rows

    return counted(network, image_size, channels, by_row)


def cost_seen(module: nn.Module, counter: Counter) -> Cost:
    """Of `module`, of whose forward `counter` has seen all."""
    return cost_of_parts(modules_of(module), counter)


def cost_of_parts(parts: Sequence[nn.Module], counter: Counter) -> Cost:
    """Of a module whose `parts` are all that it has, see `modules_of`."""
    parameters = {id(p): p.numel() for part in parts for p in part._parameters.values() if p is not None}
    return Cost(sum(parameters.values()), counter.macs, counter.activations)


def modules_of(module: nn.Module) -> list[nn.Module]:
    """What `module.modules()` has, in a fraction of its time, and in no order."""
    found = {id(module): module}
    left = [module]
    while left:
        for child in left.pop()._modules.values():
            if child is not None and id(child) not in found:
                found[id(child)] = child
                left.append(child)
    return [*found.values()]


_T = TypeVar("_T")
_Run = Callable[[nn.Module, Tensor, Counter], _T]


def counted(module: nn.Module, image_size: int, channels: int, run: _Run[_T]) -> _T:
    """What `run` says of `module`, an image without content, and the counter that sees what it does with that.

    Raises ValueError as `cost` does.
    """
    try:
        return _counted_once(module, image_size, channels, run, careful=False)
    except ReshapedInPlace:
        return _counted_once(module, image_size, channels, run, careful=True)


def _counted_once(module: nn.Module, image_size: int, channels: int, run: _Run[_T], careful: bool) -> _T:
    parts = modules_of(module)
    _check_countable(parts)
    if any(isinstance(part, LazyModuleMixin) for part in parts):
        module = _initialised(module, image_size, channels)
        parts = modules_of(module)
    weights = [t for part in parts for own in (part._parameters, part._buffers) for t in own.values() if t is not None]
    counter = Counter(weights, careful)
    dtype = next((t.dtype for t in weights if t.is_floating_point()), None)
    random = torch.get_rng_state()
    try:
        image = torch.empty(1, channels, image_size, image_size, dtype=dtype, device="meta")
        with torch.no_grad(), evaluating(parts), counter:
            return run(module, image, counter)
    except (RuntimeError, IndexError, TypeError) as error:
        if "meta" in str(error).lower():  # there are no numbers in it
            name = resolve_name(counter.last) or getattr(counter.last, "__name__", "it")
            raise Uncountable(f"the {type(module).__name__}", f"{name} needs the numbers of an image") from None
        if isinstance(error, TypeError):
            raise
        raise ValueError(f"the network does not take {channels}x{image_size}x{image_size} images: {error}") from None
    finally:
        torch.set_rng_state(random)


def _check_countable(parts: Sequence[nn.Module]) -> None:
    """Raises ValueError where one of `parts` hides what it does."""
    for part in parts:
        made = (
            "scripted or traced" if isinstance(part, torch.jit.ScriptModule)
            else "compiled" if part._compiled_call_impl is not None or type(part).__name__ == "OptimizedModule"
            else ""
        )  # fmt: skip
        if made:
            name = getattr(part, "original_name", type(part).__name__)
            raise Uncountable(f"a {made} module ({name})", "count the module that it was made of")


def _initialised(module: nn.Module, image_size: int, channels: int) -> nn.Module:
    """A copy of `module` whose lazy layers know their sizes, without numbers."""
    tensors = (t for part in modules_of(module) for own in (part._parameters, part._buffers) for t in own.values())
    copy = deepcopy(module, {id(tensor): _without_numbers(tensor) for tensor in tensors if tensor is not None}).eval()
    random = torch.get_rng_state()
    try:
        with torch.no_grad(), shapes_only():
            copy(torch.empty(1, channels, image_size, image_size))
    except (RuntimeError, IndexError) as error:
        raise ValueError(f"the network does not take {channels}x{image_size}x{image_size} images: {error}") from None
    finally:
        torch.set_rng_state(random)
    return copy


def _without_numbers(tensor: Tensor) -> Tensor:
    """A parameter or buffer of the same shape, or of none yet."""
    if is_lazy(tensor):
        kind: Any = type(tensor)
        lazy: Tensor = kind(requires_grad=tensor.requires_grad, device="meta", dtype=tensor.dtype)
        return lazy
    meta = tensor.detach().to("meta")
    return nn.Parameter(meta, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else meta


class _NoInitialisation(TorchFunctionMode):
    """In-place fills do nothing: on meta tensors they would only cost time, most of a network's construction."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _FILLS:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


_FILLS: frozenset[Any] = frozenset(
    {Tensor.normal_, Tensor.uniform_, Tensor.fill_, Tensor.zero_}
    | {nn.init.kaiming_uniform_, nn.init.uniform_, nn.init.normal_}
)


@contextlib.contextmanager
def shapes_only() -> Iterator[None]:
    """Modules built here have shapes and no weights (meta tensors, no initialisation): microseconds a layer."""
    with torch.device("meta"), _NoInitialisation():
        yield


def cost_of(build: Callable[[], nn.Module], image_size: int, channels: int | None = None) -> Cost:
    """`cost` of the network that `build` makes for images of so many channels, which is made without its weights.

    By default the channels are those that networks are built for here, see `searchspaces.images`.
    """
    with for_images_of(channels), shapes_only():
        network = build()
        channels = image_channels()
    return cost(network, image_size, channels)


@contextlib.contextmanager
def evaluating(parts: Sequence[nn.Module]) -> Iterator[None]:
    """`parts` in evaluation mode, with attributes that a forward may change: theirs are laid aside until it is over."""
    laid_aside = [(part, vars(part)) for part in parts]
    for part, attributes in laid_aside:
        own = attributes.copy()
        own["training"] = False
        for held in ("_parameters", "_buffers"):
            if attributes[held]:
                own[held] = attributes[held].copy()
        object.__setattr__(part, "__dict__", own)
    try:
        yield
    finally:
        for part, attributes in laid_aside:
            object.__setattr__(part, "__dict__", attributes)
