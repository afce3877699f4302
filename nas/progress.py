"""What a person, a pipe or a program sees of a search while it runs."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from nas.run import Row
from nas.train import Epoch
from nas.trial import State, TrialSpec
from nas.units import format_count, format_percent, format_seconds
from searchspaces.cost import Cost


class Silent:
    """Nothing is printed."""

    def started(self, spec: TrialSpec, size: Cost) -> None:
        pass

    def epoch(self, spec: TrialSpec, epoch: Epoch) -> None:
        pass

    def finished(self, row: Row, best: Row | None, seconds_left: float | None) -> None:
        pass

    def close(self) -> None:
        """Called once, when the search has ended or was stopped."""


class Lines(Silent):
    """One plain line a finished trial."""

    def __init__(self, out: TextIO) -> None:
        self.out = out

    def finished(self, row: Row, best: Row | None, seconds_left: float | None) -> None:
        chosen = row.id == row.architecture  # before: in an experiment, which has its trainings to go through
        if row.state == State.COMPLETE:
            outcome = f"{format_percent(row.accuracy):>6}" + ("" if chosen else f"  reward {row.reward:.4f}")
        else:
            outcome = f"{row.state}: {row.reason}"
        size = f"{format_count(row.macs):>6} MACs  {format_count(row.params):>6} params"
        where = row.id if chosen else f"best {_best(best)}" if best else "none is complete yet"
        left = f"  {format_seconds(seconds_left)} left" if seconds_left is not None else ""
        self._line(f"trial {row.number:>3}  {outcome}  {size}  {format_seconds(row.seconds):>6}  {where}{left}")

    def _line(self, text: str) -> None:
        print(text, file=self.out, flush=True)


class Terminal(Lines):
    """The same lines, and below them one that changes: what is being trained, the best so far, the time left."""

    def __init__(self, out: TextIO) -> None:
        super().__init__(out)
        self._running: dict[int, str] = {}
        self._standing: list[str] = []

    def started(self, spec: TrialSpec, size: Cost) -> None:
        self._running[spec.number] = f"trial {spec.number}: training, {format_count(size.macs)} MACs"
        self._status()

    def epoch(self, spec: TrialSpec, epoch: Epoch) -> None:
        done = f"epoch {epoch.number}/{spec.recipe.epochs}, {format_percent(epoch.val_accuracy)}"
        self._running[spec.number] = f"trial {spec.number}: {done}"
        self._status()

    def finished(self, row: Row, best: Row | None, seconds_left: float | None) -> None:
        self._running.pop(row.number, None)
        self._standing = [f"best {_best(best)}"] if best else []
        self._standing += [f"{format_seconds(seconds_left)} left"] if seconds_left is not None else []
        super().finished(row, best, seconds_left)
        self._status()

    def close(self) -> None:
        print("\r\033[K", end="", file=self.out, flush=True)

    def _line(self, text: str) -> None:
        super()._line(f"\r\033[K{text}")

    def _status(self) -> None:
        text = "  |  ".join([*self._running.values(), *self._standing])
        print(f"\r\033[K{text[: shutil.get_terminal_size().columns - 1]}", end="", file=self.out, flush=True)


class JsonLines(Lines):
    """One JSON object a finished trial: what `nas top --json` lists, and the run's name."""

    def __init__(self, out: TextIO, run: str) -> None:
        super().__init__(out)
        self.run = run

    def finished(self, row: Row, best: Row | None, seconds_left: float | None) -> None:
        self._line(json.dumps({"run": self.run} | row.to_dict() | {"seconds_left": seconds_left}))


class Telling(Silent):
    """What `shown` prints, and a call for every trial that has ended."""

    def __init__(self, shown: Silent, tell: Callable[[Row], None]) -> None:
        self.shown, self.tell = shown, tell

    def started(self, spec: TrialSpec, size: Cost) -> None:
        self.shown.started(spec, size)

    def epoch(self, spec: TrialSpec, epoch: Epoch) -> None:
        self.shown.epoch(spec, epoch)

    def finished(self, row: Row, best: Row | None, seconds_left: float | None) -> None:
        self.shown.finished(row, best, seconds_left)
        self.tell(row)

    def close(self) -> None:
        self.shown.close()


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
            print(text, file=sys.stderr if self.kind == "json" else sys.stdout, flush=True)

    def log(self, text: str) -> None:
        """What is slow, and what befell the data."""
        if self.kind != "none":
            print(text, file=sys.stderr, flush=True)

    def watch(self, run: str) -> Silent:
        """The progress of `run` that fits where standard output goes."""
        if self.kind == "none":
            return Silent()
        if self.kind == "json":
            return JsonLines(sys.stdout, run)
        return Terminal(sys.stdout) if sys.stdout.isatty() else Lines(sys.stdout)


def _best(row: Row) -> str:
    return f"{format_percent(row.accuracy)} at {format_count(row.macs)} MACs (trial {row.number})"
