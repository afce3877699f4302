"""`nas compare`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from nas import api
from nas.cli import common, completion, panels
from nas.cli.options import (
    Address,
    BatchSize,
    DataDir,
    Device,
    Epochs,
    Gpus,
    GpusPerTrial,
    Json,
    Other,
    Rate,
    Resolution,
    RunsDir,
    SkipUnreadable,
    Subset,
    Threads,
    Workers,
)

Networks = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NETWORK",
        autocompletion=completion.networks,
        help="RUN (its best), RUN:17, RUN:top5, a baseline (resnet20), mnas:..., a .json file: any mix.",
        show_default=False,
    ),
]
Baselines = Annotated[
    str | None,
    typer.Option(
        help="More of them, joined by commas; small: a reference or two of each family; all-cifar: the zoo's for small "
        "images; none.",
        show_default="beside found networks alone resnet8, resnet20 and mobilenet_v2, with --match-macs",
        rich_help_panel=panels.NETWORKS,
    ),
]
MatchMacs = Annotated[
    bool | None,
    typer.Option(
        "--match-macs/--as-named",
        help="Make each baseline as wide as the found network's MACs allow, or leave baselines as they are.",
        show_default=False,
        rich_help_panel=panels.NETWORKS,
    ),
]
EqualSeconds = Annotated[
    bool,
    typer.Option(
        "--equal-seconds",
        help="Then train all once more, each for as long as the found one took.",
        rich_help_panel=panels.COMPARISON,
    ),
]
EnsembleToo = Annotated[
    bool,
    typer.Option(
        "--ensemble",
        help="Also average the class probabilities: of a network's seeds, of all networks.",
        rich_help_panel=panels.COMPARISON,
    ),
]
Report = Annotated[
    str | None,
    typer.Option(
        metavar="RUN",
        autocompletion=completion.runs,
        help="Train nothing: say what a comparison found so far.",
        rich_help_panel=panels.OUTPUT,
    ),
]
Markdown = Annotated[
    Path | None,
    typer.Option(help="File for the report.", show_default="comparison.md in the run", rich_help_panel=panels.OUTPUT),
]
Csv = Annotated[
    Path | None,
    typer.Option(help="File for the table.", show_default="comparison.csv in the run", rich_help_panel=panels.OUTPUT),
]
Plot = Annotated[
    Path | None,
    typer.Option(
        help="File for the picture, .png or .svg.", show_default="comparison.png there", rich_help_panel=panels.OUTPUT
    ),
]


def compare(
    networks: Networks = None,
    baselines: Baselines = None,
    match_macs: MatchMacs = None,
    equal_seconds: EqualSeconds = False,
    ensemble: EnsembleToo = False,
    data: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.data,
            help="As of nas search.",
            show_default="the run's",
            rich_help_panel=panels.DATA,
        ),
    ] = None,
    data_dir: DataDir = None,
    skip_unreadable: SkipUnreadable = False,
    name: Annotated[
        str | None, typer.Option(help="Of the run.", show_default="compare-1, -2, ...", rich_help_panel=panels.OUTPUT)
    ] = None,
    epochs: Epochs = 3,
    subset: Subset = "all",
    resolution: Resolution = None,
    batch_size: BatchSize = 64,
    lr: Rate = 0.05,
    other: Other = [],  # noqa: B006
    seeds: Annotated[
        int, typer.Option(help="Trainings of each network, seeds 0, 1, ...", rich_help_panel=panels.TRAINING)
    ] = 3,
    workers: Workers = None,
    gpus: Gpus = None,
    gpus_per_trial: GpusPerTrial = 1.0,
    address: Address = None,
    device: Device = "auto",
    threads: Threads = 1,
    report: Report = None,
    markdown: Markdown = None,
    csv: Csv = None,
    plot: Plot = None,
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Train found and hand-designed networks alike, and test them.

    All of them from scratch, under one recipe and the same seeds. The test set is looked at once, after each training.
    It is a run: `nas resume` continues it.
    """
    common.check_report(compare, dict(locals()), ("report", "markdown", "csv", "plot", "runs_dir", "as_json"))
    common.load_torch()

    from nas.comparison.lineup import lineup_of
    from nas.ledger.run import Run, folder_of

    _check_files(markdown, csv, plot)
    if report:
        opened = Run.open(folder_of(report, runs_dir))
        lineup_of(opened)
        common.conclude(opened, as_json, markdown=markdown, csv=csv, plot=plot)
        return
    run = api.compare(
        networks or [],
        baselines=baselines,
        match_macs=match_macs,
        equal_seconds=equal_seconds,
        ensemble=ensemble,
        data=data,
        data_dir=data_dir,
        skip_unreadable=skip_unreadable,
        name=name,
        epochs=epochs,
        subset=subset,
        image_size=resolution,
        batch_size=batch_size,
        lr=lr,
        recipe=common.by_name(other),
        seeds=seeds,
        workers=workers,
        gpus=gpus,
        gpus_per_trial=gpus_per_trial,
        address=address,
        device=device,
        threads=threads,
        runs_dir=runs_dir,
        progress="json" if as_json else "lines",
    )
    common.conclude(run, as_json, markdown=markdown, csv=csv, plot=plot)
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
