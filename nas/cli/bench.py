"""`nas bench`."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from nas.cli import common, completion, panels
from nas.cli.options import Json, SpaceSet, StrategySet

SUFFIXES = (".png", ".svg")


def bench(
    space: Annotated[
        str,
        typer.Option(
            autocompletion=completion.spaces,
            help="As of nas search: nasbench201, nasbench_macro, or any with a table.",
            rich_help_panel=panels.SPACE,
        ),
    ],
    table: Annotated[
        Path,
        typer.Option(
            help="NAS-Bench-201's or NAS-Bench-Macro's file, or a CSV: architecture, observed, reported, ...",
            rich_help_panel=panels.SPACE,
        ),
    ],
    space_set: SpaceSet = [],  # noqa: B006
    strategy: Annotated[
        list[str],
        typer.Option(
            autocompletion=completion.strategies,
            help="As of nas search; once for each.",
            show_default="controller, evolution, random",
            rich_help_panel=panels.SEARCHING,
        ),
    ] = [],  # noqa: B006
    strategy_set: StrategySet = [],  # noqa: B006
    seeds: Annotated[int, typer.Option(help="Searches of each strategy.", rich_help_panel=panels.SEARCHING)] = 20,
    first_seed: Annotated[
        int, typer.Option(help="The first search's seed; the next has the next.", rich_help_panel=panels.SEARCHING)
    ] = 0,
    evaluations: Annotated[
        str, typer.Option(help="After how many evaluations to look.", rich_help_panel=panels.SEARCHING)
    ] = "25,50,100,200",
    reward: Annotated[
        str, typer.Option(help="accuracy, or mnas: accuracy * (MACs / target) ** w.", rich_help_panel=panels.GOAL)
    ] = "accuracy",
    target_macs: Annotated[
        str | None,
        typer.Option(
            help="Of the reward mnas, as in 50M.", show_default="the median of the table", rich_help_panel=panels.GOAL
        ),
    ] = None,
    w: Annotated[float, typer.Option(help="Exponent of the reward mnas.", rich_help_panel=panels.GOAL)] = -0.07,
    workers: Annotated[
        str,
        typer.Option(
            help="Simulate searches with so many workers, as in 1,8,64, whose results come late.",
            rich_help_panel=panels.SEARCHING,
        ),
    ] = "1",
    repeats: Annotated[
        bool,
        typer.Option(
            "--repeats",
            help="Let strategies evaluate again what they have evaluated.",
            rich_help_panel=panels.SEARCHING,
        ),
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Draw learning curves to a file .png or .svg.", rich_help_panel=panels.OUTPUT)
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(help="Processes.", show_default="one a core", rich_help_panel=panels.MACHINE)
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare search strategies on a table of results.

    A search hands over the architecture of which it saw the best; regret is how much better the table's best is.
    """
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")  # before NumPy is imported, here and in each process: each has one core

    from nas.bench.report import Report, to_json
    from nas.bench.runs import choose_task, run
    from nas.bench.searches import Setup
    from nas.files import write_atomically
    from nas.ledger.trust import space_of_person
    from nas.references.resolve import parse_settings
    from nas.reward import USUAL_W
    from nas.samplers import read_settings
    from nas.searching.published import read
    from nas.text.units import parse_count, parsed

    if w != USUAL_W and reward != "mnas":
        raise ValueError("--w is of --reward mnas: add that")
    names = list(dict.fromkeys(strategy)) or ["controller", "evolution", "random"]
    given = {name: tuple(read_settings(name, common.by_name(strategy_set)).items()) for name in names}
    points, at_once = _numbers("--evaluations", evaluations), _numbers("--workers", workers)
    drawing = _drawing(plot) if plot else None
    target = None if target_macs is None else parsed("--target-macs", parse_count, target_macs)
    found = read(space_of_person(space, **parse_settings(",".join(space_set))), table)
    task = choose_task(found, reward, target, w, common.to_stderr)
    setups = [Setup(name, number, repeats, given[name]) for name in names for number in at_once]
    results = run(
        task, setups, range(first_seed, first_seed + seeds), points[-1], jobs or os.cpu_count() or 1, common.to_stderr
    )
    report = Report(task, results, points)
    if plot and drawing:
        write_atomically(plot, drawing.picture(results, report.title, report.unit, plot.suffix.lower()[1:]))
        common.to_stderr(f"wrote {plot}")
    if as_json:
        common.print_json(to_json(report))
        return
    common.to_stdout(report.text())


def _numbers(option: str, text: str) -> list[int]:
    """`25,50` -> [25, 50], in order. Raises ValueError where they are none."""
    from nas.text.units import parse_names

    try:
        numbers = sorted({int(part) for part in parse_names(text)})
    except ValueError:
        numbers = []
    if not numbers or numbers[0] < 1:
        raise ValueError(f"{option} are whole numbers from 1 on, joined by commas, not {text!r}: 25,50,100, say")
    return numbers


def _drawing(path: Path) -> ModuleType:
    """What draws to `path`, before anything is run. Raises ValueError where that cannot be."""
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"--plot draws to a file {' or '.join(SUFFIXES)}, not {path}")
    if not path.parent.is_dir():
        raise ValueError(f"--plot: there is no folder {path.parent}")
    try:
        from nas.bench import plot
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        raise ValueError("--plot needs matplotlib: pip install matplotlib") from None
    return plot
