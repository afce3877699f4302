"""The grid of compound scaling: what is in it, and that it is trained as a search is, interrupted or not."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from optuna.storages.journal import JournalFileBackend

from nas.data import Dataset
from nas.data.source import DataSource
from nas.engines import local
from nas.ledger.config import Budget, Config
from nas.ledger.run import Run
from nas.ledger.workload import SEARCH
from nas.scale.family import Base, base_of
from nas.scale.grid import BASE, Candidate, candidates, from_text, grid_config, kind, to_text
from nas.scale.results import best_compound, grid_of, results
from nas.searching.loop import Search
from nas.training.recipe import Recipe
from nas.training.train import Epoch, OnStep
from nas.training.trial import State, TrialResult, TrialSpec, run_trial
from scaling.compound import Compound
from searchspaces import Mnas
from tests.nas.conftest import Watcher

SEEDS, NETWORKS = 2, 7
TRIPLES = [Compound(1, 1.2, 1.1), Compound(1, 1.1, 1.3), Compound(1, 1.15, 1.3), Compound(1.5, 1.2, 1.2)]


@pytest.fixture(scope="module")
def base() -> Base:
    return base_of("resnet8@0.5", Path(), 4, 16)


@pytest.fixture(scope="module")
def found(base: Base) -> list[Candidate]:
    return candidates(base, TRIPLES)


@pytest.fixture
def config(base: Base, found: list[Candidate], tiny: Dataset) -> Config:
    return grid_config(base, found, SEEDS, tiny, DataSource("tiny"), Recipe(batch_size=20), "cpu", 1)


def grid_run(path: Path, config: Config) -> Run:
    return Run.create(path, config, Budget(trials=config.space.size))


def drive(run: Run, dataset: Dataset, budget: Budget | None = None) -> Search:
    """As a new process would."""
    opened = Run.open(run.path)
    with opened.driving() as study:
        search = Search(opened, study, budget or opened.budget, Watcher(), dataset)
        local.run(search, dataset)
    return search


def pretend(spec: TrialSpec, dataset: Dataset, on_step: OnStep | None = None) -> Generator[Epoch, None, TrialResult]:
    """Accuracy grows with the image, and every seed has its luck; one training fails."""
    assert dataset.image_size == spec.recipe.image_size
    if spec.number == 7:
        return TrialResult(State.FAILED, 0.0, reason="it was to fail")
    accuracy = 0.3 + dataset.image_size / 100 + 0.01 * spec.seed + 0.002 * (spec.number % 3)
    yield Epoch(1, 1.0, accuracy, 100, 0.0)
    return TrialResult(State.COMPLETE, 0.0, accuracy, 1.0)


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.engines.local.run_trial", pretend)


# ------------------------------------------------------------------ what is compared


def test_names_and_kinds() -> None:
    assert to_text(Compound(1.2, 1.1, 1.15)) == "d1.2-w1.1-r1.15"
    assert from_text("d1.2-w1.1-r1.15") == Compound(1.2, 1.1, 1.15)
    kinds = [kind(Compound(*c)) for c in ((1, 1, 1), (2, 1, 1), (1, 1.4, 1), (1, 1, 1.4), (1, 1.2, 1.2))]
    assert kinds == ["base", "depth only", "width only", "resolution only", "compound"]
    with pytest.raises(ValueError, match="is no triple"):
        from_text("d1.2")


def test_the_base_and_each_dimension_alone_come_first(found: list[Candidate]) -> None:
    assert [kind(c.compound) for c in found] == ["base", "depth only", "width only", "resolution only"] + 3 * [
        "compound"
    ]
    assert found[0].compound == BASE and found[0].ratio == 1.0 and found[0].image_size == 16


def test_triples_are_those_whose_measured_ratio_is_near(found: list[Candidate]) -> None:
    assert all(abs(c.ratio - 2) <= 0.1 for c in found[4:])
    assert abs(found[-1].compound.ratio - 2) > 0.2, "the formula alone would have left it out"


def test_one_dimension_comes_as_close_as_it_can(base: Base, found: list[Candidate]) -> None:
    """ResNet-8 has one block a stage, and so no network between one and two: the factor is the formula's then."""
    depth = found[1]
    assert depth.compound == Compound(2, 1, 1) and depth.ratio == pytest.approx(2.12, abs=0.01)
    assert found[2].ratio == pytest.approx(2, abs=0.1) and found[3].ratio == pytest.approx(2, abs=0.1)
    assert found[3].compound.gamma == pytest.approx(math.sqrt(2), abs=0.01)


def test_triples_of_one_network_are_one_candidate(base: Base) -> None:
    found = candidates(base, [Compound(1, 1.2, 1.1), Compound(1, 1.2, 1.12), Compound(1.5, 1, 1)])
    assert len({(c.cost, c.image_size) for c in found}) == len(found)
    assert [(c.compound, c.same) for c in found[4:]] == [(Compound(1, 1.2, 1.12), (Compound(1, 1.2, 1.1),))]


def test_so_many_triples_are_as_different_as_can_be(base: Base) -> None:
    triples = [Compound(1, 1.2, 1.1), Compound(1, 1.1, 1.3), Compound(1, 1.3, 1.1), Compound(1, 1.05, 1.4)]
    every = candidates(base, triples, tolerance=0.3)[4:]
    few = candidates(base, triples, tolerance=0.3, most=2)[4:]
    assert len(every) == 4
    assert {to_text(c.compound) for c in few} == {"d1-w1.2-r1.1", "d1-w1.05-r1.4"}


