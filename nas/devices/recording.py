"""Recording a device's work and repeating it: a CUDA graph, behind a seam that has no word of CUDA.

A recording repeats kernels on the memory that they had. So it repeats what Python decided while it was made, and cannot
hold what waits for the CPU: `Watch` finds the latter in an ordinary step, before a recording fails of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nas.devices.device import fault_of
from nas.devices.halted import DeviceFault

Work = Callable[[], Tensor]

RECOVERS = (2, 13)
"""The torch from which a recording that fails leaves this process as it was.

Before, its allocator goes on taking from the recording's memory, its generator of random numbers takes itself for
recorded, and the stream of the recording stays the current one (pytorch pull request 180395).
"""


class CannotRecord(RuntimeError):
    """Why some work cannot be recorded. Nothing else is wrong."""


class Recorder(Protocol):
    """What records on a device. One belongs to one training or measurement, whose work it does in one place."""

    def aside(self, work: Work) -> Tensor:
        """Do `work` where it is recorded: what computes gradients remembers where it ran, and must not change that."""
        ...

    def record(self, work: Work) -> Work:
        """What repeats `work`, which may or may not be done now; its result is always in the same memory.

        Raises CannotRecord, and DeviceFault where the process is no good after a recording that failed.
        """
        ...


class CudaGraphs:
    """Records CUDA graphs on the current device, in a stream that is not its usual one."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def aside(self, work: Work) -> Tensor:
        current = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            result = work()
        current.wait_stream(self.stream)
        return result

    def record(self, work: Work) -> Work:
        graph, current = torch.cuda.CUDAGraph(), torch.cuda.current_stream(self.device)
        try:
            with torch.cuda.graph(graph, stream=self.stream):
                result = work()
        except RuntimeError as error:
            torch.cuda.set_stream(current)  # a recording that cannot be ended does not go back to it
            self._check_recovered(str(error).partition("\n")[0])
            raise CannotRecord(str(error).partition("\n")[0]) from None

        def replay() -> Tensor:
            graph.replay()
            return result

        return replay

    def _check_recovered(self, reason: str) -> None:
        """Raises DeviceFault where nothing more should be computed in this process after a recording that failed."""
        if torch_version() < RECOVERS:
            raise DeviceFault(
                f"recording a step failed ({reason}), which torch {torch.__version__} does not recover from"
            )
        if (fault := fault_of(self.device)) is not None:
            raise DeviceFault(f"recording a step failed ({reason}), and then {self.device} did ({fault})")


RECORDERS: dict[str, Callable[[torch.device], Recorder]] = {"cuda": CudaGraphs}
"""What records on a device, by the device's type. Others compute faster than this process can ask them to."""


def recorder_of(device: torch.device) -> Recorder | None:
    """What records on `device`; None where nothing does."""
    make = RECORDERS.get(device.type)
    return None if make is None else make(device)


def torch_version() -> tuple[int, int]:
    """Of the torch that is here: (2, 13)."""
    major, minor = torch.__version__.split(".")[:2]
    return int(major), int(minor)


class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees what operations come to while it is entered; `reason` says what of it no recording could hold."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.device = device
        self.reason = ""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        self.reason = self.reason or waits(func, args, kwargs, out, self.device)
        return out


def waits(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any, device: torch.device) -> str:
    """How an operation has `device` wait for the CPU, or the other way round; "" where it does not.

    `func` is of torch.ops, `args` and `kwargs` what it takes and `out` what it gives.
    """
    name = func.name().removeprefix("aten::")
    places = {tensor.device.type for tensor in _tensors((args, kwargs, out))}
    if device.type not in places:
        return ""
    if func is torch.ops.aten.lift_fresh.default:
        return "a tensor is made of Python's numbers"
    if func in _COPIES and len(places) > 1:
        return f"{name} copies between {' and '.join(sorted(places))}"
    if func in _BY_INDEX:
        masked = any(index.dtype in (torch.bool, torch.uint8) for index in _tensors(args[1]))
        return f"{name} counts what a mask leaves" if masked else ""
    if torch.Tag.data_dependent_output in func.tags or torch.Tag.dynamic_output_shape in func.tags:
        return f"{name} tells Python what was computed"
    return ""


_COPIES = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
_BY_INDEX = (torch.ops.aten.index.Tensor, torch.ops.aten.index_put.default, torch.ops.aten.index_put_.default)


def _tensors(tree: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor))
