"""The one training loop, and the recipe that it follows.

`train` is a generator that yields after every epoch, so whoever drives it (an engine, a pruner, a
progress bar) can look and stop; it holds no knowledge of searches, ledgers or clusters.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas.data.batches import Augment, eval_batches, train_batches
from nas.data.images import MIN_SIZE, Dataset, Images
from nas.looks import Look, Looks
from nas.tuning import EVERYTHING, Group, Tuning
from searchspaces.modules import ScheduledDropPath


class Diverged(ValueError):
    """The training loss is no longer a finite number."""


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


@dataclass(frozen=True)
class Epoch:
    """What one epoch showed. `loss` is the mean training loss over it; `images` and `seconds` count from the start."""

    number: int  # from 1
    loss: float
    val_accuracy: float  # 0..1
    images: int
    seconds: float
    latency: float | None = None  # seconds for one image, where a trial measured it
    looks: tuple[Look, ...] = ()  # at the training so far, where some were asked for


def train(
    network: nn.Module,
    dataset: Dataset,
    recipe: Recipe,
    seed: int,
    tuning: Tuning = EVERYTHING,
    marks: Sequence[int] = (),
) -> Iterator[Epoch]:
    """Train `network` in place on `dataset` (already `recipe.prepare`d), on the device that holds the data.

    A network that gives a tuple in training mode, its logits and then those of auxiliary classifiers, is trained on
    their losses too, times its `aux_weight`. Every `ScheduledDropPath` in it is told the progress before each step.
    The rows that `tuning` freezes stay as they are: no gradients from then on, and evaluation mode. Yields an `Epoch`
    after each; with `marks`, its `looks` are also of the training after so many images. The order of images and their
    augmentation depend on `seed` alone. Raises Diverged when the loss stops being finite.
    """
    device = dataset.train.pixels.device
    generator = torch.Generator().manual_seed(seed)
    network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    frozen = [row for name, row in network.named_children() if name in tuning.frozen(network)]
    for row in frozen:
        row.requires_grad_(False)
    optimizer = _optimizer(tuning.groups(network), recipe)
    aux_weight: float = getattr(network, "aux_weight", 0.0)
    scheduled = [module for module in network.modules() if isinstance(module, ScheduledDropPath)]
    steps = recipe.epochs * max(1, len(dataset.train) // recipe.batch_size)
    epoch, step, images, start = 0, 0, 0, time.perf_counter()
    looks = Looks(marks, device)

    def progress() -> float:  # of the training; 1 when it is over
        if recipe.seconds is not None:
            return min(1.0, (time.perf_counter() - start) / recipe.seconds)
        return (step + 1) / (steps + 1)

    def to_training_mode() -> None:
        network.train()
        for row in frozen:
            row.eval()

    def judge() -> float:
        return accuracy(predict(network, dataset.val, dataset, recipe), dataset.val.labels)

    while progress() < 1:
        epoch += 1
        to_training_mode()
        losses: list[Tensor] = []
        with _precision(network, recipe, device) as forward:
            for x, y in train_batches(
                dataset.train, dataset.mean, dataset.std,
                batch_size=recipe.batch_size, augment=recipe.augment(), generator=generator,
            ):  # fmt: skip
                if losses and progress() >= 1:
                    break
                for group in optimizer.param_groups:
                    group["lr"] = recipe.rate(progress()) * group["factor"]
                for module in scheduled:
                    module.progress = progress()
                first, *auxiliary = [F.cross_entropy(z, y, label_smoothing=recipe.label_smoothing) for z in forward(x)]
                loss = first + aux_weight * sum(auxiliary)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                optimizer.zero_grad()
                losses.append(loss.detach())
                looks.step(losses[-1])
                step, images = step + 1, images + len(y)
                if looks.due(images) and progress() < 1:
                    looks.take(images, judge)
                    to_training_mode()
                if step % 50 == 0:  # not every step: on a GPU each look waits for it
                    _check_finite(loss, step)
        mean_loss = torch.stack(losses).mean()
        _check_finite(mean_loss, step)
        val_accuracy = looks.take(images, judge)
        seconds = time.perf_counter() - start
        yield Epoch(epoch, mean_loss.item(), val_accuracy, images, seconds, looks=tuple(looks.taken))


@torch.no_grad()
def predict(network: nn.Module, images: Images, dataset: Dataset, recipe: Recipe) -> Tensor:
    """The class probabilities `[N, num_classes]` that `network` gives `images`.

    `dataset` gives the mean and the deviation by which they are normalised.
    """
    network.eval()
    with _precision(network, recipe, images.pixels.device) as forward:
        batches = eval_batches(images, dataset.mean, dataset.std, batch_size=500)
        return torch.cat([forward(x)[0].softmax(1) for x, _ in batches])


def accuracy(probabilities: Tensor, labels: Tensor) -> float:
    """The share (0..1) of images whose most probable class is their label."""
    return (probabilities.argmax(1) == labels).double().mean().item()


def _check_finite(loss: Tensor, step: int) -> None:
    if not torch.isfinite(loss):
        raise Diverged(f"the training loss was {loss.item()} at step {step}; a lower --lr may help")


def _optimizer(parameters: Sequence[Group], recipe: Recipe) -> torch.optim.Optimizer:
    """A fused optimizer; weight decay on matrices and filters only, on norms and biases it only shrinks scales."""
    groups = []
    for all_of_them, factor in parameters:
        weights = [p for p in all_of_them if p.ndim > 1]
        others = [p for p in all_of_them if p.ndim <= 1]
        groups += [
            {"params": weights, "weight_decay": recipe.weight_decay, "factor": factor},
            {"params": others, "weight_decay": 0.0, "factor": factor},
        ]
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.lr, fused=True)
    return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0, fused=True)


# ---------------------------------------------------------------------------- precision


@contextlib.contextmanager
def _precision(network: nn.Module, recipe: Recipe, device: torch.device) -> Iterator[Callable[[Tensor], list[Tensor]]]:
    """`network` as a function to float32 logits, computed in bfloat16 where that is faster.

    Behind the logits stand those of auxiliary classifiers, where the network has such and is in training mode.

    On a CPU depthwise and dilated convolutions stay in float32. oneDNN's bfloat16 depthwise ones are so slow that with
    them autocast would lose; its gradients of dilated ones read beyond their memory where the channels are no multiple
    of 16 (torch 2.13). Autocast is entered for each batch, since it keeps its copies of the weights until it is left:
    over several optimizer steps they would be stale. It may be entered within itself.
    """
    bf16 = computes_in_bf16(device) if recipe.bf16 is None else recipe.bf16
    float32 = [m for m in network.modules() if bf16 and device.type == "cpu" and _stays_in_float32(m)]
    float32 = [m for m in float32 if "forward" not in vars(m)]  # which is so already within itself

    def forward(x: Tensor) -> list[Tensor]:
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            out: Tensor | tuple[Tensor, ...] = network(x)
        return [logits.float() for logits in (out if isinstance(out, tuple) else (out,))]

    for module in float32:
        module.forward = MethodType(_float32_forward, module)
    try:
        yield forward
    finally:
        for module in float32:
            del module.forward


def computes_in_bf16(device: torch.device) -> bool:
    """Whether `device` has bfloat16 arithmetic in hardware."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _stays_in_float32(module: nn.Module) -> bool:
    if not isinstance(module, nn.Conv2d):
        return False
    return module.groups == module.in_channels > 1 or max(module.dilation) > 1


def _float32_forward(self: nn.Conv2d, x: Tensor) -> Tensor:
    with torch.autocast("cpu", enabled=False):
        out: Tensor = type(self).forward(self, x.float())  # that of its class: it may pad as TensorFlow does
    return out
