"""How fast trials go, and so how long those that are left will take."""

from __future__ import annotations


class Pace:
    """Of `at_once` trials at a time, in this process. All times are of one clock, in seconds.

    A worker's time is counted from its first sign of a training, so what it takes to start workers is left out; what
    lies between two trainings is not. What a trial that is under way has taken by now says nothing yet.
    """

    def __init__(self, at_once: int = 1) -> None:
        self.at_once = at_once
        self._first: float | None = None  # sign of a training
        self._begun: dict[int, float] = {}  # trials under way
        self._done = 0
        self._last = 0.0  # when the last trial ended

    def begun(self, number: int, now: float) -> None:
        """Trial `number` is heard to be trained; only the first time counts."""
        self._begun.setdefault(number, now)
        self._first = now if self._first is None else self._first

    def ended(self, number: int, seconds: float, now: float) -> None:
        """Trial `number` has ended, and took `seconds`."""
        began = self._begun.pop(number, now - seconds)
        self._first = began if self._first is None else min(self._first, began)
        self._done, self._last = self._done + 1, now

    def seconds_for(self, trials: int, now: float) -> float | None:
        """For so many trials more, those under way among them; None as long as none has ended."""
        if self._first is None or not self._done:
            return None
        under_way = list(self._begun.values())
        busy = self.at_once * (self._last - self._first) - sum(max(0.0, self._last - began) for began in under_way)
        each = max(0.0, busy) / self._done
        rest = [max(0.0, each - (now - began)) for began in under_way[:trials]]
        waiting = each * (trials - len(rest))
        return max([(waiting + sum(rest)) / self.at_once, *rest])
