"""`nas search`, `nas resume`, `nas top`."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli import common
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
    Threads,
    Workers,
)

if TYPE_CHECKING:
    from nas.config import Budget
    from nas.data.images import Dataset
    from nas.run import Run


def search(
    space: Annotated[
        str,
        typer.Option(
            help="What to search: mnas, compact, nasnet, chain, nasbench201, nasbench_macro, or a space of your own as "
            "mypackage.module:MySpace."
        ),
    ] = "mnas",
    space_set: Annotated[
        list[str], typer.Option(metavar="NAME=VALUE", help="A setting of the space, as in --space-set layers=12")
    ] = [],  # noqa: B006
    data: Annotated[str, typer.Option(help="cifar10, cifar100, shapes (built in), or folder:PATH.")] = "cifar10",
    data_dir: DataDir = None,
    skip_unreadable: SkipUnreadable = False,
    evaluator: Annotated[str, typer.Option(help="train networks, or look them up in a table of results.")] = "train",
    table: Annotated[Path | None, typer.Option(help="The table: NAS-Bench-201's or NAS-Bench-Macro's file.")] = None,
    name: Annotated[str | None, typer.Option(help="The run's name. [default: SPACE-DATA-1, -2, ...]")] = None,
    strategy: Annotated[str, typer.Option(help="ppo, reinforce, random or tpe.")] = "ppo",
    trials: Annotated[int | None, typer.Option(help="Stop after so many networks.")] = None,
    budget: Annotated[str | None, typer.Option(help="Stop after so long: 20m, 1h30m. [default: 20m]")] = None,
    max_macs: Annotated[
        str | None,
        typer.Option(
            help="Limit on multiply-adds, as in 10M. Where the space has a width, each network is made as wide as that "
            "allows (unless --width or --target-macs sets one width for all); networks that cost more are not trained."
        ),
    ] = None,
    target_macs: Annotated[
        str | None,
        typer.Option(help="Wanted multiply-adds, as in 10M: not a limit as --max-macs is, but a preference, by --w."),
    ] = None,
    target_params: Annotated[str | None, typer.Option(help="Wanted parameters, as in 500k.")] = None,
    target_latency: Annotated[str | None, typer.Option(help="Wanted time an image here, as in 5ms.")] = None,
    w: Annotated[float, typer.Option(help="Exponent of cost / target in the reward.")] = -0.07,
    hard: Annotated[bool, typer.Option("--hard", help="Cost nothing below the target, exponent -1 above it.")] = False,
    width: Annotated[
        float | None, typer.Option(help="Width multiplier. [default: 1, or what fits --max-macs or --target-macs]")
    ] = None,
    epochs: Epochs = 1,
    subset: Annotated[
        str | None, typer.Option(help="Training images to use: 10k, say, or all. [default: 10k, or all if fewer]")
    ] = None,
    resolution: Resolution = None,
    batch_size: BatchSize = 64,
    lr: Rate = 0.05,
    other: Other = [],  # noqa: B006
    seed: Annotated[int, typer.Option(help="Of the strategy and of every training.")] = 0,
    workers: Workers = None,
    gpus: Gpus = None,
    gpus_per_trial: GpusPerTrial = 1.0,
    address: Address = None,
    device: Device = "auto",
    threads: Threads = 1,
    storage: Annotated[
        str | None, typer.Option(help="A database URL for the ledger. [default: a journal file]")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Search a space for the network of the highest reward.

    The reward is validation accuracy * (cost / target) ** w, or the accuracy alone without a target.
    """
    from nas import launch
    from nas.config import Budget
    from nas.data import locate
    from nas.data.folder import PREFIX
    from nas.run import Run
    from nas.targets import parse_settings
    from nas.units import parse_seconds
    from searchspaces import space_class

    chosen = launch.choose_cluster(workers, gpus, gpus_per_trial, address, threads)
    limit = Budget(trials, parse_seconds(budget) if budget else (None if trials is not None else 20 * 60.0))
    reward = launch.choose_reward(target_macs, target_params, target_latency, w, hard)
    most = launch.choose_limit(max_macs, reward)
    data, data_dir = locate(data, data_dir)
    folder = launch.new_folder(runs_dir, name, f"{space_class(space).name}-{data.removeprefix(PREFIX)}")
    answers = launch.choose_table(evaluator, table)
    dataset = common.search_data(data, data_dir, resolution, skip_unreadable, answers)
    images = subset or ("all" if answers else str(min(10_000, len(dataset.train))))
    recipe = common.make_recipe(epochs, images, resolution, batch_size, lr, other)
    if chosen is not None and device != "auto":
        raise ValueError("--device is for one trial at a time: --workers are on CPUs, --gpus on GPUs")
    where = launch.choose_device("cpu" if chosen else device, threads)
    where = chosen.device if chosen else where
    config = launch.choose_config(
        space,
        width,
        dataset,
        data_dir,
        recipe,
        reward,
        strategy,
        seed,
        where,
        threads,
        answers,
        most,
        parse_settings(",".join(space_set)),
    )
    say = common.say(as_json)
    launch.announce(config, limit, dataset, chosen, folder, say)
    run = Run.create(folder, config, limit, storage)
    _drive(run, limit, dataset, where, chosen, as_json)


