"""What a run does is said by its kind: a job for each architecture, what follows, and what is concluded."""

from __future__ import annotations

import dataclasses
import json
import random
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from nas.checks import schemas
from nas.comparison.design import COMPARISON, ComparisonSpace
from nas.files import CONFIG
from nas.ledger.config import Budget, Config
from nas.ledger.run import Run
from nas.ledger.workload import EXPERIMENTS, KINDS, MOVED, kind_of_space, workload_of

SPACE = ComparisonSpace(("a", "b"), ("resnet8", "lenet5"), 10, 32, seeds=2)


def test_files_may_have_every_kind() -> None:
    assert tuple(KINDS) == schemas.KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_that_of_its_workload(kind: str) -> None:
    module, _, name = KINDS[kind].workload.partition(":")
    workload: Any = getattr(import_module(module), name)
    assert workload.kind == kind
    if space := KINDS[kind].space:
        module, _, name = space.partition(":")
        assert getattr(import_module(module), name).reference and EXPERIMENTS[space] == kind == kind_of_space(space)


def test_an_architecture_of_a_search_is_trained_as_all_others(config: Config) -> None:
    arch = config.space.sample(random.Random(0))
    job = config.job(arch)
    assert (job.recipe, job.seed, job.evaluate_at, job.tested) == (config.recipe, config.seed, (), False)
    assert job.network.text.endswith(config.space.format(arch))


def test_an_architecture_of_a_comparison_is_a_network_with_a_seed(config: Config) -> None:
    job = dataclasses.replace(config, space=SPACE, kind=COMPARISON).job((1, 0))
    assert (job.network.name, job.seed, job.recipe.image_size, job.tested) == ("resnet8", 1, 32, True)


def test_runs_without_a_kind_are_known_by_their_space(tmp_path: Path, config: Config) -> None:
    """As they were until there were kinds."""
    for number, (space, kind) in enumerate([(config.space, "search"), (SPACE, COMPARISON)]):
        run = Run.create(tmp_path / str(number), dataclasses.replace(config, space=space, kind=kind), Budget(trials=1))
        document = json.loads((run.path / CONFIG).read_text())
        del document["config"]["kind"]
        (run.path / CONFIG).write_text(json.dumps(document))
        assert Run.open(run.path).config.kind == kind
    assert kind_of_space(next(iter(MOVED))) == COMPARISON


def test_a_kind_and_a_space_that_do_not_fit_are_refused(tmp_path: Path, config: Config) -> None:
    for kind, space in (("search", SPACE), (COMPARISON, config.space)):
        with pytest.raises(ValueError, match=f"a run that searches {space.name} is no {kind}"):
            workload_of(kind, space)
    run = Run.create(tmp_path / "one", config, Budget(trials=1))
    document = json.loads((run.path / CONFIG).read_text())
    for kind, said in ((COMPARISON, "a run that searches mnas is no comparison"), ("other", "kind")):
        document["config"]["kind"] = kind
        (run.path / CONFIG).write_text(json.dumps(document))
        with pytest.raises(ValueError, match=said):
            Run.open(run.path)
