"""What a study is going to train, on what, how long that takes, and where the results go."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nas.data.images import Dataset
from nas.data.source import DataSource
from nas.ledger.config import Budget, Config
from nas.proxies.draw import Drawn
from nas.proxies.study import ProxyStudy
from nas.searching.plan import is_here, of_all, timing
from nas.searching.progress import Output
from nas.searching.timing import Allowance, mean_training_seconds
from nas.text.units import format_count, format_seconds
from nas.training.announcement import images_lines

if TYPE_CHECKING:
    from nas.engines.ray_tune import Cluster


def announce(
    config: Config,
    drawn: Sequence[Drawn],
    source: DataSource,
    dataset: Dataset,
    limit: Budget,
    cluster: Cluster | None,
    folder: Path,
    output: Output,
) -> float:
    """Say it, in lines; returns the seconds that timing took."""
    study, recipe = config.space, config.recipe
    assert isinstance(study, ProxyStudy)
    images = recipe.epochs * (recipe.subset or len(dataset.train))
    output.say(f"networks  {len(drawn)}, of {' '.join(format_count(one.macs) for one in drawn)} MACs")
    for line in images_lines(source, dataset, recipe):
        output.say(line)
    from_weights = ", from the weights" if study.truth_inherits else ""
    output.say(f"truth     {images:,} images, {recipe.epochs} pass{'es' if recipe.epochs > 1 else ''}{from_weights}")
    output.say(f"cuts      of it after {', '.join(format_count(cut) for cut in study.cuts) or 'no'} images")
    output.say(f"short     {', '.join(study.shorts) or 'none'}")
    if config.init is not None:
        output.say(f"weights   where +init is said, each network starts from what it has of {config.init}")
    output.say(f"seeds     {study.seeds} of each: {study.size} trainings, a seed after the other")
    allowance = Allowance.of(limit)
    if is_here(cluster):
        seconds = _seconds(config, study, dataset, allowance, output)
        ends = f", ended after {format_seconds(limit.seconds)}" if limit.seconds else ""
        output.say(f"time      {of_all(seconds, config.device, cluster)}{ends}")
    output.say(f"results   {folder}/\n")
    return allowance.spent


def _seconds(config: Config, study: ProxyStudy, dataset: Dataset, allowance: Allowance, output: Output) -> float | None:
    """How long the study takes, by three networks, but for the evaluations at cuts; None where they cannot be timed."""
    chosen = (0, len(study.networks) // 2, len(study.networks) - 1)
    total = 0.0
    with timing(f"{len(chosen) * len(study.trainings)} trainings", config.recipe, allowance, output):
        for training in range(len(study.trainings)):
            recipe = config.job((0, training, 0)).recipe
            prepared = recipe.prepare(dataset).to(config.device)
            builds = [partial(study.build, (0, training, network), dataset.num_classes) for network in chosen]
            share = Allowance(allowance.share(len(study.trainings) - training))
            of_each = mean_training_seconds(builds, prepared, recipe, share)
            if of_each is None:
                return None
            total += of_each.seconds * len(study.networks) * study.seeds
    return total
