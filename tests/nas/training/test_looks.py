"""Looks at a training: when, at what, and that they change nothing."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.data import Dataset
from nas.training.evaluation import Judged
from nas.training.looks import Look, Looks
from nas.training.recipe import Recipe
from nas.training.train import Epoch, train
from searchspaces.layers import conv, head, mbconv, network

RECIPE = Recipe(epochs=2, batch_size=20, bf16=True)  # 9 steps an epoch


def small() -> nn.Module:
    torch.manual_seed(0)
    return network(conv(8), mbconv(8), head(4))


@pytest.fixture(scope="module")
def looked_at(tiny: Dataset) -> list[Epoch]:
    return list(train(small(), tiny, RECIPE, 0, marks=(50, 200, 300)))


def test_a_look_changes_nothing(tiny: Dataset, looked_at: list[Epoch]) -> None:
    unwatched = list(train(small(), tiny, RECIPE, 0))
    assert [(e.loss, e.val_accuracy, e.images) for e in unwatched] == [
        (e.loss, e.val_accuracy, e.images) for e in looked_at
    ]
    assert unwatched[-1].looks == ()


def test_looks_are_at_marks_and_ends_of_epochs(looked_at: list[Epoch]) -> None:
    first, last = looked_at
    assert [look.images for look in first.looks] == [60, 180]
    assert [look.images for look in last.looks] == [60, 180, 200, 300, 360]
    assert last.looks[-1].val_accuracy == last.val_accuracy
    assert first.looks[-1].area == pytest.approx(first.loss), "over the first epoch"
    assert last.looks[-1].area == pytest.approx((first.loss + last.loss) / 2, rel=1e-5)
    seconds = [look.seconds for look in last.looks]
    assert seconds == sorted(seconds) and all(look.judging > 0 for look in last.looks)


def test_what_a_look_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses 8, 7, ... 1; a step takes 10 seconds and validation 3."""
    now = 0.0
    monkeypatch.setattr("time.process_time", lambda: now)
    looks = Looks((4, 8), torch.device("cpu"))

    def judge() -> Judged:
        nonlocal now
        now += 3
        return Judged(0.5, None)

    for step in range(8):
        now += 10
        looks.step(torch.tensor(8.0 - step))
        if looks.due(step + 1):
            looks.take(step + 1, judge)
    assert looks.taken == [Look(4, 5.0, 6.5, 0.5, 40.0, 3.0), Look(8, 1.5, 4.5, 0.5, 80.0, 3.0)]


def test_without_marks_nothing_is_kept() -> None:
    looks = Looks((), torch.device("cpu"))
    looks.step(torch.tensor(1.0))
    assert not looks.due(1) and looks.take(1, lambda: Judged(0.25, None)).accuracy == 0.25
    assert looks.taken == []
