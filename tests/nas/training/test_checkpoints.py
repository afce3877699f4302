"""A training that goes on from a checkpoint ends as one that was never interrupted; a damaged file is said."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from nas.data import Dataset
from nas.training import checkpoints
from nas.training.fine_tuning import EVERYTHING, FineTuning
from nas.training.recipe import Recipe
from nas.training.train import Epoch, Training
from searchspaces.auxiliary import WithAuxiliary
from searchspaces.layers import conv, head, mbconv, network
from searchspaces.modules import ScheduledDropPath, StochasticDepth

RECIPE = Recipe(epochs=3, batch_size=20, bf16=False)
JOB = {"network": "small"}


def rows(*more: nn.Module) -> nn.Sequential:
    """A small network with `more` before its classifier."""
    named = {f"more{number}": lambda c, module=module: (module, c) for number, module in enumerate(more)}
    return network({"conv1": conv(8, stride=2), "conv2": mbconv(16, 2, expand=2), **named, "fc": head(4)})


def with_auxiliary() -> nn.Module:
    return WithAuxiliary(rows(), {"conv1": network(head(4), c_in=8)}, 0.5)


def run(
    build: Callable[[], nn.Module], dataset: Dataset, recipe: Recipe, tuning: FineTuning, stop: int | None, path: Path
) -> tuple[nn.Module, list[Epoch]]:
    """Train to the end; with `stop`, as two processes: all that the second knows of the first is in `path`."""
    torch.manual_seed(1)
    training = Training(build(), dataset, recipe, 1, tuning)
    for epoch in training.epochs():
        if epoch.number == stop:
            checkpoints.save(path, training.snapshot(), JOB)
            torch.manual_seed(99)
            training = Training(build(), dataset, recipe, 1, tuning)
            snapshot, job = checkpoints.load(path)
            assert job == JOB
            training.restore(snapshot)
            list(training.epochs())
            break
    return training.network, training.done


CASES = {
    "sgd": (rows, {}, EVERYTHING),
    "no momentum": (rows, {"momentum": 0.0}, EVERYTHING),
    "adamw": (rows, {"optimizer": "adamw", "lr": 0.01}, EVERYTHING),
    "cutout": (rows, {"cutout": 4}, EVERYTHING),
    "resized crops": (rows, {"min_area": 0.3}, EVERYTHING),
    "policy": (rows, {"policy": "trivialaugment", "rotation": 10}, EVERYTHING),
    "mixtures": (rows, {"mixup": 0.2, "cutmix": 1.0}, EVERYTHING),
    "bfloat16": (rows, {"bf16": True}, EVERYTHING),
    "dropout": (lambda: rows(nn.Dropout(0.5)), {}, EVERYTHING),
    "stochastic depth": (lambda: rows(StochasticDepth(0.5)), {}, EVERYTHING),
    "drop-path": (lambda: rows(ScheduledDropPath(0.5)), {}, EVERYTHING),
    "frozen rows": (rows, {"optimizer": "adamw"}, FineTuning(("conv1",), backbone_lr=0.5)),
    "auxiliary classifiers": (with_auxiliary, {}, EVERYTHING),
    "less than a batch": (rows, {"batch_size": 500}, EVERYTHING),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("stop", [1, 2])
def test_a_training_that_was_interrupted_ends_the_same(case: str, stop: int, tiny: Dataset, tmp_path: Path) -> None:
    build, changes, tuning = CASES[case]
    recipe = replace(RECIPE, **changes)
    whole, epochs = run(build, tiny, recipe, tuning, None, tmp_path / "c.pt")
    halves, again = run(build, tiny, recipe, tuning, stop, tmp_path / "c.pt")
    assert all(tensor.equal(halves.state_dict()[name]) for name, tensor in whole.state_dict().items())
    assert [replace(epoch, seconds=0) for epoch in epochs] == [replace(epoch, seconds=0) for epoch in again]
    assert [epoch.number for epoch in again] == [1, 2, 3]


def test_the_clock_goes_on_and_stands_still_between_epochs(tiny: Dataset, tmp_path: Path) -> None:
    recipe = replace(RECIPE, seconds=0.5)
    training = Training(rows(), tiny, recipe, 1)
    first = next(training.epochs())
    checkpoints.save(tmp_path / "c.pt", replace(training.snapshot(), epochs=(replace(first, seconds=0.45),)), JOB)
    training = Training(rows(), tiny, recipe, 1)
    training.restore(checkpoints.load(tmp_path / "c.pt")[0])
    assert training.progress() == pytest.approx(0.9, abs=0.09)
    last = list(training.epochs())[-1]
    assert 0.5 <= last.seconds < 3 and last.number > 1 and last.images > first.images


@pytest.fixture
def checkpoint(tiny: Dataset, tmp_path: Path) -> Path:
    """That of a training after one epoch."""
    training = Training(rows(), tiny, RECIPE, 1)
    next(training.epochs())
    checkpoints.save(tmp_path / "checkpoint.pt", training.snapshot(), JOB)
    return tmp_path / "checkpoint.pt"


def test_any_damage_is_said(checkpoint: Path) -> None:
    """A changed bit is found, or it is one that nothing is read from."""
    content, (whole, _) = checkpoint.read_bytes(), checkpoints.load(checkpoint)
    rng, found = random.Random(0), 0
    for _ in range(60):
        changed = bytearray(content)
        changed[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        checkpoint.write_bytes(changed)
        try:
            read, _ = checkpoints.load(checkpoint)
        except ValueError as error:
            found += str(error).startswith(f"{checkpoint} is damaged, or not what nas wrote: restore it")
        else:
            assert all(tensor.equal(read.network[name]) for name, tensor in whole.network.items())
            assert read.epochs == whole.epochs
    assert found > 30


@pytest.mark.parametrize("length", [0, 1, 1000, -1])
def test_a_torn_file_is_said(checkpoint: Path, length: int) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"checkpoint\.pt is damaged"):
        checkpoints.load(checkpoint)


@pytest.mark.parametrize("content", [{"weights": torch.zeros(2)}, [1], {"format": "nas training checkpoint 9"}])
def test_a_foreign_file_is_said(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"other\.pt is damaged, or not what nas wrote"):
        checkpoints.load(tmp_path / "other.pt")


def test_the_checkpoint_of_another_network_is_said(checkpoint: Path, tiny: Dataset) -> None:
    training = Training(rows(nn.Conv2d(16, 16, 1)), tiny, RECIPE, 1)
    with pytest.raises(ValueError, match="it is of another network"):
        training.restore(checkpoints.load(checkpoint)[0])
