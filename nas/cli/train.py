"""`nas train` and `nas compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.cli import common
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
    network: Annotated[str, typer.Argument(help="RUN:best, RUN:17, a baseline (resnet20), mnas:..., or a .json file")],
    data: Annotated[str, typer.Option(help="cifar10, cifar100, shapes or folder:PATH.")] = "cifar10",
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
    seed: Annotated[int, typer.Option(help="Of the weights and the order of images.")] = 0,
    device: Device = "auto",
    threads: Threads = 1,
    out: Annotated[
        Path | None, typer.Option(help="Folder for weights and architecture. [default: NAME-trained]")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Train one network, test it, save it.

    Writes weights.safetensors, architecture.json and result.json.
    """
    from nas import launch
    from nas.compare import train_and_test
    from nas.targets import resolve
    from nas.units import format_count, format_percent, format_seconds

    found = resolve(network, runs_dir)
    start, tuning = launch.choose_start(init, fresh, freeze, train_last, backbone_lr)
    recipe = common.make_recipe(epochs, subset, resolution, batch_size, lr, other)
    folder = launch.output_folder(out or Path(found.name.replace(":", "-") + "-trained"))
    where = launch.choose_device(device, threads)
    source = (data, data_dir, resolution, skip_unreadable)
    dataset, test = common.load_data(*source).to(where), common.load_test_data(*source).to(where)
    dataset = recipe.prepare(dataset)
    say = common.say(as_json)
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


def compare(
    run: Annotated[str, typer.Argument(help="The run whose best network is compared; or RUN:17, or any network.")],
    baselines: Annotated[
        str, typer.Option(help="Networks to compare with, joined by commas; all-cifar: the zoo's for small images.")
    ] = "resnet20,mobilenet_v2",
    ensemble: Annotated[
        bool,
        typer.Option("--ensemble", help="Also average the class probabilities: of a network's seeds, of all networks."),
    ] = False,
    data: Annotated[str | None, typer.Option(help="As of nas search. [default: the run's]")] = None,
    data_dir: DataDir = None,
    skip_unreadable: SkipUnreadable = False,
    epochs: Epochs = 3,
    subset: Subset = "all",
    resolution: Resolution = None,
    batch_size: BatchSize = 64,
    lr: Rate = 0.05,
    other: Other = [],  # noqa: B006
    seeds: Annotated[int, typer.Option(help="Trainings of each network, seeds 0, 1, ...")] = 1,
    device: Device = "auto",
    threads: Threads = 1,
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Train found and hand-designed networks alike, and test them.

    All of them from scratch, under one recipe and the same seeds.
    """
    from nas import launch
    from nas.compare import compare as run_comparison
    from nas.data import is_folder
    from nas.run import Run
    from nas.tables import comparison_table
    from nas.targets import expand, resolve
    from nas.units import format_percent, format_seconds

    if seeds < 1:
        raise ValueError(f"--seeds must be at least 1, not {seeds}")
    first = f"{run}:best" if (runs_dir / run).is_dir() else run
    networks = [(name, resolve(name, runs_dir)) for name in dict.fromkeys([first, *expand(baselines)])]
    owner = runs_dir / first.partition(":")[0]
    config = Run.open(owner).config if owner.is_dir() else None
    if config and data in (None, config.data):
        data, data_dir = config.data, data_dir or (Path(config.data_dir) if config.data_dir else None)
        resolution = resolution or (config.recipe.resolution if is_folder(data) else None)
        skip_unreadable = skip_unreadable or config.skip_unreadable
    data = data or "cifar10"
    recipe = common.make_recipe(epochs, subset, resolution, batch_size, lr, other)
    where = launch.choose_device(device, threads)
    source = (data, data_dir, resolution, skip_unreadable)
    dataset, test = common.load_data(*source).to(where), common.load_test_data(*source).to(where)
    say = common.say(as_json)
    contenders = run_comparison(
        networks, dataset, test, recipe, range(seeds),
        lambda name, seed, t: say(
            f"{name} seed {seed}: test {format_percent(t.test_accuracy)} in {format_seconds(t.seconds)}"
        ),
        lambda name, reason: common.to_stderr(f"{name} is left out: {reason}"),
        ensemble,
    )  # fmt: skip
    if as_json:
        common.print_json(
            [
                {"network": c.name, "test_accuracy": c.test_accuracies, "val_accuracy": c.val_accuracies}
                | {"params": c.size.params, "macs": c.size.macs, "activations": c.size.activations}
                | {"seconds": c.seconds, "images_per_second": c.images_per_second, "seeds": seeds}
                for c in contenders
            ]
        )
        return
    print("\n" + comparison_table(contenders))
    images = epochs * (recipe.subset or len(dataset.train))
    print(
        f"{data}, {images:,} training images each (epochs: {epochs}), {seeds} seed{'s' if seeds > 1 else ''}"
        f"{', mean ± standard deviation' if seeds > 1 else ''}, {where}. MACs: multiply-adds for one image."
    )
