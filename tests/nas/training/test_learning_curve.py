"""LearningCurve at a training: when, at what, and that they change nothing."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.data import Dataset
from nas.training.evaluation import Judged
from nas.training.learning_curve import CurvePoint, LearningCurve
from nas.training.recipe import Recipe
from nas.training.train import Epoch, train
from searchspaces.layers import conv, head, mbconv, network

RECIPE = Recipe(epochs=2, batch_size=20, bf16=True)  # 9 steps an epoch


def small() -> nn.Module:
    torch.manual_seed(0)
    return network(conv(8), mbconv(8), head(4))


@pytest.fixture(scope="module")
def looked_at(tiny: Dataset) -> list[Epoch]:
    return list(train(small(), tiny, RECIPE, 0, evaluate_at=(50, 200, 300)))


def test_a_look_changes_nothing(tiny: Dataset, looked_at: list[Epoch]) -> None:
    unwatched = list(train(small(), tiny, RECIPE, 0))
    assert [(e.loss, e.val_accuracy, e.images) for e in unwatched] == [
        (e.loss, e.val_accuracy, e.images) for e in looked_at
    ]
    assert unwatched[-1].curve == ()


def test_looks_are_at_marks_and_ends_of_epochs(looked_at: list[Epoch]) -> None:
    first, last = looked_at
    assert [point.images for point in first.curve] == [60, 180]
    assert [point.images for point in last.curve] == [60, 180, 200, 300, 360]
    assert last.curve[-1].val_accuracy == last.val_accuracy
    assert first.curve[-1].area == pytest.approx(first.loss), "over the first epoch"
    assert last.curve[-1].area == pytest.approx((first.loss + last.loss) / 2, rel=1e-5)
    seconds = [point.seconds for point in last.curve]
    assert seconds == sorted(seconds) and all(point.judging > 0 for point in last.curve)


def test_what_a_look_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses 8, 7, ... 1; a step takes 10 seconds and validation 3."""
    now = 0.0
    monkeypatch.setattr("time.process_time", lambda: now)
    curve = LearningCurve((4, 8), torch.device("cpu"))

    def judge() -> Judged:
        nonlocal now
        now += 3
        return Judged(0.5, None)

    for step in range(8):
        now += 10
        curve.step(torch.tensor(8.0 - step))
        if curve.due(step + 1):
            curve.evaluate(step + 1, judge)
    assert curve.points == [CurvePoint(4, 5.0, 6.5, 0.5, 40.0, 3.0), CurvePoint(8, 1.5, 4.5, 0.5, 80.0, 3.0)]


def test_without_marks_nothing_is_kept() -> None:
    curve = LearningCurve((), torch.device("cpu"))
    curve.step(torch.tensor(1.0))
    assert not curve.due(1) and curve.evaluate(1, lambda: Judged(0.25, None)).accuracy == 0.25
    assert curve.points == []
