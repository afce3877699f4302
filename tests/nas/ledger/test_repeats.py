"""One search with several seeds: runs as any others, gone on with by one name, and said together."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest

import nas
from nas import results
from nas.cli.tables import set_table
from nas.data import Dataset
from nas.ledger import repeats
from nas.ledger.config import Budget, Config
from nas.ledger.run import Run
from nas.samplers import distributions
from nas.searching import choices, driver

SEARCH = ("search", "--width", "0.1", "--batch-size", "20", "--trials", "3", "--name", "many", "--seeds", "3")
NAMES = ["many-seed4", "many-seed5", "many-seed6"]


@pytest.fixture
def cli(tmp_path: Path, tiny: Dataset, monkeypatch: pytest.MonkeyPatch, call_nas, pretended: None):
    """Calls `nas` in an empty folder, where every data set is the tiny one: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NAS_RUNS", raising=False)
    monkeypatch.setattr("nas.data.load", lambda name, data_dir=None, **how: tiny)
    return call_nas


def test_each_seed_is_a_run_and_all_are_said_together(cli, tmp_path: Path) -> None:
    code, out, err = cli(*SEARCH, "--seed", "4")
    assert code == 0, err
    assert "seeds     4 to 6" in out and "now seed 5, as many-seed5" in out
    runs = [Run.open(tmp_path / "runs" / name) for name in NAMES]
    assert [run.config.seed for run in runs] == [4, 5, 6]
    bests = [run.best_row().reward for run in runs]
    assert f"best reward {mean(bests):.4f} ± {stdev(bests):.4f}" in out and "over 3 of 3 searches" in out  # type: ignore[type-var]
    assert "`nas report many` shows them" in out
    alone = ("search", "--width", "0.1", "--batch-size", "20", "--trials", "3", "--name", "alone", "--seed", "5")
    assert cli(*alone)[0] == 0
    rows = [[row.architecture for row in run.rows()] for run in (Run.open(tmp_path / "runs" / "alone"), runs[1])]
    assert rows[0] == rows[1], "as that seed alone"


def test_a_set_goes_on_by_its_name_wherever_it_was_interrupted(cli, tmp_path: Path, monkeypatch) -> None:
    drive = driver.drive

    def interrupted(run: Run, *rest: Any) -> str:
        if run.name == NAMES[1]:
            raise KeyboardInterrupt
        return drive(run, *rest)

    with monkeypatch.context() as patch:
        patch.setattr("nas.searching.driver.drive", interrupted)
        code, out, _ = cli(*SEARCH, "--seed", "4")
    assert code == 130 and "`nas resume many` continues" in out
    assert [len(Run.open(tmp_path / "runs" / name).rows()) for name in NAMES] == [3, 0, 0]
    code, out, err = cli("resume", "many")
    assert code == 0 and "over 3 of 3 searches" in out, err
    assert [len(Run.open(tmp_path / "runs" / name).rows()) for name in NAMES] == [3, 3, 3]
    assert cli("resume", NAMES[0], "--trials", "4")[0] == 0, "one of them alone"
    assert [len(Run.open(tmp_path / "runs" / name).rows()) for name in NAMES] == [4, 3, 3]


def test_what_is_no_set_is_not_gone_on_with_as_one(cli, tmp_path: Path) -> None:
    for seed, strategy in ((0, "ppo"), (1, "random")):
        more = ("--seeds", "1", "--name", f"odd-seed{seed}", "--seed", str(seed), "--strategy", strategy)
        assert cli(*SEARCH, *more)[0] == 0
    code, _, err = cli("resume", "odd", "--trials", "5")
    assert code == 2 and "odd-seed0 and odd-seed1 differ in more than their seeds" in err
    assert len(Run.open(tmp_path / "runs" / "odd-seed0").rows()) == 3


