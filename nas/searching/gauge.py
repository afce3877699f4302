"""What a search finds out of a network before it trains it: by the user's own commands, or a table of a device."""

from __future__ import annotations

import contextlib
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from nas.data.images import Dataset
from nas.devices.command import CostCommand
from nas.devices.measuring import Measuring
from nas.devices.remote import RemoteDevice
from nas.ledger.config import Config
from nas.network import Found, Network
from searchspaces import Space
from searchspaces.images import RGB

PROBES = 50  # random networks of a space, of which the first that can be built is the probe


class Gauge:
    """Measures networks of `space` for images of a `shape`, `(classes, pixels)`, and so many `channels`.

    Each is made a file of, with random weights: what a network costs does not depend on them. Where the device is gone
    it waits, and `say` hears of that. To be closed: it keeps the files of one network that the device can measure.
    """

    def __init__(
        self, measuring: Measuring, space: Space, shape: tuple[int, int], channels: int = RGB,
        say: Callable[[str], None] = print,
    ) -> None:  # fmt: skip
        self.names = frozenset(measuring.told)
        self._space, self._shape, self._channels, self._say = space, shape, channels, say
        self._open = ExitStack()
        self._commands = [
            CostCommand.parse(f"{names}={command}", measuring.timeout, measuring.attempts)
            for names, command in measuring.commands.items()
        ]
        self._devices: list[RemoteDevice] | None = None  # known once one network was measured

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def measure(self, network: Network) -> dict[str, float]:
        """The costs of it that commands tell. Raises Unmeasured where it, and no other, cannot be measured."""
        found: dict[str, float] = {}
        for device in self.devices():
            with self._files(device.command, network) as files:
                found |= device.measure_patiently(files, self._say)
        return found

    def check(self) -> dict[str, float]:
        """The costs of the probe. Raises Unmeasured where a command does not tell them: it never will."""
        return {name: cost for device in self.devices() for name, cost in device.check().items()}

    def devices(self) -> list[RemoteDevice]:
        """Each command with a network that tells whether its device is there."""
        if self._devices is None:
            probe = _probe(self._space, self._shape, self._channels)
            self._devices = [
                RemoteDevice(command, self._open.enter_context(self._files(command, probe)))
                for command in self._commands
            ]
        return self._devices

    @contextlib.contextmanager
    def _files(self, command: CostCommand, network: Network) -> Iterator[dict[str, Path]]:
        from nas.exports.measured import files_for  # of a floor above

        with tempfile.TemporaryDirectory(prefix="nas-") as folder:
            module = network.build(*self._shape, self._channels)
            yield files_for(command.formats, network, module, self._shape, self._channels, Path(folder))


@contextlib.contextmanager
def gauge_of(config: Config, dataset: Dataset, say: Callable[[str], None]) -> Iterator[Gauge | None]:
    """What measures the networks of a search on `dataset`; None where their layers tell all that it asks for."""
    if not config.measuring.told:
        yield None
        return
    shape = dataset.num_classes, config.recipe.size_on(dataset)
    with Gauge(config.measuring, config.space, shape, dataset.channels, say) as gauge:
        yield gauge


def _probe(space: Space, shape: tuple[int, int], channels: int) -> Network:
    """A network of `space` that can be built. Raises ValueError where none is found."""
    rng = random.Random(0)
    for _ in range(PROBES):
        network = Found(space, space.sample(rng))
        with contextlib.suppress(ValueError, RuntimeError):
            network.build(*shape, channels)
            return network
    raise ValueError(f"none of {PROBES} random networks of {space.name} can be built: `nas show` says why")
