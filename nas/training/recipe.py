"""How a network is trained, in numbers. Two networks are compared under one recipe."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nas.checks.schemas import RECIPE_FIELDS
from nas.data.augmentation import Augment
from nas.data.images import Dataset
from nas.training.resizing import Resizing

DISTILL, DISTILL_TEMPERATURE = 0.9, 4.0
"""With a teacher, where nobody says otherwise. Hinton et al. (2015, section 2) found a considerably lower weight of the
labels' loss the best; 0.9 at temperature 4 is what Tian et al. (2020, arXiv:1910.10699) and many after them compare by.
"""


@dataclass(frozen=True)
class Recipe:
    """How a network is trained. Two networks are compared under one recipe.

    `schedule`: "onecycle" raises the learning rate linearly to `lr` over the first `warmup` of the training
    and lets it fall to zero along a cosine (Smith & Topin 2017, arXiv:1708.07120); "cosine" only falls;
    "constant" stays. `optimizer`: "sgd" with Nesterov momentum, or "adamw".
    """

    epochs: int = 1  # over `subset` images
    seconds: float | None = None  # train for so long instead, however many epochs that makes
    subset: int | None = None  # training images used, class-balanced; None: all of them
    image_size: int | None = None  # pixels a side; None: the data's own
    batch_size: int = 64
    optimizer: str = "sgd"
    schedule: str = "onecycle"
    lr: float = 0.05  # the peak
    warmup: float = 0.25  # share of the steps
    momentum: float = 0.9
    weight_decay: float = 5e-4  # on weights of convolutions and linear layers, not on biases and norms
    label_smoothing: float = 0.1
    cutout: int = 0  # pixels
    min_area: float | None = None  # share of an image that a random resized crop has at least; None: shift by 4 pixels
    flip: bool = True  # mirror left-right half of the time: not for digits, signs and text
    vertical_flip: bool = False  # mirror top-bottom half of the time
    quarter_turns: bool = False  # by 0, 90, 180 or 270 degrees: for what has no up and down, as satellites see it
    rotation: float = 0.0  # by up to so many degrees
    color_jitter: float = 0.0  # brightness, contrast and saturation times 1 minus to 1 plus this
    policy: str = "none"  # or "trivialaugment" or "randaugment"
    mixup: float = 0.0  # alpha; 0: off
    cutmix: float = 0.0  # alpha; 0: off. With both each batch draws which
    progressive: float = 0.0  # share of the pixels a side that images have at first, see `Resizing`; 0: off
    ema: float = 0.0  # decay of a moving average of the weights, in whose place it is judged and kept; 0: off
    select: str = "last"  # which weights are kept: those of the last epoch, or of the "best" by validation images
    bf16: bool | None = None  # None: where this device computes in bfloat16
    metric: str = "accuracy"  # by which networks are judged, see `nas.training.metrics`
    class_weights: str | tuple[tuple[str, float], ...] | None = None  # in the loss: "balanced", or each class's
    distill: float | None = (
        None  # share of a teacher's loss, see `nas.training.distillation`; None: there is no teacher
    )
    distill_temperature: float | None = None  # by which its logits and the network's are divided; None likewise

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = RECIPE_FIELDS[field.name].checked(field.name, getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        if self.progressive and self.seconds is not None:
            raise ValueError("progressive goes by epochs, and this training goes by time: leave it out")

    def augment(self) -> Augment:
        """How training images are changed."""
        names = {field.name for field in dataclasses.fields(Augment)}
        return Augment(**{name: value for name, value in vars(self).items() if name in names})

    def resizing(self, dataset: Dataset) -> Resizing:
        """Which sides the training images have in which epoch. `dataset` is already `prepare`d."""
        return Resizing(self.progressive, dataset.image_size, self.epochs)

    def size_on(self, dataset: Dataset) -> int:
        """Height and width in pixels at which this recipe trains on `dataset`."""
        return self.image_size or dataset.image_size

    def prepare(self, dataset: Dataset) -> Dataset:
        """`dataset` as this recipe uses it: the subset of its training images, all splits resized."""
        train = dataset.train if self.subset is None else dataset.train.take(self.subset, seed=0)
        image_size = self.size_on(dataset)
        return Dataset(
            dataset.name,
            dataset.class_names,
            train.resize(image_size),
            dataset.val.resize(image_size),
            dataset.mean,
            dataset.std,
            test=None if dataset.test is None else dataset.test.resize(image_size),
            targets=dataset.targets,
            fit=dataset.fit,
        )

    def changed(self, changes: Mapping[str, Any]) -> Recipe:
        """This recipe with other values by their names, which may be texts. Raises ValueError for what is none."""
        values: dict[str, Any] = {}
        for name, value in changes.items():
            if name not in RECIPE_FIELDS:
                raise ValueError(f"a recipe has no {name!r}; it has {', '.join(RECIPE_FIELDS)}")
            values[name] = RECIPE_FIELDS[name].parsed(name, value) if isinstance(value, str) else value
        return dataclasses.replace(self, **values)

    @property
    def as_read(self) -> Recipe:
        """This recipe with the usual values of what it does not read: two that are equal so train alike."""
        usual = Recipe()
        momentum = self.momentum if self.optimizer == "sgd" else usual.momentum
        warmup = self.warmup if self.schedule == "onecycle" else usual.warmup
        return dataclasses.replace(self, momentum=momentum, warmup=warmup)

    @property
    def images(self) -> tuple[int | None, int | None]:
        """All by which `prepare` goes: recipes that differ in the rest see the same images."""
        return self.subset, self.image_size

    def taught(self) -> Recipe:
        """This recipe for a training with a teacher: what it does not say of that is as usual."""
        share = DISTILL if self.distill is None else self.distill
        temperature = DISTILL_TEMPERATURE if self.distill_temperature is None else self.distill_temperature
        return dataclasses.replace(self, distill=share, distill_temperature=temperature)

    def rate(self, progress: float) -> float:
        """The learning rate after `progress` (0..1) of the training."""
        if self.schedule == "constant":
            return self.lr
        warmup = self.warmup if self.schedule == "onecycle" else 0.0
        if progress < warmup or warmup == 1:
            return self.lr * progress / warmup
        return self.lr * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2
