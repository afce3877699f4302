"""`nas bench`."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Annotated

from nas.checks.kinds import FLAG, LINE, PLACE, TARGET, Several
from nas.checks.limits import EXPONENT, SEED, SEEDS, THREADS, Number, Optional
from nas.cli import common
from nas.options import panels
from nas.options.groups import MAYBE_PLACE, PrintOptions, SpaceSettings, StrategySettings
from nas.options.option import Option, number

SUFFIXES = (".png", ".svg")


@dataclass(frozen=True, kw_only=True)
class BenchOptions(PrintOptions):
    """Of `nas bench`."""

    space: Annotated[
        str,
        Option(
            LINE,
            "As of nas search: nasbench201, nasbench_macro, or any with a table.",
            panels.SPACE,
            completes="spaces",
        ),
    ]
    table: Annotated[
        Path,
        Option(
            PLACE,
            "NAS-Bench-201's or NAS-Bench-Macro's file, or a CSV: architecture, observed, reported, ...",
            panels.SPACE,
        ),
    ]
    settings: SpaceSettings = None
    strategy: Annotated[
        list[str],
        Option(
            Several(LINE),
            "As of nas search; once for each.",
            panels.SEARCHING,
            usual="controller, evolution, random",
            typed=list[str],
            completes="strategies",
        ),
    ] = ()  # type: ignore[assignment]
    strategy_settings: StrategySettings = None
    experience: Annotated[
        list[str],
        Option(
            Several(LINE),
            "A table to search before, so that the controller begins from what it found there; as SPACE:TABLE where it "
            "is of another space. Searches without it stand beside.",
            panels.SEARCHING,
            typed=list[str],
            metavar="TABLE",
        ),
    ] = ()  # type: ignore[assignment]
    played: Annotated[
        int, Option(Number(1, 10_000, whole=True), "Evaluations on each table of --experience.", panels.SEARCHING)
    ] = 100
    seeds: Annotated[int, Option(SEEDS, "Searches of each strategy.", panels.SEARCHING)] = 20
    first_seed: Annotated[int, Option(SEED, "The first search's seed; the next has the next.", panels.SEARCHING)] = 0
    evaluations: Annotated[str, Option(LINE, "After how many evaluations to look.", panels.SEARCHING)] = "25,50,100,200"
    within: Annotated[
        float,
        Option(
            Number(0, 100),
            "Count evaluations to this regret: 0, the table's best network; 0.1, one 0.1 points from it.",
            panels.SEARCHING,
        ),
    ] = 0.0
    reward: Annotated[str, Option(LINE, "accuracy, or mnas: accuracy * (MACs / target) ** w.", panels.GOAL)] = (
        "accuracy"
    )
    target_macs: Annotated[
        float | str | None,
        Option(TARGET, "Of the reward mnas, as in 50M.", panels.GOAL, usual="the median of the table"),
    ] = None
    w: Annotated[float, Option(EXPONENT, "Exponent of the reward mnas.", panels.GOAL)] = -0.07
    workers: Annotated[
        str,
        Option(
            LINE,
            "Simulate searches with so many workers, as in 1,8,64, whose results come late.",
            panels.SEARCHING,
        ),
    ] = "1"
    repeats: Annotated[
        bool, Option(FLAG, "Let strategies evaluate again what they have evaluated.", panels.SEARCHING)
    ] = False
    plot: Annotated[Path | None, Option(MAYBE_PLACE, "Draw learning curves to a file .png or .svg.", panels.OUTPUT)] = (
        None
    )
    jobs: Annotated[int | None, Option(Optional(THREADS), "Processes.", panels.MACHINE, usual="one a core")] = None


def bench(asked: BenchOptions) -> None:
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
    from nas.reward import USUAL_W
    from nas.samplers import has_surrogate, read_settings
    from nas.searching.published import read

    if asked.w != USUAL_W and asked.reward != "mnas":
        raise ValueError("--w is of --reward mnas: add that")
    plot = asked.plot
    names = list(dict.fromkeys(asked.strategy)) or ["controller", "evolution", "random"]
    given = {name: tuple(read_settings(name, asked.strategy_settings or {}).items()) for name in names}
    points, at_once = _numbers("--evaluations", asked.evaluations), _numbers("--workers", asked.workers)
    drawing = _drawing(plot) if plot else None
    target = None if asked.target_macs is None else number(asked.target_macs)
    found = read(space_of_person(asked.space, **(asked.settings or {})), Path(asked.table))
    task = choose_task(found, asked.reward, target, asked.w, common.to_stderr)
    before = [read(space_of_person(space), path) for space, path in _tables(asked)]
    if before and not any(map(has_surrogate, names)):
        raise ValueError("--experience is for the strategy controller: add --strategy controller")
    others = [choose_task(table, asked.reward, target, asked.w, common.to_stderr) for table in before]
    task = replace(task, before=others)
    setups = [
        Setup(name, late, asked.repeats, given[name], played)
        for name in names
        for late in at_once
        for played in ([0, asked.played] if others and has_surrogate(name) else [0])
    ]
    seeds, jobs = range(asked.first_seed, asked.first_seed + asked.seeds), asked.jobs or os.cpu_count() or 1
    results = run(task, setups, seeds, points[-1], jobs, common.to_stderr)
    report = Report(task, results, points, asked.within)
    if plot and drawing:
        write_atomically(plot, drawing.picture(results, report.title, report.unit, plot.suffix.lower()[1:]))
        common.to_stderr(f"wrote {plot}")
    if asked.as_json:
        common.print_json(to_json(report))
        return
    common.to_stdout(report.text())


def _tables(asked: BenchOptions) -> list[tuple[str, Path]]:
    """The space and the file of each table of --experience."""
    found = []
    for given in asked.experience:
        space, colon, file = given.rpartition(":")
        space, path = (space, Path(file)) if colon and not Path(given).exists() else (asked.space, Path(given))
        found.append((space, path))
    return found


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
