"""What a search is going to do and how long that takes, found out before it starts."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import random
from collections.abc import Callable
from functools import partial
from statistics import median

import torch
from torch import nn

from nas.data.images import Dataset
from nas.train import Diverged, Recipe, train
from searchspaces import Space, get_space
from searchspaces.cost import cost, shapes_only

_STEPS = 10  # of the miniature training that is timed


def typical_macs(space: Space, image_size: int, samples: int = 15) -> float:
    """The median multiply-adds of random architectures of `space`."""
    rng = random.Random(0)
    found = []
    for _ in range(samples):
        with shapes_only():
            network = space.build(space.sample(rng), image_size=image_size)
        found.append(cost(network, image_size).macs)
    return median(found)


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
    """How long a trial will take: the median of three random networks. None where none could be trained.

    `dataset` is already `recipe.prepare`d.
    """
    rng, seconds = random.Random(1), []
    for _ in range(3):
        build = partial(space.build, space.sample(rng), dataset.num_classes, dataset.image_size)
        seconds.append(training_seconds(build, dataset, recipe))
    return median(known) if (known := [s for s in seconds if s is not None]) else None


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
