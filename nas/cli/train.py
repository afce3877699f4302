"""`nas train`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from nas.cli import common, completion, panels
from nas.cli.options import (
    BackboneRate,
    BatchSize,
    Data,
    DataDir,
    Device,
    Epochs,
    Freeze,
    Fresh,
    Init,
    Json,
    Other,
    Rate,
    Resolution,
    RunsDir,
    SkipUnreadable,
    Subset,
    Threads,
    TrainLast,
)


def train(
    network: Annotated[
        str,
        typer.Argument(
            metavar="NETWORK",
            autocompletion=completion.networks,
            help="RUN:best, RUN:17, a baseline (resnet20), mnas:..., or a .json file",
        ),
    ],
    data: Data = "cifar10",
    data_dir: DataDir = None,
    skip_unreadable: SkipUnreadable = False,
    epochs: Epochs = 10,
    subset: Subset = "all",
    resolution: Resolution = None,
    batch_size: BatchSize = 64,
    lr: Rate = 0.05,
    other: Other = [],  # noqa: B006
    init: Init = None,
    fresh: Fresh = "",
    freeze: Freeze = "",
    train_last: TrainLast = None,
    backbone_lr: BackboneRate = 1.0,
    seed: Annotated[
        int, typer.Option(help="Of the weights and the order of images.", rich_help_panel=panels.TRAINING)
    ] = 0,
    device: Device = "auto",
    threads: Threads = 1,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for weights and architecture.", show_default="NAME-trained", rich_help_panel=panels.OUTPUT
        ),
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Train one network, test it, save it.

    Writes weights.safetensors, architecture.json and result.json. After each epoch it can be stopped, or break off:
    `nas resume FOLDER` continues it.
    """
    from nas import launch, training_run
    from nas.announcement import judging_lines
    from nas.data import locate
    from nas.data.source import DataSource
    from nas.progress import Output
    from nas.targets import resolve
    from nas.training_job import Job

    found = resolve(network, runs_dir)
    start, tuning = launch.choose_start(init, fresh, freeze, train_last, backbone_lr)
    recipe = common.make_recipe(epochs, subset, resolution, batch_size, lr, other)
    folder = out or Path(found.name.replace(":", "-") + "-trained")
    training_run.check_free(folder)
    where = launch.choose_device(device, threads)
    source = DataSource(*locate(data, data_dir), resolution, skip_unreadable)
    job = Job(found, source, recipe, seed, where, threads, start, tuning)
    output = Output("json" if as_json else "lines")
    dataset, test = source.load(output.log), source.load_test(output.log)
    for line in judging_lines(replace(dataset, test=test), recipe):
        output.say(line)
    conclude(folder, training_run.begin(folder, job, dataset, test, output), as_json)


def conclude(folder: Path, result: dict[str, Any], as_json: bool) -> None:
    """Say what came of a training: the content of its result.json."""
    from nas.units import format_count, format_percent

    if as_json:
        common.print_json(result)
        return
    print(
        f"test accuracy {format_percent(result['test_accuracy'])} (validation "
        f"{format_percent(result['val_accuracy'])}), {format_count(result['macs'])} MACs, "
        f"{format_count(result['params'])} params\nwrote {folder}/"
    )
