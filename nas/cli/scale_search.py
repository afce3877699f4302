"""`nas scale --search` and `nas scale --report`: the options and what they do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli import common, completion, panels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nas.results import Run
    from scaling.compound import Compound

Search = Annotated[
    bool,
    typer.Option(
        "--search",
        help="Find alpha, beta and gamma: train the base at twice its multiply-adds.",
        rich_help_panel=panels.GRID,
    ),
]
Seeds = Annotated[
    int, typer.Option(help="Trainings of each network of the grid, seeds 0, 1, ...", rich_help_panel=panels.GRID)
]
Triples = Annotated[
    int | None,
    typer.Option(help="At most so many triples in the grid.", show_default="all that fit", rich_help_panel=panels.GRID),
]
Step = Annotated[float, typer.Option(help="Of alpha, beta and gamma in the grid.", rich_help_panel=panels.GRID)]
Tolerance = Annotated[
    float,
    typer.Option(help="How far from 2 the measured ratio of a triple in the grid may be.", rich_help_panel=panels.GRID),
]
Data = Annotated[
    str | None,
    typer.Option(
        autocompletion=completion.data,
        help="To train the grid on: cifar10, cifar100, shapes, or folder:PATH.",
        show_default="what --base was searched or trained on, else cifar10",
        rich_help_panel=panels.DATA,
    ),
]
Name = Annotated[
    str | None,
    typer.Option(help="Of the grid's run.", show_default="scale-DATA-1, -2, ...", rich_help_panel=panels.OUTPUT),
]
Trials = Annotated[int | None, typer.Option(help="Stop the grid after so many trainings.", rich_help_panel=panels.GRID)]
TimeBudget = Annotated[
    str | None, typer.Option("--budget", help="Stop the grid after so long: 20m, 1h30m.", rich_help_panel=panels.GRID)
]
GridSubset = Annotated[
    str | None,
    typer.Option(
        "--subset",
        help="Training images to use: 10k, say, or all.",
        show_default="10k, or all if fewer",
        rich_help_panel=panels.TRAINING,
    ),
]
Report = Annotated[
    str | None,
    typer.Option(
        metavar="RUN",
        autocompletion=completion.runs,
        help="Say what a grid has found so far.",
        rich_help_panel=panels.OUTPUT,
    ),
]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="RUN",
        autocompletion=completion.runs,
        help="Grow by the best triple of a grid, and by default its base.",
        rich_help_panel=panels.COEFFICIENTS,
    ),
]

TARGET = 2.0  # times the base's multiply-adds, at phi = 1
WIDER = 0.5  # by how much the formula of a triple that is measured at all may differ


def search(
    *,
    given: Sequence[Any],
    base: str,
    data: str | None,
    data_dir: Path | None,
    skip_unreadable: bool,
    name: str | None,
    seeds: int,
    triples: int | None,
    step: float,
    tolerance: float,
    trials: int | None,
    budget: str | None,
    epochs: int,
    subset: str | None,
    image_size: int | None,
    batch_size: int,
    lr: float,
    other: list[str],
    workers: int | None,
    gpus: int | None,
    gpus_per_trial: float,
    address: str | None,
    device: str,
    threads: int,
    runs_dir: Path,
    as_json: bool,
) -> None:
    """Train a grid, and say what is best and how sure that is.

    Raises ValueError where anything is `given` of the options that a grid leaves no room for.
    """

    from nas.data import is_folder
    from nas.data.folder import PREFIX
    from nas.ledger.config import Budget
    from nas.references.origin import origin_of, source_for
    from nas.references.resolve import resolve
    from nas.results import Run
    from nas.scale.announcement import announce
    from nas.scale.family import base_of
    from nas.scale.grid import candidates, grid_config
    from nas.searching import choices, driver
    from nas.searching.progress import Output
    from nas.text.units import parse_seconds, parsed
    from scaling.compound import grid

    if any(value is not None for value in given):
        raise ValueError("--search finds alpha, beta and gamma at phi 1: leave out what says how large, or by what")
    seconds = None if budget is None else parsed("--budget", parse_seconds, budget)
    output = Output("json" if as_json else "lines")
    cluster = choices.choose_cluster(workers, gpus, gpus_per_trial, address, threads)
    where = choices.choose_place(cluster, device, threads)
    origin = origin_of(base, resolve(base, runs_dir), runs_dir)
    source = source_for([base], origin, data, data_dir, image_size, skip_unreadable)
    folder = choices.new_folder(runs_dir, name, f"scale-{source.name.removeprefix(PREFIX)}")
    choices.choose_recipe(epochs, subset or "all", image_size, batch_size, lr, other)  # while nothing is loaded
    dataset = choices.load_data(source, output)
    images = subset or str(min(10_000, len(dataset.train)))
    recipe = choices.choose_recipe(epochs, images, source.image_size, batch_size, lr, other)
    choices.check_subset(recipe, dataset)
    grows = base_of(base, runs_dir, dataset.num_classes, source.image_size or dataset.image_size)
    with output.busy("measuring the grid"):
        found = candidates(grows, grid(step, TARGET, tolerance + WIDER), TARGET, tolerance, triples)
    if is_folder(source.name):  # from files, for the largest images
        dataset = replace(source, image_size=max(c.image_size for c in found)).load(output.log)
    config = grid_config(grows, found, seeds, dataset, source, recipe, where, threads)
    limit = Budget(config.space.size if trials is None else trials, seconds)
    why = f"as {origin.words} has it" if origin and data is None else ""
    took = announce(config, found, source, why, dataset, limit, cluster, folder, output)
    limit = replace(limit, timing=took)
    run = Run.create(folder, config, limit)
    run.ended = driver.to_the_end(run, limit, dataset, where, cluster, output)
    common.conclude(run, as_json, run.ended)
    common.check_success([run])


def open_grid(name: str, runs_dir: Path) -> Run:
    """The run of that name. Raises ValueError where it is no grid."""
    from nas.ledger.run import folder_of
    from nas.results import Run
    from nas.scale.results import grid_of

    run = Run.open(folder_of(name, runs_dir))
    grid_of(run)
    return run


def best_of(
    name: str,
    runs_dir: Path,
    own: Compound | None,
    base: str | None,
    image_size: int | None,
    say: Callable[[str], None],
) -> tuple[Compound, str, int | None]:
    """The best triple of the grid `name`, and what is to grow: `base` if one is given, else the grid's.

    Raises ValueError where a triple of one's `own` is given, too.
    """
    from nas.scale.report import in_words
    from nas.scale.results import best_compound, grid_of, results

    if own is not None:
        raise ValueError("--from gives alpha, beta and gamma: leave out --compound, --alpha, --beta and --gamma")
    run = open_grid(name, runs_dir)
    best = best_compound(run)
    say("\n".join(in_words(results(run))) + "\n")
    usual = None if base else grid_of(run).image_size
    return best, base or grid_of(run).base, usual if image_size is None else image_size
