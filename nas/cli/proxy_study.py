"""`nas proxy-study`."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli import common, completion, panels
from nas.cli.options import (
    Address,
    BatchSize,
    Data,
    DataDir,
    Device,
    Gpus,
    GpusPerTrial,
    Json,
    Other,
    Rate,
    Resolution,
    RunsDir,
    SkipUnreadable,
    SpaceSet,
    Threads,
    Workers,
)

if TYPE_CHECKING:
    from nas.results import Run


def proxy_study(
    space: Annotated[
        str,
        typer.Option(
            help="To draw networks from, as of nas search.",
            autocompletion=completion.spaces,
            rich_help_panel=panels.SPACE,
        ),
    ] = "mnas",
    space_set: SpaceSet = [],  # noqa: B006
    width: Annotated[
        float | None, typer.Option(help="Width multiplier.", show_default="1", rich_help_panel=panels.SPACE)
    ] = None,
    networks: Annotated[
        int,
        typer.Option(help="How many to draw, spread evenly over their multiply-adds.", rich_help_panel=panels.SPACE),
    ] = 24,
    macs: Annotated[
        str | None,
        typer.Option(
            metavar="RANGE", help="Draw only networks of so many multiply-adds: 5M-50M.", rich_help_panel=panels.SPACE
        ),
    ] = None,
    full: Annotated[
        str,
        typer.Option(
            help="The full training, the truth: 100k images, or 25kx4, which is 25k images 4 times.",
            rich_help_panel=panels.LENGTHS,
        ),
    ] = "100k",
    cuts: Annotated[
        str | None,
        typer.Option(
            help="Images after which the full one is cut.",
            show_default="a sixteenth, an eighth, ... a half",
            rich_help_panel=panels.LENGTHS,
        ),
    ] = None,
    short: Annotated[
        str | None,
        typer.Option(
            help="Short trainings, each with a schedule of its own: 12.5k,25k@16,5kx4 (images, pixels, passes), or "
            "none.",
            show_default="an eighth and a quarter, also at half the pixels, and a thirty-second 4 times",
            rich_help_panel=panels.LENGTHS,
        ),
    ] = None,
    seeds: Annotated[
        int,
        typer.Option(
            help="Trainings of each kind for each network. 2 show how noisy the truth is.",
            rich_help_panel=panels.LENGTHS,
        ),
    ] = 2,
    seed: Annotated[int, typer.Option(help="By which the networks are drawn.", rich_help_panel=panels.SPACE)] = 0,
    data: Data = "cifar10",
    data_dir: DataDir = None,
    skip_unreadable: SkipUnreadable = False,
    resolution: Resolution = None,
    batch_size: BatchSize = 64,
    lr: Rate = 0.05,
    other: Other = [],  # noqa: B006
    name: Annotated[
        str | None,
        typer.Option(help="The run's name.", show_default="proxies-DATA-1, -2, ...", rich_help_panel=panels.OUTPUT),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(help="Stop after so long: 20m, 1h30m.", show_default="train all", rich_help_panel=panels.MACHINE),
    ] = None,
    workers: Workers = None,
    gpus: Gpus = None,
    gpus_per_trial: GpusPerTrial = 1.0,
    address: Address = None,
    device: Device = "auto",
    threads: Threads = 1,
    report: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            autocompletion=completion.runs,
            help="Train nothing, but say what a study has found so far.",
            rich_help_panel=panels.OUTPUT,
        ),
    ] = None,
    as_csv: Annotated[
        bool,
        typer.Option(
            "--csv", help="With --report, print a line for each proxy, as CSV.", rich_help_panel=panels.OUTPUT
        ),
    ] = False,
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Find out which short training ranks networks as a long one does, and which is the best for its time.

    Draws networks of a space, trains each in full and in every short way, and compares the orders.
    """
    common.check_report(proxy_study, dict(locals()), ("report", "as_csv", "runs_dir", "as_json"))
    common.load_torch()
    from nas.data.folder import PREFIX
    from nas.data.source import choose_source
    from nas.ledger.config import Budget
    from nas.ledger.run import folder_of
    from nas.proxies.announcement import announce
    from nas.proxies.draw import draw
    from nas.proxies.study import Length, study_config, usual_cuts, usual_shorts
    from nas.references.resolve import parse_settings
    from nas.results import Run
    from nas.reward import Reward
    from nas.searching import choices, driver
    from nas.searching.progress import Output
    from nas.text.units import parse_count, parse_names, parse_seconds, parsed

    if report is not None:
        _report(Run.open(folder_of(report, runs_dir)), as_json, as_csv)
        return
    seconds = None if budget is None else parsed("--budget", parse_seconds, budget)
    _check(macs, full, as_csv)
    settings = parse_settings(",".join(space_set))
    choices.check_ahead(space, settings, width, "random", {}, seed)
    recipe = choices.choose_recipe(1, "all", resolution, batch_size, lr, other)
    if recipe.seconds is not None:
        raise ValueError("the trainings of a study are as long as --full and --short say: leave out --set seconds")
    source = choose_source(None, data, data_dir, resolution, skip_unreadable)
    cluster = choices.choose_cluster(workers, gpus, gpus_per_trial, address, threads)
    where = choices.choose_place(cluster, device, threads)
    folder = choices.new_folder(runs_dir, name, f"proxies-{source.name.removeprefix(PREFIX)}")
    output = Output("json" if as_json else "lines")
    dataset = choices.load_data(source, output)
    length = Length.parse(full, len(dataset.train))
    if length.pixels:
        raise ValueError(f"--full {full}: its pixels are --image-size")
    recipe = replace(recipe, epochs=length.epochs, subset=length.images)
    config = choices.choose_config(
        space, width, dataset, source, recipe, Reward(), "random", seed, where, threads,
        settings=settings,
    )  # fmt: skip
    pixels = recipe.image_size(dataset)
    at = usual_cuts(length) if cuts is None else [round(parse_count(text)) for text in parse_names(cuts)]
    texts = () if short in (None, "none") else parse_names(short)
    shorts = tuple(Length.parse(text, len(dataset.train)) for text in texts)
    shorts = usual_shorts(length, pixels) if short is None else shorts
    with output.busy("drawing networks"):
        drawn = draw(config.space, networks, seed, dataset.num_classes, pixels, *_range(macs))
    config = study_config(config, drawn, shorts, at, seeds, pixels, len(dataset.train))
    limit = Budget(config.space.size, seconds)
    limit = replace(limit, timing=announce(config, drawn, source, dataset, limit, cluster, folder, output))
    run = Run.create(folder, config, limit)
    run.ended = driver.to_the_end(run, limit, dataset, where, cluster, output)
    common.conclude(run, as_json, run.ended)
    common.check_success([run])


