"""What a comparison is going to train, on what, how long that takes, and where the results go."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nas.announcement import data_line, images_line, judging_lines, recipe_line
from nas.columns import table
from nas.comparison.experiment import SECONDS
from nas.comparison.lineup import Lineup
from nas.data.images import Dataset
from nas.data.source import DataSource
from nas.plan import place, timing
from nas.progress import Output
from nas.recipe import Recipe
from nas.timing import LONGEST, Allowance, Estimate, mean_training_seconds
from nas.units import format_count, format_seconds

if TYPE_CHECKING:
    from nas.engines.ray_tune import Cluster


def announce(
    lineup: Lineup,
    source: DataSource,
    why: str,
    dataset: Dataset,
    recipe: Recipe,
    device: str,
    cluster: Cluster | None,
    folder: Path,
    output: Output,
) -> None:
    """Say it, in lines. `why` says where the `source` of the images comes from; `dataset` has its test images."""
    rows = [
        (e.name, "found" if e.found else "hand-designed", format_count(size.macs), format_count(size.params))
        for e, size in zip(lineup.entrants, lineup.sizes, strict=True)
    ]
    tested = None if dataset.test is None else len(dataset.test)
    output.say(f"{table(('network', '', 'MACs', 'params'), rows)}\n")
    output.say(f"data      {data_line(source, dataset, why)}")
    output.say(f"images    {images_line(dataset, recipe, tested)}")
    for line in judging_lines(dataset, recipe):
        output.say(line)
    output.say(f"recipe    {recipe_line(recipe)}")
    output.say(f"seeds     {lineup.seeds} of each network: {lineup.size} trainings, a seed after the other")
    at_once = (cluster.at_once if cluster else 0) or 1
    if cluster is None or cluster.address is None:
        of_each = _seconds_of_each(lineup, dataset, recipe, device, output)
        if of_each is not None:
            twice = ", and about twice that with --equal-seconds" if lineup.equal_seconds else ""
            total = format_seconds(of_each.seconds * lineup.size / at_once)
            output.say(f"time      about {total} on {place(device, cluster)}{twice}{of_each.basis}")
    then = f", then at equal seconds {folder}-{SECONDS}/" if lineup.equal_seconds else ""
    output.say(f"results   {folder}/{then}\n")


def _seconds_of_each(lineup: Lineup, dataset: Dataset, recipe: Recipe, device: str, output: Output) -> Estimate | None:
    """How long a training takes on average, by three networks: the largest, the smallest, and one between."""
    by_size = sorted(range(len(lineup.names)), key=lambda number: lineup.sizes[number].macs)
    chosen = dict.fromkeys([by_size[0], by_size[len(by_size) // 2], by_size[-1]])
    builds = [partial(lineup.entrants[n].network.build, lineup.num_classes, lineup.image_size) for n in chosen]
    allowance = Allowance(LONGEST)
    with timing(f"{len(builds)} network{'s' if len(builds) > 1 else ''}", recipe, allowance, output):
        return mean_training_seconds(builds, recipe.prepare(dataset).to(device), recipe, allowance)
