"""What a training shows on its way: its loss and its accuracy after so many images, and what it took to come there."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nas.training.evaluation import Judged

RECENT = 0.25
"""The loss of a look is the mean of the last so much of the training so far."""


@dataclass(frozen=True)
class Look:
    """A training after `images`, each counted as often as it was seen.

    Seconds are of the CPU's time where that trains, else of the clock.
    """

    images: int
    loss: float  # mean training loss of the last quarter of these images
    area: float  # mean training loss of all of them: the area under its curve, by its length
    val_accuracy: float | None  # 0..1; None of regression
    seconds: float  # of training, without any validation
    judging: float  # seconds that this look's validation took


class Looks:
    """Collects the looks at one training: after each of `marks` images, and at the end of each epoch.

    Without `marks` there are none, and nothing is kept. A look changes nothing in the training.
    """

    def __init__(self, marks: Sequence[int], device: torch.device) -> None:
        self.taken: list[Look] = []
        self._wanted = bool(marks)
        self._marks = sorted(marks)
        self._losses: list[Tensor] = []
        self._clock = time.process_time if device.type == "cpu" else time.perf_counter
        self._start, self._judged = self._clock(), 0.0

    def step(self, loss: Tensor) -> None:
        """Note the loss of a step."""
        if self._wanted:
            self._losses.append(loss)

    def due(self, images: int) -> bool:
        """Whether a mark is reached that no look was taken at."""
        return bool(self._marks) and images >= self._marks[0]

    def take(self, images: int, judge: Callable[[], Judged]) -> Judged:
        """Look at the training after `images`, of which `judge` finds out what it is worth. Returns that."""
        if not self._wanted:
            return judge()
        curve = torch.stack(self._losses)
        recent = curve[-max(1, round(RECENT * len(curve))) :]
        loss, area = recent.mean().item(), curve.mean().item()  # a GPU is through with its steps now
        before = self._clock()
        judged = judge()
        judging = self._clock() - before
        self.taken.append(Look(images, loss, area, judged.accuracy, before - self._start - self._judged, judging))
        self._judged += judging
        self._marks = [mark for mark in self._marks if mark > images]
        return judged
