"""Comparisons from end to end: run, interrupted, resumed, at equal seconds, with ensembles."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nas.comparison.ensembles import ensembles
from nas.comparison.experiment import compare, read, second
from nas.comparison.results import ComparisonResults, results
from nas.comparison.trainings import LABELS, _keep, predictions
from nas.data import Dataset
from nas.engines import local
from nas.ledger.listing import runs_in
from nas.ledger.run import Run
from nas.network import Designed, Found
from nas.searching.progress import Output
from nas.training.evaluation import accuracy
from nas.training.recipe import Recipe
from nas.training.train import Epoch, OnStep
from nas.training.trial import TrialResult, TrialSpec, run_trial
from searchspaces import Mnas
from searchspaces.cost import Cost

RECIPE = Recipe(batch_size=20)
NETWORKS = {
    "a:best": Found(Mnas(width=0.1, image_size=16), (0,) * 42),
    "resnet8@0.1": Designed("resnet8@0.1"),
    "resnet8@0.2": Designed("resnet8@0.2"),
}
ONE = {"resnet8@0.2": NETWORKS["resnet8@0.2"]}


def accuracies(found: ComparisonResults) -> dict[str, list[float]]:
    return {result.name: result.test_accuracies for result in found.all}


@pytest.fixture(scope="module")
def compared(tiny: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished comparison."""
    folder = tmp_path_factory.mktemp("runs") / "one"
    test = tiny.train.take(40, 0)
    compare(NETWORKS, tiny, test, RECIPE, folder, seeds=2, equal_seconds=True, ensemble=True)
    return folder


def test_every_network_is_trained_with_every_seed_and_tested_once(compared: Path) -> None:
    images, seconds = read(Run.open(compared))
    assert images.missing == seconds.missing == 0 and [r.name for r in images.all] == list(NETWORKS)
    assert [r.found for r in images.all] == [True, False, False]
    for result in images.all:
        assert list(result.trainings) == [0, 1] and not result.failures
        assert all(0 <= a <= 1 for a in result.test_accuracies) and {a * 40 % 1 for a in result.test_accuracies} == {
            0.0
        }
        assert result.images == 180 and result.seconds > 0 and result.inference > 0
    size = {r.name: r.bytes for r in images.all}["resnet8@0.1"]
    params = {r.name: r.size.params for r in images.all}["resnet8@0.1"]
    assert 4 * params < size < 4 * params + 12_000
    assert images.verdict(images.all[0])


@pytest.mark.parametrize("called", ["nas.compare.lineup:Lineup", "nas.comparison.lineup:Lineup"])
def test_comparisons_of_older_versions_open_and_go_on(compared: Path, tmp_path: Path, called: str) -> None:
    """They call the space by the name and the module that it had then."""
    older = tmp_path / "older"
    shutil.copytree(compared, older)
    for name in ("config.json", "journal.log"):
        text = (older / name).read_text(encoding="utf-8")
        assert "nas.comparison.design:ComparisonSpace" in text
        older_text = text.replace("nas.comparison.design:ComparisonSpace", called)
        (older / name).write_text(older_text, encoding="utf-8")
    run = Run.open(older)
    assert accuracies(results(run)) == accuracies(results(Run.open(compared)))
    with run.driving() as study:
        assert len(study.trials) == 6
    assert [found.kind for found in runs_in(tmp_path)] == ["comparison"]


def test_at_equal_seconds_the_found_networks_time_is_everyones(compared: Path) -> None:
    images, seconds = read(Run.open(compared))
    assert seconds.recipe.seconds == pytest.approx(images.all[0].seconds, rel=0.01)
    assert seconds.run == "one-seconds" and second(Run.open(compared.with_name("one-seconds"))) is None


def test_a_search_is_told_nothing_of_test_images(compared: Path, tiny: Dataset) -> None:
    """The reward is of validation images, and only a comparison asks for the others."""
    run = Run.open(compared)
    trial = run.study.trials[0]
    assert trial.values == [trial.user_attrs["accuracy"]] and "test_accuracy" in trial.user_attrs
    spec = TrialSpec(0, Designed("resnet8@0.2"), RECIPE, 0)
    results = []
    for each in (spec, replace(spec, tested=True)):
        training = run_trial(each, replace(tiny, test=tiny.val))
        while True:
            try:
                next(training)
            except StopIteration as end:
                results.append(end.value)
                break
    searched, compared_one = results
    assert searched.tested is None and compared_one.tested.accuracy == compared_one.accuracy == searched.accuracy


