"""Networks measured at the same time, each in a slot of its own: one of several boards, or a place on a server.

A command finds the number of its slot in its environment, as `NAS_COST_WORKER`. A thread for each slot waits for its
command, and does nothing else: files are made, and results taken, by whoever asks.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from nas.devices.command import WORKER, Unmeasured
from nas.devices.remote import DeviceGone, RemoteDevice
from nas.devices.shell import Stopped, run_shell
from nas.text.units import format_about

_ENDING = 5.0  # seconds that all commands have to end, once they are asked to


class Measurement:
    """Of one network, with `files` for each device in turn. `kept` is closed when they are not needed any more."""

    def __init__(
        self, known: Mapping[str, float], files: Sequence[Mapping[str, Path]] = (), kept: ExitStack | None = None
    ) -> None:
        self.costs, self.files, self.kept = dict(known), files, kept or ExitStack()
        self.done = not files
        self.stuck = False  # it waits for a device that is gone
        self.error: Exception | None = None

    def found(self) -> dict[str, float]:
        """The costs, once it is done. Raises Unmeasured where the network cannot be measured."""
        assert self.done
        if self.error is not None:
            raise self.error
        return self.costs

    def end(self, error: Exception | None = None) -> None:
        """It is done, or will never be."""
        self.kept.close()
        self.error, self.done = error, True


@dataclass
class _Outage:
    """Slots whose devices are gone for one reason. It is over when none is `away` any more."""

    began: float
    slots: set[int] = field(default_factory=set)
    away: set[int] = field(default_factory=set)


class Slots:
    """So many slots, a `count`, in each of which a network is measured by all `devices`, one after the other.

    All methods are for one thread, which asks; `close` ends what runs.
    """

    def __init__(self, devices: Sequence[RemoteDevice], count: int) -> None:
        self._devices, self._count = devices, count
        self._waiting: deque[Measurement] = deque()
        self._busy: set[int] = set()
        self._outages: dict[str, _Outage] = {}  # by what was said
        self._lines: list[str] = []
        self._waited, self._since = 0.0, None  # type: float, float | None
        self._news = False
        self._changed = threading.Condition()  # guards all of these
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def put(self, measurement: Measurement) -> None:
        """Have it measured in the first slot that is free."""
        if not self._threads:
            self._threads = [
                threading.Thread(target=self._work, args=(slot,), name=f"nas-cost-{slot}", daemon=True)
                for slot in range(self._count)
            ]
            for thread in self._threads:
                thread.start()
        with self._changed:
            self._waiting.append(measurement)
            self._changed.notify_all()

    def wait(self) -> None:
        """Return when anything has changed since the last time: one is done or stuck, or there is something to say."""
        with self._changed:
            self._changed.wait_for(lambda: self._news)
            self._news = False

    def lines(self) -> list[str]:
        """What is to be said since the last time, of devices that are gone or back."""
        with self._changed:
            said, self._lines = self._lines, []
        return said

    @property
    def waited(self) -> float:
        """Seconds in which nothing could be measured that was to be, since devices were gone."""
        with self._changed:
            return self._waited + (0.0 if self._since is None else time.monotonic() - self._since)

    def check(self) -> dict[str, float]:
        """The costs of the probes, once each slot has measured them. Raises Unmeasured as `RemoteDevice.check` does."""
        with ThreadPoolExecutor(self._count) as pool:
            try:
                found = list(pool.map(self._check, range(self._count)))
            except BaseException:
                self._stop.set()
                raise
        return found[0]

    def close(self) -> None:
        """End what is measured, and return when it has ended."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        until = time.monotonic() + _ENDING
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        for measurement in self._waiting:
            measurement.end()

    # ------------------------------------------------------------------ what a slot's thread does

    def _check(self, slot: int) -> dict[str, float]:
        found: dict[str, float] = {}
        for device in self._devices:
            try:
                found |= self._in(slot, device).check(self._sleep)
            except Unmeasured as error:
                raise Unmeasured(f"{WORKER} {slot}: {error}" if self._count > 1 else str(error)) from None
        return found

    def _work(self, slot: int) -> None:
        devices = [self._in(slot, device) for device in self._devices]
        while (measurement := self._next(slot)) is not None:
            error = None
            try:
                for device, files in zip(devices, measurement.files, strict=True):
                    wait = partial(self._wait_for, slot, device, measurement)
                    measurement.costs |= device.measure_again(files, wait, self._sleep)
            except Stopped:
                measurement.end()
                return
            except Exception as fault:
                error = fault
            with self._changed:
                measurement.end(error)
                self._busy.remove(slot)
                self._note()

    def _next(self, slot: int) -> Measurement | None:
        """What this slot measures now; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stop.is_set())
            if self._stop.is_set():
                return None
            self._busy.add(slot)
            self._note()
            return self._waiting.popleft()

    def _in(self, slot: int, device: RemoteDevice) -> RemoteDevice:
        shell = partial(run_shell, variables={WORKER: str(slot)}, stop=self._stop)
        return replace(device, command=replace(device.command, shell=shell))

    def _sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopped

    def _wait_for(self, slot: int, device: RemoteDevice, measurement: Measurement, gone: DeviceGone) -> None:
        """Return when `device` is back. What several are gone for is said once, and once that they are back."""
        why = str(gone)
        with self._changed:
            measurement.stuck = True
            if why not in self._outages:
                self._outages[why] = _Outage(time.monotonic())
                waits = "the search waits for it" if self._count == 1 else "what it measures waits for it"
                self._lines.append(f"the device {self._named({slot})}is gone, and {waits}: {why}")
            outage = self._outages[why]
            outage.slots.add(slot)
            outage.away.add(slot)
            self._note()
        device.until_back(self._sleep)
        with self._changed:
            measurement.stuck = False
            outage.away.remove(slot)
            if not outage.away:
                del self._outages[why]
                after = format_about(time.monotonic() - outage.began)
                self._lines.append(
                    f"the device {self._named(outage.slots)}is back after {after}, and the search goes on"
                )
            self._note()

    def _named(self, slots: set[int]) -> str:
        return "" if self._count == 1 else f"of {WORKER} {', '.join(map(str, sorted(slots)))} "

    def _note(self) -> None:
        """Something has changed, and with it perhaps whether anything can be measured."""
        now, away = time.monotonic(), {slot for outage in self._outages.values() for slot in outage.away}
        if self._since is not None:
            self._waited += now - self._since
        self._since = now if away and away == self._busy else None
        self._news = True
        self._changed.notify_all()
