"""What a person, a pipe or a program sees of a search while it runs; what a terminal shows is in `terminal`."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TextIO

from nas.checks.costs import kind_of
from nas.ledger.run import TrialRow
from nas.text.console import can_change, first_that_fits, say, width_of
from nas.text.live import passing
from nas.text.units import format_count, format_seconds, format_ticking
from nas.text.visible import visible, visible_in_line
from nas.training.train import Epoch
from nas.training.trial import State, TrialSpec
from searchspaces.cost import Cost


class Silent:
    """Nothing is printed."""

    def waiting(self, what: str) -> None:
        """Called when something takes its time before the first trial begins, as in `starting 2 workers`."""

    def noted(self, what: str) -> None:
        """Called when something befell the search that whoever watches should know, as that a device is gone."""

    def began(self, seconds_left: Callable[[], float | None]) -> None:
        """Called before the first trial; `seconds_left` may be asked at any time, also by another thread."""

    def started(self, spec: TrialSpec, size: Cost) -> None:
        pass

    def step(self, spec: TrialSpec, epoch: int, step: int, steps: int) -> None:
        """Called now and then: `epoch` is at its `step` of `steps`, counted from 1."""

    def epoch(self, spec: TrialSpec, epoch: Epoch) -> None:
        pass

    def finished(self, row: TrialRow, best: TrialRow | None, seconds_left: float | None) -> None:
        pass

    def close(self) -> None:
        """Called once, when the search has ended or was stopped."""


class Lines(Silent):
    """One plain line a finished trial."""

    def __init__(self, out: TextIO) -> None:
        self.out = out

    def waiting(self, what: str) -> None:
        self._line(f"{what} ...")

    def noted(self, what: str) -> None:
        self._line(what)

    def finished(self, row: TrialRow, best: TrialRow | None, seconds_left: float | None) -> None:
        self._line(trial_line(row, best, seconds_left, width_of(self.out)))

    def _line(self, text: str) -> None:
        print(visible(text), file=self.out, flush=True)


class JsonLines(Lines):
    """One JSON object a finished trial: what `nas top --json` lists, and the run's name."""

    def __init__(self, out: TextIO, run: str) -> None:
        super().__init__(out)
        self.run = run

    def waiting(self, what: str) -> None:
        say(f"{what} ...", sys.stderr)

    def noted(self, what: str) -> None:
        say(what, sys.stderr)

    def finished(self, row: TrialRow, best: TrialRow | None, seconds_left: float | None) -> None:
        self._line(json.dumps({"run": self.run} | row.to_dict() | {"seconds_left": seconds_left}))


class OneAnswer(JsonLines):
    """What is to be waited for and known alone: a program is given one JSON object in the end."""

    def finished(self, row: TrialRow, best: TrialRow | None, seconds_left: float | None) -> None:
        pass


class Telling(Silent):
    """What `shown` prints, and a call for every trial that has ended."""

    def __init__(self, shown: Silent, tell: Callable[[TrialRow], None]) -> None:
        self.shown, self.tell = shown, tell

    def waiting(self, what: str) -> None:
        self.shown.waiting(what)

    def noted(self, what: str) -> None:
        self.shown.noted(what)

    def began(self, seconds_left: Callable[[], float | None]) -> None:
        self.shown.began(seconds_left)

    def started(self, spec: TrialSpec, size: Cost) -> None:
        self.shown.started(spec, size)

    def step(self, spec: TrialSpec, epoch: int, step: int, steps: int) -> None:
        self.shown.step(spec, epoch, step, steps)

    def epoch(self, spec: TrialSpec, epoch: Epoch) -> None:
        self.shown.epoch(spec, epoch)

    def finished(self, row: TrialRow, best: TrialRow | None, seconds_left: float | None) -> None:
        self.shown.finished(row, best, seconds_left)
        self.tell(row)

    def close(self) -> None:
        self.shown.close()


def trial_line(row: TrialRow, best: TrialRow | None, seconds_left: float | None, width: int | None = None) -> str:
    """What is said of a finished trial, in at most `width` columns: of 120, all of most; of 80, what matters most."""
    chosen = row.id == row.architecture  # before: in an experiment, which has its trainings to go through
    number, took = f"trial {row.number:>3}", f"{format_seconds(row.seconds):>6}"
    macs, params = f"{format_count(row.macs):>6} MACs", f"{format_count(row.params):>6} params"
    costs = [f"{kind_of(name).format(figure)} {kind_of(name).title}" for name, figure in row.further.items()]
    left = [f"{format_ticking(seconds_left)} left"] if seconds_left is not None else []
    if row.state == State.COMPLETE:
        accuracy = f"{row.judged:>6}"
        outcome = accuracy if chosen else f"{accuracy}  reward {row.reward:.4f}"
    else:
        accuracy = outcome = f"{row.state}: {visible_in_line(row.reason)}"
    where = row.id if chosen else f"best {best.in_words}" if best else "none is complete yet"
    short = [row.id] if chosen else ["best"] if best and best.number == row.number else []
    last = [number, row.id, accuracy] if chosen else [number, accuracy]
    said: list[list[str]] = [
        [number, outcome, macs, params, *costs, took, where, *left],
        [number, outcome, macs, params, *costs, took, where],
        [number, outcome, macs, params, *costs, took, *short],
        *([[number, outcome, *costs, took, *short]] if costs else []),
        [number, outcome, macs, took, *short],
        [number, accuracy, macs, *short],
        last,
    ]
    return first_that_fits(["  ".join(parts) for parts in said], width)


@dataclass(frozen=True)
class Output:
    """Where a search's words go: nowhere ("none"), to people ("lines"), or to people and to a program ("json")."""

    kind: str

    def __post_init__(self) -> None:
        if self.kind not in ("none", "lines", "json"):
            raise ValueError(f"progress is none, lines or json, not {self.kind!r}")

    def say(self, text: str) -> None:
        """For people: with "json", standard output is for the program that reads it."""
        if self.kind != "none":
            say(text, self._people)

    def log(self, text: str) -> None:
        """What is slow, and what befell the data."""
        if self.kind != "none":
            say(text, sys.stderr)

    @contextlib.contextmanager
    def busy(self, what: str) -> Iterator[None]:
        """Say that `what` is being done: in a terminal for as long as the context lasts, elsewhere in a line."""
        if not can_change(self._people):
            self.say(f"{what} ...")
        with self.passing(what):
            yield

    def passing(self, what: str) -> AbstractContextManager[object]:
        """The same, but nothing elsewhere: for what takes seconds, of which a file need not tell."""
        return contextlib.nullcontext() if self.kind == "none" else passing(what, self._people)

    @property
    def _people(self) -> TextIO:
        return sys.stderr if self.kind == "json" else sys.stdout
