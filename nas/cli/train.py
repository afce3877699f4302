"""`nas train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nas import api
from nas.cli import common, completion, panels
from nas.cli.options import (
    BackboneRate,
    BatchSize,
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
    data: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.data,
            help="cifar10, cifar100, shapes or folder:PATH.",
            show_default="what the network was searched on, else cifar10",
            rich_help_panel=panels.DATA,
        ),
    ] = None,
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
            help="Folder for weights and architecture.",
            show_default="a trial's in its run, else NAME-trained",
            rich_help_panel=panels.OUTPUT,
        ),
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Train one network, test it, save it.

    Writes weights.safetensors, architecture.json and result.json. After each epoch it can be stopped, or break off:
    `nas resume FOLDER` continues it.
    """
    common.load_torch()
    trained = api.train(
        network,
        data=data,
        data_dir=data_dir,
        skip_unreadable=skip_unreadable,
        epochs=epochs,
        subset=subset,
        image_size=resolution,
        batch_size=batch_size,
        lr=lr,
        recipe=common.by_name(other),
        init=init,
        fresh=fresh,
        freeze=freeze,
        train_last=train_last,
        backbone_lr=backbone_lr,
        seed=seed,
        device=device,
        threads=threads,
        out=out,
        runs_dir=runs_dir,
        progress="json" if as_json else "lines",
    )
    conclude(trained.result, f"wrote {trained.path}/", as_json)


def conclude(result: dict[str, Any], where: str, as_json: bool) -> None:
    """Say what came of a training, the content of its result.json, and `where` it is."""
    from nas.text.units import format_count, format_percent

    if as_json:
        common.print_json(result)
        return
    common.to_stdout(
        f"test accuracy {format_percent(result['test_accuracy'])} (validation "
        f"{format_percent(result['val_accuracy'])}), {format_count(result['macs'])} MACs, "
        f"{format_count(result['params'])} params\n{where}"
    )
