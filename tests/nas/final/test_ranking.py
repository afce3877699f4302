"""From a search to its final network: ranked anew, trained to the end, and the same however often it was killed."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nas
from nas.data import Dataset
from nas.final import ranking
from nas.final.ranking import Finalists, contenders, cut, plan
from nas.ledger import finals
from nas.ledger.config import Config, Final
from nas.report.finalists import final_network
from nas.report.numbers import Numbers
from nas.results import Run
from nas.training.recipe import Recipe

ROOT = Path(__file__).parents[3]
# 10 minutes are kept for the end, of which the trainings take seconds: so what is trained depends on no clock
SEARCH: dict[str, Any] = {
    "space": "compact", "max_macs": "200k", "trials": 3, "budget": "20m", "strategy": "random", "final": "plain",
    "name": "one", "subset": 60,
}  # fmt: skip
COMMAND = [
    "search", "--space", "compact", "--max-macs", "200k", "--trials", "3", "--budget", "20m", "--strategy", "random",
    "--final", "plain", "--name", "one", "--subset", "60",
]  # fmt: skip


@pytest.fixture(scope="module")
def images(tiny: Dataset, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of those, as --data takes it."""
    path = tmp_path_factory.mktemp("images") / "tiny.npz"
    pixels = np.concatenate([tiny.train.pixels.numpy(), tiny.val.pixels.numpy()])
    np.savez(path, images=pixels, labels=np.concatenate([tiny.train.labels.numpy(), tiny.val.labels.numpy()]))
    return f"array:{path}"


@pytest.fixture(scope="module")
def ended(images: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return nas.search(data=images, runs_dir=tmp_path_factory.mktemp("runs"), **SEARCH)


def what_came(run: Run) -> dict[str, Any]:
    """All of the last training that depends on no clock, and what was ranked."""
    assert run.final is not None
    again = finals.find(run)
    assert again is not None
    keep = ("network", "test_accuracy", "val_accuracy", "confusion", "recipe", "seed", "epoch")
    ranked = [(one.search.number, one.search_rank, one.rank) for one in finals.finalists(run, again)]
    losses = [epoch["loss"] for epoch in run.final.result["history"]]
    return {name: run.final.result[name] for name in keep} | {"ranked": ranked, "losses": losses}


def test_one_call_gives_a_network_to_ship(ended: Run, tmp_path: Path) -> None:
    assert ended.final is not None and ended.final.path == ended.path / "trained-final"
    again = finals.find(ended)
    assert again is not None and again.name == "one-finalists" and again.budget.trials == again.config.space.size
    winner = finals.winner(ended)
    target = f"{ended.path}:final"
    assert nas.load(target).network == ended.network(winner)
    assert ended.final.result["recipe"]["epochs"] == 10 and ended.budget.seconds == 600
    exported = nas.export(target, to="state_dict", out=tmp_path / "out")
    assert exported
    assert {row.state.value for row in again.rows()} == {"complete"}


def test_the_report_has_both_ranks_and_the_result(ended: Run) -> None:
    text = str(final_network(Numbers.of(ended)))
    assert "The final network" in text and "rank after longer training" in text
    assert f"one:final is one:{finals.winner(ended).number}" in text


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["search", "ranking", "training"])
def test_a_killed_one_comes_to_the_same(stage: str, ended: Run, images: str, tmp_path: Path) -> None:
    home = tmp_path / "runs"
    there: Callable[[], bool] = {
        "search": lambda: _trials(home / "one") >= 2,
        "ranking": lambda: _trials(home / "one-finalists") >= 2,
        "training": (home / "one/trained-final/checkpoint.pt").is_file,
    }[stage]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NAS_RUNS": str(home)}
    call = [sys.executable, "-c", "from nas.cli import main; main()"]
    process = subprocess.Popen(
        [*call, *COMMAND, "--data", images], cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not there() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (home / "one/trained-final/result.json").is_file()
    again = subprocess.run(
        [*call, "resume", "one"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0 and "`nas predict one:final IMAGE`" in again.stdout, again.stderr
    run = Run.open(home / "one")
    assert what_came(run) == what_came(ended)
    assert len(run.rows()) == len(ended.rows())


def _trials(folder: Path) -> int:
    journal = folder / "journal.log"
    return (
        journal.read_text("utf-8").count('"op_code": 4') + journal.read_text("utf-8").count('"op_code":4')
        if (journal.is_file())
        else 0
    )


def test_it_is_ended_and_stays_so(ended: Run) -> None:
    before = what_came(ended)
    again = nas.open(ended.path).resume()
    assert what_came(again) == before
    with pytest.raises(ValueError, match="one has chosen the best of its networks for its end"):
        nas.open(ended.path).resume(trials=50)


def test_a_run_without_it_has_no_final_network(images: str, tmp_path: Path) -> None:
    asked = SEARCH | {"final": None, "trials": 1, "runs_dir": tmp_path}
    run = nas.search(data=images, **asked)
    with pytest.raises(ValueError, match="one has no final network: it was searched without --final"):
        nas.load(f"{run.path}:final")
    assert run.final is None and not (tmp_path / "one-finalists").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"final": "best"}, "--final is one of plain, strong, not 'best'"),
        ({"final": None, "final_share": 0.3}, "--final-share is of what --final keeps"),
        ({"final_share": 1.0}, "--final-share"),
        ({"seeds": 2}, "leave out --seeds"),
        ({"control": True}, "--control compares the search alone"),
        ({"objectives": "accuracy,macs"}, "have no one best network"),
        ({"recipe": {"seconds": 2}}, "leave out --set seconds"),
    ],
)
def test_what_it_does_not_go_with_is_said(more: dict[str, Any], said: str, images: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        nas.search(data=images, runs_dir=tmp_path, **(SEARCH | more))
    assert not list(tmp_path.iterdir())


def test_a_recipe_is_cut_to_what_fits() -> None:
    final = Final("strong", Recipe(epochs=30), 0.5, images=1000)
    assert [cut(final, images).epochs for images in (1e6, 30_000, 2_999, 1_000)] == [30, 30, 2, 1]
    part = cut(final, 250)
    assert (part.epochs, part.subset) == (1, 250)


def test_fewer_are_ranked_where_time_is_short(ended: Run) -> None:
    final = ended.config.final
    assert final is not None and len(contenders(ended)) == 3
    counts = []
    for seconds in (1e6, 1e-6):
        ended.config = dataclasses.replace(ended.config, final=dataclasses.replace(final, seconds=seconds))
        planned = plan(ended)
        counts.append(0 if planned is None else len(planned.rows))
    ended.config = dataclasses.replace(ended.config, final=final)
    assert counts == [3, 0]


def test_it_comes_back_from_its_configuration(ended: Run) -> None:
    again = finals.find(ended)
    assert again is not None
    for config in (ended.config, again.config):
        assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    with pytest.raises(ValueError, match="finalists have 2 trials and 1 networks"):
        Finalists((1, 2), ("resnet8",), 16)
    space = again.config.space
    assert all(space.parse(space.format((n,))) == (n,) for n in range(space.size))
    assert ranking.announced(ended, again).startswith("now its best 3 longer, each for 10 epochs of")
