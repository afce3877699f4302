"""What a person, a pipe or a program sees of one training while it runs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import TextIO

from nas.text.console import can_change, first_that_fits, fitted
from nas.text.live import Plain, live
from nas.text.units import format_percent, format_quality, format_seconds, format_ticking
from nas.text.visible import visible
from nas.training.recipe import Recipe
from nas.training.train import Epoch, Moment


class SilentTraining:
    """Nothing is printed."""

    def moment(self, moment: Moment) -> None:
        """Called a few times a second, from the first step."""

    def epoch(self, epoch: Epoch) -> None:
        """Called after each epoch, when nothing of it can be lost any more."""

    def close(self) -> None:
        """Called once, when the training has ended or was stopped."""


class TrainingLines(SilentTraining):
    """One plain line an epoch."""

    def __init__(self, out: TextIO, recipe: Recipe) -> None:
        self.out, self.recipe = out, recipe

    def epoch(self, epoch: Epoch) -> None:
        self._line(
            f"{_epoch(epoch.number, self.recipe)}  loss {epoch.loss:.3f}  validation "
            f"{self._judged(epoch)}  {format_seconds(epoch.seconds)}"
        )

    def _judged(self, epoch: Epoch) -> str:
        """`61.2 %`, `61.2 %, macro-f1 58.0 %`, `r2 0.581`."""
        score = epoch.val_score
        by_metric = [] if score is None else [f"{self.recipe.metric} {format_quality(self.recipe.metric, score)}"]
        right = [] if epoch.val_accuracy is None else [format_percent(epoch.val_accuracy)]
        return ", ".join([*right, *by_metric])

    def _line(self, text: str) -> None:
        print(visible(text), file=self.out, flush=True)


class TrainingTerminal(TrainingLines):
    """The same lines, and below them one that changes: the step, the time left, the loss, the speed."""

    def __init__(self, out: TextIO, recipe: Recipe, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(out, recipe)
        self._clock, self._began = clock, clock()
        self._moment: Moment | None = None
        self._loss = 0.0
        self._console = Plain(out)
        self._live = live(self._console, lambda width: [self.line(width)])
        self._live.start()

    def moment(self, moment: Moment) -> None:
        self._loss = moment.loss.item()  # read here, not by the line's thread: a GPU may be recording steps then
        self._moment, self._began = moment, self._clock()

    def line(self, width: int) -> str:
        """As many of the `parts`, from the first, as there is room for in `width` columns."""
        parts = self.parts()
        return first_that_fits(["  ".join(parts[:count]) for count in range(len(parts), 0, -1)], width)

    def parts(self) -> list[str]:
        """What is known, the most important first."""
        moment, since = self._moment, self._clock() - self._began
        if moment is None:
            return ["starting", format_ticking(since)]
        seconds = moment.seconds + since
        left = max(0.0, moment.seconds / moment.done - seconds)
        return [
            _epoch(moment.epoch, self.recipe),
            f"step {moment.step}/{moment.steps}" if moment.step < moment.steps else "validation",
            f"{format_ticking(left)} left",
            f"loss {self._loss:.3f}",
            f"{moment.images / moment.seconds:,.0f} images/s",
            f"{format_ticking(seconds)} so far",
        ]

    def close(self) -> None:
        self._live.stop()

    def _line(self, text: str) -> None:
        self._console.print(fitted(visible(text), self._console.width), soft_wrap=True)


class TrainingJson(SilentTraining):
    """One JSON object an epoch."""

    def __init__(self, out: TextIO, folder: str, recipe: Recipe) -> None:
        self.out, self.folder, self.recipe = out, folder, recipe

    def epoch(self, epoch: Epoch) -> None:
        event = {"training": self.folder, "epoch": epoch.number, "epochs": _epochs(self.recipe)} | {
            name: getattr(epoch, name) for name in ("loss", "val_accuracy", "images", "seconds")
        }
        event |= {} if epoch.val_score is None else {"val_score": epoch.val_score}
        print(json.dumps(event), file=self.out, flush=True)


def watch_training(progress: str, folder: str, recipe: Recipe) -> SilentTraining:
    """What fits where standard output goes; `progress` is that of an `Output`.

    With "json" what happens is told on standard error, since standard output is for the result.
    """
    if progress == "none":
        return SilentTraining()
    if progress == "json":
        return TrainingJson(sys.stderr, folder, recipe)
    return TrainingTerminal(sys.stdout, recipe) if can_change(sys.stdout) else TrainingLines(sys.stdout, recipe)


def _epoch(number: int, recipe: Recipe) -> str:
    epochs = _epochs(recipe)
    return f"epoch {number}/{epochs}" if epochs else f"epoch {number}"


def _epochs(recipe: Recipe) -> int | None:
    """How many there will be; None where the clock decides."""
    return recipe.epochs if recipe.seconds is None else None
