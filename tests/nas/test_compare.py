"""A comparison: one recipe, the same seeds, the test set last."""

from __future__ import annotations

import pytest
import torch

from nas.compare import Contender, Prediction, compare, ensembles_of, train_and_test
from nas.data import Dataset
from nas.network import Designed
from nas.tables import comparison_table, spread
from nas.targets import expand
from nas.train import Diverged, Recipe
from searchspaces.cost import Cost

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


def test_an_ensemble_is_the_mean_of_its_members_probabilities(tiny: Dataset) -> None:
    """Members that disagree: the surer one wins. Of each network its seeds, and of each seed all networks."""
    sure, unsure = [torch.tensor([[p, 1 - p, 0.0, 0.0]]).expand(len(tiny.val), 4) for p in (0.9, 0.3)]
    predictions = [[Prediction(p, p) for p in member] for member in ((sure, unsure), (unsure, unsure))]
    size = Cost(10, 100, 1000)
    contenders = [Contender(name, size, (0.0, 0.0), (0.0, 0.0)) for name in ("a", "b")]
    found = {c.name: c for c in ensembles_of(contenders, predictions, tiny, tiny.val)}
    share = [(tiny.val.labels == label).double().mean().item() for label in (0, 1)]
    assert found.keys() == {"a x 2", "b x 2", "all 2 together"}
    assert found["a x 2"].test_accuracies == (share[0],) and found["b x 2"].test_accuracies == (share[1],)
    assert found["all 2 together"].test_accuracies == (share[0], share[1])
    assert found["all 2 together"].size == Cost(20, 200, 2000)


def test_what_takes_no_such_images_is_refused_before_anything_is_trained(tiny: Dataset) -> None:
    networks = [(name, Designed(name)) for name in ("resnet8", "inception_v3")]
    with pytest.raises(ValueError, match="inception_v3 needs images of at least 75 pixels"):
        compare(networks, tiny, tiny.val, RECIPE, [0], lambda *said: pytest.fail("it trained"))


def test_all_cifar_is_every_network_for_small_images() -> None:
    names = expand("lenet5, all-cifar,mobilenet_v2@0.5")
    assert names[0] == "lenet5" and names[-1] == "mobilenet_v2@0.5"
    assert {"resnet20", "vgg16_bn", "nasnet_a_cifar"} <= set(names) and "inception_v3" not in names


def test_spread() -> None:
    assert spread([0.612]) == "61.2 %"
    assert spread([0.612, 0.618]) == "61.5 ± 0.4 %"
