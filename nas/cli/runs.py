"""`nas runs`."""

from __future__ import annotations

from pathlib import Path

from nas.cli import common
from nas.options.groups import OutputOptions


def runs(asked: OutputOptions) -> None:
    """List the runs that there are, and how far each is."""
    from nas.ledger.listing import runs_in, runs_table

    found = runs_in(Path(asked.runs_dir))
    if asked.as_json:
        common.print_json([run.to_dict() for run in found])
    elif not found:
        common.to_stdout(f"there is no run in {asked.runs_dir}: `nas search` makes one")
    else:
        common.to_stdout(runs_table(found))
        common.to_stdout(
            "\nbest: the accuracy of the best reward, on validation images; of a training, on test images."
        )
