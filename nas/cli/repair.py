"""`nas repair`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.cli import common, completion
from nas.cli.options import RunsDir


def repair(
    run: Annotated[str, typer.Argument(metavar="RUN", autocompletion=completion.runs, help="The run's name.")],
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Keep what can be read of a damaged journal.

    Lines that are damaged are left out; the journal as it was stays beside it, as journal.log.damaged.
    """
    from nas.ledger.repair import repair as repaired
    from nas.ledger.run import folder_of

    common.to_stdout(repaired(folder_of(run, runs_dir)).describe())
