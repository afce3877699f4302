"""Progressive resizing: small images first, all pixels in the last third, the optimizer's memory kept between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from nas.data.images import Dataset
from nas.devices.recording import RECORDERS
from nas.devices.tensor_program import TensorPrograms
from nas.training import checkpoints
from nas.training.recipe import Recipe
from nas.training.resizing import Resizing
from nas.training.train import Training

RECIPE = Recipe(epochs=3, batch_size=10, bf16=False, progressive=0.5)


@pytest.fixture
def dataset(noise: Callable[[int], Dataset]) -> Dataset:
    return noise(16)


class Seen(nn.Module):
    """Notes the sides of the images that it is trained on."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.rows = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(4, 3)
        self.sides: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.sides.append(x.shape[2])
        logits: Tensor = self.head(self.rows(x))
        return logits


@pytest.mark.parametrize(
    ("share", "side", "epochs", "expected"),
    [
        (0.5, 32, 6, [16, 16, 24, 24, 32, 32]),
        (0.5, 96, 3, [48, 72, 96]),
        (0.5, 32, 2, [24, 32]),
        (0.5, 32, 1, [32]),
        (0.1, 32, 3, [4, 16, 32]),
        (0.0, 32, 3, [32, 32, 32]),
        (1.0, 30, 3, [30, 30, 30]),
    ],
)
def test_sides_grow_to_the_full_one(share: float, side: int, epochs: int, expected: list[int]) -> None:
    resizing = Resizing(share, side, epochs)
    assert [resizing.side_in(epoch) for epoch in range(1, epochs + 1)] == expected
    assert resizing.sides() == sorted(set(expected))


def test_what_is_done_goes_by_pixels() -> None:
    resizing = Resizing(0.5, 32, 3)
    assert [resizing.done(epochs) for epochs in (0, 1, 1.5, 2, 3)] == pytest.approx(
        [0, 4 / 29, 8.5 / 29, 13 / 29, 1]  # 16, 24 and 32 pixels: 4, 9 and 16
    )
    assert Resizing(0, 32, 4).done(3) == 0.75


def test_a_training_sees_them_and_is_judged_at_all_pixels(dataset: Dataset) -> None:
    network = Seen()
    training = Training(network, dataset, RECIPE, 5)
    list(training.epochs())
    assert network.sides == 4 * [8] + 4 * [12] + 4 * [16]
    assert dataset.val.pixels.shape[1] == 16


def test_momentum_is_kept_from_size_to_size(dataset: Dataset) -> None:
    training = Training(Seen(), dataset, RECIPE, 5)
    epochs = training.epochs()
    next(epochs)
    before = {
        number: {name: t.clone() for name, t in of.items()} for number, of in training.learn.optimizer_state().items()
    }
    first = training.learn
    training._resize()
    assert training.learn is not first and training.side == 12
    after = training.learn.optimizer_state()
    assert before.keys() == after.keys() and before
    for number, of in before.items():
        assert all(torch.equal(tensor, after[number][name]) for name, tensor in of.items())


@pytest.mark.parametrize("stopped_after", [1, 2])
def test_one_that_was_stopped_ends_the_same(dataset: Dataset, tmp_path: Path, stopped_after: int) -> None:
    whole, resumed = Seen(), Seen()
    expected = list(Training(whole, dataset, RECIPE, 5).epochs())
    begun = (training := Training(Seen(), dataset, RECIPE, 5)).epochs()
    for _ in range(stopped_after):
        next(begun)
    checkpoints.save(tmp_path / "c.pt", training.snapshot(), {})
    again = Training(resumed, dataset, RECIPE, 5)
    again.restore(checkpoints.load(tmp_path / "c.pt")[0])
    assert [epoch.loss for epoch in again.epochs()] == [epoch.loss for epoch in expected[stopped_after:]]
    assert all(torch.equal(tensor, resumed.state_dict()[name]) for name, tensor in whole.state_dict().items())


def test_recorded_steps_are_made_anew_for_each_size(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = replace(RECIPE, batch_size=4)  # ten steps an epoch: enough to record
    plain, recorded = (nn.Sequential(*Seen().rows, nn.Linear(4, 3)) for _ in range(2))
    recorded.load_state_dict(plain.state_dict())
    expected = [epoch.loss for epoch in Training(plain, dataset, recipe, 5).epochs()]
    monkeypatch.setitem(RECORDERS, "cpu", TensorPrograms)
    epochs = list(Training(recorded, dataset, recipe, 5).epochs())
    assert [epoch.single_steps for epoch in epochs] == 3 * [""]
    assert [epoch.loss for epoch in epochs] == pytest.approx(expected, rel=1e-5)


def test_a_network_of_one_size_is_refused(dataset: Dataset) -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(16 * 16 * 3, 3))
    with pytest.raises(ValueError, match=r"begins at 8 pixels, and this network takes 16 alone"):
        Training(flat, dataset, RECIPE, 5)
    Training(flat, dataset, replace(RECIPE, progressive=0), 5)


def test_it_goes_by_epochs() -> None:
    with pytest.raises(ValueError, match="goes by epochs"):
        replace(RECIPE, seconds=10.0)
