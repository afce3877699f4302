"""Fine-tunings for a soup: the same weights trained on several times, each time a little differently."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from nas.checks import schema, schemas
from nas.data.images import GREY, RGB, Dataset, Images
from nas.data.targets import DETECTION, REGRESSION, SEGMENTATION
from nas.exports.files import write_network
from nas.files import TRAINING, WEIGHTS, make_folder
from nas.final import run as training_run
from nas.final.job import Job, changes
from nas.searching.progress import Output
from nas.training.recipe import Recipe
from nas.training.transfer import Start, Weights, metadata

START = "start"  # the folder of the weights that all begin with, where these are not those of --init alone
SPREAD = 3.0  # learning rate and weight decay are drawn between a third and three times the recipe's
DRAWN: dict[str, tuple[float | str, ...]] = {
    "label_smoothing": (0.0, 0.1),
    "policy": ("none", "trivialaugment"),
    "mixup": (0.0, 0.2),
}
"""What else is drawn, and from what. Wortsman et al. (2022) draw learning rate, weight decay, epochs, label smoothing
and augmentation, mixup among it."""


UNFIT = {
    REGRESSION: ("label_smoothing",),
    SEGMENTATION: ("policy", "mixup"),
    DETECTION: ("policy", "mixup", "label_smoothing"),
}
"""Of these, what is not for a task's labels."""


def folder_of_member(folder: Path, number: int) -> Path:
    """Where the fine-tuning of this `number` is, from 0: an ordinary folder of a training."""
    return folder / f"member-{number}"


def drawable(dataset: Dataset, given: Sequence[str] = ()) -> list[str]:
    """Which fields of `DRAWN` may be drawn: not those `given`, nor what is not for the labels or channels there are."""
    unfit = set(UNFIT.get(dataset.kind, ()))
    unfit |= set() if dataset.channels in (GREY, RGB) else {"policy"}
    return [name for name in DRAWN if name not in unfit and name not in given]


def varied(recipe: Recipe, number: int, seed: int, drawn: Sequence[str]) -> Recipe:
    """The recipe of the fine-tuning of this `number`: the first is by `recipe` as it is.

    Of others learning rate and weight decay are drawn, and what else is to be `drawn`.
    """
    if number == 0:
        return recipe
    rng = random.Random(f"{seed} {number}")
    factors = {name: SPREAD ** rng.uniform(-1, 1) for name in ("lr", "weight_decay")}
    changed: dict[str, Any] = {name: float(f"{getattr(recipe, name) * by:.3g}") for name, by in factors.items()}
    choices = {name: rng.choice(options) for name, options in DRAWN.items()}  # all, so that each draw is its own
    return replace(recipe, **changed | {name: choices[name] for name in drawn})


def jobs(job: Job, members: int, drawn: Sequence[str]) -> list[Job]:
    """The fine-tunings of a soup, of which `job` is the first: each has a recipe and a seed of its own."""
    recipes = [varied(job.recipe, number, job.seed, drawn) for number in range(members)]
    return [replace(job, recipe=recipe, seed=job.seed + number) for number, recipe in enumerate(recipes)]


def with_one_start(job: Job, dataset: Dataset, folder: Path) -> Job:
    """`job` with a start that leaves nothing to chance: new rows, as of a classifier, are the same for all members.

    Where `job.start` has all tensors of the network it stays; else they are written to `folder`/start once.
    """
    assert job.start is not None
    place = folder / START
    if not (place / WEIGHTS).is_file():
        shown = job.recipe.prepare(dataset)
        torch.manual_seed(job.seed)
        module = job.network.build(shown.num_classes, shown.image_size, shown.channels)
        if not job.start.give(module, job.network, shown).fresh:
            return job
        shape = shown.num_classes, shown.image_size
        said = metadata(shown, job.recipe.metric)
        make_folder(place)
        write_network(place, job.network, module, shape, said, data=job.data, channels=shown.channels)
    return replace(job, start=Start(Weights.read(place)))


def train(folder: Path, todo: Sequence[Job], dataset: Dataset, test: Images, output: Output) -> Iterator[Path]:
    """Have all of them trained, in folders in `folder`, from where an earlier process stopped; yields each folder.

    Raises ValueError where a folder has a training by another job.
    """
    for number, job in enumerate(todo):
        place = folder_of_member(folder, number)
        if (place / TRAINING).is_file():
            _check_same(place, replace(job, data=replace(job.data, sha256=dataset.sha256)))
            training_run.resume(place, job.device, job.data.folder, output)
        else:
            output.say(
                f"\nmember {number + 1} of {len(todo)}: {in_words(job.recipe, todo[0].recipe)}, seed {job.seed}\n"
            )
            training_run.begin(place, job, dataset, test, output)
        yield place


def _check_same(place: Path, job: Job) -> None:
    began = schema.read(place / TRAINING, schemas.TRAINING)["job"]
    if changed := changes(began, job.to_dict()):
        raise ValueError(f"{place} has another training ({'; '.join(changed)}): choose another --out")


def in_words(recipe: Recipe, first: Recipe) -> str:
    """`lr 0.0213, policy trivialaugment`: what of it is drawn, with lr always."""
    names = ("lr", "weight_decay", *DRAWN)
    differ = [name for name in names if name == "lr" or getattr(recipe, name) != getattr(first, name)]
    return ", ".join(f"{name} {_written(getattr(recipe, name))}" for name in differ)


def _written(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else f"{value}"
