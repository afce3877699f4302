"""One network, trained and tested."""

from __future__ import annotations

from nas.compare.training import train_and_test
from nas.data import Dataset
from nas.network import Designed
from nas.recipe import Recipe

RECIPE = Recipe(epochs=3, batch_size=20)


def test_one_seed_gives_one_verdict(tiny: Dataset) -> None:
    network = Designed("resnet20@0.25")
    first, again, other = (train_and_test(network, tiny, tiny.val, RECIPE, seed) for seed in (0, 0, 1))
    assert first.val_accuracy == first.test_accuracy == again.test_accuracy  # the test images are the validation ones
    assert first.size == other.size
    weights = [next(trained.module.parameters()) for trained in (first, again, other)]
    assert weights[0].equal(weights[1]) and not weights[0].equal(weights[2])
