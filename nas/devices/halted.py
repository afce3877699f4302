"""Why a run ends before its end, through no mistake of a person and no fault of a network.

It needs no torch: the command line says it in a line.
"""

from __future__ import annotations


class Halted(RuntimeError):
    """What computes was lost or is broken. What was done until then is in the ledger, and the run can go on."""


class DeviceFault(Halted):
    """The device, or this process's access to it, is broken: whatever is asked of it from now on fails too.

    Nothing can be said of the network that was computed when that came out. A new process may go on.
    """
