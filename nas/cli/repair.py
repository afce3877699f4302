"""`nas repair`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nas.cli import common
from nas.options.groups import RunName, RunsOptions


@dataclass(frozen=True)
class RepairOptions(RunsOptions):
    """Of `nas repair`."""

    run: RunName


def repair(asked: RepairOptions) -> None:
    """Keep what can be read of a damaged journal.

    Lines that are damaged are left out; the journal as it was stays beside it, as journal.log.damaged.
    """
    from nas.ledger.repair import repair as repaired
    from nas.ledger.run import folder_of

    common.to_stdout(repaired(folder_of(asked.run, Path(asked.runs_dir))).describe())
