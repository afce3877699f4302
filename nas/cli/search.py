"""`nas search`, `nas resume`, `nas top`."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas import api
from nas.cli import common, completion, names, panels
from nas.cli.options import (
    Address,
    BatchSize,
    Data,
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
    SpaceSet,
    StrategySet,
    Threads,
    Workers,
)

if TYPE_CHECKING:
    from nas.results import Run

DEFAULT = {name: option.default for name, option in inspect.signature(api.search).parameters.items()}
"""What is not said, is as in `nas.search`."""


def search(
    space: Annotated[
        str,
        typer.Option(
            help=f"{', '.join(names.SPACES)}, or a space of your own as mypackage.module:MySpace.",
            autocompletion=completion.spaces,
            rich_help_panel=panels.SPACE,
        ),
    ] = DEFAULT["space"],
    space_set: SpaceSet = [],  # noqa: B006
    width: Annotated[
        float | None,
        typer.Option(
            help="Width multiplier.",
            show_default="1, or what fits --max-macs or --target-macs",
            rich_help_panel=panels.SPACE,
        ),
    ] = None,
    strategy: Annotated[
        str,
        typer.Option(
            help=f"{', '.join(names.STRATEGIES)}.",
            autocompletion=completion.strategies,
            rich_help_panel=panels.SEARCHING,
        ),
    ] = DEFAULT["strategy"],
    strategy_set: StrategySet = [],  # noqa: B006
    trials: Annotated[
        int | None, typer.Option(help="Stop after so many networks.", rich_help_panel=panels.SEARCHING)
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(help="Stop after so long: 20m, 1h30m.", show_default="20m", rich_help_panel=panels.SEARCHING),
    ] = None,
    pruner: Annotated[
        str,
        typer.Option(
            help="Stop trainings early that promise little: asha, hyperband, median or none.",
            rich_help_panel=panels.SEARCHING,
        ),
    ] = DEFAULT["pruner"],
    control: Annotated[
        bool,
        typer.Option(
            "--control",
            help="Then spend an equal budget on random search, and say how they differ.",
            rich_help_panel=panels.SEARCHING,
        ),
    ] = False,
    evaluator: Annotated[
        str,
        typer.Option(help="train networks, or look them up in a table of results.", rich_help_panel=panels.SEARCHING),
    ] = "train",
    table: Annotated[
        Path | None,
        typer.Option(
            help="The table: NAS-Bench-201's or NAS-Bench-Macro's file, or a CSV.", rich_help_panel=panels.SEARCHING
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Of the strategy and of every training.", rich_help_panel=panels.SEARCHING)
    ] = DEFAULT["seed"],
    seeds: Annotated[
        int,
        typer.Option(
            help="Search so many times, with --seed and those after it, as NAME-seed0, NAME-seed1, ...: for a mean and "
            "a spread.",
            rich_help_panel=panels.SEARCHING,
        ),
    ] = DEFAULT["seeds"],
    data: Data = DEFAULT["data"],
    data_dir: DataDir = None,
    skip_unreadable: SkipUnreadable = False,
    max_macs: Annotated[
        str | None,
        typer.Option(
            help="Limit on multiply-adds, as in 10M. Where the space has a width, each network is made as wide as that "
            "allows (unless --width or --target-macs sets one width for all); networks that cost more are not trained.",
            rich_help_panel=panels.GOAL,
        ),
    ] = None,
    target_macs: Annotated[
        str | None,
        typer.Option(
            help="Wanted multiply-adds, as in 10M: not a limit as --max-macs is, but a preference, by --w.",
            rich_help_panel=panels.GOAL,
        ),
    ] = None,
    target_params: Annotated[
        str | None, typer.Option(help="Wanted parameters, as in 500k.", rich_help_panel=panels.GOAL)
    ] = None,
    target_latency: Annotated[
        str | None, typer.Option(help="Wanted time an image here, as in 5ms.", rich_help_panel=panels.GOAL)
    ] = None,
    w: Annotated[
        float, typer.Option(help="Exponent of cost / target in the reward.", rich_help_panel=panels.GOAL)
    ] = DEFAULT["w"],
    hard: Annotated[
        bool,
        typer.Option(
            "--hard", help="Cost nothing below the target, exponent -1 above it.", rich_help_panel=panels.GOAL
        ),
    ] = False,
    objectives: Annotated[
        str | None,
        typer.Option(
            help="Instead of one reward, as in accuracy,macs: search for all of a front. Also params, latency.",
            rich_help_panel=panels.GOAL,
        ),
    ] = None,
    signal: Annotated[
        str,
        typer.Option(
            help="What a training is judged by: accuracy on validation images, or loss, the mean training loss of its "
            "last epoch, as exp(-loss).",
            rich_help_panel=panels.GOAL,
        ),
    ] = DEFAULT["signal"],
    epochs: Epochs = DEFAULT["epochs"],
    subset: Annotated[
        str | None,
        typer.Option(
            help="Training images to use: 10k, say, or all.",
            show_default="5k, 10k for more than ten classes, or all if fewer",
            rich_help_panel=panels.TRAINING,
        ),
    ] = None,
    resolution: Resolution = None,
    batch_size: BatchSize = DEFAULT["batch_size"],
    lr: Rate = DEFAULT["lr"],
    other: Other = [],  # noqa: B006
    workers: Workers = None,
    gpus: Gpus = None,
    gpus_per_trial: GpusPerTrial = DEFAULT["gpus_per_trial"],
    address: Address = None,
    device: Device = DEFAULT["device"],
    threads: Threads = DEFAULT["threads"],
    name: Annotated[
        str | None,
        typer.Option(help="The run's name.", show_default="SPACE-DATA-1, -2, ...", rich_help_panel=panels.OUTPUT),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            help="A database URL for the ledger.", show_default="a journal file", rich_help_panel=panels.OUTPUT
        ),
    ] = None,
    runs_dir: RunsDir = Path(DEFAULT["runs_dir"]),
    as_json: Json = False,
) -> None:
    """Search a space for the network of the highest reward.

    The reward is validation accuracy * (cost / target) ** w, or the accuracy alone without a target.
    """
    common.load_torch()
    from nas.references.resolve import parse_settings
    from nas.searching.choices import check_evaluator

    check_evaluator(evaluator, table)
    run = api.search(
        space=space,
        settings=parse_settings(",".join(space_set)),
        data=data,
        data_dir=data_dir,
        skip_unreadable=skip_unreadable,
        table=table,
        name=name,
        strategy=strategy,
        strategy_settings=common.by_name(strategy_set),
        trials=trials,
        budget=budget,
        max_macs=max_macs,
        target_macs=target_macs,
        target_params=target_params,
        target_latency=target_latency,
        w=w,
        hard=hard,
        signal=signal,
        objectives=objectives,
        pruner=pruner,
        control=control,
        width=width,
        epochs=epochs,
        subset=subset,
        image_size=resolution,
        batch_size=batch_size,
        lr=lr,
        recipe=common.by_name(other),
        seed=seed,
        seeds=seeds,
        workers=workers,
        gpus=gpus,
        gpus_per_trial=gpus_per_trial,
        address=address,
        device=device,
        threads=threads,
        storage=storage,
        runs_dir=runs_dir,
        progress="json" if as_json else "lines",
    )
    if seeds > 1:
        _conclude_set(run.repeats, as_json)
    else:
        common.conclude(run, as_json, run.ended)
    common.check_success(run.repeats if seeds > 1 else [run])


def resume(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            autocompletion=completion.runs,
            help="The run's name, that of a set of --seeds, or a training's folder.",
        ),
    ],
    trials: Annotated[
        int | None, typer.Option(help="A new total of networks.", rich_help_panel=panels.SEARCHING)
    ] = None,
    budget: Annotated[str | None, typer.Option(help="A new total of time.", rich_help_panel=panels.SEARCHING)] = None,
    workers: Workers = None,
    gpus: Gpus = None,
    gpus_per_trial: GpusPerTrial = 1.0,
    address: Address = None,
    device: Annotated[
        str | None,
        typer.Option(help="cpu, cuda, ...", show_default="what the run began on", rich_help_panel=panels.MACHINE),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Where the data set is now.", show_default="where it was", rich_help_panel=panels.DATA),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(help="Where the table is now.", show_default="where it was", rich_help_panel=panels.SEARCHING),
    ] = None,
    runs_dir: RunsDir = Path(DEFAULT["runs_dir"]),
    as_json: Json = False,
) -> None:
    """Continue a run or a training, however it ended.

    With a new total of trials or time a run goes on beyond its end. With a search its random control goes on, too. The
    name that searches of --seeds share continues all of them.
    """
    common.load_torch()
    from nas.final import run as training_run
    from nas.ledger import repeats
    from nas.ledger.run import folder_of

    if (training := training_run.find(run, runs_dir)) is not None:
        of_searches = {
            "--trials": trials, "--budget": budget, "--workers": workers, "--gpus": gpus, "--address": address,
            "--table": table,
        }  # fmt: skip
        if given := [name for name, value in of_searches.items() if value is not None]:
            raise ValueError(f"{training} is a training: leave out {', '.join(given)}, which is for searches")
        _resume_training(training, device, data_dir, as_json)
        return
    of_set = repeats.find(folder_of(run, runs_dir))
    opened = [api.open(path.name, runs_dir=path.parent) for path in of_set] or [api.open(run, runs_dir=runs_dir)]
    repeats.check_alike(opened)
    for one in opened:
        if of_set:
            common.say(as_json)(f"\n{one.name}, seed {one.config.seed}:\n")
        one.resume(
            trials=trials,
            budget=budget,
            workers=workers,
            gpus=gpus,
            gpus_per_trial=gpus_per_trial,
            address=address,
            device=device,
            data_dir=data_dir,
            table=table,
            progress="json" if as_json else "lines",
        )
    if of_set:
        _conclude_set(opened, as_json)
    else:
        common.conclude(opened[0], as_json, opened[0].ended)
    common.check_success(opened)


def _resume_training(folder: Path, device: str | None, data_dir: Path | None, as_json: bool) -> None:
    from nas.cli import train
    from nas.final import run as training_run
    from nas.searching.progress import Output

    ended = training_run.result_of(folder) is not None
    result = training_run.resume(folder, device, data_dir, Output("json" if as_json else "lines"))
    train.conclude(result, f"this training had ended: it is in {folder}/" if ended else f"wrote {folder}/", as_json)


def top(
    run: Annotated[str, typer.Argument(metavar="RUN", autocompletion=completion.runs, help="The run's name.")],
    limit: Annotated[
        int,
        typer.Option(
            "--limit",
            "-n",
            help="How many trials to list; 0 for all. --json, --csv and --pareto list all.",
            rich_help_panel=panels.OUTPUT,
        ),
    ] = 10,
    pareto: Annotated[
        bool,
        typer.Option(
            "--pareto",
            help="Only those than which none is better in accuracy and MACs, or in the run's "
            "own objectives; the cheapest first.",
            rich_help_panel=panels.OUTPUT,
        ),
    ] = False,
    as_csv: Annotated[
        bool,
        typer.Option(
            "--csv",
            help="Print CSV: a line a trial, a column for each figure and each choice.",
            rich_help_panel=panels.OUTPUT,
        ),
    ] = False,
    runs_dir: RunsDir = Path(DEFAULT["runs_dir"]),
    as_json: Json = False,
) -> None:
    """List a run's trials, the best first."""
    common.one_format(as_csv, as_json)
    common.load_torch()
    from nas.cli.tables import trials_table
    from nas.ledger.run import Run, folder_of, rank
    from nas.ledger.trials_csv import trials_csv
    from nas.searching.pareto import ACCURACY_AND_MACS, front
    from nas.searching.published import benchmark_of

    opened = Run.open(folder_of(run, runs_dir))
    trials = opened.study.get_trials(deepcopy=False)
    ranked = rank([opened.row(trial) for trial in trials])
    objectives = opened.config.objectives or ACCURACY_AND_MACS
    rows = front(ranked, objectives) if pareto else ranked
    if as_json:
        common.print_json([row.to_dict() for row in rows])
        return
    if as_csv:
        print(trials_csv(opened.config.space, trials, rows), end="")
        return
    common.to_stdout(trials_table(rows[:limit] if limit and not pareto else rows))
    config = opened.config
    accuracy = benchmark_of(config.space, Path(config.table)).observed if config.table else "validation"
    say = common.say(as_json)
    say(f"\nMACs: multiply-adds of convolutions and linear layers for one image. accuracy: {accuracy}.")
    if pareto:
        say(f"{len(rows)} of {len(ranked)} trials: no other is as good in {', '.join(objectives)} and better in one.")
    elif rows and rows[0].reward is not None:
        say(f"best: {opened.name}:{rows[0].number}, {opened.network(rows[0]).text}")


def _conclude_set(runs: list[Run], as_json: bool) -> None:
    """Say what searches with several seeds found, each and together."""
    import json

    from nas.cli.tables import set_table
    from nas.ledger.repeats import Summary, name_of

    summary = Summary.of(name_of(runs[0]), runs)
    if as_json:
        print(json.dumps(summary.to_dict()))
        return
    common.to_stdout(f"\n{set_table(summary)}\n`nas report {summary.name}` shows them on one page.")
