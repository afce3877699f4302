"""Costs: figures of a network, each by its name, low where they are good.

Some are known of any network from its layers, others are measured: here, or by a command of the user's own, which may
also give costs that nobody else has a name for. Each may be a target of the reward, a limit, an objective and a column.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from nas.checks.limits import Number, quoted
from nas.checks.noted import TAKEN
from nas.text.units import (
    format_bytes,
    format_count,
    format_joules,
    format_seconds,
    parse_bytes,
    parse_count,
    parse_joules,
    parse_seconds,
)


@dataclass(frozen=True)
class CostKind:
    """What a cost is: its `title` in a table, its `unit` in words, and how its figures are read and written."""

    title: str
    unit: str
    parse: Callable[[str | float], float]
    format: Callable[[float | None], str]
    counted: bool = False  # known from the layers; else it is measured


def _own(name: str) -> CostKind:
    return CostKind(name, "whatever its command gives", parse_count, format_count)


KINDS: Mapping[str, CostKind] = {
    "macs": CostKind("MACs", "multiply-adds of one image", parse_count, format_count, counted=True),
    "params": CostKind("params", "parameters", parse_count, format_count, counted=True),
    "activations": CostKind("activations", "elements put out for one image", parse_count, format_count, counted=True),
    "memory": CostKind("memory", "bytes of RAM of a microcontroller", parse_bytes, format_bytes, counted=True),
    "flash": CostKind("flash", "bytes of flash of a microcontroller", parse_bytes, format_bytes, counted=True),
    "latency": CostKind("latency", "seconds of one image", parse_seconds, format_seconds),
    "energy": CostKind("energy", "joules of one image", parse_joules, format_joules),
}
"""Those that have a name; see docs/device.md."""

COSTS = tuple(KINDS)
OF_LAYERS = ("macs", "params", "activations")  # found with every network, see `searchspaces.cost`
FIGURE = Number(0, 1e18)
TIMEOUT, ATTEMPTS = 120.0, 3  # seconds that a command has, and how often it is tried with a network

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


def kind_of(name: str) -> CostKind:
    """Of any cost."""
    return KINDS.get(name) or _own(name)


def check_cost(name: str) -> str:
    """`name`, of any cost. Raises ValueError where none can be called that."""
    if name in KINDS:
        return name
    if not _NAME.fullmatch(name) or name in TAKEN:
        raise ValueError(
            f"a cost is one of {', '.join(COSTS)}, or one of your own in small letters, as in power; not {quoted(name)}"
        )
    return name


def option(kind: str, name: str) -> str:
    """How a person gives a `max` or `target` of a cost: `--max-macs`, of one of their own `--max power`."""
    return f"--{kind}-{name}" if name in KINDS else f"--{kind} {name}"


def above_limit(name: str, figure: float, limit: float) -> str:
    """Why a network is not trained."""
    kind = kind_of(name)
    is_number = kind.format is format_count and name in KINDS
    has = f"{kind.format(figure)} {kind.title} are" if is_number else f"{kind.title} {kind.format(figure)} is"
    return f"not trained: {has} more than {option('max', name)} {kind.format(limit)}"


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Each of `names` once, as tables have them: those of `COSTS` first."""
    given = set(names)
    return (*[name for name in COSTS if name in given], *sorted(given - set(COSTS)))


@dataclass(frozen=True)
class Figures:
    """Figures of costs by their names, each a number or a text in its unit: `{"memory": "64kB"}`."""

    above: bool = True  # zero, each must be

    def checked(self, name: str, value: object) -> dict[str, float]:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise ValueError(f'{name} must be figures by the names of costs, as in {{"memory": "64kB"}}, not {value!r}')
        return {check_cost(of): self._checked(f"{name} {of}", of, figure) for of, figure in value.items()}

    def _checked(self, name: str, of: str, figure: str | float) -> float:
        try:
            number = kind_of(of).parse(figure)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        return float(Number(0, FIGURE.most, above=self.above).checked(name, number))
