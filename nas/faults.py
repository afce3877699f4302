"""What is the device's fault, and no network's. It needs no torch: the command line says it in a line."""

from __future__ import annotations


class DeviceFault(RuntimeError):
    """The device, or this process's access to it, is broken: whatever is asked of it from now on fails too.

    Nothing can be said of the network that was computed when that came out. A new process may go on.
    """
