"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.cli import completion, panels

StrategySet = Annotated[
    list[str],
    typer.Option(
        metavar="NAME=VALUE",
        help="A setting of the strategy, as in --strategy-set entropy=0.01; an unknown one lists those that there are.",
        rich_help_panel=panels.SEARCHING,
    ),
]
SpaceSet = Annotated[
    list[str],
    typer.Option(
        metavar="NAME=VALUE",
        help="A setting of the space, as in --space-set layers=12",
        rich_help_panel=panels.SPACE,
    ),
]
Data = Annotated[
    str,
    typer.Option(
        help="cifar10, cifar100, shapes (built in), or folder:PATH.",
        autocompletion=completion.data,
        rich_help_panel=panels.DATA,
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Folder with the data set.",
        show_default="$NAS_DATA, else a folder in the user's cache",
        rich_help_panel=panels.DATA,
    ),
]
RunsDir = Annotated[
    Path, typer.Option(envvar="NAS_RUNS", help="Folder that holds the runs.", rich_help_panel=panels.OUTPUT)
]
Epochs = Annotated[int, typer.Option(help="Epochs of each training.", rich_help_panel=panels.TRAINING)]
Subset = Annotated[str, typer.Option(help="Training images to use: 10k, say, or all.", rich_help_panel=panels.TRAINING)]
Resolution = Annotated[
    int | None,
    typer.Option(
        "--image-size",
        "--resolution",
        help="Train at this many pixels; a folder of images needs it.",
        show_default="the data's own",
        rich_help_panel=panels.TRAINING,
    ),
]
SkipUnreadable = Annotated[
    bool,
    typer.Option(
        "--skip-unreadable", help="Do without the images of a folder that cannot be read.", rich_help_panel=panels.DATA
    ),
]
BatchSize = Annotated[int, typer.Option(help="Images a step.", rich_help_panel=panels.TRAINING)]
Rate = Annotated[float, typer.Option(help="Peak learning rate.", rich_help_panel=panels.TRAINING)]
Other = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Any other of the recipe: --set label_smoothing=0",
        rich_help_panel=panels.TRAINING,
    ),
]
Init = Annotated[
    Path | None,
    typer.Option(
        help="Start from these weights: weights.safetensors of nas train, or a published checkpoint.",
        rich_help_panel=panels.START,
    ),
]
Fresh = Annotated[
    str,
    typer.Option(
        help="With --init, rows that start with new weights all the same: conv1,fc", rich_help_panel=panels.START
    ),
]
Freeze = Annotated[
    str,
    typer.Option(
        help="Rows that are not trained, as in conv1,conv2_x; backbone: all but the classifier's.",
        rich_help_panel=panels.START,
    ),
]
TrainLast = Annotated[int | None, typer.Option(help="Train the last so many rows only.", rich_help_panel=panels.START)]
BackboneRate = Annotated[
    float,
    typer.Option(
        "--backbone-lr",
        help="Factor of the learning rate of what is trained before the last row.",
        rich_help_panel=panels.START,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.", rich_help_panel=panels.OUTPUT)]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ... or auto.", rich_help_panel=panels.MACHINE)]
Threads = Annotated[
    int,
    typer.Option(help="CPU threads. Small networks gain little by more.", rich_help_panel=panels.MACHINE),
]
Workers = Annotated[
    int | None, typer.Option(help="Trials at once on CPUs, through Ray Tune.", rich_help_panel=panels.MACHINE)
]
Gpus = Annotated[int | None, typer.Option(help="GPUs to use, through Ray Tune.", rich_help_panel=panels.MACHINE)]
GpusPerTrial = Annotated[
    float, typer.Option(help="A trial's share of a GPU: 0.25 runs four on each.", rich_help_panel=panels.MACHINE)
]
Address = Annotated[
    str | None, typer.Option(help="A running Ray cluster, as in auto or 10.0.0.1:6379.", rich_help_panel=panels.MACHINE)
]
