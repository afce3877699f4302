"""The one training loop.

`train` is a generator that yields after every epoch, so whoever drives it (an engine, a pruner, a
progress bar) can look and stop; it holds no knowledge of searches, ledgers or clusters.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nas.data.batches import eval_batches, train_batches
from nas.data.images import Dataset, Images
from nas.looks import Look, Looks
from nas.precision import Precision
from nas.recipe import Recipe
from nas.step import make_step
from nas.tuning import EVERYTHING, Tuning
from searchspaces.modules import ScheduledDropPath


class Diverged(ValueError):
    """The training loss is no longer a finite number."""


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
    forward = Precision(network, recipe.bf16, device)
    learn = make_step(network, forward, recipe, tuning)
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
        with forward.kept():
            for x, y in train_batches(
                dataset.train, dataset.mean, dataset.std,
                batch_size=recipe.batch_size, augment=recipe.augment(), generator=generator,
            ):  # fmt: skip
                if losses and progress() >= 1:
                    break
                for module in scheduled:
                    module.progress = progress()
                losses.append(learn(x, y, recipe.rate(progress())))
                looks.step(losses[-1])
                step, images = step + 1, images + len(y)
                if looks.due(images) and progress() < 1:
                    looks.take(images, judge)
                    to_training_mode()
                if step % 50 == 0:  # not every step: on a GPU each look waits for it
                    _check_finite(losses[-1], step)
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
    forward = Precision(network, recipe.bf16, images.pixels.device)
    with forward.kept():
        batches = eval_batches(images, dataset.mean, dataset.std, batch_size=500)
        return torch.cat([forward(x)[0].softmax(1) for x, _ in batches])


def accuracy(probabilities: Tensor, labels: Tensor) -> float:
    """The share (0..1) of images whose most probable class is their label."""
    return (probabilities.argmax(1) == labels).double().mean().item()


def _check_finite(loss: Tensor, step: int) -> None:
    if not torch.isfinite(loss):
        raise Diverged(f"the training loss was {loss.item()} at step {step}; a lower --lr may help")
