"""What a process that trains sets once: it decides speed, and no result."""

from __future__ import annotations

import ctypes
import os
import platform

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of glibc's malloc.h


def prepare() -> None:
    """Keep freed memory and, where torch is not imported yet, let waiting threads sleep.

    A training step frees and takes the same large blocks again and again; by default glibc gives each back to
    the kernel, which maps and zeroes it anew. Threads that wait for each other spin by default, which is a
    little faster on an idle machine and many times slower as soon as another program wants a core.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
