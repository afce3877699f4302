"""What a process that trains sets once, before its first tensor."""

from __future__ import annotations

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # glibc's malloc.h


def keep_freed_memory() -> None:
    """Have glibc keep what is freed, rather than give it back to the kernel after every batch.

    A training step frees and takes the same large blocks again and again; by default each is mapped and
    zeroed anew. On two CPU cores that was a third of a small MBConv network's training time. Elsewhere than
    under glibc this does nothing.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
