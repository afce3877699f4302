"""A trial: what is evaluated, and what comes back. An engine maps the one to the other, wherever it runs."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

import torch
from safetensors.torch import save
from torch import Tensor, nn

from nas.checks.costs import above_limit
from nas.data.images import Dataset
from nas.devices.device import out_of_memory, raise_fault
from nas.devices.latency import latency, measure_latency
from nas.devices.place import Place
from nas.network import Network
from nas.training.evaluation import judged, predict
from nas.training.fine_tuning import EVERYTHING
from nas.training.learning_curve import CurvePoint
from nas.training.recipe import Recipe
from nas.training.shared import judge
from nas.training.train import Epoch, OnStep, check_room_to_train, chosen, train
from nas.training.transfer import StartFile


class State(StrEnum):
    """How a trial stands."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"
    RUNNING = "running"
    WAITING = "waiting"  # enqueued, to be trained next


@dataclass(frozen=True)
class Clock:
    """By which `runtime` the time of an image is measured, and the most seconds with which a network is trained."""

    runtime: str
    most: float | None = None


@dataclass(frozen=True)
class TrialSpec:
    """One training to do. Picklable: it travels to a worker."""

    number: int
    network: Network
    recipe: Recipe
    seed: int
    clock: Clock | None = None  # what its time is measured by, before it is trained
    published: float | None = None  # accuracy, 0..1: the answer of a table, instead of a training
    evaluate_at: tuple[int, ...] = ()  # images after which to evaluate
    tested: bool = False  # in the end, on the data set's test images: in a comparison, never in a search
    recorded: bool = True  # a GPU records its steps, where it can
    start: StartFile | None = None  # the weights to start from; None: random ones
    trained: bool = True  # else it is judged with the weights that it starts from, a supernet's


INFERENCE_BATCH = 64  # images


@dataclass(frozen=True)
class Tested:
    """The one look at the test images, after the last epoch, and what the network took to get and takes to use."""

    accuracy: float | None  # 0..1; None of regression
    images: int  # that it was trained on, each counted as often as it was seen
    training_seconds: float  # with the validations after each epoch
    inference: float  # images a second, in float32, `INFERENCE_BATCH` at a time
    bytes: int  # of its weights as a .safetensors file
    probabilities: dict[str, Tensor]  # of classes, `[N, num_classes]`: of "val" and of "test", on the CPU
    score: float | None = None  # by the recipe's metric, at most 1; None where that is accuracy


@dataclass(frozen=True)
class TrialResult:
    """What came of it. A failure is a result too, with its `reason` in one line."""

    state: State
    seconds: float
    accuracy: float | None = None  # on validation images, 0..1
    loss: float | None = None  # mean training loss of the last epoch
    latency: float | None = None  # seconds for one image
    reason: str = ""
    tested: Tested | None = None
    curve: tuple[CurvePoint, ...] = ()
    single_steps: str = ""  # why a device that records steps took them one by one
    place: Place | None = None  # where it ran; that of a worker that died is not known
    score: float | None = None  # on validation images by the recipe's metric, at most 1; None where that is accuracy
    refused: bool = False  # it is not trained, since its network takes more time than is allowed

    @property
    def quality(self) -> float | None:
        """What the training is judged by."""
        return self.accuracy if self.score is None else self.score


def run_trial(spec: TrialSpec, dataset: Dataset, on_step: OnStep | None = None) -> Generator[Epoch, None, TrialResult]:
    """Train `spec.network` on `dataset` (already `recipe.prepare`d): yields epochs, returns the result.

    `on_step` is told where the training is, now and then.

    A network whose accuracy is `spec.published` is not trained, and `dataset` may be without images then.

    Whatever goes wrong with a network (it does not build, runs out of memory, its loss becomes NaN) is
    the result of this trial and of no other. Closing the generator stops the trial. Raises DeviceFault where the device
    is broken, of which no network is the cause that anybody could tell.
    """
    start = time.perf_counter()
    device = dataset.train.pixels.device
    build = partial(spec.network.build, dataset.num_classes, dataset.image_size, dataset.channels)
    try:
        if spec.published is None and spec.trained:
            check_room_to_train(build, dataset, spec.recipe)
        torch.manual_seed(spec.seed)  # weights and dropout draw from torch's own: a trial has the process to itself
        network = build()
        tuning = EVERYTHING
        if spec.start is not None:
            spec.start.give(network, spec.network, dataset)
            tuning = spec.start.tuning
        image_seconds = None if spec.clock is None else _timed(network, spec.clock, dataset)
        if image_seconds is not None and spec.clock is not None and image_seconds > (spec.clock.most or math.inf):
            reason = above_limit("latency", image_seconds, spec.clock.most or math.inf)
            seconds = time.perf_counter() - start
            return TrialResult(State.PRUNED, seconds, latency=image_seconds, reason=reason, refused=True)
        if spec.published is not None:
            return TrialResult(State.COMPLETE, time.perf_counter() - start, spec.published, latency=image_seconds)
        if not spec.trained:
            found = judge(network, dataset, spec.recipe)
            took = time.perf_counter() - start
            return TrialResult(State.COMPLETE, took, found.accuracy, latency=image_seconds, score=found.score)
        epochs = []
        for epoch in train(
            network,
            dataset,
            spec.recipe,
            spec.seed,
            tuning,
            evaluate_at=spec.evaluate_at,
            on_step=on_step,
            recorded=spec.recorded,
        ):
            epochs.append(epoch)
            yield replace(epoch, latency=image_seconds)
        tested = _test(network, dataset, spec.recipe, epoch) if spec.tested else None
    except Exception as error:
        raise_fault(device, error)
        return TrialResult(State.FAILED, time.perf_counter() - start, reason=describe(error))
    seconds, kept = time.perf_counter() - start, chosen(epochs, spec.recipe)
    return TrialResult(
        State.COMPLETE, seconds, kept.val_accuracy, epoch.loss, image_seconds, tested=tested, curve=epoch.curve,
        single_steps=epoch.single_steps, score=kept.val_score,
    )  # fmt: skip


def _timed(network: nn.Module, clock: Clock, dataset: Dataset) -> float:
    """Seconds for one image."""
    device, threads = dataset.train.pixels.device, torch.get_num_threads()
    return measure_latency(network, dataset.image_size, clock.runtime, threads, device, dataset.channels).seconds


def _test(network: nn.Module, dataset: Dataset, recipe: Recipe, last: Epoch) -> Tested:
    assert dataset.test is not None
    val, test = (predict(network, images, dataset, recipe) for images in (dataset.val, dataset.test))
    seconds = latency(network, dataset.image_size, test.device, INFERENCE_BATCH, repeats=9, channels=dataset.channels)
    weights = {name: tensor.contiguous().cpu() for name, tensor in network.state_dict().items()}
    found = judged(test, dataset.test.labels, recipe.metric, dataset.kind)
    return Tested(
        accuracy=found.accuracy,
        score=found.score,
        images=last.images,
        training_seconds=last.seconds,
        inference=1 / seconds,
        bytes=len(save(weights)),
        probabilities={"val": val.cpu(), "test": test.cpu()},
    )


def describe(error: BaseException) -> str:
    """`error` in one line that a ledger can hold."""
    text = str(error).strip().partition("\n")[0]
    if out_of_memory(error):
        return f"out of memory: {text}"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
