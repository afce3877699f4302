"""The engine in this process. What it shares with the other is in tests/contracts/test_engines.py."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from nas.data import Dataset
from nas.engines import local
from nas.network import Designed
from nas.training.recipe import Recipe
from nas.training.train import Epoch, OnStep
from nas.training.trial import State, TrialResult, TrialSpec


class Listed:
    def __init__(self, *recipes: Recipe) -> None:
        self.left = [TrialSpec(number, Designed("resnet20"), recipe, 0) for number, recipe in enumerate(recipes)]
        self.said: list[tuple[str, int]] = []
        self.steps: list[tuple[int, int, int]] = []

    def ready(self, at_once: int) -> None:
        assert at_once == 1 and not self.said

    def stepped(self, spec: TrialSpec, epoch: int, step: int, steps: int) -> None:
        self.steps.append((epoch, step, steps))

    def due(self) -> bool:
        return True

    def ask(self) -> TrialSpec | None:
        return self.left.pop(0) if self.left else None

    def report(self, spec: TrialSpec, epoch: Epoch) -> bool:
        self.said.append(("epoch", spec.number))
        return spec.recipe.epochs == 7

    def resized(self, at_once: int) -> None:
        raise AssertionError(at_once)

    def waiting(self, what: str) -> None:
        raise AssertionError(what)

    def retried(self, spec: TrialSpec, reason: str, blamed: bool) -> None:
        raise AssertionError(reason)

    def tell(self, spec: TrialSpec, result: TrialResult) -> None:
        self.said.append((result.state, spec.number))


def test_one_trial_after_the_other(tiny: Dataset) -> None:
    trials = Listed(Recipe(), Recipe())
    local.run(trials, tiny)
    assert trials.said == [("epoch", 0), (State.COMPLETE, 0), ("epoch", 1), (State.COMPLETE, 1)]


def test_the_data_are_prepared_once_for_a_recipe(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared: list[int | None] = []
    prepare = Recipe.prepare

    def noting(recipe: Recipe, dataset: Dataset) -> Dataset:
        prepared.append(recipe.subset)
        return prepare(recipe, dataset)

    monkeypatch.setattr(Recipe, "prepare", noting)
    local.run(Listed(Recipe(subset=80), Recipe(subset=80), Recipe(subset=100)), tiny)
    assert prepared == [80, 100]


def test_a_stopped_training_is_closed(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[int] = []

    def training(spec: TrialSpec, dataset: Dataset, on_step: OnStep) -> Generator[Epoch, None, TrialResult]:
        try:
            yield Epoch(1, 1.0, 0.5, 10, 0.0)
            return TrialResult(State.COMPLETE, 0.0, 0.5, 1.0)
        finally:
            closed.append(spec.number)

    monkeypatch.setattr(local, "run_trial", training)
    trials = Listed(Recipe(epochs=7))
    local.run(trials, tiny)
    assert trials.said == [("epoch", 0), (State.PRUNED, 0)]
    assert closed == [0]