def test_interrupted_and_resumed_it_is_the_same(tiny: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def trained(folder: Path) -> ComparisonResults:
        return compare(NETWORKS, tiny, tiny.val, RECIPE, folder, seeds=2)[0]

    whole = trained(tmp_path / "whole")
    calls = []

    def third_is_interrupted(spec: TrialSpec, dataset: Dataset, on_step: OnStep) -> Generator[Epoch, None, TrialResult]:
        calls.append(spec.number)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return run_trial(spec, dataset, on_step)

    monkeypatch.setattr(local, "run_trial", third_is_interrupted)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "half")
    begun = read(Run.open(tmp_path / "half"))[0]
    assert begun.missing == 4 and len(begun.trained) == 2
    with pytest.raises(ValueError, match="half exists: `nas resume half` continues it"):
        trained(tmp_path / "half")

    from nas.results import Run as Resumable

    monkeypatch.setattr("nas.data.load", lambda *args, **how: tiny)
    monkeypatch.setattr("nas.data.load_test", lambda *args, **how: tiny.val)
    Resumable.open(tmp_path / "half").resume()
    resumed = read(Run.open(tmp_path / "half"))[0]
    assert calls == [0, 1, 2, 2, 3, 4, 5]
    assert resumed.missing == 0 and accuracies(resumed) == accuracies(whole)


def test_a_failure_is_a_result(tiny: Dataset, tmp_path: Path) -> None:
    fast = replace(RECIPE, lr=1e30)
    (found,) = compare(ONE, tiny, tiny.val, fast, tmp_path / "one", seeds=1)
    assert found.missing == 0 and found.all[0].failures[0].startswith("Diverged: the training loss was")


def test_what_takes_no_such_images_is_refused_before_anything_is_trained(tiny: Dataset, tmp_path: Path) -> None:
    networks = {name: Designed(name) for name in ("resnet8", "inception_v3")}
    with pytest.raises(ValueError, match="inception_v3 needs images of at least 75 pixels"):
        compare(networks, tiny, tiny.val, RECIPE, tmp_path / "one")
    (tmp_path / "one-seconds").mkdir()
    (tmp_path / "one-seconds" / "notes.txt").write_text("somebody's own")
    with pytest.raises(ValueError, match="one-seconds exists, where the trainings at equal seconds go"):
        compare(ONE, tiny, tiny.val, RECIPE, tmp_path / "one", equal_seconds=True)
    assert [path.name for path in tmp_path.iterdir()] == ["one-seconds"]


def test_words_go_where_they_should(tiny: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compare(ONE, tiny, tiny.val, RECIPE, tmp_path / "a", seeds=1)
    assert capsys.readouterr().out == ""
    compare(ONE, tiny, tiny.val, RECIPE, tmp_path / "b", seeds=1, output=Output("lines"))
    out = capsys.readouterr().out
    assert "seed 0, resnet8@0.2" in out and "reward" not in out


# ------------------------------------------------------------------ ensembles


def test_the_predictions_that_are_kept_are_those_that_were_judged(compared: Path) -> None:
    run = Run.open(compared)
    labels = predictions(run, LABELS)
    for result in read(run)[0].all:
        for training in result.trainings.values():
            kept = predictions(run, training.number)
            assert accuracy(kept["test"], labels["test"]) == training.test_accuracy
            assert accuracy(kept["val"], labels["val"]) == training.val_accuracy
            assert kept["test"].sum(1).allclose(torch.ones(40), atol=1e-4)
    names = [ensemble.name for ensemble in read(run)[0].ensembles]
    assert names == ["a:best x 2", "resnet8@0.1 x 2", "resnet8@0.2 x 2", "all 3 together"]


def test_an_ensemble_is_the_mean_of_its_members_probabilities(compared: Path, tmp_path: Path, tiny: Dataset) -> None:
    """Members that disagree: the surer one wins. Of each network its seeds, and of each seed all networks."""
    run = Run.open(compared)
    run.path = tmp_path
    (tmp_path / "predictions").mkdir()
    labels = tiny.val.labels
    _keep(tmp_path / "predictions", LABELS, {"val": labels, "test": labels})
    sure, unsure = [torch.tensor([[p, 1 - p, 0.0, 0.0]]).expand(len(labels), 4) for p in (0.9, 0.3)]
    for number, says in enumerate((sure, unsure, unsure, unsure)):  # two of network a, then two of network b
        _keep(tmp_path / "predictions", str(number), {"val": says, "test": says})
    size = Cost(10, 100, 1000)
    found = {e.name: e for e in ensembles(run, {"a": (size, [0, 1]), "b": (size, [2, 3])})}
    share = [(labels == label).double().mean().item() for label in (0, 1)]
    assert found.keys() == {"a x 2", "b x 2", "all 2 together"}
    assert found["a x 2"].test_accuracies == (share[0],) and found["b x 2"].test_accuracies == (share[1],)
    assert found["all 2 together"].test_accuracies == (share[0], share[1])
    assert found["all 2 together"].size == Cost(20, 200, 2000)
