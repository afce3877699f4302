"""All that a training's step may change: in tensors, which can be put back, and in Python, which a recording loses."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nas.devices.halted import DeviceFault

ROUNDING = 100 * torch.finfo(torch.float32).eps
"""Of a tensor's length, what a change is not told from: a hundred times what float32 resolves."""


@dataclass(frozen=True)
class Copy:
    """The numbers of a `StepState` at a moment: those of the tensors of each kind, and the device's random state."""

    kinds: list[list[Tensor]]
    generator: Tensor


class StepState:
    """The parameters and buffers of `network`, what `optimizer` remembers of them, and the device's random numbers."""

    def __init__(self, network: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device) -> None:
        self.network, self.optimizer, self.device = network, optimizer, device

    def copy(self) -> Copy:
        return Copy([[tensor.clone() for tensor in kind] for kind in self._kinds()], _random_state(self.device))

    def put(self, copy: Copy) -> None:
        """Be as when `copy` was made, in the same memory."""
        for kind, numbers in zip(self._kinds(), copy.kinds, strict=True):
            for tensor, number in zip(kind, numbers, strict=True):
                tensor.copy_(number)
        _set_random_state(copy.generator, self.device)

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Whatever is done within it has not been done."""
        before = self.copy()
        try:
            yield
        except DeviceFault:  # there is nothing that could be put back
            raise
        except BaseException:
            self.put(before)
            raise
        self.put(before)

    def apart(self, before: Copy, other: Copy) -> float:
        """How far this is from `other`, in units of what changed from `before` to `other`; of the worst kind."""
        now = self.copy()
        return max(
            _length(_differences(mine, theirs))
            / (_length(_differences(theirs, old)) + ROUNDING * _length(theirs) + 1e-30)
            for mine, theirs, old in zip(now.kinds, other.kinds, before.kinds, strict=True)
        )

    @torch.no_grad()
    def _kinds(self) -> list[list[Tensor]]:
        """Parameters, buffers, and what the optimizer remembers."""
        parameters = [p.detach() for p in self.network.parameters()]
        remembered = [
            value
            for group in self.optimizer.param_groups
            for p in group["params"]
            for value in self.optimizer.state.get(p, {}).values()
            if isinstance(value, Tensor)
        ]
        return [parameters, [b.detach() for b in self.network.buffers()], remembered]


@dataclass(frozen=True)
class PythonState:
    """What Python remembers from step to step: its generators of random numbers, and plain attributes of the modules.

    Where a step changes it, the next may be another one.
    """

    generators: tuple[Any, ...]
    attributes: tuple[Any, ...]

    @classmethod
    def of(cls, network: nn.Module, device: torch.device) -> PythonState:
        """`device` is the network's: where it is a CPU, torch's generator is one of the device."""
        name, keys, *rest = np.random.get_state()
        generators = (random.getstate(), name, np.asarray(keys).tobytes(), *rest)
        if device.type != "cpu":
            generators += (torch.get_rng_state().numpy().tobytes(),)
        return cls(generators, tuple(_plain(_own(module)) for module in network.modules()))


@contextlib.contextmanager
def generators_kept(device: torch.device) -> Iterator[None]:
    """What is drawn in Python within it has not been drawn."""
    before, numpy_before = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[], enabled=device.type != "cpu"):
            yield
    finally:
        random.setstate(before)
        np.random.set_state(numpy_before)


def _own(module: nn.Module) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if name not in _OF_EVERY_MODULE}


_DEEP = 5  # collections within collections
_OF_EVERY_MODULE = frozenset(vars(nn.Module())) - {"training"}


def _plain(value: Any, depth: int = 0) -> Any:
    """`value` as far as it is numbers, words, collections of them, or a generator of random numbers; else nothing."""
    if isinstance(value, int | float | complex | str | bytes | None):
        return repr(value)  # NaN is itself
    if isinstance(value, dict):
        value = tuple(value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return tuple(_plain(part, depth + 1) for part in value) if depth < _DEEP else None
    if isinstance(value, random.Random):
        return value.getstate()
    if isinstance(value, np.random.Generator):
        return repr(value.bit_generator.state)
    if isinstance(value, torch.Generator) and value.device.type == "cpu":
        return value.get_state().numpy().tobytes()
    return None


def _random_state(device: torch.device) -> Tensor:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def _set_random_state(state: Tensor, device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)


def _differences(left: Sequence[Tensor], right: Sequence[Tensor]) -> list[Tensor]:
    return [a.double() - b.double() for a, b in zip(left, right, strict=True)]


def _length(tensors: Sequence[Tensor]) -> float:
    """Of all of them as one vector."""
    if not tensors:
        return 0.0
    return torch.stack([tensor.double().square().sum() for tensor in tensors]).sum().sqrt().item()
