"""One step of a training: batch, forward, loss, backward, update. A GPU's is recorded once, then replayed.

A small network's step is some hundreds of kernels of a few microseconds each: a GPU computes them faster than the CPU
can launch them. A CUDA graph launches all of them at once. It belongs to one network and one size of batch, so each
training records its own. What Python decides in a step would be decided once and for all: a network that says so, or
shows it, goes on step by step, and so does one that cannot be recorded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from nas.data.batches import Batch, Draw
from nas.data.targets import CLASSES, Targets
from nas.devices.precision import Precision
from nas.devices.recording import CannotRecord, Recorder, Watch, recorder_of
from nas.training.distillation import Distillation
from nas.training.fine_tuning import FineTuning, Group
from nas.training.losses import loss_of
from nas.training.recipe import Recipe
from nas.training.step_state import PythonState, StepState, generators_kept

OptimizerState = Mapping[int, Mapping[str, Tensor]]
"""What an optimizer remembers of each parameter, by its number among those that are trained: momentum, steps."""

WARM_UP = 3
"""Steps before the recording: cuDNN chooses its kernels in them, and they show what the network does in Python."""

CHECKED = frozenset((1, 2, 100, 1_000, 10_000, 100_000))
"""Replays that are compared with an ordinary step: each of these takes one more."""

SAME_LOSS, SAME_CHANGE = 0.01, 0.1
"""What a replay may differ by from an ordinary step, of the loss and of what it changes: a GPU adds up in any order."""


class Step:
    """What a training does with a batch. `recipe` has the loss and the optimizer, `tuning` the parts that learn.

    `batch` makes it of what chance has decided, `class_weights` are what an image of each class counts in the loss, all
    the same where there are none, and `targets` what the labels are. With a `distillation` it learns from a teacher,
    too. `single` says why a device that could record steps does not.
    """

    def __init__(
        self, network: nn.Module, forward: Precision, recipe: Recipe, tuning: FineTuning,
        batch: Callable[[Draw], Batch], single: str = "", class_weights: Tensor | None = None,
        distillation: Distillation | None = None, targets: Targets = CLASSES,
    ) -> None:  # fmt: skip
        self.forward, self.batch, self.single = forward, batch, single
        self.optimizer = optimizer(tuning.groups(network), recipe)
        self.of_labels = loss_of(network, targets, recipe.label_smoothing, class_weights, forward.device)
        self.distillation = distillation
        self.aux_weight: float = getattr(network, "aux_weight", 0.0)

    def __call__(self, draw: Draw, rate: float) -> Tensor:
        """Learn from the batch of `draw` at the learning rate `rate`; returns the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        return self.learn(draw)

    def learn(self, draw: Draw) -> Tensor:
        x, y = self.batch(draw)
        losses = self.losses(x, y)
        loss = losses[0] + self.aux_weight * sum(losses[1:])
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.detach()

    def losses(self, x: Tensor, y: Tensor) -> list[Tensor]:
        """That of the network on the batch, and those of its auxiliary classifiers: scalars."""
        # The teacher first: what it computes on the way is gone before the network keeps its own for the gradients.
        taught = None if self.distillation is None else self.distillation.teacher(x)
        return [self._loss(logits, y, taught) for logits in self.forward(x)]

    def _loss(self, logits: Tensor, y: Tensor, taught: Tensor | None) -> Tensor:
        """A scalar, of `logits` `[B, num_classes]`; `taught` are the teacher's, where there is one."""
        of_labels = self.of_labels(logits, y)
        if self.distillation is None or taught is None:
            return of_labels
        return self.distillation.loss(of_labels, logits, taught)

    def optimizer_state(self) -> OptimizerState:
        """What the optimizer remembers. The tensors are its own."""
        state: OptimizerState = self.optimizer.state_dict()["state"]
        return state

    def restore_optimizer(self, state: OptimizerState) -> None:
        """Have the optimizer remember `state`. Raises KeyError where it has no such parameter.

        Not by its `load_state_dict`, which would replace the learning rates that a recorded step reads.
        """
        parameters = dict(enumerate(p for group in self.optimizer.param_groups for p in group["params"]))
        for number, remembered in state.items():
            p = parameters[number]
            self.optimizer.state[p] = {name: value.to(p.device, copy=True) for name, value in remembered.items()}


