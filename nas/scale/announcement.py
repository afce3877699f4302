"""What the search of a grid is going to train, on what, how long that takes, and where the results go."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nas.data.images import Dataset
from nas.data.source import DataSource
from nas.ledger.config import Budget, Config
from nas.scale.grid import Candidate, candidates_table
from nas.searching.plan import is_here, of_all, timing
from nas.searching.progress import Output
from nas.searching.timing import Allowance, training_seconds
from nas.text.units import format_seconds
from nas.training.announcement import images_lines

if TYPE_CHECKING:
    from nas.engines.ray_tune import Cluster


def announce(
    config: Config,
    found: Sequence[Candidate],
    source: DataSource,
    why: str,
    dataset: Dataset,
    limit: Budget,
    cluster: Cluster | None,
    folder: Path,
    output: Output,
) -> float:
    """Say it, in lines; returns the seconds that timing took. `why` says where the `source` of the data comes from."""
    space = config.space
    output.say(f"{candidates_table(found)}\n")
    for line in images_lines(source, dataset, config.recipe, why, "each network's own"):
        output.say(line)
    output.say(f"seeds     {space.size // len(found)} of each network: {space.size} trainings, a seed after the other")
    allowance = Allowance.of(limit)
    if is_here(cluster):
        seconds = _seconds(config, len(found), dataset, allowance, output)
        ends = f", ended after {format_seconds(limit.seconds)}" if limit.seconds else ""
        output.say(f"time      {of_all(seconds, config.device, cluster)}{ends}")
    output.say(f"results   {folder}/\n")
    return allowance.spent


def _seconds(config: Config, networks: int, dataset: Dataset, allowance: Allowance, output: Output) -> float | None:
    """How long the grid takes, by the base and the last of its `networks`; None where one of both cannot be timed."""
    timed = []
    with timing("2 networks", config.recipe, allowance, output):
        for waiting, number in ((2, 0), (1, networks - 1)):
            recipe = config.job((0, number)).recipe
            build = partial(config.space.build, (0, number), dataset.num_classes)
            prepared = recipe.prepare(dataset).to(config.device)
            timed.append(training_seconds(build, prepared, recipe, allowance.share(waiting)))
    of_base, of_grown = timed
    if of_base is None or of_grown is None:
        return None
    return (of_base + (networks - 1) * of_grown) * (config.space.size // networks)
