"""A cost that only the target device knows, measured by the user's own command.

    latency='ssh pi ./bench {onnx}'
    latency,energy='python measure.py --board nucleo {tflite}'

Before `=` stand the names of one cost or several, behind it a command of the shell, in which a format of `nas export
--to` in braces becomes the path of the network in that format. The last line that it prints is the cost; of several,
a JSON object. docs/device.md is about how such commands are written.
"""

from __future__ import annotations

import json
import math
import re
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

from nas.checks.costs import ATTEMPTS, OF_LAYERS, TIMEOUT, check_cost, kind_of
from nas.checks.limits import COUNT, SECONDS, quoted
from nas.devices.shell import Ended, run_shell
from nas.text.units import format_seconds, is_number, parse_names
from nas.text.visible import visible_in_line

FORMATS = ("onnx", "pt2", "pte", "standalone", "state_dict", "tflite")
"""What a command may ask for, by the names of `nas export --to`. `nas.exports.measured` makes them."""

WORKER = "NAS_COST_WORKER"
"""What a command finds in its environment: which one it is of those that measure at the same time, from 0."""

_IN_BRACES = re.compile(r"(?P<literal>\{\{\w+\}\})|(?<!\$)\{(?P<format>\w+)\}")  # ${HOME} is the shell's
_LONGEST = 200  # characters of a line that somebody else wrote

_WRITTEN = {
    "latency": "of seconds, or 3.2ms", "memory": "of bytes, or 64kB", "flash": "of bytes, or 64kB",
    "energy": "of joules, or 1.3mJ",
}  # fmt: skip
"""How the figures of a cost are written that have a unit."""


class Unmeasured(ValueError):
    """Why a network's costs could not be measured, in a line."""


Shell = Callable[[str, float], Ended]
"""Runs a command for so many seconds at most, as `run_shell` does."""


@dataclass(frozen=True)
class CostCommand:
    """What measures `costs` of a network: `template`, run by the `shell` with paths in its braces. Picklable.

    A run that takes more than `timeout` seconds is ended. One that fails is tried again, `attempts` times in all.
    """

    costs: tuple[str, ...]
    template: str
    timeout: float = TIMEOUT
    attempts: int = ATTEMPTS
    shell: Shell = field(default=partial(run_shell, variables={WORKER: "0"}), compare=False, repr=False)

    def __post_init__(self) -> None:
        option = f"--cost-command {visible_in_line(self.names)}".rstrip()
        if not self.costs or len(set(self.costs)) < len(self.costs):
            raise ValueError(f"{option}: name each cost once before the =, as latency='ssh pi ./bench {{onnx}}'")
        for name in self.costs:
            _check_name(option, name)
        asked = self._in_braces()
        if unknown := [name for name in asked if name not in FORMATS]:
            raise ValueError(
                f"{option}: {{{unknown[0]}}} is not {_formats()}; braces that are the command's own are doubled: "
                f"{{{{{unknown[0]}}}}}"
            )
        if not asked:
            raise ValueError(f"{option}: the command takes no network: write {_formats()} where its file belongs")
        SECONDS.checked(f"{option}: the timeout", self.timeout)
        COUNT.checked(f"{option}: the number of attempts", self.attempts)

    @classmethod
    def parse(cls, text: str, timeout: float = TIMEOUT, attempts: int = ATTEMPTS) -> Self:
        """`latency=ssh pi ./bench {onnx}`. Raises ValueError where something is wrong with it, in a line."""
        names, _, template = text.partition("=")
        return cls.of(names, template, timeout, attempts)

    @classmethod
    def of(cls, names: str, template: str, timeout: float = TIMEOUT, attempts: int = ATTEMPTS) -> Self:
        """Of costs' names joined by commas, and what runs for them; errors are those of `parse`."""
        if not template.strip():
            raise ValueError(
                "--cost-command is the name of a cost and the command that measures it, as "
                f"latency='ssh pi ./bench {{onnx}}', not {quoted(names)}"
            )
        return cls(parse_names(names), template.strip(), timeout, attempts)

    @property
    def names(self) -> str:
        """Of its costs, joined by commas."""
        return ",".join(self.costs)

    def __str__(self) -> str:
        """What `parse` reads."""
        return f"{self.names}={self.template}"

    @property
    def formats(self) -> tuple[str, ...]:
        """Those of the network that the command takes, in the order of `FORMATS`."""
        return tuple(name for name in FORMATS if name in self._in_braces())

    def measure(self, files: Mapping[str, Path], sleep: Callable[[float], None] = time.sleep) -> dict[str, float]:
        """The costs of the network whose `files` these are, by their formats: in seconds, bytes, joules.

        After an attempt that failed it waits, a second longer each time. Raises Unmeasured after the last one.
        """
        for attempt in range(1, self.attempts + 1):
            try:
                return self.measure_once(files)
            except Unmeasured as error:
                reason = str(error)
            if attempt < self.attempts:
                sleep(attempt)
        times = f" {self.attempts} times, the last time" if self.attempts > 1 else ""
        raise Unmeasured(f"the command that measures {_joined(self.costs)} failed{times}: {reason}")

    def measure_once(self, files: Mapping[str, Path]) -> dict[str, float]:
        """The same, with one attempt. Raises Unmeasured with what was wrong."""
        try:
            ended = self.shell(self.filled(files), self.timeout)
        except TimeoutError:
            raise Unmeasured(f"it had not ended after {format_seconds(self.timeout)}") from None
        except OSError as error:
            raise Unmeasured(f"the shell does not run: {error.strerror}") from None
        if ended.code:
            raise Unmeasured(_failure(ended))
        if ended.said is None:
            raise Unmeasured("the last line that it printed is too long for a figure")
        if not ended.said:
            raise Unmeasured("it printed nothing")
        return _figures(self.costs, ended.said)

    def filled(self, files: Mapping[str, Path]) -> str:
        """The command with the paths of `files`, each as one word of the shell."""
        return _IN_BRACES.sub(partial(_word, files), self.template)

    def _in_braces(self) -> list[str]:
        return [match["format"] for match in _IN_BRACES.finditer(self.template) if match["format"]]


