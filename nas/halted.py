"""A run that ended before its end, through no mistake of a person and no fault of a network."""

from __future__ import annotations


class Halted(RuntimeError):
    """What computes was lost or is broken. What was done until then is in the ledger, and the run can go on."""
