"""The moving average of the weights is judged and kept in their place, and the best epoch where it is selected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from nas.data.images import Dataset
from nas.training import checkpoints
from nas.training.averaging import Average
from nas.training.recipe import Recipe
from nas.training.train import Epoch, Training, chosen

RECIPE = Recipe(epochs=3, batch_size=10, lr=0.5, bf16=False)


@pytest.fixture
def dataset(noise: Callable[[int], Dataset]) -> Dataset:
    return noise(8)


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))


def weights(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_it_is_the_average_by_hand() -> None:
    module = network()
    average, expected = Average(module, 0.5), module[0].weight.detach().clone()
    for step in (1, 2, 30):
        with torch.no_grad():
            module[0].weight += step
        average.update(step)
        kept = min(0.5, (1 + step) / (10 + step))
        expected = kept * expected + (1 - kept) * module[0].weight.detach()
    torch.testing.assert_close(average.tensors["0.weight"], expected)
    own = weights(module)
    with average.in_place():
        torch.testing.assert_close(module[0].weight.detach(), expected)
    assert equal(own, weights(module))
    average.apply()
    torch.testing.assert_close(module[0].weight.detach(), expected)


def test_it_changes_what_is_kept_and_nothing_of_the_training(dataset: Dataset) -> None:
    plain, averaged = network(), network()
    losses = [epoch.loss for epoch in Training(plain, dataset, RECIPE, 5).epochs()]
    training = Training(averaged, dataset, replace(RECIPE, ema=0.9), 5)
    epochs = list(training.epochs())
    assert [epoch.loss for epoch in epochs] == losses, "each step is of the network's own weights"
    assert not equal(weights(plain), weights(averaged))
    assert training.average is not None
    assert all(torch.equal(averaged.state_dict()[name], tensor) for name, tensor in training.average.tensors.items())
    assert training._judge().accuracy == epochs[-1].val_accuracy, "what was judged is what is kept"


def test_the_best_epoch_is_kept(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Tensor]] = []
    accuracies = iter((0.4, 0.7, 0.7))
    module = network()
    training = Training(module, dataset, replace(RECIPE, select="best"), 5)
    judge = training._judge
    monkeypatch.setattr(training, "_judge", lambda: judge()._replace(accuracy=next(accuracies)))
    for _ in training.epochs():
        seen.append(weights(module))
    assert training.chosen.number == 2, "the first of equals"
    assert equal(weights(module), seen[1]) and not equal(seen[1], seen[2])


@pytest.mark.parametrize("recipe", [replace(RECIPE, ema=0.9), replace(RECIPE, ema=0.9, select="best")])
def test_one_that_was_stopped_ends_the_same(dataset: Dataset, recipe: Recipe, tmp_path: Path) -> None:
    whole, resumed = network(), network()
    expected = list(Training(whole, dataset, recipe, 5).epochs())
    begun: Iterator[Epoch] = (training := Training(network(), dataset, recipe, 5)).epochs()
    next(begun)
    next(begun)
    checkpoints.save(tmp_path / "c.pt", training.snapshot(), {})
    again = Training(resumed, dataset, recipe, 5)
    again.restore(checkpoints.load(tmp_path / "c.pt")[0])
    assert [epoch.loss for epoch in again.epochs()] == [expected[-1].loss]
    assert equal(weights(whole), weights(resumed)) and again.chosen.number == chosen(expected, recipe).number
