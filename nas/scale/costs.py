"""Further costs of what grew from a network, each a column: of a microcontroller, and the time for an image here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nas.checks.costs import KINDS, OF_LAYERS, in_order, kind_of
from nas.devices.latency import Effort, measure_latency
from nas.scale.family import Member, check_memory
from nas.searching.counted import counted

_EFFORT = Effort(least=3, most=30, seconds=1.0)  # of a network that may be a thousand times as large as another
_INT8 = ("memory", "flash")


@dataclass(frozen=True)
class Further:
    """The costs `names`; of latency, what it is measured by and where."""

    names: tuple[str, ...]
    runtime: str
    device: str
    threads: int

    @property
    def shown(self) -> tuple[str, ...]:
        """Those that do not stand in every table."""
        return tuple(name for name in self.names if name not in OF_LAYERS)

    def of(self, m: Member) -> dict[str, float]:
        """Each in its unit. Raises ValueError where one cannot be told of the network, or the device is too small."""
        found = counted(m.build, m.image_size, m.base.channels, self.names)
        if "latency" in self.names:
            check_memory(m, self.device, "leave latency out of --costs")
            found["latency"] = measure_latency(
                m.build(), m.image_size, self.runtime, self.threads, self.device, m.base.channels, _EFFORT
            ).seconds
        return {name: found[name] for name in self.names}

    @property
    def legend(self) -> list[str]:
        """What the columns are, a line each."""
        lines = []
        if set(_INT8) & set(self.names):
            which = " and ".join(title(name) for name in _INT8 if name in self.names)
            lines.append(f"{which}: of a microcontroller that runs it in int8, computed, see docs/microcontrollers.md.")
        if "latency" in self.names:
            lines.append(f"latency: of one image by {self.runtime} on {self.device}, measured.")
        return lines


def title(name: str) -> str:
    """What a cost is called beside the memory that a training takes."""
    return f"{kind_of(name).title} (int8)" if name in _INT8 else kind_of(name).title


def check_known(names: Sequence[str]) -> tuple[str, ...]:
    """`names` as tables have them. Raises ValueError where one is neither counted nor measured here."""
    known = [name for name, kind in KINDS.items() if kind.counted or name == "latency"]
    for name in names:
        if name not in known:
            raise ValueError(
                f"--costs: {name} is measured on a device by nas search alone; here are {', '.join(known)}"
            )
    return in_order(names)
