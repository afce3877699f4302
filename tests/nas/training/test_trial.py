"""A trial's end is its result, whatever it is."""

from __future__ import annotations

import pickle
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from nas.data import Dataset
from nas.network import Designed, Found
from nas.training.recipe import Recipe
from nas.training.trial import Clock, State, TrialResult, TrialSpec, describe, run_trial
from searchspaces import Mnas

RECIPE = Recipe(batch_size=20, epochs=2)


@dataclass(frozen=True)
class Broken:
    """A network that goes wrong in some way."""

    error: BaseException
    name: str = "broken"

    def build(self, num_classes: int, image_size: int, channels: int | None = None) -> nn.Module:
        raise self.error


def result_of(spec: TrialSpec, dataset: Dataset) -> tuple[int, TrialResult]:
    """How many epochs were seen, and what came of it."""
    training, epochs = run_trial(spec, dataset), 0
    while True:
        try:
            next(training)
            epochs += 1
        except StopIteration as end:
            return epochs, end.value


def test_a_whole_trial(tiny: Dataset) -> None:
    epochs, result = result_of(TrialSpec(3, Designed("mobilenet_v2@0.1"), RECIPE, 0, clock=Clock("pytorch")), tiny)
    assert epochs == 2 and result.state == State.COMPLETE and result.reason == ""
    assert result.accuracy is not None and 0 <= result.accuracy <= 1
    assert result.latency is not None and 0 < result.latency < 1
    assert result.seconds > 0


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("no such layer\nmore"), "ValueError: no such layer"),
        (MemoryError("16 GiB"), "out of memory: 16 GiB"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "out of memory: DefaultCPU"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried"), "out of memory: CUDA"),
        (ZeroDivisionError(), "ZeroDivisionError"),
    ],
)
def test_what_goes_wrong_is_its_result(tiny: Dataset, error: Exception, reason: str) -> None:
    epochs, result = result_of(TrialSpec(0, Broken(error), RECIPE, 0), tiny)  # type: ignore[arg-type]
    assert epochs == 0 and result.state == State.FAILED
    assert result.reason.startswith(reason) and "\n" not in result.reason
    assert describe(error) == result.reason


def test_divergence_is_its_result(tiny: Dataset) -> None:
    recipe = Recipe(batch_size=20, lr=1e3, weight_decay=1e3, warmup=0.0)
    _, result = result_of(TrialSpec(0, Designed("mobilenet_v2@0.1"), recipe, 0), tiny)
    assert result.state == State.FAILED and "loss was" in result.reason


def test_ctrl_c_is_not_a_result(tiny: Dataset) -> None:
    with pytest.raises(KeyboardInterrupt):
        result_of(TrialSpec(0, Broken(KeyboardInterrupt()), RECIPE, 0), tiny)  # type: ignore[arg-type]


def test_a_trial_travels(tiny: Dataset) -> None:
    space = Mnas(width=0.1)
    spec = TrialSpec(1, Found(space, tuple([0] * 42)), RECIPE, 5)
    assert pickle.loads(pickle.dumps(spec)) == spec
