"""How long trainings will take, timed in miniatures of them, which may take only so long themselves."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

import torch
from torch import nn

from nas.data.images import Dataset
from nas.devices.device import free_memory, out_of_memory
from nas.devices.memory import NoRoom
from nas.ledger.config import Budget
from nas.text.units import format_seconds
from nas.training.recipe import Recipe
from nas.training.shared import judge
from nas.training.train import Diverged, Epoch, Moment, check_room_to_train, train
from searchspaces import Space
from searchspaces.cost import cost_of
from searchspaces.images import built_for

Build = Callable[[], nn.Module]

NETWORKS = 4  # of a space that are timed, one of each quarter by size
SHARE, LONGEST = 0.1, 60.0  # of a budget, and in seconds: how long timing may take

_STEPS = 10  # of a miniature
_QUARTER = 10  # networks, of those that the estimate is for
_MACS = 60  # multiply-adds that take as long as one activation, in trainings on a CPU
_FORWARD = 1 / 3  # of a training step's time: what an image takes that is only looked at


class Allowance:
    """So much time, from now on, for timing networks. Each has an even share of what those before it left."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self.seconds = seconds
        self._clock, self._began = clock, clock()

    @classmethod
    def of(cls, budget: Budget) -> Allowance:
        """A tenth of the budget's time, and a minute at most."""
        return cls(LONGEST if budget.seconds is None else min(LONGEST, SHARE * budget.seconds))

    @property
    def spent(self) -> float:
        """Seconds since it began."""
        return self._clock() - self._began

    def share(self, waiting: int) -> float:
        """The seconds for the next of `waiting` networks."""
        return max(0.0, self.seconds - self.spent) / waiting

    def __str__(self) -> str:
        return format_seconds(self.seconds)


@dataclass(frozen=True)
class Estimate:
    """How long a training takes on average, by `timed` of the `chosen` networks: the time was up, or others failed."""

    seconds: float
    timed: int
    chosen: int

    @property
    def basis(self) -> str:
        """What it rests on, where that is less than it should be: ` (only 2 of 4 networks could be timed)`."""
        return f" (only {self.timed} of {self.chosen} networks could be timed)" if self.timed < self.chosen else ""