def test_json_has_the_bests_and_their_spread(cli, tmp_path: Path) -> None:
    code, out, _ = cli(*SEARCH, "--json")
    said = json.loads(out.splitlines()[-1])
    assert code == 0 and said["set"] == "many" and list(said["bests"]) == [f"many-seed{seed}" for seed in range(3)]
    rewards = [best["reward"] for best in said["bests"].values()]
    assert said["reward"] == {"mean": pytest.approx(mean(rewards)), "deviation": pytest.approx(stdev(rewards)), "n": 3}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--seeds", "0"), "--seeds must be at least 1, not 0"),
        (("--control",), "--control stands beside one search"),
        (("--name", "taken"), "taken-seed1 exists"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(cli, tmp_path: Path, more: tuple[str, ...], message: str) -> None:
    (tmp_path / "runs" / "taken-seed1" / "something").mkdir(parents=True)
    code, _, err = cli(*SEARCH, *more)
    assert code == 2 and message in err and err.count("\n") == 1
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["taken-seed1"]


def test_a_name_that_is_chosen_is_free_of_sets_too(run: Run) -> None:
    runs = run.path.parent
    Run.create(runs / "mnas-cifar10-1-seed0", run.config, run.budget)
    assert choices.new_folder(runs, None, "mnas-cifar10").name == "mnas-cifar10-2"


def test_what_is_a_set(run: Run) -> None:
    runs = run.path.parent
    for name in ("a[1]-seed10", "a[1]-seed9", "a[1]-seedx", "a[1]-seed1-random", "a1-seed0"):
        Run.create(runs / name, run.config, run.budget)
    assert [path.name for path in repeats.find(runs / "a[1]")] == ["a[1]-seed9", "a[1]-seed10"]
    assert repeats.find(runs / "one") == [] == repeats.find(runs / "none")
    assert repeats.name_of(Run.open(runs / "a[1]-seed9")) == "a[1]" and repeats.name_of(run) == "one"
    assert repeats.name_of(Run.open(runs / "a1-seed0")) == "a1-seed0", "one is no set"


def test_searches_that_differ_in_more_have_no_mean(run: Run, config: Config) -> None:
    other = Run.create(run.path.with_name("two"), dataclasses.replace(config, seed=1, strategy="random"), run.budget)
    with pytest.raises(ValueError, match="one and two differ in more than their seeds"):
        repeats.Summary.of("both", [run, other])


def test_a_search_without_a_result_is_counted_out(run: Run, config: Config) -> None:
    other = Run.create(run.path.with_name("two"), dataclasses.replace(config, seed=1), Budget(trials=12))
    with run.driving() as study:
        trial = study.ask(distributions(config.space))
        trial.set_user_attr("accuracy", 0.5)
        study.tell(trial, 0.5)
    summary = repeats.Summary.of("both", [run, other])
    assert summary.figures("reward") == [0.5] and summary.bests["two"] is None
    assert summary.to_dict()["reward"] == {"mean": 0.5, "deviation": None, "n": 1}
    assert "best reward 0.5000, best accuracy 50.0 %: of 1 of 2 searches." in set_table(summary)
    nothing = set_table(repeats.Summary.of("both", [other]))
    assert "no search has a network" in nothing


def test_a_value_that_is_no_figure_has_no_mean() -> None:
    assert repeats.spread_of([0.5, math.inf, -math.inf, 1e200, 0.7]) == repeats.spread_of([0.5, 0.7])
    assert repeats.spread_of([math.inf]) is None


def test_from_python(cli, tmp_path: Path) -> None:
    run = nas.search(width=0.1, batch_size=20, trials=2, seeds=2, name="many")
    assert isinstance(run, results.Run) and [one.name for one in run.repeats] == ["many-seed0", "many-seed1"]
    assert run.name == "many-seed0" and all(len(one.trials) == 2 for one in run.repeats)
    assert [one.name for one in nas.search(width=0.1, batch_size=20, trials=1, name="alone").repeats] == ["alone"]
