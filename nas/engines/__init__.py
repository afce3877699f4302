"""Where trials run. An engine maps a `TrialSpec` to a `TrialResult`, failures included, and holds no algorithm.

`local` is this process, one trial at a time; everything parallel is Ray Tune (`ray_tune`), imported only when used.
"""

from __future__ import annotations

from typing import Protocol

from nas.training.train import Epoch
from nas.training.trial import TrialResult, TrialSpec

__all__ = ["Trials"]


class Trials(Protocol):
    """What an engine drives: `nas.searching.loop.Search`, or any list of trainings to do."""

    def ready(self, at_once: int) -> None:
        """Called once, before anything is asked for: so many trials are evaluated at once."""
        ...

    def ask(self) -> TrialSpec | None:
        """The next trial, or None when there are no more."""
        ...

    def due(self) -> bool:
        """Whether `ask` would answer at once. Where it would wait, this is called again a moment later."""
        ...

    def stepped(self, spec: TrialSpec, epoch: int, step: int, steps: int) -> None:
        """Called now and then: the training is at `step` of the `steps` of `epoch`, each counted from 1."""
        ...

    def report(self, spec: TrialSpec, epoch: Epoch) -> bool:
        """Called after each epoch; True stops the trial."""
        ...

    def resized(self, at_once: int) -> None:
        """Called when machines came or went: so many trials are evaluated at once from now on."""
        ...

    def waiting(self, what: str) -> None:
        """Called now and then as long as nothing goes on, with what is waited for."""
        ...

    def retried(self, spec: TrialSpec, reason: str, blamed: bool) -> None:
        """Called when a trial's worker was lost and the trial is started once more.

        It is `blamed` where its network may have been the cause.
        """
        ...

    def tell(self, spec: TrialSpec, result: TrialResult) -> None:
        """Called once for every trial that was asked for."""
        ...
