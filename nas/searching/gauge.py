"""What a search finds out of a network before it trains it: by the user's own commands, or a table of a device."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Self

from nas.data.images import Dataset
from nas.devices.command import Unmeasured
from nas.devices.measuring import Measuring
from nas.devices.remote import RemoteDevice
from nas.devices.slots import Measurement, Slots
from nas.joint.space import networks_of, parts_of
from nas.latencies.table import LatencyTable, read_once
from nas.ledger.config import Config
from nas.network import Network
from searchspaces import Arch, Space


class Gauge:
    """Measures networks for images of a `shape`: (classes, pixels a side, channels), each once, `workers` at a time.

    Each is made a file of, with random weights: what a network costs does not depend on them. Files are made where
    `begin` is called, since PyTorch's export is for one thread at a time; commands are waited for elsewhere. Where a
    device is gone it waits, and `say` hears of that. To be closed, which ends what is measured.
    """

    def __init__(
        self,
        measuring: Measuring,
        space: Space,
        shape: tuple[int, int, int],
        say: Callable[[str], None],
        workers: int | None = None,
    ) -> None:
        self.names = frozenset(measuring.told)
        self._space, self._shape, self._say = space, shape, say
        self._table = _table_of(measuring, space, shape)
        self._known: dict[
            tuple[str, int], Measurement
        ] = {}  # by text and pixels: a comparison has several seeds of each
        self._open = ExitStack()
        self._commands = measuring.cost_commands
        self.workers = (workers or measuring.workers) if self._commands else 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def begin(self, network: Network, arch: Arch, pixels: int | None = None) -> Measurement:
        """Have `network`, of that `arch` of the space, measured, where it is not, or is being, already.

        It is for images of so many `pixels` a side, where these are not those of all.
        """
        classes, usual, channels = self._shape
        shape = classes, pixels or usual, channels
        key = network.text, shape[1]
        if key not in self._known:
            known = (
                {} if self._table is None else {"latency": self._table.predict(*parts_of(self._space, arch)).seconds}
            )
            self._known[key] = measurement = self._measurement(known, network, shape)
            if not measurement.done:
                self._slots.put(measurement)
        return self._known[key]

    def wait(self) -> None:
        """Return when anything has changed since the last time, of which `say` hears in `hear`."""
        self._slots.wait()

    def hear(self) -> None:
        """Have said what there is to be said of devices that are gone or back."""
        if self._commands:
            for line in self._slots.lines():
                self._say(line)

    @property
    def waited(self) -> float:
        """Seconds in which nothing could be measured that was to be, since devices were gone."""
        return self._slots.waited if self._commands else 0.0

    def check(self) -> tuple[dict[str, float], float]:
        """The costs of the smallest network, and the seconds that its commands took.

        It is measured as often as there are workers, by each of them. Raises Unmeasured where a command does not tell
        them: it never will.
        """
        slots, began = self._slots, time.monotonic()
        return slots.check(), time.monotonic() - began

    @cached_property
    def _slots(self) -> Slots:
        """What the commands measure on, with the files of a network that tells whether that is there."""
        from nas.exports.measured import probe_files  # of a floor above

        devices = [
            RemoteDevice(command, probe_files(command, *self._shape, self._open.enter_context(_folder())))
            for command in self._commands
        ]
        slots = Slots(devices, self.workers)
        self._open.callback(slots.close)
        return slots

    def _measurement(self, known: dict[str, float], network: Network, shape: tuple[int, int, int]) -> Measurement:
        """Of `network` for `shape`, with its files. They are kept until it has ended."""
        from nas.exports.measured import files_for  # of a floor above

        with ExitStack() as kept:
            try:
                files = [
                    files_for(command, network, *shape, kept.enter_context(_folder())) for command in self._commands
                ]
            except ValueError as error:
                failed = Measurement(known)
                failed.end(Unmeasured(str(error)))
                return failed
            return Measurement(known, files, kept.pop_all())


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="nas-") as folder:
        yield Path(folder)


@contextlib.contextmanager
def gauge_of(
    config: Config, dataset: Dataset, say: Callable[[str], None], workers: int | None = None
) -> Iterator[Gauge | None]:
    """What measures the networks of a search on `dataset`; None where their layers tell all that it asks for.

    So many `workers` do it at the same time; None: as many as `config` has.
    """
    if not config.measuring.told:
        yield None
        return
    shape = dataset.num_classes, config.recipe.size_on(dataset), dataset.channels
    with Gauge(config.measuring, config.space, shape, say, workers) as gauge:
        yield gauge


def _table_of(measuring: Measuring, space: Space, shape: tuple[int, int, int]) -> LatencyTable | None:
    """Raises ValueError where the table is gone, another one, or not of such networks."""
    if measuring.table is None:
        return None
    table = read_once(measuring.table, measuring.table_sha256)
    classes, pixels, channels = shape
    table.check(networks_of(space), pixels, channels, classes)
    return table
