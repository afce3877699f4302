"""A recording without a GPU: the operations on tensors that some work came to, done again on the same memory.

It freezes what a CUDA graph freezes, and refuses what a graph refuses, so it shows on a CPU whether a network can be
trained by one. It is no faster than the work itself. Have trainings on a CPU recorded by it with

    nas.devices.recording.RECORDERS["cpu"] = TensorPrograms
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from nas.devices.recording import CannotRecord, Work, waits


class TensorPrograms:
    """Records tensor programs. The work is done while it is recorded."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def aside(self, work: Work) -> Tensor:
        return work()

    def record(self, work: Work) -> Work:
        program = _Program(self.device)
        try:
            with program:
                result = work()
        except _Waits as error:
            raise CannotRecord(str(error)) from None
        result = result.detach()

        def replay() -> Tensor:
            program.run()
            return result

        return replay


class _Waits(RuntimeError):
    pass


class _Program(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes what is done while it is entered; `run` does it again."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.device = device
        self.steps: list[Callable[[], None]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if reason := waits(func, args, kwargs, out, self.device):
            raise _Waits(f"operation not permitted when stream is capturing: {reason}")
        if not _only_looks(func):
            self.steps.append(_again(func, args, kwargs, out))
        return out

    @torch.no_grad()
    def run(self) -> None:
        for step in self.steps:
            step()


def _only_looks(func: Any) -> bool:
    """Whether all that `func` gives is another view of what it takes: that of the recording sees what is there."""
    returns = func._schema.returns
    return bool(returns) and not func._schema.is_mutable and all(given.alias_info is not None for given in returns)


def _again(func: Any, args: Any, kwargs: Any, out: Any) -> Callable[[], None]:
    """Does `func` again on the memory of `args` and `kwargs`, into the memory of `out`."""
    args, kwargs = tree_map(_memory, (args, kwargs))
    outs, _ = tree_flatten(tree_map(_memory, out))

    def step() -> None:
        anew, _ = tree_flatten(func(*args, **kwargs))
        for of_recording, now in zip(outs, anew, strict=True):
            if isinstance(of_recording, Tensor) and of_recording.data_ptr() != now.data_ptr():
                of_recording.copy_(now)

    return step


def _memory(value: Any) -> Any:
    """A tensor's memory, without how it was computed."""
    return value.detach() if isinstance(value, Tensor) else value