def test_a_grid_without_a_triple_is_refused(base: Base) -> None:
    with pytest.raises(ValueError, match="make --step smaller or --tolerance larger"):
        candidates(base, [Compound(1.1, 1.1, 1.1)])


def test_images_that_would_change_the_networks_form_are_left_out() -> None:
    """Above 64 pixels a ResNet-18 has the stride of its stem back, and costs less."""
    base = base_of("resnet18@0.1", Path(), 4, 60)
    found = candidates(base, [Compound(1.5, 1, 1.15), Compound(1.5, 1, 1.06)], tolerance=0.6)
    assert all(c.image_size <= 64 for c in found) and len(found) == 5
    assert kind(found[3].compound) == "resolution only" and found[3].ratio < 1.5


def test_what_is_trained_has_a_text_and_json(config: Config) -> None:
    space = config.space
    arch = (1, NETWORKS - 1)
    assert space.size == SEEDS * NETWORKS
    assert space.format(arch) == space.short_id(arch) == "seed1_d1-w1.2-r1.1"
    assert space.parse(space.format(arch)) == space.from_json(space.to_json(arch)) == arch
    assert config.job(arch).network.text == "resnet8@0.6x1-18"


# ------------------------------------------------------------------ how it is trained


def test_the_configuration_survives_json(config: Config, tmp_path: Path) -> None:
    run = grid_run(tmp_path / "one", config)
    assert Run.open(run.path).config == config
    assert config.recipe.image_size == 22, "the largest, at which a folder of images is to be read"


def test_every_network_is_trained_at_its_size_with_every_seed(
    config: Config, tiny: Dataset, tmp_path: Path, pretended: None
) -> None:
    run = grid_run(tmp_path / "one", config)
    search = drive(run, tiny)
    rows, n = run.rows(), config.space.size
    assert len(rows) == n == SEEDS * NETWORKS and search.ended == "that is all there is in the space scaling"
    seeds = [config.space.options(row.arch)["seed"] for row in rows]
    assert seeds == sorted(seeds), "all networks with the first seed, then with the next"
    for row, again in zip(rows[:NETWORKS], rows[NETWORKS:], strict=True):
        assert row.macs == again.macs and row.arch[1] == again.arch[1]


def test_an_end_before_all_is_trained_has_whole_rounds_and_says_what_is_missing(
    config: Config, tiny: Dataset, tmp_path: Path, pretended: None
) -> None:
    run = grid_run(tmp_path / "one", config)
    drive(run, tiny, Budget(trials=9))
    so_far = results(run)
    assert so_far.missing == 14 - 9
    assert [len(r.accuracies) + len(r.failures) for r in so_far.all] == [2, 2, 1, 1, 1, 1, 1]
    drive(run, tiny)
    assert results(run).missing == 0


def test_further_costs_are_found_of_each_network(
    config: Config, tiny: Dataset, tmp_path: Path, pretended: None
) -> None:
    run = grid_run(tmp_path / "one", dataclasses.replace(config, also=("activations", "memory", "flash")))
    drive(run, tiny, Budget(trials=NETWORKS + 1))
    found = results(run)
    assert found.costs == ("activations", "memory", "flash")
    assert all(result.costs.keys() == set(found.costs) for result in found.all)
    base, *grown = found.all
    assert all(result.costs["flash"] >= base.costs["flash"] for result in grown)


def test_killed_anywhere_it_goes_on_as_if_nothing_had_happened(
    config: Config, tiny: Dataset, tmp_path: Path, pretended: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    undisturbed = grid_run(tmp_path / "one", config)
    drive(undisturbed, tiny)
    run, append, lives = grid_run(tmp_path / "two", config), JournalFileBackend.append_logs, [0]

    def dies(self: JournalFileBackend, logs: list[dict[str, Any]]) -> None:
        lives[0] -= 1
        if lives[0] == 0:
            raise Killed
        append(self, logs)

    monkeypatch.setattr(JournalFileBackend, "append_logs", dies)
    deaths = 0
    while True:
        lives[0] = 6 + deaths
        try:
            drive(run, tiny)
            break
        except Killed:
            deaths += 1
    assert deaths >= 2
    assert dataclasses.replace(results(run), run="one") == results(undisturbed)


def test_what_failed_is_a_result(config: Config, tiny: Dataset, tmp_path: Path, pretended: None) -> None:
    run = grid_run(tmp_path / "one", config)
    drive(run, tiny)
    assert results(run).all[0].failures == {1: "it was to fail"} and results(run).missing == 0
    assert best_compound(run) == max(results(run).all[4:], key=lambda r: r.image_size).compound


def test_a_real_training_is_at_the_networks_own_size(config: Config, tiny: Dataset, tmp_path: Path) -> None:
    run = grid_run(tmp_path / "one", config)
    with run.driving() as study:
        search = Search(run, study, run.budget, Watcher(), tiny)
        specs = [search.ask() for _ in range(4)]
    spec = specs[3]
    assert spec and spec.recipe.image_size == 22 and spec.network.name == "resnet8@0.5x1-22"
    training = run_trial(spec, spec.recipe.prepare(tiny))
    assert 0 <= next(training).val_accuracy <= 1


def test_a_run_of_another_kind_is_no_grid(config: Config, tmp_path: Path) -> None:
    other = Run.create(tmp_path / "one", dataclasses.replace(config, space=Mnas(), kind=SEARCH), Budget(trials=1))
    with pytest.raises(ValueError, match="one searches mnas: a grid of triples is one of nas scale --search"):
        grid_of(other)
