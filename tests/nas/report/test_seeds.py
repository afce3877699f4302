"""Searches that differ in their seeds alone, together: their mean and spread are those of the ledgers."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest

from nas.ledger.config import Config
from nas.ledger.run import Run
from nas.report.numbers import Numbers
from nas.report.page import page
from nas.report.seeds import repeated
from nas.reward import Reward
from searchspaces import Mnas

SPACE = Mnas(width=0.1, image_size=16)


@pytest.fixture
def config(config: Config) -> Config:
    return replace(config, reward=Reward())


def trials(*accuracies: float | None) -> list[dict[str, Any]]:
    """None: it failed."""
    drawn = random.Random(0)
    return [
        {"arch": SPACE.sample(drawn)} | ({"reason": "it broke"} if a is None else {"accuracy": a, "macs": 1000})
        for a in accuracies
    ]


@pytest.fixture
def several(make_run, config: Config) -> list[Run]:
    """Two seeds of one search, and one of another strategy."""
    first = make_run(trials(0.1, 0.3, 0.2, 0.6), "a-seed0", config=replace(config, seed=0))
    second = make_run(trials(None, 0.5, 0.4), "a-seed1", config=replace(config, seed=1))
    return [first, second, make_run(trials(0.2, 0.3), "b", config=replace(config, strategy="random"))]


def test_mean_and_spread_after_so_many_networks(several: list[Run]) -> None:
    (group,) = repeated([Numbers.of(run) for run in several])
    assert group.name == "a" and (group.first, group.last) == (2, 3)
    for tried, bests in ((2, [0.3, 0.5]), (3, [0.3, 0.5])):
        spread = group.after(tried)
        assert spread and (spread.mean, spread.deviation, spread.n) == (mean(bests), pytest.approx(stdev(bests)), 2)
    early = group.after(1)
    assert early and early.n == 1
    assert group.to_dict()["best_reward"][-1]["trials"] == 3


def test_the_page_has_them_where_there_are_two_seeds(several: list[Run]) -> None:
    numbers = [Numbers.of(run) for run in several]
    html = page(numbers)
    assert "Over seeds" in html and 'class="band"' in html and "0.4000 ± 0.1414" in html
    assert "Over seeds" not in page(numbers[1:]) and "Over seeds" not in page(numbers[:1])


def test_searches_without_a_network_in_common_have_no_curve(make_run, config: Config) -> None:
    runs = [
        make_run(trials(None, None, 0.5), "a-seed0"),
        make_run(trials(0.5), "a-seed1", config=replace(config, seed=1)),
    ]
    assert repeated([Numbers.of(run) for run in runs]) == []
    assert "Over seeds" not in page([Numbers.of(run) for run in runs])


def test_a_set_is_reported_by_its_name(call_nas, several: list[Run]) -> None:
    folder = several[0].path.parent
    code, out, err = call_nas("report", "a", "b", "--runs-dir", str(folder))
    assert code == 0, err
    written = folder / "a-seed0" / "report-of-a-with-b.html"
    assert str(written) in out and "Over seeds" in written.read_text(encoding="utf-8")
    document = json.loads(call_nas("report", "a", "--json", "--runs-dir", str(folder))[1])
    assert [run["run"] for run in document["runs"]] == ["a-seed0", "a-seed1"]
    assert document["seeds"][0]["runs"] == ["a-seed0", "a-seed1"]


def test_a_run_by_its_folder_gives_a_name_for_a_file(call_nas, several: list[Run], monkeypatch, tmp_path: Path) -> None:
    monkeypatch.chdir(several[0].path.parent.parent)
    assert call_nas("report", "runs/b", "runs/a-seed0")[0] == 0
    assert Path("runs/b/report-with-a-seed0.html").exists()
