"""`nas proxy-study`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from nas.checks.kinds import FLAG, LINE, TIME
from nas.checks.limits import SEED, SEEDS, Number
from nas.cli import common
from nas.options import panels
from nas.options.groups import (
    MAYBE_LINE,
    Data,
    DataOptions,
    InitOptions,
    MachineOptions,
    OutputOptions,
    ReportedRun,
    SpaceOptions,
    StepOptions,
)
from nas.options.option import Option, number

if TYPE_CHECKING:
    from nas.proxies.study import Length
    from nas.results import Run


@dataclass(frozen=True, kw_only=True)
class ProxyStudyOptions(SpaceOptions, InitOptions, DataOptions, StepOptions, MachineOptions, OutputOptions):
    """Of `nas proxy-study`."""

    networks: Annotated[
        int,
        Option(
            Number(3, 10_000, whole=True),  # fewer have no order to speak of
            "How many to draw, spread evenly over their multiply-adds.",
            panels.SPACE,
        ),
    ] = 24
    macs: Annotated[
        str | None,
        Option(MAYBE_LINE, "Draw only networks of so many multiply-adds: 5M-50M.", panels.SPACE, metavar="RANGE"),
    ] = None
    seed: Annotated[int, Option(SEED, "By which the networks are drawn.", panels.SPACE)] = 0
    full: Annotated[
        str,
        Option(
            LINE,
            "The full training, the truth: 100k images, or 25kx4, which is 25k images 4 times; with +init behind it "
            "from the weights of --init.",
            panels.LENGTHS,
        ),
    ] = "100k"
    cuts: Annotated[
        str | None,
        Option(
            MAYBE_LINE,
            "Images after which the full one is cut.",
            panels.LENGTHS,
            usual="a sixteenth, an eighth, ... a half",
        ),
    ] = None
    short: Annotated[
        str | None,
        Option(
            MAYBE_LINE,
            "Short trainings, each with a schedule of its own: 12.5k,25k@16,5kx4 (images, pixels, passes), or none; "
            "5k+init starts from the weights of --init.",
            panels.LENGTHS,
            usual="an eighth and a quarter, also at half the pixels, and a thirty-second 4 times; with --init an "
            "eighth and a quarter with +init, too",
        ),
    ] = None
    seeds: Annotated[
        int,
        Option(
            SEEDS,
            "Trainings of each kind for each network. 2 show how noisy the truth is.",
            panels.LENGTHS,
        ),
    ] = 2
    data: Data = "cifar10"
    name: Annotated[
        str | None, Option(MAYBE_LINE, "The run's name.", panels.OUTPUT, usual="proxies-DATA-1, -2, ...")
    ] = None
    budget: Annotated[
        float | str | None, Option(TIME, "Stop after so long: 20m, 1h30m.", panels.MACHINE, usual="train all")
    ] = None
    report: ReportedRun = None
    as_csv: Annotated[
        bool,
        Option(FLAG, "With --report, print a line for each proxy, as CSV.", panels.OUTPUT, flags=("--csv",)),
    ] = False


def proxy_study(asked: ProxyStudyOptions) -> None:
    """Find out which short training ranks networks as a long one does, and which is the best for its time.

    Draws networks of a space, trains each in full and in every short way, and compares the orders.
    """
    common.check_report(asked, "report", "as_csv", "runs_dir", "progress")
    common.load_torch()
    from nas.data import short_name
    from nas.data.source import choose_source
    from nas.ledger.config import Budget, Config
    from nas.ledger.run import folder_of
    from nas.proxies.announcement import announce
    from nas.proxies.draw import draw
    from nas.proxies.study import Length, study_config
    from nas.results import Run
    from nas.reward import Reward
    from nas.searching import choices, driver
    from nas.searching.progress import Output

    if asked.report is not None:
        _report(Run.open(folder_of(asked.report, Path(asked.runs_dir))), asked.as_json, asked.as_csv)
        return
    _check(asked)
    choices.check_space(asked)
    output = Output(asked.progress)
    source = choose_source(None, asked, output.log)
    recipe = choices.choose_recipe(asked, source.image_size)
    choices.check_by_accuracy(recipe, "a study")
    if recipe.seconds is not None:
        raise ValueError("the trainings of a study are as long as --full and --short say: leave out --set seconds")
    cluster = choices.choose_cluster(asked, asked.threads)
    where = choices.choose_place(cluster, asked)
    folder = choices.new_folder(Path(asked.runs_dir), asked.name, f"proxies-{short_name(source.name)}")
    dataset = choices.load_data(source, output)
    choices.check_has_classes(dataset, "a study")
    length = Length.parse(asked.full, len(dataset.train))
    if length.pixels:
        raise ValueError(f"--full {asked.full}: its pixels are --image-size")
    recipe = replace(recipe, epochs=length.epochs, subset=length.images)
    space = choices.choose_space(asked, dataset, recipe)
    config = Config(
        space, dataset.name, recipe, Reward(), "random", asked.seed, device=where, threads=asked.threads
    ).on(source, dataset)
    pixels = recipe.size_on(dataset)
    config = choices.started(config, asked.init, dataset)
    cuts, shorts = _shorter(asked, length, pixels, len(dataset.train))
    with output.busy("drawing networks"):
        drawn = draw(
            space, asked.networks, asked.seed, dataset.num_classes, pixels, *_range(asked.macs), dataset.channels
        )
    config = study_config(config, drawn, shorts, cuts, asked.seeds, pixels, len(dataset.train), length.inherits)
    limit = Budget(config.space.size, None if asked.budget is None else number(asked.budget))
    limit = replace(limit, timing=announce(config, drawn, source, dataset, limit, cluster, folder, output))
    run = Run.create(folder, config, limit)
    run.ended = driver.to_the_end(run, limit, dataset, where, cluster, output)
    common.conclude(run, asked.as_json, run.ended)
    common.check_success([run])


def _shorter(
    asked: ProxyStudyOptions, full: Length, pixels: int, images: int
) -> tuple[Sequence[int], tuple[Length, ...]]:
    """The images after which the full training is cut, and the short trainings, at `pixels` of so many `images`."""
    from nas.proxies.study import Length, usual_cuts, usual_shorts
    from nas.text.units import parse_count, parse_names

    cuts = usual_cuts(full) if asked.cuts is None else [round(parse_count(text)) for text in parse_names(asked.cuts)]
    if asked.short is None:
        return cuts, usual_shorts(full, pixels, inherits=asked.init is not None)
    texts = () if asked.short == "none" else parse_names(asked.short)
    return cuts, tuple(Length.parse(text, images) for text in texts)


def _check(asked: ProxyStudyOptions) -> None:
    """What can be said of a study before anything is read. Raises ValueError where one of these cannot be."""
    import sys

    from nas.proxies.study import Length

    if asked.as_csv:
        raise ValueError("--csv is for --report RUN; a study writes its CSV files into its folder")
    _range(asked.macs)
    Length.parse(asked.full, sys.maxsize)  # of as many images as may be


def _range(macs: str | None) -> tuple[float, float]:
    """`5M-50M` as two numbers. Raises ValueError for anything else."""
    from nas.text.units import parse_count

    if macs is None:
        return 0, math.inf
    least, dash, most = macs.partition("-")
    if not dash:
        raise ValueError(f"--macs is a range, as in 5M-50M, not {macs!r}")
    low, high = parse_count(least), parse_count(most)
    if low > high:
        raise ValueError(f"--macs {macs}: the first is the smaller one")
    return low, high


def _report(run: Run, as_json: bool, as_csv: bool) -> None:
    """What a study has found so far. Raises ValueError where there is nothing to say in CSV."""
    from nas.proxies.report import to_csv
    from nas.proxies.results import results, study_of

    study_of(run)
    if not as_csv:
        common.conclude(run, as_json)
    elif (found := results(run)).judged:
        print(to_csv(found), end="")
    else:
        raise ValueError(f"{run.name} has not trained half of its networks in full yet: `nas resume {run.name}`")
