"""The time that a run has taken, and whether it has ended, from its ledger."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Protocol

ENDED_AFTER = "ended_after"  # a study's system attribute: how many trials it had when its search ended by itself


class Ended(Protocol):
    """A trial, as far as this goes: one of Optuna's is."""

    @property
    def datetime_complete(self) -> datetime | None: ...
    @property
    def user_attrs(self) -> dict[str, Any]: ...


def busy_seconds(trials: Iterable[Ended]) -> float:
    """How long at least one of the finished `trials` was being trained; what ran side by side counts once."""
    total, last_end = 0.0, float("-inf")
    spans = []
    for trial in trials:
        if trial.datetime_complete is not None and "seconds" in trial.user_attrs:
            end = trial.datetime_complete.timestamp()
            spans.append((end - trial.user_attrs["seconds"], end))
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, last_end))
        last_end = max(last_end, end)
    return total
