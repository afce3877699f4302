"""The trained network that another one learns from, as a person names it and as it computes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nas.data.images import Dataset
from nas.data.preprocessing import Preprocessing
from nas.data.targets import CLASSIFICATION
from nas.data.task import Task
from nas.devices.memory import check_room, shape_of
from nas.exports.runnable import RUNNABLE
from nas.exports.target import module_of
from nas.network import Network
from nas.options.commands import TrainOptions
from nas.references.origin import origin_of, weights_of
from nas.references.resolve import resolve
from nas.training.announcement import class_list
from nas.training.distillation import Distillation, TeacherLogits
from nas.training.recipe import Recipe
from nas.training.transfer import Weights


@dataclass(frozen=True)
class Teacher:
    """`network` with the `weights` of its training.

    Raises ValueError where they are untrained, or do not say which classes they know and how images were normalised.
    """

    network: Network
    weights: Weights

    def __post_init__(self) -> None:
        if not self.weights.trained:
            raise ValueError(f"{self.weights.path} has untrained weights: a teacher has to be trained")
        if self.weights.task is None:
            raise ValueError(
                f"{self.weights.path} does not say which classes it knows, nor how images were normalised: a teacher "
                "is what this nas has trained, `nas train`"
            )

    @classmethod
    def read(cls, target: str, runs_dir: Path) -> Teacher:
        """What `target` means: a trial that was trained (`RUN:best`), or the folder of a training.

        Raises ValueError where there is no such network, or it is not trained.
        """
        if Path(target).suffix[1:] in RUNNABLE:
            raise ValueError(
                f"--teacher {target}: an exported file cannot teach; give the folder of nas train, or RUN:best"
            )
        network = resolve(target, runs_dir)
        path = weights_of(target, origin_of(target, network, runs_dir))
        if path is None:
            raise ValueError(
                f"--teacher {target} has no trained weights: a teacher is the folder of nas train, or a trial that was "
                "trained, as RUN:best"
            )
        return cls(network, Weights.read(path))

    @property
    def task(self) -> Task:
        """Its classes, and what images went through in its training."""
        assert self.weights.task is not None
        return self.weights.task

    def check(self, dataset: Dataset) -> None:
        """Raises ValueError where it has not the classes of `dataset`, in the same order, or other channels.

        Also where either has labels or numbers in their place.
        """
        for what, kind in (("the data are", dataset.kind), (f"{self.weights.path} is", self.task.targets.kind)):
            if kind != CLASSIFICATION:
                raise ValueError(f"--teacher is of classification, and {what} for {kind}: leave it out")
        theirs, ours = self.task.class_names, dataset.class_names
        if (channels := self.task.preprocessing.channels) != dataset.channels:
            raise ValueError(
                f"the teacher {self.weights.path} takes images of {channels} channels, and those of {dataset.name} "
                f"have {dataset.channels}: train both with the same --channels"
            )
        if theirs == ours:
            return
        how = "in another order" if sorted(theirs) == sorted(ours) else "others than the data's"
        raise ValueError(
            f"the teacher {self.weights.path} has {len(theirs)} classes, {how}: {class_list(theirs)}; the {len(ours)} "
            f"of {dataset.name} are {class_list(ours)}"
        )

    def distillation(self, dataset: Dataset, recipe: Recipe) -> Distillation:
        """What a step of a training on `dataset`, which is `recipe.prepare`d, learns from it, on the data's device.

        `recipe` is `Recipe.taught`. Raises ValueError where the classes differ, and NoRoom where it takes more memory
        than there is.
        """
        self.check(dataset)
        assert recipe.distill is not None and recipe.distill_temperature is not None
        task, device = self.task, dataset.train.pixels.device
        pixels, channels = task.preprocessing.image_size, task.preprocessing.channels
        module = module_of(self.network, (len(task.class_names), pixels), self.weights, channels)
        batch = min(recipe.batch_size, len(dataset.train))
        check_room(lambda: shape_of(module), pixels, batch, training=False, device=device, channels=channels)
        logits = TeacherLogits(module, task.preprocessing, Preprocessing.of(dataset), recipe.bf16, device)
        return Distillation(logits, recipe.distill, recipe.distill_temperature)

    def to_dict(self) -> dict[str, str]:
        """What a `result.json` says of it: the same from wherever the training was begun or continued."""
        return {"network": self.network.name, "weights": str(self.weights.path.resolve())}

    def describe(self, recipe: Recipe) -> str:
        """Which network it is, whose weights it has, and what its word counts: in one line."""
        return (
            f"{self.network.name}, weights of {self.weights.path}; its loss counts {recipe.distill:g} of 1, at "
            f"temperature {recipe.distill_temperature:g}"
        )


def choose_teacher(asked: TrainOptions, folder: Path) -> Teacher | None:
    """The teacher that --teacher names, of the training that will be in `folder`; None where it names none.

    Raises ValueError where there is none such, or the training would be in the teacher's own folder.
    """
    if asked.teacher is None:
        return None
    teacher = Teacher.read(str(asked.teacher), Path(asked.runs_dir))
    if teacher.weights.path.parent.resolve() == folder.resolve():
        raise ValueError(f"{folder} is the folder of the teacher itself: choose another --out")
    return teacher
