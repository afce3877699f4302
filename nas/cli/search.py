"""`nas search`, `nas resume`, `nas top`."""

from __future__ import annotations

import json
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from nas import api
from nas.checks.kinds import FLAG, NAMED
from nas.checks.limits import NATURAL
from nas.cli import common
from nas.options import commands, names, panels
from nas.options.commands import SearchOptions
from nas.options.groups import OutputOptions, RunName
from nas.options.option import Option, path

if TYPE_CHECKING:
    from nas.results import Run


def search(asked: SearchOptions) -> None:
    """Search a space for the network of the highest reward.

    The reward is validation accuracy * (cost / target) ** w, or the accuracy alone without a target.
    """
    common.load_torch()
    run = api.search.of(asked)
    if asked.strategy == names.OUTSIDE:
        common.say(asked.as_json)(_then(run))
        if asked.as_json:
            print(json.dumps({"run": run.name}))
        return
    if asked.seeds > 1:
        _conclude_set(run.repeats, asked.as_json)
    else:
        common.conclude(run, asked.as_json, run.ended)
    common.check_success(run.repeats if asked.seeds > 1 else [run])


def _then(run: Run) -> str:
    """What to type next, where other programs propose the networks."""
    called = f"{run.name}{run.permissions}"
    return (
        f"{run.name} waits for other programs, and nothing is trained yet:\n"
        f"  nas ask {called} --json          networks to begin with, drawn at random\n"
        f"  nas tell {called} TEXT --json    trains the network that you propose, and says what came of it\n"
        f"  nas resume {called}              trains what was asked for and never told, and then its control"
    )


@dataclass(frozen=True)
class ResumeOptions(commands.ResumeOptions, OutputOptions):
    """Of `nas resume`."""

    run: Annotated[
        str,
        Option(
            NAMED,
            "The run's name, that of a set of --seeds, or a training's folder.",
            metavar="RUN",
            completes="runs",
            by_place=True,
        ),
    ]


def resume(asked: ResumeOptions) -> None:
    """Continue a run or a training, however it ended.

    With a new total of trials or time a run goes on beyond its end. With a search its random control goes on, too. The
    name that searches of --seeds share continues all of them.
    """
    common.load_torch()
    from nas.final import run as training_run
    from nas.ledger import repeats
    from nas.ledger.run import folder_of

    runs_dir = Path(asked.runs_dir)
    if (training := training_run.find(asked.run, runs_dir)) is not None:
        if given := asked.changed("trials", "budget", "workers", "gpus", "address", "table", "latency_table"):
            raise ValueError(f"{training} is a training: leave out {', '.join(given)}, which is for searches")
        _resume_training(training, asked)
        return
    of_set = repeats.find(folder_of(asked.run, runs_dir))
    opened = [api.open(path.name, runs_dir=path.parent) for path in of_set] or [api.open(asked.run, runs_dir=runs_dir)]
    repeats.check_alike(opened)
    for one in opened:
        if of_set:
            common.say(asked.as_json)(f"\n{one.name}, seed {one.config.seed}:\n")
        one.resume(**asked.values_for(commands.ResumeOptions))
    if of_set:
        _conclude_set(opened, asked.as_json)
    else:
        common.conclude(opened[0], asked.as_json, opened[0].ended)
    common.check_success(opened)


def _resume_training(folder: Path, asked: ResumeOptions) -> None:
    from nas.cli import train
    from nas.final import run as training_run
    from nas.searching.progress import Output

    ended = training_run.result_of(folder) is not None
    data_dir = path(asked.data_dir)
    result = training_run.resume(folder, asked.device, data_dir, Output(asked.progress), asked.data)
    where = f"this training had ended: it is in {folder}/" if ended else f"wrote {folder}/"
    train.conclude(result, where, asked.as_json)


@dataclass(frozen=True)
class TopOptions(OutputOptions):
    """Of `nas top`."""

    run: RunName
    _: KW_ONLY
    limit: Annotated[
        int,
        Option(
            NATURAL,
            "How many trials to list; 0 for all. --json, --csv and --pareto list all.",
            panels.OUTPUT,
            flags=("--limit", "-n"),
        ),
    ] = 10
    pareto: Annotated[
        bool,
        Option(
            FLAG,
            "Only those than which none is better in accuracy and MACs, or in the run's own objectives; the cheapest "
            "first.",
            panels.OUTPUT,
        ),
    ] = False
    as_csv: Annotated[
        bool,
        Option(
            FLAG,
            "Print CSV: a line a trial, a column for each figure and each choice.",
            panels.OUTPUT,
            flags=("--csv",),
        ),
    ] = False


def top(asked: TopOptions) -> None:
    """List a run's trials, the best first."""
    common.one_format(asked.as_csv, asked.as_json)
    common.load_torch()
    from nas.cli.tables import trials_table
    from nas.ledger.run import Run, folder_of, rank
    from nas.ledger.trials_csv import trials_csv
    from nas.searching.pareto import ACCURACY_AND_MACS, front
    from nas.searching.published import benchmark_of
    from nas.text.units import format_percent

    opened = Run.open(folder_of(asked.run, Path(asked.runs_dir)))
    trials = opened.study.get_trials(deepcopy=False)
    ranked = rank([opened.row(trial) for trial in trials])
    objectives = opened.config.objectives or ACCURACY_AND_MACS
    rows = front(ranked, objectives) if asked.pareto else ranked
    if asked.as_json:
        common.print_json([row.to_dict() for row in rows])
        return
    if asked.as_csv:
        print(trials_csv(opened.config.space, trials, rows), end="")
        return
    common.to_stdout(trials_table(rows[: asked.limit] if asked.limit and not asked.pareto else rows))
    config = opened.config
    accuracy = benchmark_of(config.space, Path(config.table)).observed if config.table else "validation"
    say = common.say(asked.as_json)
    off = config.measuring.table_error
    predicted = "" if off is None else f" latency: predicted by a table, ± {format_percent(off)}."
    say(f"\nMACs: multiply-adds of convolutions and linear layers for one image. accuracy: {accuracy}.{predicted}")
    if asked.pareto:
        say(f"{len(rows)} of {len(ranked)} trials: no other is as good in {', '.join(objectives)} and better in one.")
    elif rows and rows[0].reward is not None:
        say(f"best: {opened.name}:{rows[0].number}, {opened.text_of(rows[0])}")


def _conclude_set(runs: list[Run], as_json: bool) -> None:
    """Say what searches with several seeds found, each and together."""
    from nas.cli.tables import set_table
    from nas.ledger.repeats import Summary, name_of

    summary = Summary.of(name_of(runs[0]), runs)
    if as_json:
        print(json.dumps(summary.to_dict()))
        return
    common.to_stdout(f"\n{set_table(summary)}\n`nas report {summary.name}` shows them on one page.")