def _word(files: Mapping[str, Path], match: re.Match[str]) -> str:
    return shlex.quote(str(files[match["format"]])) if match["format"] else match["literal"][1:-1]


def _check_name(option: str, name: str) -> None:
    """Raises ValueError where no cost of a command can be called that."""
    if name in OF_LAYERS:
        raise ValueError(f"{option}: {name} is counted of every network, and needs no command: leave it out")
    try:
        check_cost(name)
    except ValueError as error:
        raise ValueError(f"{option}: {error}") from None


def _formats() -> str:
    return ", ".join(f"{{{name}}}" for name in FORMATS[:-1]) + f" or {{{FORMATS[-1]}}}"


def _joined(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _failure(ended: Ended) -> str:
    """`it ended with code 255: ssh: connect to host pi port 22: Connection refused`."""
    how = f"it ended with code {ended.code}" if ended.code > 0 else f"signal {-ended.code} ended it"
    return f"{how}: {_shown(ended.complained)}" if ended.complained else how


def _shown(line: str) -> str:
    """A line that the command printed, as a part of ours."""
    return visible_in_line(line if len(line) <= _LONGEST else f"{line[:_LONGEST]}...")


# ---------------------------------------------------------------------------- the last line


def _figures(costs: Sequence[str], line: str) -> dict[str, float]:
    """What the last line says of each of `costs`. Raises Unmeasured."""
    if len(costs) == 1 and not line.startswith("{"):
        return {costs[0]: _figure(costs[0], line)}
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        example = json.dumps(dict.fromkeys(costs, 0.5))
        raise Unmeasured(f"its last line must be a JSON object such as {example}, not {_shown(line)}")
    if missing := [name for name in costs if name not in found]:
        raise Unmeasured(f"its last line does not say {_joined(missing)}: {_shown(line)}")
    return {name: _figure(name, found[name]) for name in costs}


def _figure(cost: str, value: Any) -> float:
    """The figure that a line has for `cost`, a number or a text. Raises Unmeasured where it can be none."""
    kind = f"{cost} must be a number {_WRITTEN.get(cost, '')}".rstrip()
    try:
        number = _number(cost, value)
    except (ValueError, OverflowError):
        raise Unmeasured(f"{kind}, not {_shown(str(value))}") from None
    if not math.isfinite(number) or number < 0 or (number == 0 and cost == "latency"):
        least = "above 0" if cost == "latency" else "of at least 0"
        raise Unmeasured(f"{cost} must be finite and {least}, not {_shown(str(value))}")
    return number


def _number(cost: str, value: Any) -> float:
    """Raises ValueError, OverflowError."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        raise ValueError
    if is_number(value) and "_" not in value:  # Python's 2026_11_28 is a number
        return float(value)
    if cost not in _WRITTEN:
        raise ValueError
    return kind_of(cost).parse(value)
