"""What is said of a training before it begins."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from nas.data.images import Dataset
from nas.final.job import Job
from nas.joint.fields import in_words, own_values
from nas.text.units import format_count
from nas.training.announcement import images_lines
from searchspaces.cost import cost_of


def _own(job: Job, pixels: int) -> Iterator[str]:
    """What the network brought of the recipe with it, and what of that a person has otherwise."""
    if not job.own:
        return
    now = own_values(job.recipe, pixels)
    other = {name: now[name] for name, value in job.own.items() if now[name] != value}
    instead = f", but for what you give: {', '.join(other)}" if other else ""
    yield f"own       {in_words(job.own)}: the recipe has these from the search, which chose them for it{instead}"


def training_lines(
    job: Job, dataset: Dataset, origin: str, folder: Path, start: str = "", preset: str | None = None
) -> str:
    """What one training is going to do. `dataset` is as loaded, with its test images; `origin` is what has those data.

    `start` says where it goes on, of one that does; `preset` what its recipe is called.

    Raises ValueError where the network does not take such images, or the teacher has other classes.
    """
    pixels = job.recipe.size_on(dataset)
    size = cost_of(partial(job.network.build, dataset.num_classes, pixels), pixels, dataset.channels)
    changed = "; files were added, removed or changed since" if job.data.has_changed(dataset) else ""
    start = start or (f"the weights of {job.start.weights.path}" if job.start else "random weights")
    taught = []
    if job.teacher is not None:
        job.teacher.check(dataset)
        taught = [f"teacher   {job.teacher.describe(job.recipe)}"]
    threads = f", {job.threads} thread{'s' if job.threads > 1 else ''}" if job.device == "cpu" else ""
    return "\n".join([
        f"network   {job.network.name}, {format_count(size.macs)} MACs, {format_count(size.params)} params",
        *_own(job, pixels),
        *images_lines(job.data, dataset, job.recipe, f"as {origin} has it{changed}" if origin else "", preset=preset),
        f"start     {start}, seed {job.seed}",
        *taught,
        f"device    {job.device}{threads}",
        f"results   {folder}/\n",
    ])  # fmt: skip
