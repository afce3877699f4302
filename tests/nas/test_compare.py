"""A comparison: one recipe, the same seeds, the test set last."""

from __future__ import annotations

import pytest

from nas.compare import compare, train_and_test
from nas.data import Dataset
from nas.network import Designed
from nas.tables import comparison_table, spread
from nas.train import Diverged, Recipe

RECIPE = Recipe(epochs=3, batch_size=20)


def test_one_seed_gives_one_verdict(tiny: Dataset) -> None:
    network = Designed("resnet20@0.25")
    first, again, other = (train_and_test(network, tiny, tiny.val, RECIPE, seed) for seed in (0, 0, 1))
    assert first.val_accuracy == first.test_accuracy == again.test_accuracy  # the test images are the validation ones
    assert first.size == other.size
    weights = [next(trained.module.parameters()) for trained in (first, again, other)]
    assert weights[0].equal(weights[1]) and not weights[0].equal(weights[2])


def test_the_best_comes_first_and_a_failure_loses_nobody(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def one_diverges(network: Designed, *args: object) -> object:
        if network.name == "mobilenet_v2@0.1":
            raise Diverged("the training loss was nan")
        return train_and_test(network, *args)  # type: ignore[arg-type]

    monkeypatch.setattr("nas.compare.train_and_test", one_diverges)
    failures: list[tuple[str, str]] = []
    networks = [(name, Designed(name)) for name in ("mobilenet_v2@0.1", "resnet20@0.2", "resnet20@0.5")]
    found = compare(networks, tiny, tiny.val, RECIPE, range(2), on_failure=lambda *said: failures.append(said))
    assert {c.name for c in found} == {"resnet20@0.2", "resnet20@0.5"}
    assert found[0].test_accuracy >= found[1].test_accuracy
    assert all(len(c.test_accuracies) == len(c.val_accuracies) == 2 for c in found)
    assert failures == [("mobilenet_v2@0.1", "Diverged: the training loss was nan")]
    assert found[0].name in comparison_table(found).splitlines()[2]


def test_spread() -> None:
    assert spread([0.612]) == "61.2 %"
    assert spread([0.612, 0.618]) == "61.5 ± 0.4 %"
