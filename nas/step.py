"""One step of a training: forward, loss, backward, update. On a GPU it is recorded once, then replayed.

A small network's step is some hundreds of kernels of a few microseconds each: a GPU computes them faster than the CPU
can launch them. A CUDA graph launches all of them at once. It belongs to one network and one size of batch, so each
training records its own; a network that cannot be recorded goes on step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas.precision import Precision
from nas.recipe import Recipe
from nas.tuning import Group, Tuning

Work = Callable[[], Tensor]
OptimizerState = Mapping[int, Mapping[str, Tensor]]
"""What an optimizer remembers of each parameter, by its number among those that are trained: momentum, steps."""

WARM_UP = 3
"""Steps before the recording: they make the optimizer's state, and cuDNN choose its kernels."""


class Step:
    """What a training does with a batch. `recipe` has the loss and the optimizer, `tuning` the parts that learn."""

    def __init__(self, network: nn.Module, forward: Precision, recipe: Recipe, tuning: Tuning) -> None:
        self.forward = forward
        self.optimizer = optimizer(tuning.groups(network), recipe)
        self.label_smoothing = recipe.label_smoothing
        self.aux_weight: float = getattr(network, "aux_weight", 0.0)

    def __call__(self, x: Tensor, y: Tensor, rate: float) -> Tensor:
        """Learn from images `x` `[B, 3, H, W]` and labels `y` `[B]` at the learning rate `rate`; returns the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        return self.learn(x, y)

    def learn(self, x: Tensor, y: Tensor) -> Tensor:
        losses = [F.cross_entropy(z, y, label_smoothing=self.label_smoothing) for z in self.forward(x)]
        loss = losses[0] + self.aux_weight * sum(losses[1:])
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.detach()

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
    """A step whose work is done by `record` of it: once recorded, it always reads the same memory.

    All batches have the same shape. `record` is given the work and returns what repeats it; it does not do it yet.
    """

    def __init__(
        self,
        network: nn.Module,
        forward: Precision,
        recipe: Recipe,
        tuning: Tuning,
        record: Callable[[Work], Work],
        warm_up: Callable[[Work], Tensor],
    ) -> None:
        super().__init__(network, forward, recipe, tuning)
        self.record, self.warm_up = record, warm_up
        self.steps = 0
        self.rates = [torch.zeros((), device=forward.device) for _ in self.optimizer.param_groups]
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"], group["capturable"] = rate, True

    def __call__(self, x: Tensor, y: Tensor, rate: float) -> Tensor:
        for group, of_group in zip(self.optimizer.param_groups, self.rates, strict=True):
            of_group.fill_(rate * group["factor"])
        self.steps += 1
        if self.steps <= WARM_UP:
            return self.warm_up(lambda: self.learn(x, y))
        if self.steps == WARM_UP + 1:
            self.x, self.y = x.clone(), y.clone()
            self.replay = self._recorded()
        self.x.copy_(x)
        self.y.copy_(y)
        return self.replay().clone()

    def _recorded(self) -> Work:
        def work() -> Tensor:
            return self.learn(self.x, self.y)

        try:
            return self.record(work)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:  # something in it needs the CPU, which a graph does without
            self.optimizer.zero_grad()
            return work


def make_step(network: nn.Module, forward: Precision, recipe: Recipe, tuning: Tuning) -> Step:
    """The fastest there is for the device.

    What changes from step to step but for the rate, no graph can hold: modules that do say `varies_in_python`.
    """
    varies = any(getattr(module, "varies_in_python", False) for module in network.modules())
    if forward.device.type != "cuda" or varies:
        return Step(network, forward, recipe, tuning)
    return RecordedStep(network, forward, recipe, tuning, record_on_gpu, on_a_side_stream)


def record_on_gpu(work: Work) -> Work:
    """`work` as a CUDA graph. Raises RuntimeError where it can be none."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = work()

    def replay() -> Tensor:
        graph.replay()
        return result

    return replay


def on_a_side_stream(work: Work) -> Tensor:
    """Do `work` where a recording does it: gradients remember their stream, and may not leave it while recorded."""
    side, current = torch.cuda.Stream(), torch.cuda.current_stream()  # type: ignore[no-untyped-call]
    side.wait_stream(current)
    with torch.cuda.stream(side):
        result = work()
    current.wait_stream(side)
    return result


def optimizer(parameters: Sequence[Group], recipe: Recipe) -> torch.optim.Optimizer:
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
    sgd = torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0, fused=True)
    if recipe.momentum:  # from the start: it cannot begin at different steps, where blocks are left out of some
        for p in (p for group in sgd.param_groups for p in group["params"]):
            sgd.state[p]["momentum_buffer"] = torch.zeros_like(p)
    return sgd
