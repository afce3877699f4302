"""The one training loop.

`train` is a generator that yields after every epoch, so whoever drives it (an engine, a pruner, a progress bar) can
look and stop; it holds no knowledge of searches, ledgers or clusters. It is a `Training` gone through from its start to
its end; one that was interrupted goes on from the `Snapshot` that was taken after any epoch.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from nas.data.batches import TrainBatches
from nas.data.images import Dataset
from nas.devices.device import Leash, tuned, within
from nas.devices.kernels import sound_kernels
from nas.devices.memory import check_room
from nas.devices.precision import Precision
from nas.training.averaging import Average
from nas.training.distillation import Distillation
from nas.training.evaluation import Judged, fitting_batch, judged, predict
from nas.training.fine_tuning import EVERYTHING, FineTuning
from nas.training.learning_curve import CurvePoint, LearningCurve
from nas.training.metrics import weights_of_classes
from nas.training.recipe import Recipe
from nas.training.step import OptimizerState, make_step
from searchspaces.modules import share_progress

TOLD_EVERY = 0.2
"""Seconds, at least, between two moments that a training tells of."""


class Diverged(ValueError):
    """The training loss is no longer a finite number."""


@dataclass(frozen=True)
class Epoch:
    """What one epoch showed. `loss` is the mean training loss over it; `images` and `seconds` count from the start."""

    number: int  # from 1
    loss: float
    val_accuracy: float | None  # 0..1; None of regression
    images: int
    seconds: float
    latency: float | None = None  # seconds for one image, where a trial measured it
    curve: tuple[CurvePoint, ...] = ()  # so far, where points of it were asked for
    single_steps: str = ""  # why a device that records steps took them one by one
    val_score: float | None = None  # by the recipe's metric, at most 1; None where that is accuracy

    @property
    def quality(self) -> float:
        """What the training is judged by."""
        return Judged(self.val_accuracy, self.val_score).quality


@dataclass(frozen=True)
class Moment:
    """Where a training is, between two steps. `images` and `seconds` count from the start."""

    epoch: int  # from 1
    step: int  # of this epoch, from 1
    steps: int  # of an epoch
    images: int
    seconds: float
    done: float  # of the whole training, 0..1
    loss: Tensor  # of the last step, on the device: whoever reads it waits for a GPU to come there


OnStep = Callable[[Moment], None]


@dataclass(frozen=True)
class Snapshot:
    """A training between two epochs: all that the rest of it depends on.

    The tensors are the training's own: the next epoch changes them. `optimizer` has its state of each parameter that
    is trained, by number; `generators` the states of the `images`' generator, torch's own, and the GPU's.
    """

    network: dict[str, Tensor]
    optimizer: OptimizerState
    generators: dict[str, Tensor]
    step: int
    epochs: tuple[Epoch, ...]
    average: dict[str, Tensor] = field(default_factory=dict)  # of the weights, where the recipe has one
    best: dict[str, Tensor] = field(default_factory=dict)  # the weights to keep so far, where it selects them


def check_room_to_train(build: Callable[[], nn.Module], dataset: Dataset, recipe: Recipe) -> None:
    """Raises NoRoom where a step of the network that `build` makes takes more memory than this machine has.

    `dataset` is already `recipe.prepare`d. The network is not built, see `check_room`.
    """
    batch = min(recipe.batch_size, len(dataset.train))
    check_room(
        build, dataset.image_size, batch, training=True, device=dataset.train.pixels.device, channels=dataset.channels
    )


class Training:
    """The training of `network`, in place; `epochs` goes through it. Arguments are those of `train`.

    With a `distillation` it also learns from a teacher.
    """

    def __init__(
        self,
        network: nn.Module,
        dataset: Dataset,
        recipe: Recipe,
        seed: int,
        tuning: FineTuning = EVERYTHING,
        evaluate_at: Sequence[int] = (),
        on_step: OnStep | None = None,
        recorded: bool = True,
        distillation: Distillation | None = None,
    ) -> None:
        self.network, self.dataset, self.recipe, self.on_step = network, dataset, recipe, on_step
        self.device = dataset.train.pixels.device
        self.generator = torch.Generator().manual_seed(seed)
        with within(self.device):
            network.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            self.frozen = [row for name, row in network.named_children() if name in tuning.frozen(network)]
            for row in self.frozen:
                row.requires_grad_(False)
            self.forward = Precision(network, recipe.bf16, self.device)
            self.resizing = recipe.resizing(dataset)
            self.resizing.check(network, dataset.train)
            self.tuning, self.recorded, self.distillation = tuning, recorded, distillation
            self.class_weights = weights_of_classes(recipe.class_weights, dataset)
            self._learn_at(self.resizing.side_in(1))
            self.drop_progress = share_progress(network, self.device)
            self.average = Average(network, recipe.ema) if recipe.ema else None
        self.best: dict[str, Tensor] = {}
        self.leash = Leash(self.device)
        self.curve = LearningCurve(evaluate_at, self.device)
        self.done: list[Epoch] = []
        self.steps = max(1, len(dataset.train) // recipe.batch_size)  # of an epoch
        self.step, self.images = 0, 0
        self._seconds_before, self._began = 0.0, time.perf_counter()
        self._told = float("-inf")
        self._fitting: int | None = None  # validation images at a time

    def _learn_at(self, side: int) -> None:
        """From now on, have batches of images of `side` pixels, and steps of such batches."""
        dataset, recipe = self.dataset, self.recipe
        self.side = side
        self.batches = TrainBatches(
            dataset.train.resize(side), dataset.mean, dataset.std, batch_size=recipe.batch_size,
            augment=recipe.augment().scaled(side / dataset.image_size), num_classes=dataset.num_classes,
        )  # fmt: skip
        self.learn = make_step(
            self.network, self.forward, recipe, self.tuning, self.batches.batch, self.recorded, self.class_weights,
            self.distillation, dataset.targets,
        )  # fmt: skip

    def _resize(self) -> None:
        """Have images as large as the epoch that begins has them. A recorded step is of one size: it is made anew."""
        if (side := self.resizing.side_in(len(self.done) + 1)) != self.side:
            remembered = self.learn.optimizer_state()
            self._learn_at(side)
            self.learn.restore_optimizer(remembered)

    def epochs(self) -> Iterator[Epoch]:
        """Train from where it is to the end. Raises Diverged when the loss stops being finite."""
        self._began = time.perf_counter()
        while self.progress() < 1:
            with within(self.device):
                self._resize()
                mean_loss = self._learn_from_all_images().item()
                val = self.curve.evaluate(self.images, self._judge)
                self._keep_if_best(val)
            self._seconds_before = self.seconds()
            self.done.append(
                Epoch(
                    len(self.done) + 1, mean_loss, val.accuracy, self.images, self._seconds_before,
                    curve=tuple(self.curve.points), single_steps=self.learn.single, val_score=val.score,
                )
            )  # fmt: skip
            yield self.done[-1]
            self._began = time.perf_counter()  # what was done between two epochs does not count
        self._finish()

    @property
    def chosen(self) -> Epoch:
        """The epoch whose weights are kept."""
        return chosen(self.done, self.recipe)

    def _keep_if_best(self, val: Judged) -> None:
        """Keep a copy of the weights that were judged so, where the best are to be selected."""
        if self.recipe.select == "best" and all(val.quality > epoch.quality for epoch in self.done):
            with self._averaged():
                self.best = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}

    def _averaged(self) -> contextlib.AbstractContextManager[None]:
        return self.average.in_place() if self.average else contextlib.nullcontext()

    def _finish(self) -> None:
        """Give the network the weights that are kept."""
        if self.best:
            self.network.load_state_dict(self.best)
        elif self.average:
            self.average.apply()

    def _learn_from_all_images(self) -> Tensor:
        """One epoch, or as much of it as there is time for; returns its mean loss."""
        self._to_training_mode()
        losses: list[Tensor] = []
        with (
            self.forward.kept(),
            tuned(self.device, self._expected_steps()),
            sound_kernels(self.network, self.device),
        ):
            for draw in self.batches.draw(self.generator):
                if losses and self.progress() >= 1:
                    break
                self.drop_progress.fill_(self.progress())
                losses.append(self.learn(draw, self.recipe.rate(self.progress())))
                self.leash.step()
                self.curve.step(losses[-1])
                self.step, self.images = self.step + 1, self.images + len(draw[0])
                if self.average:
                    self.average.update(self.step)
                self._tell(len(losses), losses[-1])
                if self.curve.due(self.images) and self.progress() < 1:
                    self.curve.evaluate(self.images, self._judge)
                    self._to_training_mode()
                if self.step % 50 == 0:  # not every step: on a GPU each look waits for it
                    check_finite(losses[-1], self.step)
        mean_loss = torch.stack(losses).mean()
        check_finite(mean_loss, self.step)
        return mean_loss

    def _expected_steps(self) -> float:
        """How many steps the training has; of one by time, if each took a hundredth of a second."""
        return self.recipe.epochs * self.steps if self.recipe.seconds is None else 100 * self.recipe.seconds

    # ------------------------------------------------------------------ where it is

    def progress(self) -> float:
        """How much of the training is behind, 0..1; 1 when it is over."""
        if self.recipe.seconds is not None:
            return min(1.0, self.seconds() / self.recipe.seconds)
        return (self.step + 1) / (self.recipe.epochs * self.steps + 1)

    def seconds(self) -> float:
        """Spent in training and validation so far."""
        return self._seconds_before + time.perf_counter() - self._began

    def snapshot(self) -> Snapshot:
        """Where it is, after an epoch. To be written before the next one."""
        generators = {"images": self.generator.get_state(), "torch": torch.get_rng_state()}
        if self.device.type == "cuda":
            generators["cuda"] = torch.cuda.get_rng_state(self.device)
        return Snapshot(
            self.network.state_dict(), self.learn.optimizer_state(), generators, self.step, tuple(self.done),
            self.average.tensors if self.average else {}, self.best,
        )  # fmt: skip

    def restore(self, snapshot: Snapshot) -> None:
        """Be where `snapshot` was taken. Raises ValueError where that is of another network."""
        try:
            self.network.load_state_dict(snapshot.network)
            self.learn.restore_optimizer(snapshot.optimizer)
            if self.average:
                self.average.restore(snapshot.average)
        except (RuntimeError, KeyError) as error:
            raise ValueError(f"it is of another network ({str(error).partition(chr(10))[0]})") from None
        self.generator.set_state(snapshot.generators["images"])
        torch.set_rng_state(snapshot.generators["torch"])
        if self.device.type == "cuda" and "cuda" in snapshot.generators:  # it may have begun on a CPU
            torch.cuda.set_rng_state(snapshot.generators["cuda"], self.device)
        self.done, self.step = list(snapshot.epochs), snapshot.step
        self.best = {name: tensor.to(self.device) for name, tensor in snapshot.best.items()}
        self.images, self._seconds_before = self.done[-1].images, self.done[-1].seconds

    def _tell(self, step: int, loss: Tensor) -> None:
        """Call `on_step`, unless it was called just now."""
        if self.on_step is None or (now := time.perf_counter()) < self._told + TOLD_EVERY:
            return
        self._told = now
        done = self.resizing.done(self.step / self.steps) if self.recipe.seconds is None else self.progress()
        self.on_step(Moment(len(self.done) + 1, step, self.steps, self.images, self.seconds(), done, loss))

    def _to_training_mode(self) -> None:
        self.network.train()
        for row in self.frozen:
            row.eval()

    def _judge(self) -> Judged:
        val = self.dataset.val
        if self._fitting is None:
            data = self.dataset
            self._fitting = fitting_batch(self.network, data.image_size, self.recipe, self.device, data.channels)
        with self._averaged():
            said = predict(self.network, val, self.dataset, self.recipe, self._fitting)
        return judged(said, val.labels, self.recipe.metric, self.dataset.kind)


def train(
    network: nn.Module,
    dataset: Dataset,
    recipe: Recipe,
    seed: int,
    tuning: FineTuning = EVERYTHING,
    evaluate_at: Sequence[int] = (),
    on_step: OnStep | None = None,
    recorded: bool = True,
) -> Iterator[Epoch]:
    """Train `network` in place on `dataset` (already `recipe.prepare`d), on the device that holds the data.

    A network that gives a tuple in training mode, its logits and then those of auxiliary classifiers, is trained on
    their losses too, times its `aux_weight`. Every `ScheduledDropPath` in it is told the progress before each step.
    The rows that `tuning` freezes stay as they are: no gradients from then on, and evaluation mode. Yields an `Epoch`
    after each; with `evaluate_at`, its `curve` has points after so many images, too. `on_step` is called with the
    `Moment` after a step, a few times a second. Unless its steps are to be `recorded`, a GPU takes them one by one. The
    order of images and their augmentation depend on `seed` alone. Raises Diverged when the loss stops being finite, and
    DeviceFault when the device fails.
    """
    yield from Training(network, dataset, recipe, seed, tuning, evaluate_at, on_step, recorded).epochs()


def chosen(epochs: Sequence[Epoch], recipe: Recipe) -> Epoch:
    """The one of `epochs` whose weights are kept: the last, or the first of the highest quality."""
    return max(epochs, key=lambda epoch: epoch.quality) if recipe.select == "best" else epochs[-1]


def check_finite(loss: Tensor, step: int) -> None:
    if not torch.isfinite(loss):
        raise Diverged(f"the training loss was {loss.item()} at step {step}; a lower --lr may help")
