"""`nas compare`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    Subset,
    Threads,
    Workers,
)

if TYPE_CHECKING:
    from nas.compare.lineup import Entrant, Lineup
    from nas.compare.results import Results
    from nas.data.images import Dataset
    from nas.engines.ray_tune import Cluster
    from nas.recipe import Recipe
    from nas.run import Run

Networks = Annotated[
    list[str] | None,
    typer.Argument(
        help="RUN (its best), RUN:17, RUN:top5, a baseline (resnet20), mnas:..., a .json file: any mix.",
        show_default=False,
    ),
]
Baselines = Annotated[
    str | None,
    typer.Option(
        help="More of them, joined by commas; small: a reference or two of each family; all-cifar: the zoo's for small "
        "images; none. [default: beside found networks alone resnet8, resnet20 and mobilenet_v2, with --match-macs]"
    ),
]
MatchMacs = Annotated[
    bool | None,
    typer.Option(
        "--match-macs/--as-named",
        help="Make each baseline as wide as the found network's MACs allow, or leave baselines as they are.",
        show_default=False,
    ),
]
EqualSeconds = Annotated[
    bool, typer.Option("--equal-seconds", help="Then train all once more, each for as long as the found one took.")
]
EnsembleToo = Annotated[
    bool,
    typer.Option("--ensemble", help="Also average the class probabilities: of a network's seeds, of all networks."),
]
Report = Annotated[str | None, typer.Option(metavar="RUN", help="Train nothing: say what a comparison found so far.")]
Markdown = Annotated[Path | None, typer.Option(help="File for the report. [default: comparison.md in the run]")]
Csv = Annotated[Path | None, typer.Option(help="File for the table. [default: comparison.csv in the run]")]
Plot = Annotated[Path | None, typer.Option(help="File for the picture, .png or .svg. [default: comparison.png there]")]


def compare(
    networks: Networks = None,
    baselines: Baselines = None,
    match_macs: MatchMacs = None,
    equal_seconds: EqualSeconds = False,
    ensemble: EnsembleToo = False,
    data: Annotated[str | None, typer.Option(help="As of nas search. [default: the run's]")] = None,
    data_dir: DataDir = None,
    skip_unreadable: SkipUnreadable = False,
    name: Annotated[str | None, typer.Option(help="Of the run. [default: compare-1, -2, ...]")] = None,
    epochs: Epochs = 3,
    subset: Subset = "all",
    resolution: Resolution = None,
    batch_size: BatchSize = 64,
    lr: Rate = 0.05,
    other: Other = [],  # noqa: B006
    seeds: Annotated[int, typer.Option(help="Trainings of each network, seeds 0, 1, ...")] = 3,
    workers: Workers = None,
    gpus: Gpus = None,
    gpus_per_trial: GpusPerTrial = 1.0,
    address: Address = None,
    device: Device = "auto",
    threads: Threads = 1,
    report: Report = None,
    markdown: Markdown = None,
    csv: Csv = None,
    plot: Plot = None,
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Train found and hand-designed networks alike, and test them.

    All of them from scratch, under one recipe and the same seeds. The test set is looked at once, after each training.
    It is a run: `nas resume` continues it.
    """
    from nas import launch
    from nas.compare.experiment import check_free, comparison_config, create, finish, with_test
    from nas.compare.lineup import Lineup
    from nas.progress import Output
    from nas.run import Run, folder_of

    _check_files(markdown, csv, plot)
    if report:
        show(Run.open(folder_of(report, runs_dir)), as_json, markdown, csv, plot)
        return
    if seeds < 1:
        raise ValueError(f"--seeds must be at least 1, not {seeds}")
    cluster = launch.choose_cluster(workers, gpus, gpus_per_trial, address, threads)
    entrants, match_macs = _named(networks or [], baselines, match_macs, runs_dir)
    data, data_dir, resolution, skip = _data_of(networks or [], data, data_dir, resolution, skip_unreadable, runs_dir)
    folder = launch.new_folder(runs_dir, name, "compare")
    check_free(folder, equal_seconds)
    recipe = common.make_recipe(epochs, subset, resolution, batch_size, lr, other)
    where = launch.choose_place(cluster, device, threads)
    dataset = common.load_data(data, data_dir, resolution, skip)
    shape = dataset.num_classes, recipe.image_size(dataset)
    if match_macs:
        from nas.compare.entrants import matched

        entrants = matched(entrants, *shape, common.to_stderr)
    lineup = Lineup.of(entrants, *shape, seeds, equal_seconds, ensemble)
    config = comparison_config(lineup, dataset, recipe, data_dir, where, threads, skip)
    output = Output("json" if as_json else "lines")
    dataset = with_test(dataset, config, data_dir, output)
    output.say(_announcement(lineup, dataset, recipe, where, cluster, folder))
    run = create(folder, config)
    finish(run, run.budget, dataset, where, cluster, output)
    show(run, as_json, markdown, csv, plot)


