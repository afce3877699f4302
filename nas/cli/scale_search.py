"""`nas scale --search` and `nas scale --report`: what they do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nas.cli import common
from nas.options.option import number

if TYPE_CHECKING:
    from collections.abc import Callable

    from nas.cli.scale import GridOptions
    from nas.results import Run
    from scaling.compound import Compound

TARGET = 2.0  # times the base's multiply-adds, at phi = 1
WIDER = 0.5  # by how much the formula of a triple that is measured at all may differ


def search(asked: GridOptions, base: str) -> None:
    """Train a grid of what grows from `base`, and say what is best and how sure that is."""
    from nas.data import is_folder, short_name
    from nas.devices.measuring import Measuring
    from nas.ledger.config import Budget
    from nas.references.origin import origin_of, source_for
    from nas.references.resolve import resolve
    from nas.results import Run
    from nas.scale.announcement import announce
    from nas.scale.costs import check_known
    from nas.scale.family import base_of
    from nas.scale.grid import candidates, grid_config
    from nas.searching import choices, driver
    from nas.searching.progress import Output
    from scaling.compound import grid
    from searchspaces.images import built_for

    output, runs_dir = Output(asked.progress), Path(asked.runs_dir)
    also = check_known(choices.choose_costs(asked))
    if "latency" not in also and (given := asked.changed("latency_runtime")):
        raise ValueError(f"{', '.join(given)} is of --costs latency: add that, or leave it out")
    cluster = choices.choose_cluster(asked, asked.threads)
    where = choices.choose_place(cluster, asked)
    origin = origin_of(base, resolve(base, runs_dir), runs_dir)
    source = source_for([base], origin, asked, output.log)
    folder = choices.new_folder(runs_dir, asked.name, f"scale-{short_name(source.name)}")
    recipe = choices.choose_recipe(asked, source.image_size)
    choices.check_by_accuracy(recipe, "a grid")
    dataset = choices.load_data(source, output)
    choices.check_has_classes(dataset, "a grid")
    if asked.subset is None and "subset" not in (asked.recipe or {}):
        recipe = replace(recipe, subset=min(10_000, len(dataset.train)))
    choices.check_recipe(recipe, dataset)
    pixels = source.image_size or dataset.image_size
    grows = base_of(base, runs_dir, dataset.num_classes, pixels, dataset.channels)
    triples = grid(asked.step, TARGET, asked.tolerance + WIDER)
    with output.busy("measuring the grid"):
        found = built_for(grows.channels, lambda: candidates(grows, triples, TARGET, asked.tolerance, asked.triples))
    if is_folder(source.name):  # from files, for the largest images
        dataset = replace(source, image_size=max(c.image_size for c in found)).load(output.log)
    measuring = Measuring(runtime=asked.latency_runtime)
    config = grid_config(grows, found, asked.seeds, dataset, source, recipe, where, asked.threads, also, measuring)
    choices.check_latency(config, cluster)
    limit = Budget(asked.trials or config.space.size, None if asked.budget is None else number(asked.budget))
    why = f"as {origin.words} has it" if origin and asked.data is None else ""
    took = announce(config, found, source, why, dataset, limit, cluster, folder, output)
    limit = replace(limit, timing=took)
    run = Run.create(folder, config, limit)
    run.ended = driver.to_the_end(run, limit, dataset, where, cluster, output)
    common.conclude(run, asked.as_json, run.ended)
    common.check_success([run])


def open_grid(name: str, runs_dir: Path) -> Run:
    """The run of that name. Raises ValueError where it is no grid."""
    from nas.ledger.run import folder_of
    from nas.results import Run
    from nas.scale.results import grid_of

    run = Run.open(folder_of(name, runs_dir))
    grid_of(run)
    return run


def best_of(
    name: str,
    runs_dir: Path,
    own: Compound | None,
    base: str | None,
    image_size: int | None,
    say: Callable[[str], None],
) -> tuple[Compound, str, int | None]:
    """The best triple of the grid `name`, and what is to grow: `base` if one is given, else the grid's.

    Raises ValueError where a triple of one's `own` is given, too.
    """
    from nas.scale.report import in_words
    from nas.scale.results import best_compound, grid_of, results

    if own is not None:
        raise ValueError("--from gives alpha, beta and gamma: leave out --compound, --alpha, --beta and --gamma")
    run = open_grid(name, runs_dir)
    best = best_compound(run)
    say("\n".join(in_words(results(run))) + "\n")
    usual = None if base else grid_of(run).image_size
    return best, base or grid_of(run).base, usual if image_size is None else image_size
