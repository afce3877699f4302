"""How a network is trained, in numbers. Two networks are compared under one recipe."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nas.data.batches import Augment
from nas.data.images import MIN_SIZE, Dataset

OPTIMIZERS = ("sgd", "adamw")
SCHEDULES = ("onecycle", "cosine", "constant")


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
    resolution: int | None = None  # pixels; None: the data's own
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
    bf16: bool | None = None  # None: where this device computes in bfloat16

    def __post_init__(self) -> None:
        for name in ("epochs", "lr"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")
        if self.batch_size < 2:
            raise ValueError(f"batch_size must be at least 2, not {self.batch_size}: batch norm compares images")
        for name, known in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is one of {', '.join(known)}, not {getattr(self, name)!r}")
        if self.seconds is not None and not self.seconds > 0:
            raise ValueError(f"seconds must be positive, not {self.seconds}")
        if self.subset is not None and self.subset <= 0:
            raise ValueError(f"subset must be positive, not {self.subset}")
        if self.resolution is not None and self.resolution < MIN_SIZE:
            raise ValueError(f"resolution must be at least {MIN_SIZE} pixels, not {self.resolution}")
        self.augment()

    def augment(self) -> Augment:
        """How training images are changed. Raises ValueError where they cannot be so."""
        return Augment(cutout=self.cutout, min_area=self.min_area)

    def image_size(self, dataset: Dataset) -> int:
        """Height and width in pixels at which this recipe trains on `dataset`."""
        return self.resolution or dataset.image_size

    def prepare(self, dataset: Dataset) -> Dataset:
        """`dataset` as this recipe uses it: the subset of its training images, all splits resized."""
        train = dataset.train if self.subset is None else dataset.train.take(self.subset, seed=0)
        resolution = self.image_size(dataset)
        return Dataset(
            dataset.name,
            dataset.class_names,
            train.resize(resolution),
            dataset.val.resize(resolution),
            dataset.mean,
            dataset.std,
            test=None if dataset.test is None else dataset.test.resize(resolution),
        )

    def changed(self, changes: Sequence[str]) -> Recipe:
        """This recipe with `NAME=VALUE` changes, as in `label_smoothing=0`. Raises ValueError for what is none."""
        known = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        values: dict[str, Any] = {}
        for change in changes:
            name, _, text = change.partition("=")
            if name not in known:
                raise ValueError(f"a recipe has no {name!r}; it has {', '.join(known)}")
            try:
                values[name] = text if isinstance(known[name], str) else json.loads(text)
            except json.JSONDecodeError:
                raise ValueError(f"{text!r} is no value for {name}, which is {known[name]} now") from None
            if isinstance(known[name], int | float) and not isinstance(values[name], int | float):
                raise ValueError(f"{text!r} is no value for {name}, which is {known[name]} now")
        return dataclasses.replace(self, **values)

    def rate(self, progress: float) -> float:
        """The learning rate after `progress` (0..1) of the training."""
        if self.schedule == "constant":
            return self.lr
        warmup = self.warmup if self.schedule == "onecycle" else 0.0
        if progress < warmup:
            return self.lr * progress / warmup
        return self.lr * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2
