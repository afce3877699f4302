"""How costs of a network are found out that its layers do not tell: on a device, by a table of one, or here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from nas.checks.costs import ATTEMPTS, KINDS, TIMEOUT
from nas.checks.schemas import RUNTIMES
from nas.devices.command import CostCommand


@dataclass(frozen=True)
class Measuring:
    """`commands` of the user's own by the costs that they tell, `latency,energy`; see `nas.devices.command`.

    Each has `timeout` seconds, and so many `attempts` with a network; `workers` networks are measured by them at the
    same time. Latency that no command tells is predicted by the `table` of a device, or measured where networks are
    trained, by `runtime`.
    """

    commands: Mapping[str, str] = field(default_factory=dict, hash=False)
    timeout: float = TIMEOUT
    attempts: int = ATTEMPTS
    workers: int = 1
    runtime: str = RUNTIMES[0]
    table: str | None = None  # its file
    table_sha256: str | None = None
    table_error: float | None = None  # of its predictions, as a share of the latency, on average

    @cached_property
    def cost_commands(self) -> tuple[CostCommand, ...]:
        """`commands`, as they are run. Raises ValueError where one is none."""
        return tuple(
            CostCommand.of(names, template, self.timeout, self.attempts) for names, template in self.commands.items()
        )

    @property
    def told(self) -> tuple[str, ...]:
        """The costs that commands and the table tell, asked for or not."""
        by_command = [name for command in self.cost_commands for name in command.costs]
        return (*by_command, *(["latency"] if self.table and "latency" not in by_command else []))

    def knows(self, cost: str) -> bool:
        """Whether a command or the table tells it."""
        return cost in self.told

    def check_trusted(self, run: str, trusted: bool) -> None:
        """Raises ValueError where it has commands that nobody allowed: the file of a `run` named them, not a person."""
        if self.commands and not trusted:
            said = "; ".join(map(str, self.cost_commands))
            raise ValueError(
                f"{run} measures costs by a command, which its file names, and running it may do anything: where you "
                f"trust it ({said}), add --trust-commands"
            )

    def check(self, wanted: Iterable[str]) -> None:
        """Raises ValueError where nobody can tell a cost that is `wanted`."""
        for name in wanted:
            told_here = name == "latency" or (name in KINDS and KINDS[name].counted)
            if not told_here and not self.knows(name):
                raise ValueError(f"nothing here measures {name}: add --cost-command {name}='COMMAND {{onnx}}'")
