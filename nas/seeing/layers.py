"""The layers of a network whose filters are looked at: convolutions, each with what norms and activates it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.hooks import RemovableHandle

from nas.text.units import parse_names
from searchspaces.receptive import Field, Fields

STAGES, ALL = "stages", "all"
_ACTS = (
    nn.ReLU, nn.ReLU6, nn.SiLU, nn.GELU, nn.Hardswish, nn.ELU, nn.CELU, nn.SELU, nn.LeakyReLU, nn.PReLU, nn.Mish,
    nn.Tanh, nn.Softplus,
)  # fmt: skip


@dataclass(frozen=True)
class Layer:
    """A convolution by its `name`, and where its filters' maps are: what the run `number` of the module `end` puts out.

    That is the convolution, or its norm or activation where these come at once after it. A map is `side` x `side`, of
    `filters` channels, and its positions see the `field` of the image.
    """

    name: str
    end: str
    number: int
    filters: int
    side: int
    field: Field
    activated: bool = False


def layers_of(network: nn.Module, image: Tensor) -> list[Layer]:
    """The convolutions of `network` whose maps are larger than one position, in the order in which they run.

    `image` is `[1, C, H, W]`; what it shows does not matter.
    """
    watched = _Watched(network)
    with torch.no_grad(), watched.fields:
        try:
            network.eval()(watched.fields.begin(image.clone()))
        finally:
            watched.remove()
    found = []
    for place, run in enumerate(watched.runs):
        if isinstance(run.module, nn.Conv2d) and run.out.ndim == 4 and run.out.shape[-1] > 1:
            end = _end(watched.runs[place:])
            field = watched.fields.of(end.out)
            assert field is not None
            found.append(
                Layer(
                    _short(network, run.name), end.name, end.number, end.out.shape[1], end.out.shape[-1], field,
                    isinstance(end.module, _ACTS),
                )
            )  # fmt: skip
    return found


def chosen(layers: Sequence[Layer], which: str) -> list[Layer]:
    """Those that `which` says: `stages`, the first and the last activated one of each size of map; `all`; or names
    joined by commas. Raises ValueError where there is no such layer."""
    if not layers:
        raise ValueError("the network has no convolutions whose maps are larger than one position: nothing to look at")
    if which == ALL:
        return list(layers)
    if which == STAGES:
        last: dict[int, Layer] = {}
        for layer in layers:
            if layer.activated or layer.side not in last or not last[layer.side].activated:
                last[layer.side] = layer
        kept = {id(layer) for layer in (layers[0], *last.values())}
        return [layer for layer in layers if id(layer) in kept]
    by_name = {layer.name: layer for layer in layers}
    names = parse_names(which)
    if missing := [name for name in names if name not in by_name]:
        raise ValueError(
            f"--layers: the network has no layer {missing[0]!r}; it has {', '.join(by_name)}; or say {STAGES} or {ALL}"
        )
    return [layer for name, layer in by_name.items() if name in names]


class Maps:
    """The maps of several `layers` of `network`, of one forward. A context, after which the network is as it was."""

    def __init__(self, network: nn.Module, layers: Sequence[Layer]) -> None:
        self.network, self.layers = network, layers
        self._runs: Counter[str] = Counter()
        self._found: dict[tuple[str, int], Tensor] = {}
        self._hooks: list[RemovableHandle] = []

    def __enter__(self) -> Maps:
        for name in dict.fromkeys(layer.end for layer in self.layers):
            self._hooks.append(self.network.get_submodule(name).register_forward_hook(self._after(name)))
        return self

    def __exit__(self, *_: object) -> None:
        while self._hooks:
            self._hooks.pop().remove()

    def of(self, x: Tensor) -> list[Tensor]:
        """`[B, filters, side, side]` for each of the layers."""
        self._runs.clear()
        self._found.clear()
        self.network(x)
        return [self._found[layer.end, layer.number] for layer in self.layers]

    def _after(self, name: str) -> Any:
        def after(module: nn.Module, given: Any, out: Tensor) -> None:
            self._found[name, self._runs[name]] = out
            self._runs[name] += 1

        return after


class Tapped(nn.Module):
    """`network` as a function to the map of one layer, while `maps` of that alone is entered."""

    def __init__(self, network: nn.Module, maps: Maps) -> None:
        super().__init__()
        self.network, self.maps = network, maps

    def forward(self, x: Tensor) -> Tensor:
        return self.maps.of(x)[0]


@dataclass(frozen=True)
class _Run:
    name: str
    number: int
    module: nn.Module
    given: Tensor
    out: Tensor


class _Watched:
    """The runs of the modules of `network` that have none within them, in their order."""

    def __init__(self, network: nn.Module) -> None:
        self.fields = Fields()
        self.runs: list[_Run] = []
        self._counts: Counter[str] = Counter()
        leaves = [(name, module) for name, module in network.named_modules() if not any(module.children())]
        self._hooks = [module.register_forward_hook(self._after(name)) for name, module in leaves]

    def remove(self) -> None:
        for hook in self._hooks:
            hook.remove()

    def _after(self, name: str) -> Any:
        def after(module: nn.Module, given: tuple[Any, ...], out: Any) -> None:
            number = self._counts[name]
            self._counts[name] += 1
            if given and isinstance(given[0], Tensor) and isinstance(out, Tensor):
                self.runs.append(_Run(name, number, module, given[0], out))

        return after


def _end(runs: Sequence[_Run]) -> _Run:
    """The last of the norms and activations that come at once after the convolution `runs[0]`, else itself."""
    end = runs[0]
    for run in runs[1:]:
        if run.given is not end.out or not isinstance(run.module, (_BatchNorm, nn.GroupNorm, *_ACTS)):
            break
        end = run
        if isinstance(run.module, _ACTS):
            break
    return end


def _short(network: nn.Module, name: str) -> str:
    """The convolution's name; that of the chain of which it is the first part, and the only convolution."""
    parent, _, last = name.rpartition(".")
    if not parent or last != "0":
        return name
    chain = network.get_submodule(parent)
    convolutions = [module for module in chain.modules() if isinstance(module, nn.Conv2d)]
    return parent if isinstance(chain, nn.Sequential) and len(convolutions) == 1 else name
