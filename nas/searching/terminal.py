"""What a terminal shows of a search while it runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console

from nas.ledger.run import TrialRow
from nas.searching.progress import JsonLines, Lines, OneAnswer, Silent, trial_line
from nas.text.console import can_change, first_that_fits
from nas.text.live import Plain, live
from nas.text.units import format_count, format_percent, format_ticking
from nas.text.visible import visible
from nas.training.train import Epoch
from nas.training.trial import TrialSpec
from searchspaces.cost import Cost

FEW = 4  # trials at once that have a line each


@dataclass
class Running:
    """A trial under way, as far as it has been heard of."""

    number: int
    epochs: int
    macs: int
    begun: float | None = None  # when it was first heard to train, by the clock
    epoch: int = 1
    step: int = 0
    steps: int = 0  # 0 where only epochs are heard of
    accuracy: float | None = None  # after the last whole epoch, or what the metric is
    is_share: bool = True  # of images; r2 and spearman are none

    @property
    def share(self) -> float:
        """How much of it is done, 0..1."""
        return (self.epoch - 1 + (self.step / self.steps if self.steps else 0.0)) / self.epochs

    @property
    def reached(self) -> str:
        """`epoch 1/3, step 20/78`."""
        if self.begun is None:
            return "starting"
        epoch = [f"epoch {self.epoch}/{self.epochs}"] if self.epochs > 1 or not self.steps else []
        return ", ".join([*epoch, *([f"step {self.step}/{self.steps}"] if self.steps else [])])

    def line(self, now: float, width: int) -> str:
        """All that is known of it, or as much as `width` columns hold."""
        number, macs = f"trial {self.number:>3}", f"{format_count(self.macs):>6} MACs"
        shown = format_percent if self.is_share else "{:.3f}".format
        judged = [] if self.accuracy is None else [shown(self.accuracy)]
        clock = [] if self.begun is None else [format_ticking(now - self.begun)]
        said = [[number, macs, self.reached, *judged, *clock], [number, self.reached, *clock], [number, self.reached]]
        return first_that_fits(["  ".join(parts) for parts in said], width)


class Terminal(Lines):
    """A line a finished trial, and below them what changes: what is being trained, the best so far, the time left."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(sys.stdout)
        self._console, self._clock = console, clock
        self._began = clock()
        self._waiting: tuple[str, float] | None = None
        self._running: dict[int, Running] = {}
        self._done = 0
        self._best: TrialRow | None = None
        self._seconds_left: Callable[[], float | None] = lambda: None
        self._live = live(console, self.lines)

    def waiting(self, what: str) -> None:
        self._waiting = what, self._clock()
        self._live.start()

    def began(self, seconds_left: Callable[[], float | None]) -> None:
        self._seconds_left = seconds_left
        self._live.start()

    def started(self, spec: TrialSpec, size: Cost) -> None:
        self._running[spec.number] = Running(spec.number, spec.recipe.epochs, size.macs)

    def step(self, spec: TrialSpec, epoch: int, step: int, steps: int) -> None:
        running = self._heard_of(spec)
        running.epoch, running.step, running.steps = epoch, step, steps

    def epoch(self, spec: TrialSpec, epoch: Epoch) -> None:
        running = self._heard_of(spec)
        running.accuracy, running.is_share = epoch.quality, epoch.val_accuracy is not None
        running.epoch, running.step = min(epoch.number + 1, running.epochs), 0

    def finished(self, row: TrialRow, best: TrialRow | None, seconds_left: float | None) -> None:
        self._running.pop(row.number, None)
        self._waiting = None
        self._done, self._best = self._done + 1, best
        self._line(trial_line(row, best, seconds_left, self._console.width))

    def close(self) -> None:
        self._live.stop()

    def _heard_of(self, spec: TrialSpec) -> Running:
        self._waiting = None
        running = self._running[spec.number]
        running.begun = self._clock() if running.begun is None else running.begun
        return running

    def _line(self, text: str) -> None:
        self._console.print(visible(text), soft_wrap=True)

    # ------------------------------------------------------------------ what changes

    def lines(self, width: int) -> list[str]:
        """What stands below the finished trials now."""
        now, running = self._clock(), list(self._running.values())
        if self._waiting is not None:
            what, since = self._waiting
            above = [f"{what} ...  {format_ticking(now - since)}"]
        elif not running:
            above = ["choosing a network ..."]
        elif len(running) <= FEW:
            above = [one.line(now, width) for one in running]
        else:
            above = [_several(running, now, width)]
        return [*above, self._standing(now, width)]

    def _standing(self, now: float, width: int) -> str:
        """How many are done, which is the best, and the time."""
        left = self._seconds_left()
        clock = f"{format_ticking(now - self._began)} gone"
        clock += f", {format_ticking(left)} left" if left is not None else ""
        done = f"{self._done} done"
        if self._best is None:
            return first_that_fits([f"{done}  {clock}", clock], width)
        best = f"{done}, best {self._best.in_words}", f"best {self._best.judged}"
        return first_that_fits([*(f"{said}  {clock}" for said in best), clock], width)


def watch_search(progress: str, run: str) -> Silent:
    """What fits where standard output goes; `progress` is that of an `Output`, `run` the name of what is searched."""
    if progress == "none":
        return Silent()
    if progress == "json":
        return JsonLines(sys.stdout, run)
    return Terminal(Plain(sys.stdout)) if can_change(sys.stdout) else Lines(sys.stdout)


def watch_one(progress: str, run: str) -> Silent:
    """The same where a program is given one answer in the end."""
    return OneAnswer(sys.stdout, run) if progress == "json" else watch_search(progress, run)


def _several(running: Sequence[Running], now: float, width: int) -> str:
    """More trials than there are lines for: their numbers, and which of them has the most to do."""
    last = min(running, key=lambda one: one.share)
    numbers = [str(one.number) for one in running]
    listed = [", ".join(numbers), f"{', '.join(numbers[:3])} ...", f"{numbers[0]} ..."]
    clock = "" if last.begun is None else f", {format_ticking(now - last.begun)}"
    slowest = f"; slowest {last.number}: {last.reached}{clock}"
    return first_that_fits([f"{len(running)} training: {some}{slowest}" for some in listed], width)
