"""The device that a command measures on: whether it is the network that cannot be measured, or the device that is gone.

A network that always works, the probe, tells the two apart. A search waits for a device that is gone, as long as it
takes: no network has failed of a cable that somebody pulled.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nas.devices.command import CostCommand, Unmeasured
from nas.text.units import format_about

FIRST, LONGEST = 5.0, 60.0
"""Seconds until a device that is gone is asked again, at first and at most."""
OFTEN = 3
"""How often the device may be gone after a network was to be measured, until that network is at fault."""


class DeviceGone(RuntimeError):
    """The device measures nothing any more, not even the probe: why, in a line."""


@dataclass(frozen=True)
class RemoteDevice:
    """What `command` measures on; `probe` are the files of a network that it can measure. Picklable."""

    command: CostCommand
    probe: Mapping[str, Path]

    def check(self, sleep: Callable[[float], None] = time.sleep) -> dict[str, float]:
        """The costs of the probe. Raises Unmeasured where the command does not measure it: it never will, then."""
        return self.command.measure(self.probe, sleep)

    def measure(self, files: Mapping[str, Path], sleep: Callable[[float], None] = time.sleep) -> dict[str, float]:
        """The costs of the network of `files`.

        Raises Unmeasured where the network is at fault, since the probe can be measured; DeviceGone where that cannot.
        """
        try:
            return self.command.measure(files, sleep)
        except Unmeasured:
            try:
                self.command.measure(self.probe, sleep)
            except Unmeasured as error:
                raise DeviceGone(str(error)) from None
            raise

    def wait(self, gone: DeviceGone, say: Callable[[str], None], sleep: Callable[[float], None] = time.sleep) -> None:
        """Return when the probe can be measured again; what `sleep` raises ends the waiting.

        A line is said before it and one after it.
        """
        start = time.monotonic()
        say(f"the device is gone, and the search waits for it: {gone}")
        self.until_back(sleep)
        say(f"the device is back after {format_about(time.monotonic() - start)}, and the search goes on")

    def until_back(self, sleep: Callable[[float], None] = time.sleep) -> None:
        """As `wait`, without a word."""
        pause = FIRST
        while True:
            sleep(pause)
            try:
                self.command.measure_once(self.probe)
            except Unmeasured:
                pause = min(LONGEST, 2 * pause)
            else:
                return

    def measure_patiently(
        self, files: Mapping[str, Path], say: Callable[[str], None], sleep: Callable[[float], None] = time.sleep
    ) -> dict[str, float]:
        """As `measure`, but that it waits for a device that is gone, and then measures again.

        Where that is gone after each of `OFTEN` such measurements, that is taken for what the network does: Unmeasured.
        """
        return self.measure_again(files, lambda gone: self.wait(gone, say, sleep), sleep)

    def measure_again(
        self,
        files: Mapping[str, Path],
        wait: Callable[[DeviceGone], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> dict[str, float]:
        """As `measure_patiently`, with any `wait` that returns when the device is back."""
        for _ in range(OFTEN):
            try:
                return self.measure(files, sleep)
            except DeviceGone as gone:
                reason = str(gone)
                wait(gone)
        raise Unmeasured(f"the device was gone {OFTEN} times after this network was to be measured: {reason}")