def estimate_trial_seconds(
    space: Space, dataset: Dataset, recipe: Recipe, allowance: Allowance | None = None
) -> Estimate | None:
    """How long a trial will take on average. None where no network could be timed.

    `dataset` is already `recipe.prepare`d. Of random networks, ordered by size, those in the middle of each quarter are
    timed: four like this say as much as many at random. Each stands for its quarter by the mean size in that, since
    some networks are far above the middle. A quarter whose network could not be timed goes by the others' pace. Raises
    NoRoom where none could, and one has not the memory.
    """
    if recipe.seconds is not None:
        return Estimate(recipe.seconds, 1, 1)
    allowance = allowance or Allowance(LONGEST)
    sized = _sized(space, dataset, allowance)
    quarter = len(sized) // NETWORKS
    means: list[float] = []
    paces: dict[int, float] = {}  # seconds for each unit of size, by the quarter's number
    too_large: NoRoom | None = None
    for number in range(NETWORKS):
        group = sized[number * quarter : (number + 1) * quarter]
        middle, build = group[quarter // 2]
        means.append(fmean(size for size, _ in group))
        try:
            seconds = training_seconds(build, dataset, recipe, allowance.share(NETWORKS - number))
        except NoRoom as error:  # a failed trial and no more, where others fit
            too_large = error
            continue
        if seconds is not None:
            paces[number] = seconds / max(middle, 1)
    if not paces:
        if too_large is not None:
            raise too_large
        return None
    usual = fmean(paces.values())
    mean = fmean(size * paces.get(number, usual) for number, size in enumerate(means))
    return Estimate(mean, len(paces), NETWORKS)


def judging_seconds(space: Space, dataset: Dataset, recipe: Recipe, allowance: Allowance) -> Estimate:
    """How long it takes on average to judge a network that is not trained: of random ones, as long as there is time."""
    rng, taken = random.Random(1), list[float]()
    while len(taken) < NETWORKS and (not taken or allowance.spent + max(taken) < allowance.seconds):
        build = partial(space.build, space.sample(rng), dataset.num_classes, dataset.image_size)
        began = time.perf_counter()
        judge(built_for(dataset.channels, build), dataset, recipe)
        taken.append(time.perf_counter() - began)
    return Estimate(fmean(taken), len(taken), len(taken))


def _sized(space: Space, dataset: Dataset, allowance: Allowance) -> list[tuple[float, Build]]:
    """Random networks of `space` by size; fewer where counting them takes a quarter of the time there is."""
    rng = random.Random(1)
    sized: list[tuple[float, Build]] = []
    while len(sized) < NETWORKS or (len(sized) < NETWORKS * _QUARTER and allowance.spent < allowance.seconds / 4):
        build = partial(space.build, space.sample(rng), dataset.num_classes, dataset.image_size)
        size = cost_of(build, dataset.image_size, dataset.channels)
        sized.append((size.activations + size.macs / _MACS, build))
    return sorted(sized, key=lambda pair: pair[0])


def mean_training_seconds(
    builds: Sequence[Build], dataset: Dataset, recipe: Recipe, allowance: Allowance
) -> Estimate | None:
    """`training_seconds` on average, of the networks that could be timed; None where that is none of them."""
    timed = [
        training_seconds(build, dataset, recipe, allowance.share(len(builds) - number))
        for number, build in enumerate(builds)
    ]
    known = [seconds for seconds in timed if seconds is not None]
    return Estimate(fmean(known), len(known), len(builds)) if known else None


def training_seconds(build: Build, dataset: Dataset, recipe: Recipe, limit: float = math.inf) -> float | None:
    """How long a network's training will take, timed in a miniature of it. None where it could not be.

    `dataset` is already `recipe.prepare`d. The miniature has as many validation images for each training image as the
    real one; its first epoch warms up and its second is timed. After `limit` seconds it is stopped, and what it did by
    then has to do. Raises NoRoom where it has not the memory.
    """
    if recipe.seconds is not None:
        return recipe.seconds
    build = partial(built_for, dataset.channels, build)
    images = min(len(dataset.train), _STEPS * recipe.batch_size)
    scale = len(dataset.train) / images
    mini = dataclasses.replace(
        dataset, train=dataset.train.take(images, 0), val=dataset.val.take(math.ceil(len(dataset.val) / scale), 0)
    )
    check_room_to_train(build, dataset, recipe)
    torch.manual_seed(0)
    seconds = None
    try:
        moments, epochs = _miniature(build, mini, dataclasses.replace(recipe, epochs=2), limit)
        if len(epochs) == 2:
            seconds = (epochs[1].seconds - epochs[0].seconds) * scale * recipe.epochs
        elif (pace := _seconds_an_image(moments)) is not None:
            seconds = pace * (len(dataset.train) + _FORWARD * len(dataset.val)) * recipe.epochs
    except (Diverged, RuntimeError, MemoryError) as error:  # in a search, a failed trial and no more
        if not isinstance(error, Diverged) and not out_of_memory(error):
            raise
    free_memory(dataset.train.pixels.device)  # workers may need it
    return seconds


class _TimeIsUp(Exception):
    pass


def _miniature(build: Build, mini: Dataset, recipe: Recipe, limit: float) -> tuple[list[Moment], list[Epoch]]:
    """What was seen of a training of two epochs in `limit` seconds."""
    end = time.perf_counter() + limit
    moments: list[Moment] = []
    epochs: list[Epoch] = []

    def look(moment: Moment) -> None:
        moments.append(moment)
        if time.perf_counter() > end:
            raise _TimeIsUp

    with contextlib.suppress(_TimeIsUp):
        for epoch in train(build(), mini, recipe, seed=0, on_step=look):
            epochs.append(epoch)
            if time.perf_counter() > end:
                break
    return moments, epochs


def _seconds_an_image(moments: Sequence[Moment]) -> float | None:
    """What a training step took of an image, between the first and the last of the epoch that was seen at two."""
    for epoch in (2, 1):
        seen = [moment for moment in moments if moment.epoch == epoch]
        if len(seen) > 1:
            return (seen[-1].seconds - seen[0].seconds) / (seen[-1].images - seen[0].images)
    return None
