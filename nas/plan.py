"""What a search is going to do and how long that takes, found out before it starts."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import random
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING

import torch
from torch import nn

from nas.announcement import judging_lines
from nas.config import Budget, Config
from nas.control import RANDOM
from nas.data.images import Dataset
from nas.data.judging import uncertainty
from nas.pruning import NO_PRUNER
from nas.published import benchmark_of
from nas.recipe import Recipe
from nas.reward import ACCURACY
from nas.train import Diverged, train
from nas.units import format_count, format_seconds
from searchspaces import Space, get_space
from searchspaces.cost import cost_of

if TYPE_CHECKING:
    from nas.engines.ray_tune import Cluster

_STEPS = 10  # of the miniature training that is timed
_QUARTER = 10  # networks, of those that the estimate is for
_MACS = 60  # multiply-adds that take as long as one activation, in trainings on a CPU


def typical_macs(space: Space, image_size: int, samples: int = 15) -> float:
    """The median multiply-adds of random architectures of `space`."""
    rng = random.Random(0)
    archs = [space.sample(rng) for _ in range(samples)]
    return median(cost_of(partial(space.build, arch, image_size=image_size), image_size).macs for arch in archs)


def fit_width(space: Space, target_macs: float, image_size: int) -> Space:
    """`space` at the width multiplier (in steps of 0.05) at which a random architecture costs `target_macs`.

    A search can only choose among what the space has: one whose every network costs many times the
    target would spend its trials on the least bad. MACs grow with the square of the width.
    """
    width = 1.0
    for _ in range(3):
        macs = typical_macs(get_space(space.reference, **(space.settings() | {"width": width})), image_size)
        width = max(0.05, round(20 * width * math.sqrt(target_macs / macs)) / 20)
    return get_space(space.reference, **(space.settings() | {"width": width}))


def estimate_trial_seconds(space: Space, dataset: Dataset, recipe: Recipe) -> float | None:
    """How long a trial will take on average. None where no network could be trained.

    `dataset` is already `recipe.prepare`d. Of random networks, ordered by size, those in the middle of each quarter are
    timed: four like this say as much as many at random. Each stands for its quarter by the mean size in that, since
    some networks are far above the middle.
    """
    if recipe.seconds is not None:
        return recipe.seconds
    rng = random.Random(1)
    sized = []
    for _ in range(4 * _QUARTER):
        build = partial(space.build, space.sample(rng), dataset.num_classes, dataset.image_size)
        size = cost_of(build, dataset.image_size)
        sized.append((size.activations + size.macs / _MACS, build))
    sized.sort(key=lambda pair: pair[0])
    of_quarters = []
    for first in range(0, len(sized), _QUARTER):
        quarter = sized[first : first + _QUARTER]
        middle, build = quarter[_QUARTER // 2]
        seconds = training_seconds(build, dataset, recipe)
        if seconds is not None:
            of_quarters.append(seconds * fmean(size for size, _ in quarter) / middle)
    return fmean(of_quarters) if of_quarters else None


def mean_training_seconds(builds: Sequence[Callable[[], nn.Module]], dataset: Dataset, recipe: Recipe) -> float | None:
    """`training_seconds` on average, of the networks that could be trained; None where that is none of them."""
    timed = [training_seconds(build, dataset, recipe) for build in builds]
    return fmean(known) if (known := [seconds for seconds in timed if seconds is not None]) else None


def training_seconds(build: Callable[[], nn.Module], dataset: Dataset, recipe: Recipe) -> float | None:
    """How long a network's training will take, timed in a miniature of it. None where it could not be trained.

    `dataset` is already `recipe.prepare`d. The miniature has as many validation images for each training image as the
    real one; its first epoch warms up and its second is timed.
    """
    if recipe.seconds is not None:
        return recipe.seconds
    images = min(len(dataset.train), _STEPS * recipe.batch_size)
    scale = len(dataset.train) / images
    mini = dataclasses.replace(
        dataset, train=dataset.train.take(images, 0), val=dataset.val.take(math.ceil(len(dataset.val) / scale), 0)
    )
    torch.manual_seed(0)
    seconds = None
    with contextlib.suppress(Diverged, torch.OutOfMemoryError):  # in a search, a failed trial and no more
        warm, timed = train(build(), mini, dataclasses.replace(recipe, epochs=2), seed=0)
        seconds = (timed.seconds - warm.seconds) * scale * recipe.epochs
    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # workers may need it
    return seconds


# ------------------------------------------------------------------ in words


def announce(
    config: Config, budget: Budget, dataset: Dataset, cluster: Cluster | None, folder: Path, say: Callable[[str], None],
    control: bool = False,
) -> None:  # fmt: skip
    """Say what the search will do, before it does: the space, the proxy, how long, where the results go."""
    space, recipe = config.space, config.recipe
    wanted = f"objectives {', '.join(config.objectives)}" if config.objectives else f"reward    {config.reward}"
    image_size = recipe.image_size(dataset)
    say(
        f"space     {space.name}{_size(config)}: {len(space.choices)} choices, {_many(space.size)} architectures, "
        f"typically {format_count(typical_macs(space, image_size))} MACs"
    )
    say(f"trial     {_what_a_trial_is(config, dataset)}")
    for line in judging_lines(dataset, recipe):
        say(line)
    say(f"{wanted}; strategy {config.strategist}, seed {config.seed}")
    say(f"time      {_expected_time(config, budget, dataset, cluster)}")
    then = f", then of random search with an equal budget in {folder}-{RANDOM}/" if control else ""
    say(f"results   {folder}/{then}\n")


def _size(config: Config) -> str:
    """What is said of the size of networks: the width, or the limit."""
    settings = config.space.settings()
    if "max_macs" in settings:
        return f", each as wide as {format_count(settings['max_macs'])} MACs allow"
    width = f", width {settings['width']:g}" if "width" in settings else ""
    limit = f", of up to {format_count(config.max_macs)} MACs" if config.max_macs is not None else ""
    return width + limit


def _many(number: int) -> str:
    return f"{number:,}" if number < 1_000_000 else f"{number:.1e}"


def _what_a_trial_is(config: Config, dataset: Dataset) -> str:
    if config.table is not None:
        file = Path(config.table)
        return f"looked up in {file.name}: {benchmark_of(config.space, file).observed}, as it was published"
    recipe = config.recipe
    images = len(dataset.train) if recipe.subset is None else recipe.subset
    looked_at = "judged" if config.reward.signal == ACCURACY else "looked at"
    return (
        f"{images:,} {dataset.name} images at {recipe.image_size(dataset)} pixels, {recipe.epochs} "
        f"epoch{'s' if recipe.epochs > 1 else ''}, {looked_at} on {len(dataset.val):,} validation images "
        f"({uncertainty(len(dataset.val))})"
        f"{'' if config.pruner == NO_PRUNER else f', stopped early by {config.pruner}'}"
    )


def _expected_time(config: Config, budget: Budget, dataset: Dataset, cluster: Cluster | None) -> str:
    """How long a trial takes, timed here, and what that makes of the budget."""
    if config.table is not None:
        ends = [f"{budget.trials} trials"] if budget.trials is not None else []
        ends += [f"at most {format_seconds(budget.seconds)}"] if budget.seconds is not None else []
        return f"nothing is trained: {', '.join(ends)}"
    if cluster is not None and cluster.address is not None:
        return f"what the machines at {cluster.address} need"
    seconds = estimate_trial_seconds(config.space, config.recipe.prepare(dataset).to(config.device), config.recipe)
    if seconds is None:
        return "unknown: none of four random networks could be trained; a lower --lr may help"
    _check_fits(seconds, config, budget)
    at_once = cluster.at_once if cluster else 1
    where = place(config.device, cluster)
    if budget.seconds is not None and (budget.trials is None or budget.trials * seconds / at_once > budget.seconds):
        extent = f"about {max(1, int(budget.seconds * at_once / seconds))} trials in {format_seconds(budget.seconds)}"
    else:
        assert budget.trials is not None
        about = "about" if config.pruner == NO_PRUNER else "at most"
        extent = f"{budget.trials} trials in {about} {format_seconds(budget.trials * seconds / at_once)}"
    return f"about {format_seconds(seconds)} a trial on {where}: {extent}"


def place(device: str, cluster: Cluster | None) -> str:
    """Where trials run, and how many at once: `cpu, 2 at once`."""
    return f"{device}, {cluster.at_once} at once" if cluster else device


def _check_fits(seconds: float, config: Config, budget: Budget) -> None:
    """Raises ValueError where the time is over before the first trial is."""
    if budget.seconds is not None and seconds > budget.seconds:
        raise ValueError(
            f"a trial takes about {format_seconds(seconds)} on {config.device}, longer than the budget of "
            f"{format_seconds(budget.seconds)}: give a longer --budget, or train less: --subset, --epochs, --resolution"
        )
