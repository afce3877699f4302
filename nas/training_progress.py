"""What a person, a pipe or a program sees of one training while it runs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.live import Live
from rich.text import Text

from nas.recipe import Recipe
from nas.train import Epoch, Moment
from nas.units import format_percent, format_seconds

A_SECOND = 4
"""So often the line is written anew: the times in it tick, whatever the program waits for."""


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
            f"{format_percent(epoch.val_accuracy)}  {format_seconds(epoch.seconds)}"
        )

    def _line(self, text: str) -> None:
        print(text, file=self.out, flush=True)


class TrainingTerminal(TrainingLines):
    """The same lines, and below them one that changes: the step, the time left, the loss, the speed."""

    def __init__(self, out: TextIO, recipe: Recipe, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(out, recipe)
        self._clock, self._began = clock, clock()
        self._moment: Moment | None = None
        self._loss = 0.0
        self._live = LiveLine(out, self.parts)

    def moment(self, moment: Moment) -> None:
        self._loss = moment.loss.item()  # read here, not by the line's thread: a GPU may be recording steps then
        self._moment, self._began = moment, self._clock()

    def parts(self) -> list[str]:
        """What is known, the most important first."""
        moment, since = self._moment, self._clock() - self._began
        if moment is None:
            return ["starting", _whole(since)]
        seconds = moment.seconds + since
        left = max(0.0, moment.seconds / moment.done - seconds)
        return [
            _epoch(moment.epoch, self.recipe),
            f"step {moment.step}/{moment.steps}" if moment.step < moment.steps else "validation",
            f"{_whole(left)} left",
            f"loss {self._loss:.3f}",
            f"{moment.images / moment.seconds:,.0f} images/s",
            f"{_whole(seconds)} so far",
        ]

    def close(self) -> None:
        self._live.close()

    def _line(self, text: str) -> None:
        self._live.print(text)


class TrainingJson(SilentTraining):
    """One JSON object an epoch."""

    def __init__(self, out: TextIO, folder: str, recipe: Recipe) -> None:
        self.out, self.folder, self.recipe = out, folder, recipe

    def epoch(self, epoch: Epoch) -> None:
        event = {"training": self.folder, "epoch": epoch.number, "epochs": _epochs(self.recipe)} | {
            name: getattr(epoch, name) for name in ("loss", "val_accuracy", "images", "seconds")
        }
        print(json.dumps(event), file=self.out, flush=True)


def watch_training(progress: str, folder: str, recipe: Recipe) -> SilentTraining:
    """What fits where standard output goes; `progress` is that of an `Output`.

    With "json" what happens is told on standard error, since standard output is for the result.
    """
    if progress == "none":
        return SilentTraining()
    if progress == "json":
        return TrainingJson(sys.stderr, folder, recipe)
    return TrainingTerminal(sys.stdout, recipe) if sys.stdout.isatty() else TrainingLines(sys.stdout, recipe)


def _epoch(number: int, recipe: Recipe) -> str:
    epochs = _epochs(recipe)
    return f"epoch {number}/{epochs}" if epochs else f"epoch {number}"


def _epochs(recipe: Recipe) -> int | None:
    """How many there will be; None where the clock decides."""
    return recipe.epochs if recipe.seconds is None else None


def _whole(seconds: float) -> str:
    """Without the tenths that would flicker."""
    return f"{seconds:.0f}s" if seconds < 10 else format_seconds(seconds)


class LiveLine:
    """Shows what `parts` says at the moment, the most important first: as many of these as the terminal is wide for.

    `parts` is called in a thread of the line's own, until `close`.
    """

    def __init__(self, out: TextIO, parts: Callable[[], Sequence[str]]) -> None:
        self._console = _Plain(file=out, markup=False, highlight=False, emoji=False)
        self._live = Live(
            get_renderable=lambda: Text(fitting(parts(), self._console.width - 1), no_wrap=True, overflow="crop"),
            console=self._console,
            refresh_per_second=A_SECOND,
            transient=True,
        )
        self._live.start(refresh=True)

    def print(self, text: str) -> None:
        """A line above it, which stays."""
        self._console.print(text, soft_wrap=True)

    def close(self) -> None:
        """Take the line away."""
        self._live.stop()


class _Plain(Console):
    """The cursor stays in sight: a process that is killed could not bring it back."""

    def show_cursor(self, show: bool = True) -> bool:
        return False


def fitting(parts: Sequence[str], width: int) -> str:
    """As many of `parts`, from the first, as there is room for in `width` columns; no part is broken."""
    text = parts[0] if parts else ""
    for part in parts[1:]:
        longer = f"{text}  {part}"
        if cell_len(longer) > width:
            break
        text = longer
    return text
