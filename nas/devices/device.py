"""Working on a device: choosing it, being inside of it, not running ahead of it, and knowing when it is broken.

A CUDA error such as an illegal memory access or a failed assertion is for good: every later call of the process fails
with the same words, so it would be blamed on one network after the other. Instead of telling errors apart by their
texts, the device is asked after each: where it cannot do the simplest thing any more, it is broken.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import torch

from nas.checks.limits import THREADS
from nas.devices.halted import DeviceFault

AHEAD = 4
"""Steps that may wait on a GPU. Two keep it busy; with many the clock would say how fast they are launched."""

LONG = 2_000
"""Steps from which cuDNN tries its convolutions out: that takes seconds, a step gains microseconds. A guess."""


def _probe_gpu(device: torch.device) -> None:
    """Raises RuntimeError where `device` does nothing any more."""
    torch.cuda.synchronize(device)
    if torch.cuda.is_current_stream_capturing():
        raise RuntimeError("a recording did not end")
    torch.rand(8, device=device).sum().item()  # an allocation, its generator, a kernel, a copy


CONTEXTS: dict[str, Callable[[torch.device], AbstractContextManager[Any]]] = {"cuda": torch.cuda.device}
"""What makes a device the current one, on which streams, events and graphs are made, by the device's type."""

PROBES: dict[str, Callable[[torch.device], None]] = {"cuda": _probe_gpu}
"""What asks a device whether it works, by its type. Others do not break."""

EVENTS: dict[str, Callable[[], Any]] = {"cuda": torch.cuda.Event}
"""What tells how far a device is, by its type. Others do not lag behind."""


def choose_device(name: str, threads: int) -> str:
    """`auto`: the GPU where there is one. Raises ValueError for a device that is not here.

    `threads` of the CPU are for whatever trains in this process.
    """
    THREADS.checked("--threads", threads)
    torch.set_num_threads(threads)
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        if torch.device(name).type not in ("cpu", "cuda"):
            raise RuntimeError("it is neither a CPU nor a CUDA GPU")
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"--device {name} cannot be used here ({reason}): try cpu") from None
    return name


@contextlib.contextmanager
def within(device: torch.device) -> Iterator[None]:
    """Work on `device`. Raises DeviceFault where something was raised and `device` is broken."""
    enter = CONTEXTS.get(device.type, _nothing)
    try:
        with enter(device):
            yield
    except Exception as error:
        raise_fault(device, error)
        raise


def raise_fault(device: torch.device, error: Exception) -> None:
    """Raises DeviceFault where `error` came up because `device` is broken, or is one itself."""
    if isinstance(error, DeviceFault):
        raise error
    if (fault := fault_of(device)) is not None:
        raise DeviceFault(f"{_called(device)} is broken for this process: {fault}") from error


def fault_of(device: torch.device) -> str | None:
    """What `device` says where it is broken, in a line; None where it works."""
    try:
        PROBES.get(device.type, _nothing)(device)
    except torch.OutOfMemoryError:
        return None
    except RuntimeError as error:
        return str(error).strip().partition("\n")[0] or type(error).__name__
    return None


def out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that something was too large, on a GPU or here."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


class Leash:
    """Has this process wait where the device is more than `AHEAD` steps behind.

    Else the clock would tell of the launches, and a training of so many seconds would have more steps waiting than it
    has time for.
    """

    def __init__(self, device: torch.device) -> None:
        self._new = EVENTS.get(device.type)
        self._waiting: deque[Any] = deque()

    def step(self) -> None:
        """Note that a step was launched."""
        if self._new is None:
            return
        full = len(self._waiting) == AHEAD
        event = self._waiting.popleft() if full else self._new()
        if full:
            event.synchronize()
        event.record()
        self._waiting.append(event)


@contextlib.contextmanager
def tuned(device: torch.device, steps: float) -> Iterator[None]:
    """Have cuDNN try out which of its convolutions are fastest, where `steps` of one shape are enough for that."""
    before = torch.backends.cudnn.benchmark
    if device.type == "cuda" and steps >= LONG:
        torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def free_memory(device: torch.device) -> None:
    """Give what is not in use back to `device`, where others share it."""
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.empty_cache()


def _called(device: torch.device) -> str:
    """`cuda:1, an NVIDIA H100,` where it can still be asked."""
    with contextlib.suppress(RuntimeError, AssertionError):
        if device.type == "cuda":
            return f"the GPU {device} ({torch.cuda.get_device_name(device)})"
    return f"the device {device}"


def _nothing(device: torch.device) -> AbstractContextManager[None]:
    return contextlib.nullcontext()
