"""The learning curve of a training: its loss and its accuracy after so many images, and what it took to come there."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nas.training.evaluation import Judged

RECENT = 0.25
"""The loss of a point is the mean of the last so much of the training so far."""


@dataclass(frozen=True)
class CurvePoint:
    """A training after `images`, each counted as often as it was seen.

    Seconds are of the CPU's time where that trains, else of the clock.
    """

    images: int
    loss: float  # mean training loss of the last quarter of these images
    area: float  # mean training loss of all of them: the area under its curve, by its length
    val_accuracy: float | None  # 0..1; None of regression
    seconds: float  # of training, without any validation
    judging: float  # seconds that this point's validation took


class LearningCurve:
    """Of one training: a point after each of `evaluate_at` images, and at the end of each epoch.

    Without `evaluate_at` it has none, and nothing is kept. An evaluation changes nothing in the training.
    """

    def __init__(self, evaluate_at: Sequence[int], device: torch.device) -> None:
        self.points: list[CurvePoint] = []
        self._wanted = bool(evaluate_at)
        self._left = sorted(evaluate_at)
        self._losses: list[Tensor] = []
        self._clock = time.process_time if device.type == "cpu" else time.perf_counter
        self._start, self._judged = self._clock(), 0.0

    def step(self, loss: Tensor) -> None:
        """Note the loss of a step."""
        if self._wanted:
            self._losses.append(loss)

    def due(self, images: int) -> bool:
        """Whether there is a number of images to evaluate at that is reached, and was not evaluated at."""
        return bool(self._left) and images >= self._left[0]

    def evaluate(self, images: int, judge: Callable[[], Judged]) -> Judged:
        """Add the point after `images`, at which `judge` finds out what the training is worth. Returns that."""
        if not self._wanted:
            return judge()
        curve = torch.stack(self._losses)
        recent = curve[-max(1, round(RECENT * len(curve))) :]
        loss, area = recent.mean().item(), curve.mean().item()  # a GPU is through with its steps now
        before = self._clock()
        judged = judge()
        judging = self._clock() - before
        self.points.append(
            CurvePoint(images, loss, area, judged.accuracy, before - self._start - self._judged, judging)
        )
        self._judged += judging
        self._left = [later for later in self._left if later > images]
        return judged
