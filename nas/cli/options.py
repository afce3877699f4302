"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[
    Path | None, typer.Option(help="Folder with the data set. [default: $NAS_DATA, else a folder in the user's cache]")
]
RunsDir = Annotated[Path, typer.Option(envvar="NAS_RUNS", help="Folder that holds the runs.")]
Epochs = Annotated[int, typer.Option(help="Epochs of each training.")]
Subset = Annotated[str, typer.Option(help="Training images to use: 10k, say, or all.")]
Resolution = Annotated[
    int | None,
    typer.Option(
        "--image-size",
        "--resolution",
        help="Train at this many pixels; a folder of images needs it. [default: the data's own]",
    ),
]
SkipUnreadable = Annotated[
    bool, typer.Option("--skip-unreadable", help="Do without the images of a folder that cannot be read.")
]
BatchSize = Annotated[int, typer.Option(help="Images a step.")]
Rate = Annotated[float, typer.Option(help="Peak learning rate.")]
Other = Annotated[
    list[str], typer.Option("--set", metavar="NAME=VALUE", help="Any other of the recipe: --set label_smoothing=0")
]
Init = Annotated[
    Path | None,
    typer.Option(help="Start from these weights: weights.safetensors of nas train, or a published checkpoint."),
]
Fresh = Annotated[str, typer.Option(help="With --init, rows that start with new weights all the same: conv1,fc")]
Freeze = Annotated[
    str, typer.Option(help="Rows that are not trained, as in conv1,conv2_x; backbone: all but the classifier's.")
]
TrainLast = Annotated[int | None, typer.Option(help="Train the last so many rows only.")]
BackboneRate = Annotated[
    float, typer.Option("--backbone-lr", help="Factor of the learning rate of what is trained before the last row.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ... or auto.")]
Threads = Annotated[int, typer.Option(help="CPU threads of a training. Small networks gain little by more.")]
Workers = Annotated[int | None, typer.Option(help="Trials at once on CPUs, through Ray Tune.")]
Gpus = Annotated[int | None, typer.Option(help="GPUs to use, through Ray Tune.")]
GpusPerTrial = Annotated[float, typer.Option(help="A trial's share of a GPU: 0.25 runs four on each.")]
Address = Annotated[str | None, typer.Option(help="A running Ray cluster, as in auto or 10.0.0.1:6379.")]
