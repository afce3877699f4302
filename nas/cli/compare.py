"""`nas compare`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

from nas import api
from nas.cli import common
from nas.options import commands, panels
from nas.options.groups import MAYBE_PLACE, ReportedRun
from nas.options.option import Option


@dataclass(frozen=True)
class CompareOptions(commands.CompareOptions):
    """Of `nas compare`."""

    networks: commands.Networks = ()  # none with --report
    _: KW_ONLY
    report: ReportedRun = None
    markdown: Annotated[
        Path | None,
        Option(MAYBE_PLACE, "File for the report.", panels.OUTPUT, usual="comparison.md in the run"),
    ] = None
    csv: Annotated[
        Path | None,
        Option(MAYBE_PLACE, "File for the table.", panels.OUTPUT, usual="comparison.csv in the run"),
    ] = None
    plot: Annotated[
        Path | None,
        Option(MAYBE_PLACE, "File for the picture, .png or .svg.", panels.OUTPUT, usual="comparison.png there"),
    ] = None


def compare(asked: CompareOptions) -> None:
    """Train found and hand-designed networks alike, and test them.

    All of them from scratch, under one recipe and the same seeds. The test set is looked at once, after each training.
    It is a run: `nas resume` continues it.
    """
    common.check_report(asked, "report", "markdown", "csv", "plot", "runs_dir", "progress")
    common.load_torch()

    from nas.comparison.design import comparison_of
    from nas.ledger.run import Run, folder_of

    files: dict[str, Any] = {"markdown": asked.markdown, "csv": asked.csv, "plot": asked.plot}
    _check_files(*files.values())
    if asked.report:
        opened = Run.open(folder_of(asked.report, Path(asked.runs_dir)))
        comparison_of(opened)
        common.conclude(opened, asked.as_json, **files)
        return
    run = api.compare.of(asked)
    common.conclude(run, asked.as_json, **files)
    common.check_success([run])


def _check_files(*files: Path | None) -> None:
    """Now, rather than after hours of training. Raises ValueError where one could not be written."""
    for file in filter(None, files):
        if not file.parent.is_dir():
            raise ValueError(f"there is no folder {file.parent} for {file.name}: make it first")
    plot = files[-1]
    if plot and plot.suffix not in (".png", ".svg"):
        raise ValueError(f"--plot writes .png or .svg, not {plot.name}")
    if plot and not find_spec("matplotlib"):
        raise ValueError("--plot needs matplotlib: pip install matplotlib")
