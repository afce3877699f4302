"""`nas runs`."""

from __future__ import annotations

from pathlib import Path

from nas.cli import common
from nas.cli.options import Json, RunsDir


def runs(runs_dir: RunsDir = Path("runs"), as_json: Json = False) -> None:
    """List the runs that there are, and how far each is."""
    from nas.ledger.listing import runs_in, runs_table

    found = runs_in(runs_dir)
    if as_json:
        common.print_json([run.to_dict() for run in found])
    elif not found:
        common.to_stdout(f"there is no run in {runs_dir}: `nas search` makes one")
    else:
        common.to_stdout(runs_table(found))
        common.to_stdout(
            "\nbest: the accuracy of the best reward, on validation images; of a training, on test images."
        )
