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
from nas.devices.command import CostCommand, Unmeasured
from nas.devices.measuring import Measuring
from nas.devices.remote import RemoteDevice
from nas.latencies.table import LatencyTable, read_once
from nas.ledger.config import Config
from nas.network import Network
from searchspaces import Arch, Space


class Gauge:
    """Measures networks for images of a `shape`: (classes, pixels a side, channels), each once.

    Each is made a file of, with random weights: what a network costs does not depend on them. Where the device is gone
    it waits, and `say` hears of that. To be closed: it keeps the files of a network that any device can measure.
    """

    def __init__(
        self, measuring: Measuring, space: Space, shape: tuple[int, int, int], say: Callable[[str], None]
    ) -> None:
        self.names = frozenset(measuring.told)
        self._space, self._shape, self._say = space, shape, say
        self._table = _table_of(measuring, space, shape)
        self.waited = 0.0  # seconds for a device that was gone
        self._known: dict[str, dict[str, float]] = {}  # by the network's text: a comparison has several seeds of each
        self._open = ExitStack()
        self._commands = [
            CostCommand.parse(f"{names}={command}", measuring.timeout, measuring.attempts)
            for names, command in measuring.commands.items()
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def measure(self, network: Network, arch: Arch) -> dict[str, float]:
        """What is told of `network`, of that `arch` of the space.

        Raises Unmeasured where it, and not every other, cannot be measured.
        """
        if network.text not in self._known:
            found = {} if self._table is None else {"latency": self._table.predict(self._space, arch).seconds}
            for device in self._devices:
                with self._files(device.command, network) as files:
                    found |= device.measure_patiently(files, self._say, self._sleep)
            self._known[network.text] = found
        return self._known[network.text]

    def _sleep(self, seconds: float) -> None:
        self.waited += seconds
        time.sleep(seconds)

    def check(self) -> dict[str, float]:
        """The costs of the smallest network. Raises Unmeasured where a command does not tell them: it never will."""
        return {name: cost for device in self._devices for name, cost in device.check().items()}

    @cached_property
    def _devices(self) -> list[RemoteDevice]:
        """What each command measures on, with the files of a network that tells whether that is there."""
        from nas.exports.measured import probe_files  # of a floor above

        return [RemoteDevice(command, probe_files(command, *self._shape, self._folder())) for command in self._commands]

    def _folder(self) -> Path:
        return Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="nas-")))

    @contextlib.contextmanager
    def _files(self, command: CostCommand, network: Network) -> Iterator[dict[str, Path]]:
        from nas.exports.measured import files_for  # of a floor above

        with tempfile.TemporaryDirectory(prefix="nas-") as folder:
            try:
                files = files_for(command, network, *self._shape, Path(folder))
            except ValueError as error:
                raise Unmeasured(str(error)) from error
            yield files


@contextlib.contextmanager
def gauge_of(config: Config, dataset: Dataset, say: Callable[[str], None]) -> Iterator[Gauge | None]:
    """What measures the networks of a search on `dataset`; None where their layers tell all that it asks for."""
    if not config.measuring.told:
        yield None
        return
    shape = dataset.num_classes, config.recipe.size_on(dataset), dataset.channels
    with Gauge(config.measuring, config.space, shape, say) as gauge:
        yield gauge


def _table_of(measuring: Measuring, space: Space, shape: tuple[int, int, int]) -> LatencyTable | None:
    """Raises ValueError where the table is gone, another one, or not of such networks."""
    if measuring.table is None:
        return None
    table = read_once(measuring.table, measuring.table_sha256)
    classes, pixels, channels = shape
    table.check(space, pixels, channels, classes)
    return table