def _check(macs: str | None, full: str, as_csv: bool) -> None:
    import sys

    from nas.proxies.study import Length

    if as_csv:
        raise ValueError("--csv is for --report RUN; a study writes its CSV files into its folder")
    _range(macs)
    Length.parse(full, sys.maxsize)  # of as many images as may be


def _range(macs: str | None) -> tuple[float, float]:
    """`5M-50M` as two numbers. Raises ValueError for anything else."""
    from nas.text.units import parse_count

    if macs is None:
        return 0, math.inf
    least, dash, most = macs.partition("-")
    if not dash:
        raise ValueError(f"--macs is a range, as in 5M-50M, not {macs!r}")
    low, high = parse_count(least), parse_count(most)
    if low > high:
        raise ValueError(f"--macs {macs}: the first is the smaller one")
    return low, high


def _report(run: Run, as_json: bool, as_csv: bool) -> None:
    """What a study has found so far. Raises ValueError where there is nothing to say in CSV."""
    from nas.proxies.report import to_csv
    from nas.proxies.results import results, study_of

    study_of(run)
    if not as_csv:
        common.conclude(run, as_json)
    elif (found := results(run)).judged:
        print(to_csv(found), end="")
    else:
        raise ValueError(f"{run.name} has not trained half of its networks in full yet: `nas resume {run.name}`")
