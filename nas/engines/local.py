"""Trials in this process, one after the other: easy to debug, exactly repeatable, and it needs no Ray."""

from __future__ import annotations

import time
from dataclasses import replace

from nas.data.images import Dataset
from nas.devices.place import Place
from nas.engines import Trials
from nas.training.train import Epoch, Moment
from nas.training.trial import State, TrialResult, TrialSpec, run_trial


def run(trials: Trials, dataset: Dataset) -> None:
    """Evaluate what `trials` asks for, until it asks for nothing more. `dataset` is on the device that trains.

    Raises DeviceFault where that is broken, with the trial under way untold: every further one would fail of it.
    """
    prepared: dict[object, Dataset] = {}
    here = Place.here(str(dataset.train.pixels.device))
    trials.ready(1)
    while spec := trials.ask():
        if spec.recipe.images not in prepared:
            prepared = {spec.recipe.images: spec.recipe.prepare(dataset)}
        result = _evaluate(trials, spec, prepared[spec.recipe.images])
        trials.tell(spec, replace(result, place=here))


def _evaluate(trials: Trials, spec: TrialSpec, dataset: Dataset) -> TrialResult:
    def on_step(moment: Moment) -> None:
        trials.stepped(spec, moment.epoch, moment.step, moment.steps)

    start = time.perf_counter()
    training = run_trial(spec, dataset, on_step)
    while True:
        try:
            epoch = next(training)
        except StopIteration as end:
            result: TrialResult = end.value
            return result
        if trials.report(spec, epoch):
            training.close()
            return stopped(epoch, time.perf_counter() - start)


def stopped(epoch: Epoch, seconds: float) -> TrialResult:
    """The result of a trial that was asked to stop after `epoch`."""
    reason = f"stopped after epoch {epoch.number}"
    return TrialResult(
        State.PRUNED, seconds, epoch.val_accuracy, epoch.loss, epoch.latency, reason, single_steps=epoch.single_steps,
        score=epoch.val_score,
    )  # fmt: skip
