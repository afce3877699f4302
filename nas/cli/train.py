"""`nas train`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

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

    Writes weights.safetensors, architecture.json and result.json.
    """
    from nas import launch
    from nas.announcement import judging_lines
    from nas.compare.training import train_and_test
    from nas.targets import resolve
    from nas.units import format_count, format_percent, format_seconds

    found = resolve(network, runs_dir)
    start, tuning = launch.choose_start(init, fresh, freeze, train_last, backbone_lr)
    recipe = common.make_recipe(epochs, subset, resolution, batch_size, lr, other)
    folder = launch.output_folder(out or Path(found.name.replace(":", "-") + "-trained"))
    where = launch.choose_device(device, threads)
    source = (data, data_dir, resolution, skip_unreadable)
    dataset, test = common.load_data(*source).to(where), common.load_test_data(*source).to(where)
    say = common.say(as_json)
    for line in judging_lines(replace(dataset, test=test), recipe):
        say(line)
    dataset = recipe.prepare(dataset)
    trained = train_and_test(
        found, dataset, test.resize(dataset.image_size), recipe, seed,
        lambda e: say(
            f"epoch {e.number}/{epochs}  loss {e.loss:.3f}  validation {format_percent(e.val_accuracy)}"
            f"  {format_seconds(e.seconds)}"
        ),
        start, tuning, lambda taken: say(taken.describe()),
    )  # fmt: skip
    result = launch.save_trained(folder, found, trained, recipe, dataset, seed, tuning)
    if as_json:
        common.print_json(result)
        return
    print(
        f"test accuracy {format_percent(trained.test_accuracy)} (validation {format_percent(trained.val_accuracy)}), "
        f"{format_count(trained.size.macs)} MACs, {format_count(trained.size.params)} params\nwrote {folder}/"
    )