def _named(
    networks: Sequence[str], baselines: str | None, match_macs: bool | None, runs_dir: Path
) -> tuple[list[Entrant], bool]:
    """Who takes part, and whether baselines are to be matched: where none is named, those by default are."""
    from nas.compare.entrants import BY_DEFAULT, choose

    entrants = choose(networks, baselines or "", runs_dir, common.to_stderr)
    if baselines is None and all(entrant.found for entrant in entrants):
        return choose(networks, BY_DEFAULT, runs_dir, lambda text: None), match_macs is not False
    return entrants, bool(match_macs)


def _data_of(
    networks: Sequence[str],
    data: str | None,
    data_dir: Path | None,
    resolution: int | None,
    skip_unreadable: bool,
    runs_dir: Path,
) -> tuple[str, Path | None, int | None, bool]:
    """What is trained on: by default what the first run among `networks` was searched on."""
    from nas.data import is_folder, locate
    from nas.run import Run, folder_of

    owners = [folder_of(name.partition(":")[0], runs_dir) for name in networks]
    config = next((Run.open(owner).config for owner in owners if owner.is_dir()), None)
    if config and data in (None, config.data):
        data, data_dir = config.data, data_dir or (Path(config.data_dir) if config.data_dir else None)
        resolution = resolution or (config.recipe.resolution if is_folder(data) else None)
        skip_unreadable = skip_unreadable or config.skip_unreadable
    return *locate(data or "cifar10", data_dir), resolution, skip_unreadable


def _check_files(*files: Path | None) -> None:
    """Now, rather than after hours of training. Raises ValueError where one could not be written."""
    for file in filter(None, files):
        if not file.parent.is_dir():
            raise ValueError(f"there is no folder {file.parent} for {file.name}: make it first")
    plot = files[-1]
    if plot and plot.suffix not in (".png", ".svg"):
        raise ValueError(f"--plot writes .png or .svg, not {plot.name}")
    if plot and not find_spec("matplotlib"):
        raise ValueError("--plot needs matplotlib: pip install 'nas[plots]'")


def _announcement(
    lineup: Lineup, dataset: Dataset, recipe: Recipe, device: str, cluster: Cluster | None, folder: Path
) -> str:
    """What will be trained, how long that takes, and where the results go."""
    from nas.compare.experiment import SECONDS
    from nas.plan import place
    from nas.tables import table
    from nas.units import format_count, format_seconds

    rows = [
        (e.name, "found" if e.found else "hand-designed", format_count(size.macs), format_count(size.params))
        for e, size in zip(lineup.entrants, lineup.sizes, strict=True)
    ]
    images = f"{recipe.subset or len(dataset.train):,} {dataset.name} images"
    lines = [
        table(("network", "", "MACs", "params"), rows),
        f"\ntraining  {images} at {lineup.image_size} pixels, {recipe.epochs} epoch{'s' if recipe.epochs > 1 else ''}, "
        "then the test images once",
        f"seeds     {lineup.seeds} of each network: {lineup.size} trainings, a seed after the other",
    ]
    at_once = (cluster.at_once if cluster else 0) or 1
    of_each = _seconds_of_each(lineup, dataset, recipe, device) if cluster is None or cluster.address is None else None
    if of_each is not None:
        twice = ", and about twice that with --equal-seconds" if lineup.equal_seconds else ""
        total = format_seconds(of_each * lineup.size / at_once)
        lines.append(f"time      about {total} on {place(device, cluster)}{twice}")
    then = f", then at equal seconds {folder}-{SECONDS}/" if lineup.equal_seconds else ""
    return "\n".join([*lines, f"results   {folder}/{then}\n"])


def _seconds_of_each(lineup: Lineup, dataset: Dataset, recipe: Recipe, device: str) -> float | None:
    """How long a training takes on average, by three networks: the largest, the smallest, and one between."""
    from functools import partial

    from nas.plan import mean_training_seconds

    by_size = sorted(range(len(lineup.names)), key=lambda number: lineup.sizes[number].macs)
    chosen = dict.fromkeys([by_size[0], by_size[len(by_size) // 2], by_size[-1]])
    builds = [partial(lineup.entrants[n].network.build, lineup.num_classes, lineup.image_size) for n in chosen]
    return mean_training_seconds(builds, recipe.prepare(dataset).to(device), recipe)


def show(
    run: Run, as_json: bool, markdown: Path | None = None, csv: Path | None = None, plot: Path | None = None
) -> None:
    """Print what a comparison found so far, and keep it in files, by default in the run's folder."""
    from nas.compare.experiment import read
    from nas.compare.report import to_json, to_text, write

    found: list[Results] = read(run)
    written = write(found, run.path, markdown, csv, plot)
    if as_json:
        print(json.dumps({"comparisons": [to_json(results) for results in found]}))  # a line, as the trials before it
        return
    print(f"\n{to_text(found)}")
    print(f"\nwrote {', '.join(map(str, written))}")