class RecordedStep(Step):
    """A step that `recorder` repeats after the first few: once recorded, it always reads the same memory.

    All batches have the same shape. As soon as a step shows that the next may be another one, or that it cannot be
    recorded, or a replay differs from an ordinary step, `single` says so and all further ones are ordinary.
    """

    def __init__(
        self, network: nn.Module, forward: Precision, recipe: Recipe, tuning: FineTuning,
        batch: Callable[[Draw], Batch], recorder: Recorder, class_weights: Tensor | None = None,
        distillation: Distillation | None = None, targets: Targets = CLASSES,
    ) -> None:  # fmt: skip
        super().__init__(
            network, forward, recipe, tuning, batch, class_weights=class_weights, distillation=distillation,
            targets=targets,
        )  # fmt: skip
        self.network, self.recorder, self.device = network, recorder, forward.device
        self.state = StepState(network, self.optimizer, self.device)
        self.steps, self.replays = 0, 0
        self.rates = [torch.zeros((), device=self.device) for _ in self.optimizer.param_groups]
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate

    def __call__(self, draw: Draw, rate: float) -> Tensor:
        for group, of_group in zip(self.optimizer.param_groups, self.rates, strict=True):
            of_group.fill_(rate * group["factor"])
        self.steps += 1
        if not self.single and self.steps == WARM_UP + 1:
            self._record(draw)
        if self.single or self.steps == 1:
            return self.recorder.aside(lambda: self.learn(draw))
        if self.steps <= WARM_UP:
            return self._watched(draw)
        for mine, drawn in zip(self.drawn, draw, strict=True):
            mine.copy_(drawn)
        self.replays += 1
        return self._compared() if self.replays in CHECKED else self.replay().clone()

    def _watched(self, draw: Draw) -> Tensor:
        """An ordinary step. The first of all is none of these: what is made once may be made in it."""
        before = PythonState.of(self.network, self.device)
        with Watch(self.device) as watch:
            loss = self.recorder.aside(lambda: self.learn(draw))
        self.single = watch.reason or changes(before, PythonState.of(self.network, self.device))
        return loss

    def _record(self, draw: Draw) -> None:
        """Have `replay` repeat the step of the draw that is in `drawn`. Nothing is learned by that."""
        self.drawn = [tensor.clone() for tensor in draw]
        for group in self.optimizer.param_groups:
            group["capturable"] = True
        try:
            with self.state.kept(), generators_kept(self.device):
                self.replay = self.recorder.record(lambda: self.learn(tuple(self.drawn)))
        except (CannotRecord, torch.OutOfMemoryError) as error:  # a recording takes memory of its own
            self.single = f"it cannot be recorded: {error}"
            self.optimizer.zero_grad()
        for group in self.optimizer.param_groups:
            group["capturable"] = False

    def _compared(self) -> Tensor:
        """A replay, after an ordinary step from the same state; that one counts where they differ."""
        before, python = self.state.copy(), PythonState.of(self.network, self.device)
        expected = self.recorder.aside(lambda: self.learn(tuple(self.drawn))).clone()
        after, changed = self.state.copy(), changes(python, PythonState.of(self.network, self.device))
        self.state.put(before)
        loss = self.replay().clone()
        apart = self.state.apart(before, after)
        if not changed and same(loss.item(), expected.item(), apart):
            return loss
        self.state.put(after)
        self.single = changed or (
            f"replay {self.replays} was another step than the network's own: a loss of {loss.item():.4g} instead of "
            f"{expected.item():.4g}, and what it changed was off by {apart:.0%}"
        )
        del self.replay
        return expected


def make_step(
    network: nn.Module, forward: Precision, recipe: Recipe, tuning: FineTuning, batch: Callable[[Draw], Batch],
    recorded: bool = True, class_weights: Tensor | None = None, distillation: Distillation | None = None,
    targets: Targets = CLASSES,
) -> Step:  # fmt: skip
    """The fastest there is for the device, or an ordinary one where it is not to be `recorded`.

    What changes from step to step but for the rate, no recording can hold: modules that do say `varies_in_python`.
    """
    recorder = recorder_of(forward.device)
    if recorder is None:
        return Step(network, forward, recipe, tuning, batch, "", class_weights, distillation, targets)
    varying = [type(module).__name__ for module in network.modules() if getattr(module, "varies_in_python", False)]
    if varying or not recorded:
        single = f"a {varying[0]} says that it varies from step to step" if varying else "it was asked for"
        return Step(network, forward, recipe, tuning, batch, single, class_weights, distillation, targets)
    return RecordedStep(network, forward, recipe, tuning, batch, recorder, class_weights, distillation, targets)


def changes(before: PythonState, after: PythonState) -> str:
    """How a step may be another one after it, by what it changed in Python; "" where it changed nothing."""
    if before.generators != after.generators:
        return "it draws random numbers in Python"
    return "it changes attributes of its modules from step to step" if before.attributes != after.attributes else ""


def same(loss: float, expected: float, apart: float) -> bool:
    """Whether a replay with `loss` is the step with the `expected` one, `apart` from it in what it changed.

    Where no step gives a number, the training is over.
    """
    if not math.isfinite(expected):
        return not math.isfinite(loss)
    return abs(loss - expected) <= SAME_LOSS * abs(expected) and apart <= SAME_CHANGE


def optimizer(parameters: Sequence[Group], recipe: Recipe) -> torch.optim.Optimizer:
    """A fused optimizer; weight decay on matrices and filters only, on norms and biases it only shrinks scales.

    It remembers something of every parameter from the start. By itself it would begin at the first gradient: a fused
    step cannot begin for some parameters and go on for others, and a recorded one would begin again each time.
    """
    groups = []
    for all_of_them, factor in parameters:
        weights = [p for p in all_of_them if p.ndim > 1]
        others = [p for p in all_of_them if p.ndim <= 1]
        groups += [
            {"params": weights, "weight_decay": recipe.weight_decay, "factor": factor},
            {"params": others, "weight_decay": 0.0, "factor": factor},
        ]
    made: torch.optim.Optimizer
    if recipe.optimizer == "adamw":
        made = torch.optim.AdamW(groups, lr=recipe.lr, fused=True)
    else:
        made = torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0, fused=True)
    names = {"adamw": ("exp_avg", "exp_avg_sq"), "sgd": ("momentum_buffer",) * (recipe.momentum > 0)}[recipe.optimizer]
    for p in (p for group in made.param_groups for p in group["params"] if names):
        made.state[p] = {name: torch.zeros_like(p) for name in names}
        if recipe.optimizer == "adamw":
            made.state[p]["step"] = torch.zeros((), device=p.device)
    return made
