"""`nas search`, `nas resume`, `nas top`."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli import common, scale_search
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
    table: Annotated[
        Path | None, typer.Option(help="The table: NAS-Bench-201's or NAS-Bench-Macro's file, or a CSV.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The run's name. [default: SPACE-DATA-1, -2, ...]")] = None,
    strategy: Annotated[
        str,
        typer.Option(
            help="controller, ppo, reinforce, nas2016, nasnet, evolution, local-search, random, tpe, gp or nsga2."
        ),
    ] = "controller",
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
    objectives: Annotated[
        str | None,
        typer.Option(
            help="Instead of one reward, as in accuracy,macs: search for all of a front. Also params, latency."
        ),
    ] = None,
    pruner: Annotated[
        str, typer.Option(help="Stop trainings early that promise little: asha, hyperband, median or none.")
    ] = "none",
    control: Annotated[
        bool, typer.Option("--control", help="Then spend an equal budget on random search, and say how they differ.")
    ] = False,
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
    from nas.control import check as check_control
    from nas.control import create as create_control
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
    where = launch.choose_place(chosen, device, threads)
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
        skip_unreadable,
    )
    config = launch.choose_aim(config, objectives, pruner)
    if control:
        check_control(config, folder)
    say = common.say(as_json)
    launch.announce(config, limit, dataset, chosen, folder, say, control)
    run = Run.create(folder, config, limit, storage)
    drive(run, limit, dataset, where, chosen, as_json, create_control(run) if control else None)


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
    table: Annotated[Path | None, typer.Option(help="Where the table is now. [default: where it was]")] = None,
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Continue a run, however it ended, and its control where it has one.

    With a new total of trials or time it goes on beyond its end.
    """
    from nas import launch
    from nas.config import Budget
    from nas.control import find as find_control
    from nas.run import Run
    from nas.units import parse_seconds

    opened = Run.open(runs_dir / run)
    chosen = launch.choose_cluster(workers, gpus, gpus_per_trial, address, opened.config.threads)
    new = trials is not None or budget is not None
    limit = Budget(trials, parse_seconds(budget) if budget else None) if new else opened.budget
    control = find_control(opened)
    if table is not None:
        for moved in (opened, control) if control else (opened,):
            moved.config = launch.with_table_at(table, moved.config)
    config = opened.config
    skip = config.skip_unreadable or config.data_sha256 is not None  # `drive` refuses another choice of images
    dataset = common.search_data(config.data, data_dir or config.data_dir, config.recipe.resolution, skip, config.table)
    where = launch.choose_device(device or opened.config.device, opened.config.threads) if chosen is None else "cpu"
    drive(opened, limit, dataset, where, chosen, as_json, control)


def top(
    run: Annotated[str, typer.Argument(help="The run's name.")],
    limit: Annotated[
        int, typer.Option("--limit", "-n", help="How many trials to list; 0 for all. --json and --pareto list all.")
    ] = 10,
    pareto: Annotated[
        bool,
        typer.Option(
            "--pareto",
            help="Only those than which none is better in accuracy and MACs, or in the run's "
            "own objectives; the cheapest first.",
        ),
    ] = False,
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """List a run's trials, the best first."""
    from nas.pareto import ACCURACY_AND_MACS, front
    from nas.published import benchmark_of
    from nas.run import Run, rank
    from nas.tables import trials_table

    opened = Run.open(runs_dir / run)
    ranked = rank(opened.rows())
    objectives = opened.config.objectives or ACCURACY_AND_MACS
    rows = front(ranked, objectives) if pareto else ranked
    if as_json:
        common.print_json([row.to_dict() for row in rows])
        return
    print(trials_table(rows[:limit] if limit and not pareto else rows))
    config = opened.config
    accuracy = benchmark_of(config.space, Path(config.table)).observed if config.table else "validation"
    print(f"\nMACs: multiply-adds of convolutions and linear layers for one image. accuracy: {accuracy}.")
    if pareto:
        print(f"{len(rows)} of {len(ranked)} trials: no other is as good in {', '.join(objectives)} and better in one.")
    elif rows and rows[0].reward is not None:
        print(f"best: {opened.name}:{rows[0].number}, {opened.network(rows[0]).text}")


def drive(
    run: Run, budget: Budget, dataset: Dataset, device: str, cluster: Any, as_json: bool, control: Run | None = None
) -> None:
    """Search until the end or Ctrl-C, then the control, and say in any case what to do next."""
    from nas.scale.grid import ScalingGrid

    say = common.say(as_json)
    ended = _to_the_end(run, run.name, budget, dataset, device, cluster, as_json)
    if isinstance(run.config.space, ScalingGrid):
        say(f"\n{ended}. `nas top {run.name}` lists them.\n")
        scale_search.show(run, as_json)
        return
    if control is not None:
        say(f"\n{ended}.\n\nnow random search with an equal budget, as {control.name}:\n")
        ended = _to_the_end(control, run.name, budget, dataset, device, cluster, as_json)
    say(f"\n{ended}. `nas top {run.name}` lists them, `nas compare {run.name}` tests the best against ResNet-20.")
    if control is not None:
        _compare_with_control(run, control, as_json)


def _compare_with_control(run: Run, control: Run, as_json: bool) -> None:
    import json

    from nas.control import compare
    from nas.tables import control_table

    comparison = compare(run.rows(), control.rows())
    if as_json:
        print(json.dumps({"run": run.name, "control": comparison and comparison.to_dict()}))
    elif comparison is None:
        print("no comparison with random search: one of the two has no network that was trained to the end")
    else:
        print(f"\n{run.name} beside {control.name}\n\n{control_table(comparison)}")


def _to_the_end(
    run: Run, resumed_as: str, budget: Budget, dataset: Dataset, device: str, cluster: Any, as_json: bool
) -> str:
    """Search until the end, which is said in a sentence."""
    from nas import launch
    from nas.progress import watch

    progress = watch(as_json, run.name)
    try:
        return launch.drive(run, budget, dataset, device, cluster, progress)
    except KeyboardInterrupt:
        common.say(as_json)(f"\nstopped; nothing is lost. `nas resume {resumed_as}` continues.")
        raise typer.Exit(130) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise
        raise ValueError(
            f"cannot write to {run.path}: {error.strerror}. Free some space, then `nas resume {resumed_as}` continues"
        ) from None
    finally:
        progress.close()
