"""A trial: what is evaluated, and what comes back. An engine maps the one to the other, wherever it runs."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from enum import StrEnum

import torch

from nas.data.images import Dataset
from nas.latency import latency
from nas.network import Network
from nas.train import Epoch, Recipe, train


class State(StrEnum):
    """How a trial stands."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"
    RUNNING = "running"


@dataclass(frozen=True)
class TrialSpec:
    """One training to do. Picklable: it travels to a worker."""

    number: int
    network: Network
    recipe: Recipe
    seed: int
    measure_latency: bool = False
    published: float | None = None  # accuracy, 0..1: the answer of a table, instead of a training


@dataclass(frozen=True)
class TrialResult:
    """What came of it. A failure is a result too, with its `reason` in one line."""

    state: State
    seconds: float
    accuracy: float | None = None  # on validation images, 0..1
    loss: float | None = None  # mean training loss of the last epoch
    latency: float | None = None  # seconds for one image
    reason: str = ""


def run_trial(spec: TrialSpec, dataset: Dataset) -> Generator[Epoch, None, TrialResult]:
    """Train `spec.network` on `dataset` (already `recipe.prepare`d): yields epochs, returns the result.

    A network whose accuracy is `spec.published` is not trained, and `dataset` may be without images then.

    Whatever goes wrong with a network (it does not build, runs out of memory, its loss becomes NaN) is
    the result of this trial and of no other. Closing the generator stops the trial.
    """
    start = time.perf_counter()
    device = dataset.train.pixels.device
    torch.manual_seed(
        spec.seed
    )  # weights and dropout draw from torch's own generator; a trial has the process to itself
    try:
        network = spec.network.build(dataset.num_classes, dataset.image_size)
        image_seconds = latency(network, dataset.image_size, device) if spec.measure_latency else None
        if spec.published is not None:
            return TrialResult(State.COMPLETE, time.perf_counter() - start, spec.published, latency=image_seconds)
        for epoch in train(network, dataset, spec.recipe, spec.seed):
            yield replace(epoch, latency=image_seconds)
    except Exception as error:
        return TrialResult(State.FAILED, time.perf_counter() - start, reason=describe(error))
    return TrialResult(State.COMPLETE, time.perf_counter() - start, epoch.val_accuracy, epoch.loss, image_seconds)


def describe(error: BaseException) -> str:
    """`error` in one line that a ledger can hold."""
    text = str(error).strip().partition("\n")[0]
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in text:
        return f"out of memory: {text}"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
