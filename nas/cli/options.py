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
Resolution = Annotated[int | None, typer.Option(help="Train at this many pixels. [default: the data's own]")]
BatchSize = Annotated[int, typer.Option(help="Images a step.")]
Rate = Annotated[float, typer.Option(help="Peak learning rate.")]
Other = Annotated[
    list[str], typer.Option("--set", metavar="NAME=VALUE", help="Any other of the recipe: --set label_smoothing=0")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ... or auto.")]
Threads = Annotated[int, typer.Option(help="CPU threads of a training. Small networks gain little by more.")]
Workers = Annotated[int | None, typer.Option(help="Trials at once on CPUs, through Ray Tune.")]
Gpus = Annotated[int | None, typer.Option(help="GPUs to use, through Ray Tune.")]
GpusPerTrial = Annotated[float, typer.Option(help="A trial's share of a GPU: 0.25 runs four on each.")]
Address = Annotated[str | None, typer.Option(help="A running Ray cluster, as in auto or 10.0.0.1:6379.")]