def resume(
    run: Annotated[str, typer.Argument(help="The run's name.")],
    trials: Annotated[int | None, typer.Option(help="A new total of networks.")] = None,
    budget: Annotated[str | None, typer.Option(help="A new total of time.")] = None,
    workers: Workers = None,
    gpus: Gpus = None,
    gpus_per_trial: GpusPerTrial = 1.0,
    address: Address = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, ... [default: what the run began on]")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where the data set is now. [default: where it was]")] = None,
    skip_unreadable: SkipUnreadable = False,
    table: Annotated[Path | None, typer.Option(help="Where the table is now. [default: where it was]")] = None,
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Continue a run, however it ended.

    With a new total of trials or time it goes on beyond its end.
    """
    from nas import launch
    from nas.config import Budget
    from nas.run import Run
    from nas.units import parse_seconds

    opened = Run.open(runs_dir / run)
    chosen = launch.choose_cluster(workers, gpus, gpus_per_trial, address, opened.config.threads)
    new = trials is not None or budget is not None
    limit = Budget(trials, parse_seconds(budget) if budget else None) if new else opened.budget
    if table is not None:
        opened.config = launch.with_table_at(table, opened.config)
    config = opened.config
    dataset = common.search_data(
        config.data, data_dir or config.data_dir, config.recipe.resolution, skip_unreadable, config.table
    )
    where = launch.choose_device(device or opened.config.device, opened.config.threads) if chosen is None else "cpu"
    _drive(opened, limit, dataset, where, chosen, as_json)


def top(
    run: Annotated[str, typer.Argument(help="The run's name.")],
    limit: Annotated[
        int, typer.Option("--limit", "-n", help="How many trials to list; 0 for all. --json lists all.")
    ] = 10,
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """List a run's trials, the best first."""
    from nas.published import benchmark_of
    from nas.run import Run, rank
    from nas.tables import trials_table

    opened = Run.open(runs_dir / run)
    rows = rank(opened.rows())
    if as_json:
        common.print_json([row.to_dict() for row in rows])
        return
    print(trials_table(rows[:limit] if limit else rows))
    accuracy = benchmark_of(opened.config.space).observed if opened.config.table else "validation"
    print(f"\nMACs: multiply-adds of convolutions and linear layers for one image. accuracy: {accuracy}.")
    if rows and rows[0].reward is not None:
        print(f"best: {opened.name}:{rows[0].number}, {opened.network(rows[0]).text}")


def _drive(run: Run, budget: Budget, dataset: Dataset, device: str, cluster: Any, as_json: bool) -> None:
    """Search until the end or Ctrl-C, and say in either case what to do next."""
    from nas import launch
    from nas.progress import watch

    say = common.say(as_json)
    progress = watch(as_json)
    try:
        ended = launch.drive(run, budget, dataset, device, cluster, progress)
    except KeyboardInterrupt:
        say(f"\nstopped; nothing is lost. `nas resume {run.name}` continues.")
        raise typer.Exit(130) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise
        raise ValueError(
            f"cannot write to {run.path}: {error.strerror}. Free some space, then `nas resume {run.name}` continues"
        ) from None
    finally:
        progress.close()
    say(f"\n{ended}. `nas top {run.name}` lists them, `nas compare {run.name}` tests the best against ResNet-20.")
