"""What a comparison is going to train, on what, how long that takes, and where the results go."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nas.comparison.design import ComparisonSpace
from nas.comparison.experiment import SECONDS
from nas.data.images import Dataset
from nas.data.source import DataSource
from nas.searching.plan import is_here, of_all, timing
from nas.searching.progress import Output
from nas.searching.timing import LONGEST, Allowance, Estimate, mean_training_seconds
from nas.text.columns import table
from nas.text.units import format_count
from nas.training.announcement import images_lines
from nas.training.recipe import Recipe

if TYPE_CHECKING:
    from nas.engines.ray_tune import Cluster


def announce(
    comparison: ComparisonSpace,
    source: DataSource,
    why: str,
    dataset: Dataset,
    recipe: Recipe,
    device: str,
    cluster: Cluster | None,
    folder: Path,
    output: Output,
    preset: str | None = None,
    starts: Sequence[str] = (),
) -> None:
    """Say it, in lines. `why` says where the `source` of the images comes from; `dataset` has its test images.

    `preset` is what the recipe is called, `starts` what pretrained networks get of their files.
    """
    rows = [
        (e.name, e.kind, format_count(size.macs), format_count(size.params))
        for e, size in zip(comparison.candidates, comparison.sizes, strict=True)
    ]
    output.say(f"{table(('network', '', 'MACs', 'params'), rows)}\n")
    for line in images_lines(source, dataset, recipe, why, preset=preset):
        output.say(line)
    for line in starts:
        output.say(f"start     {line}")
    output.say(f"seeds     {comparison.seeds} of each network: {comparison.size} trainings, a seed after the other")
    if is_here(cluster):
        of_each = _seconds_of_each(comparison, dataset, recipe, device, output)
        total = of_all(of_each.seconds * comparison.size if of_each else None, device, cluster)
        twice = ", and about twice that with --equal-seconds" if of_each and comparison.equal_seconds else ""
        output.say(f"time      {total}{twice}{of_each.basis if of_each else ''}")
    then = f", then at equal seconds {folder}-{SECONDS}/" if comparison.equal_seconds else ""
    output.say(f"results   {folder}/{then}\n")


def _seconds_of_each(
    comparison: ComparisonSpace, dataset: Dataset, recipe: Recipe, device: str, output: Output
) -> Estimate | None:
    """How long a training takes on average, by three networks: the largest, the smallest, and one between."""
    by_size = sorted(range(len(comparison.names)), key=lambda number: comparison.sizes[number].macs)
    chosen = dict.fromkeys([by_size[0], by_size[len(by_size) // 2], by_size[-1]])
    builds = [
        partial(comparison.candidates[n].network.build, comparison.num_classes, comparison.image_size) for n in chosen
    ]
    allowance = Allowance(LONGEST)
    with timing(f"{len(builds)} network{'s' if len(builds) > 1 else ''}", recipe, allowance, output):
        return mean_training_seconds(builds, recipe.prepare(dataset).to(device), recipe, allowance)
