"""A supernet's training: each batch goes through a few of its networks, by `nas.weight_sharing.paths`."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas.checks.schemas import PROGRESS
from nas.data.batches import TrainBatches
from nas.data.images import Dataset
from nas.devices.device import tuned, within
from nas.devices.precision import computes_in_bf16
from nas.training.fine_tuning import EVERYTHING
from nas.training.losses import Loss
from nas.training.metrics import weights_of_classes
from nas.training.recipe import Recipe
from nas.training.step import optimizer
from nas.training.train import check_finite
from nas.weight_sharing.paths import Paths
from searchspaces.supernet import Member, Supernet

EPOCHS = 1 << 20
"""More than a training has: so far apart are the seeds of the epochs of two trainings."""

CHECKED = 50
"""Steps between two looks at the loss: a GPU is waited for in each."""


@dataclass(frozen=True)
class Progress:
    """How far it is, after an epoch: `loss` is the mean of the networks that learnt from labels in it.

    Each image counts once a batch, however many networks it went through: `passes` counts these.
    """

    epochs: int = 0
    loss: float = 0.0
    images: int = 0
    passes: int = 0
    seconds: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Progress:
        """What `text` says."""
        return cls(**PROGRESS.checked("progress", json.loads(text)))

    @property
    def text(self) -> str:
        """What `parse` reads."""
        return json.dumps(asdict(self))


class SupernetTraining:
    """The training of `supernet` on `dataset`, `recipe.prepare`d, on the device that holds the data.

    What an epoch does is a function of the seed, its number and what was before it, so that it can go on where it was
    stopped.
    """

    def __init__(self, supernet: Supernet, dataset: Dataset, recipe: Recipe, seed: int) -> None:
        self.supernet, self.dataset, self.recipe, self.seed = supernet, dataset, recipe, seed
        self.device = dataset.train.pixels.device
        with within(self.device):
            supernet.to(self.device)
        self.optimizer = optimizer(EVERYTHING.groups(supernet), recipe)
        self.of_labels = Loss(
            dataset.targets, recipe.label_smoothing, weights_of_classes(recipe.class_weights, dataset), self.device
        )
        self.paths = Paths(supernet.sharing, random.Random(seed))
        self.batches = TrainBatches(
            dataset.train, dataset.mean, dataset.std, batch_size=recipe.batch_size, augment=recipe.augment(),
            num_classes=dataset.num_classes,
        )  # fmt: skip
        self.steps = max(1, len(dataset.train) // recipe.batch_size)  # of an epoch
        on_gpu = self.device.type == "cuda"  # a CPU is slow at depthwise convolutions in bfloat16, see `Precision`
        self.bf16 = on_gpu and (computes_in_bf16(self.device) if recipe.bf16 is None else recipe.bf16)
        self.progress = Progress()

    def epochs(self) -> Iterator[Progress]:
        """From where it is to the end. Raises Diverged where the loss stops being finite."""
        while self.progress.epochs < self.recipe.epochs:
            began = time.perf_counter()
            with within(self.device), tuned(self.device, self.recipe.epochs * self.steps):
                done = self._epoch()
            self.progress = replace(done, seconds=self.progress.seconds + time.perf_counter() - began)
            yield self.progress

    def moments(self) -> Mapping[int, Mapping[str, Tensor]]:
        """What the optimizer remembers, by the numbers of parameters. The tensors are its own."""
        state: Mapping[int, Mapping[str, Tensor]] = self.optimizer.state_dict()["state"]
        return state

    def restore(
        self, tensors: Mapping[str, Tensor], moments: Mapping[int, Mapping[str, Tensor]], progress: Progress
    ) -> None:
        """Be where another one was. Raises KeyError or RuntimeError where that is of another supernet."""
        with torch.no_grad():
            for key, tensor in self.supernet.tensors.items():
                tensor.copy_(tensors[key])
            for number, state in moments.items():
                parameter = self._learnt[number]
                for name, moment in state.items():
                    self.optimizer.state[parameter][name].copy_(moment)
        self.progress = progress

    @property
    def _learnt(self) -> list[nn.Parameter]:
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    def _epoch(self) -> Progress:
        before = self.progress
        generator = torch.Generator().manual_seed(self.seed * EPOCHS + before.epochs)
        self.paths.rng = random.Random(f"{self.seed} {before.epochs}")
        losses: list[Tensor] = []
        images = passes = 0
        for number, draw in enumerate(self.batches.draw(generator), start=before.epochs * self.steps + 1):
            rate = self.recipe.rate(number / (self.recipe.epochs * self.steps + 1))
            for group in self.optimizer.param_groups:
                group["lr"] = rate * group["factor"]
            x, y = self.batches.batch(draw)
            members = [self.supernet.member(arch) for arch in self.paths.draw()]
            losses.append(self._learn(members, x, y))
            images, passes = images + len(x), passes + len(x) * len(members)
            if number % CHECKED == 0:
                check_finite(losses[-1], number)
        mean = torch.stack(losses).mean()
        check_finite(mean, (before.epochs + 1) * self.steps)
        return Progress(before.epochs + 1, mean.item(), before.images + images, before.passes + passes)

    def _learn(self, members: Sequence[Member], x: Tensor, y: Tensor) -> Tensor:
        """A step: the gradients of all `members` add up. Returns the loss of the first, by the labels."""
        first, *others = members
        logits = self._said(first, x)
        loss = self.of_labels(logits, y)
        loss.backward()  # type: ignore[no-untyped-call]
        taught = logits.detach().log_softmax(1)
        for member in others:
            said = self._said(member, x).log_softmax(1)
            F.kl_div(said, taught, reduction="batchmean", log_target=True).backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.detach()

    def _said(self, member: Member, x: Tensor) -> Tensor:
        """Its logits, float32 `[B, num_classes]`."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            return member(x).float()
