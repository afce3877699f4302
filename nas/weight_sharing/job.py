"""`nas.supernet`, step by step: what is asked for, what is said before, the training, the ranking, the file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from nas.data.images import Dataset
from nas.data.source import DataSource
from nas.files import make_folder, sole_process
from nas.options.commands import SupernetOptions
from nas.searching import choices
from nas.searching.progress import Output
from nas.text.units import format_count, format_many, format_seconds
from nas.training.announcement import images_lines
from nas.training.recipe import Recipe
from nas.training.shared import RANKS, Ranking, Shared
from nas.weight_sharing.files import Folder
from nas.weight_sharing.paths import BETWEEN
from nas.weight_sharing.ranking import Truth, rank, settings_in_words, truth_of
from nas.weight_sharing.training import SupernetTraining
from searchspaces.scaled import RowSpace
from searchspaces.sharing import ELASTIC, Sharing
from searchspaces.supernet import Supernet

LOCK = "supernet.driver"


@dataclass(frozen=True)
class Job:
    """All that decides a supernet's training; `dataset` is `recipe.prepare`d, on the device that trains."""

    sharing: Sharing
    recipe: Recipe
    seed: int
    source: DataSource
    dataset: Dataset
    device: str
    threads: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON values: equal where another process would go on with the same training."""
        sharing, space = self.sharing, self.sharing.space
        return {
            "space": {"name": space.reference, "settings": space.settings()},
            "way": sharing.way,
            "classes": list(self.dataset.class_names),
            "channels": sharing.channels,
            "data": {"name": self.dataset.name, "sha256": self.dataset.sha256, "images": len(self.dataset.train)},
            "recipe": asdict(self.recipe),
            "seed": self.seed,
        }


def choose_space(asked: SupernetOptions, dataset: Dataset, recipe: Recipe) -> RowSpace:
    """The space as a search with the same options has it. Raises ValueError where its networks share nothing."""
    space = choices.choose_space(asked, dataset, recipe)
    if not isinstance(space, RowSpace):
        raise ValueError(
            f"networks of {space.name} share no weights: those of mnas, compact, nasbench201, nasbench_macro and of a "
            "space of rows of your own do"
        )
    return space


def announce(
    job: Job, loaded: Dataset, truth: Truth | None, asked: SupernetOptions, folder: Path, output: Output
) -> None:
    """Say what will be trained, before it is. `loaded` is the data set before it was prepared."""
    sharing = job.sharing
    each = (
        f"the largest version of a random network, the smallest, and {BETWEEN} between"
        if sharing.way == ELASTIC
        else "one random network"
    )
    output.say(f"space     {settings_in_words(sharing.space)}: {format_many(sharing.space.size)} architectures")
    output.say(f"sharing   {sharing.way}: a batch goes through {each}")
    for line in images_lines(job.source, loaded, job.recipe):
        output.say(line)
    if truth is None:
        output.say("ranking   not measured: --truth TABLE or RUN says how far its order of networks is right")
    else:
        networks = min(asked.networks, len(truth.quality))
        output.say(f"ranking   of {networks} networks, beside {truth.name}, when it is trained")
    threads = f", {job.threads} thread{'s' if job.threads > 1 else ''}" if job.device == "cpu" else ""
    output.say(f"device    {job.device}{threads}; seed {job.seed}")
    output.say(f"results   {folder}/\n")


def run(job: Job, truth: Truth | None, networks: int, folder: Path, output: Output) -> Shared:
    """Train to the end, from where an earlier process stopped; rank; write. Returns what the file says of itself."""
    make_folder(folder)
    place = Folder(folder)
    with sole_process(folder / LOCK, f"training {folder}"):
        with output.busy("laying out the shared weights"):
            supernet = Supernet(job.sharing, job.seed)
        weights = sum(tensor.numel() for tensor in supernet.parameters())
        output.say(f"weights   {format_count(weights)} that are shared")
        torch.manual_seed(job.seed)
        training = SupernetTraining(supernet, job.dataset, job.recipe, job.seed)
        if place.go_on(training, job.to_dict()):
            output.say(f"goes on after epoch {training.progress.epochs}")
        _to_the_end(training, place, job, output)
        ranking = None if truth is None else _ranked(supernet, truth, networks, job, output)
        shared = Shared.of(job.sharing, training.progress.images, training.progress.passes, ranking)
        place.write(supernet, shared, job.dataset)
    return shared


def _to_the_end(training: SupernetTraining, place: Folder, job: Job, output: Output) -> None:
    """Train, and keep each epoch. Where that is interrupted, say how it goes on."""
    epochs = job.recipe.epochs
    try:
        for done in training.epochs():
            place.keep(training, job.to_dict())
            seconds = done.seconds / done.epochs * (epochs - done.epochs)
            left = f", {format_seconds(seconds)} left" if seconds else ""
            output.say(
                f"epoch {done.epochs}/{epochs}  loss {done.loss:.3f}  {format_count(done.images)} images, "
                f"{format_count(done.passes)} passes  {format_seconds(done.seconds)}{left}"
            )
    except KeyboardInterrupt:
        output.say(f"stopped after epoch {training.progress.epochs} of {epochs}: the same command goes on from there")
        raise


def _ranked(supernet: Supernet, truth: Truth, networks: int, job: Job, output: Output) -> Ranking:
    with output.busy(f"judging {min(networks, len(truth.quality))} networks with their part of the weights"):
        return rank(supernet, truth, networks, job.dataset, job.recipe, job.seed)


def in_words(shared: Shared, folder: Path) -> str:
    """What came of it, and what to do with it."""
    ranking = (
        "its order of networks was not compared with trainings" if shared.ranking is None else shared.ranking.in_words
    )
    use = f"nas search --init {folder}"
    said = (
        f"`{use} ...` judges networks by it"
        if shared.is_trusted
        else f"`{use} --evaluator supernet ...` judges networks by it: as it is not known to order them with a tau of "
        f"{RANKS:g} or more, only where that is asked for; else trainings start from it"
    )
    return f"{ranking}\n{said}\nwrote {folder}/"


def prepared(asked: SupernetOptions, output: Output) -> tuple[Job, Dataset]:
    """What is asked for, and the data set as it was loaded. Raises ValueError for a mistake."""
    from nas.data.source import choose_source
    from nas.devices.device import choose_device

    choices.check_space(asked)
    source = choose_source(None, asked, output.log)
    recipe = choices.choose_recipe(asked, source.image_size)
    choices.check_by_accuracy(recipe, "a supernet")
    if recipe.seconds is not None or recipe.progressive or recipe.ema or recipe.mixup or recipe.cutmix:
        raise ValueError("a supernet's training has no seconds, progressive, ema, mixup and cutmix: leave these out")
    device = choose_device(asked.device, asked.threads)
    if recipe.bf16 and device == "cpu":
        raise ValueError("on a CPU a supernet is trained in float32: leave out --set bf16")
    loaded = choices.load_data(source, output)
    choices.check_has_classes(loaded, "a supernet")
    space = choose_space(asked, loaded, recipe)
    dataset = recipe.prepare(loaded).to(device)
    sharing = Sharing(space, asked.share, dataset.num_classes, dataset.image_size, dataset.channels)
    return Job(
        sharing, replace(recipe, image_size=dataset.image_size), asked.seed, source, dataset, device, asked.threads
    ), loaded


def truth(asked: SupernetOptions, space: RowSpace) -> Truth | None:
    """What its order is compared with. Raises ValueError where that is none."""
    return None if asked.truth is None else truth_of(str(asked.truth), space, Path(asked.runs_dir))


def check_free(folder: Path) -> None:
    """Raises ValueError where a supernet that was trained is in `folder`."""
    if Folder(folder).is_done:
        raise ValueError(f"{folder} has trained weights already: use them by --init {folder}, or give another --out")
