"""Networks that no machine builds are refused while they are built, before they take its time and memory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

MOST_TENSORS = 20_000  # of weights: ResNet-1202, the deepest that was published, has 3,600
_NO_MEMORY = ("allocate memory", "not enough memory", "Storage size calculation overflowed")  # as PyTorch says it


@contextlib.contextmanager
def bounded(name: str) -> Iterator[None]:
    """Within it modules are built of the network called `name`. Raises ValueError where that is too large.

    Which is: of more than `MOST_TENSORS` tensors, or, where these are allocated and not only shapes, of more bytes than
    this machine has memory.
    """
    tensors, size, memory = 0, 0, memory_here()

    def count(module: nn.Module, of: str, parameter: nn.Parameter | None) -> None:
        nonlocal tensors, size
        if parameter is None:
            return
        tensors += 1
        if tensors > MOST_TENSORS:
            raise ValueError(f"{name} is too deep: its weights are more than {MOST_TENSORS:,} tensors")
        if parameter.device.type == "cpu":
            size += parameter.nbytes
        if size > memory:
            raise ValueError(f"{name} is too large: its weights need more than the {memory:,} bytes of memory here")

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, RuntimeError) and not any(words in str(error) for words in _NO_MEMORY):
            raise
        raise ValueError(f"{name} is too large: there is not the memory for its weights") from None
    finally:
        hook.remove()


def check_settings(space: str, bounds: dict[str, tuple[float, float, float]]) -> None:
    """Of settings by their names: (value, least, most). Raises ValueError where a value is not within its bounds."""
    for setting, (value, least, most) in bounds.items():
        if not least <= value <= most:
            raise ValueError(f"{space}: {setting} must be {least:,} to {most:,}, not {value:,}")


@cache
def memory_here() -> int:
    """Bytes of memory that this process may have: the machine's, or what its control group leaves it."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    group = Path("/sys/fs/cgroup/memory.max")
    allowed = group.read_text(encoding="utf-8").strip() if group.exists() else "max"
    return machine if allowed == "max" else min(machine, int(allowed))
