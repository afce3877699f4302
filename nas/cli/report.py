"""`nas report`, `nas dashboard`."""

from __future__ import annotations

import errno
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated

from nas.checks.kinds import FLAG, NAMED, Several
from nas.checks.limits import Number
from nas.cli import common
from nas.options import panels
from nas.options.groups import MAYBE_PLACE, OutputOptions, RunName, RunsOptions
from nas.options.option import Option


@dataclass(frozen=True)
class ReportOptions(OutputOptions):
    """Of `nas report`."""

    runs: Annotated[
        list[str],
        Option(
            Several(NAMED, 1),
            "A run, or the name that searches of --seeds share; several stand side by side.",
            typed=list[str],
            metavar="RUN",
            completes="runs",
            by_place=True,
        ),
    ]
    _: KW_ONLY
    out: Annotated[
        Path | None, Option(MAYBE_PLACE, "The file.", panels.OUTPUT, usual="report.html in the first run's folder")
    ] = None
    tensorboard: Annotated[
        Path | None,
        Option(MAYBE_PLACE, "Also write TensorBoard's event files there.", panels.OUTPUT, metavar="FOLDER"),
    ] = None


def report(asked: ReportOptions) -> None:
    """Write what a run found, and how, as one HTML file that opens anywhere. A run's control stands beside it.

    With --json the numbers are printed, and no page is written.
    """
    common.load_torch()
    import optuna

    from nas.files import write_atomically
    from nas.ledger import repeats
    from nas.ledger.beside import note_of_loss
    from nas.ledger.run import Run, folder_of
    from nas.report.control import controls, with_controls
    from nas.report.numbers import Numbers
    from nas.report.page import page
    from nas.report.seeds import repeated
    from nas.searching.control import RANDOM

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    runs_dir, out, tensorboard = Path(asked.runs_dir), asked.out, asked.tensorboard
    named = list(dict.fromkeys(asked.runs))
    places = [(folder_of(name, runs_dir), repeats.find(folder_of(name, runs_dir))) for name in named]
    opened = [Run.open(path) for place, of_set in places for path in of_set or [place]]
    for note in filter(None, (note_of_loss(run, RANDOM) for run in opened)):
        common.to_stderr(note)
    several = [Numbers.of(run) for run in with_controls(opened)]
    if tensorboard is not None:
        from nas.report.events import write

        for place in write(several, tensorboard):
            common.to_stderr(f"wrote {place}")
    if asked.as_json:
        found = [numbers.to_dict() for numbers in several]
        seeds = [group.to_dict() for group in repeated(several)]
        compared = [control.to_dict() for control in controls(several)]
        common.print_json({"runs": found, "controls": compared} | ({"seeds": seeds} if seeds else {}))
        return
    title = f"report-of-{places[0][0].name}" if places[0][1] else "report"
    path = out or several[0].run.path / f"{'-with-'.join([title, *(place.name for place, _ in places[1:])])}.html"
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {path.parent} for the report: make it, or choose another --out")
    write_atomically(path, page(several, log=common.to_stderr))
    common.to_stdout(f"wrote {path}, {path.stat().st_size / 1000:,.0f} kB")


@dataclass(frozen=True)
class DashboardOptions(RunsOptions):
    """Of `nas dashboard`."""

    run: RunName
    _: KW_ONLY
    port: Annotated[
        int, Option(Number(1, 65_535, whole=True), "Of this machine, which alone can open it.", panels.OUTPUT)
    ] = 8080
    no_browser: Annotated[bool, Option(FLAG, "Do not open it in the browser.", panels.OUTPUT)] = False


def dashboard(asked: DashboardOptions) -> None:
    """Open optuna-dashboard on a run's ledger, also while it searches. Ctrl-C ends it."""
    from nas.ledger.run import Run, folder_of

    opened = Run.open(folder_of(asked.run, Path(asked.runs_dir)))
    number = opened.study._study_id
    try:
        import optuna_dashboard
    except ModuleNotFoundError as error:
        if error.name != "optuna_dashboard":
            raise
        raise ValueError("nas dashboard needs optuna-dashboard: pip install optuna-dashboard") from None
    address = f"http://127.0.0.1:{asked.port}/dashboard/studies/{number}"
    common.to_stdout(f"{asked.run} is at {address} until Ctrl-C")
    if not asked.no_browser:
        _open_soon(address)
    try:
        optuna_dashboard.run_server(opened.storage(), host="127.0.0.1", port=asked.port)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise ValueError(f"port {asked.port} is not free: choose another --port") from None


def _open_soon(address: str) -> None:
    """In the browser, once the server has begun."""
    import threading
    import webbrowser

    timer = threading.Timer(1.0, webbrowser.open, [address])
    timer.daemon = True
    timer.start()
