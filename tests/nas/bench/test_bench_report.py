from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.bench.report import Needed, Report, to_json
from nas.bench.searches import Result, Setup, Task
from nas.reward import Reward
from nas.searching.published import Published
from searchspaces import NASBench201

ARCH = (0,) * 6


def result(strategy: str, scale: float, workers: int = 1, seeds: int = 6) -> Result:
    regret = scale / np.arange(1, 11) * (1 + np.arange(seeds)[:, None] / 10)
    return Result(Setup(strategy, workers), regret, np.tile(np.arange(1.0, 11.0) / workers, (seeds, 1)), 0.0012, 0.5)


@pytest.fixture
def task() -> Task:
    table = Published(NASBench201(), Path("folder/cells.csv"), "", {ARCH: 1.0}, {ARCH: 1.0})
    return Task(table, table.observed, table.reported)


def test_the_text_has_means_deviations_and_tests_of_pairs(task: Task) -> None:
    text = Report(task, [result("random", 2.0), result("ppo", 1.0)], [1, 10]).text()
    lines = text.splitlines()
    assert lines[0] == "NAS-Bench-201, 6 searches of each strategy"
    assert "Regret (points), mean ± standard deviation" in text and "sees validation accuracy after 12 epochs" in text
    assert "random    2.500 ± 0.374  0.250 ± 0.037  1.20" in lines
    assert "ppo       1.250 ± 0.187  0.125 ± 0.019  1.20" in lines
    assert "signed-rank test after 10" in text and "ppo  0.0312 <" in lines[-1]
    assert "Simulated" not in text


def test_workers_have_their_time(task: Task) -> None:
    text = Report(task, [result("ppo", 1.0), result("ppo", 2.0, workers=8)], [10]).text()
    assert "ppo x8" in text and "Simulated time until then, in mean evaluations" in text
    assert "ppo x8     1.2" in text and "ppo x1    10.0" in text and "Wilcoxon" not in text
    both = [result(name, scale, workers) for name, scale in (("ppo", 1.0), ("random", 2.0)) for workers in (1, 8)]
    text = Report(task, both, [10]).text()
    assert (
        text.count("after 10 with ") == 2
        and "with 8 workers: p of each" in text
        and text.count("random  0.0312 >") == 2
    )
    table = Published(NASBench201(), Path("cells.csv"), "", {ARCH: 1.0}, {ARCH: 1.0}, seconds={ARCH: 3600.0})
    hours = Task(table, table.observed, table.reported)
    assert "10s" in Report(hours, [result("ppo", 1.0), result("ppo", 2.0, workers=8)], [10]).text()


def test_one_search_has_no_test(task: Task) -> None:
    text = Report(task, [result("random", 1.0, seeds=1), result("ppo", 2.0, seeds=1)], [5]).text()
    assert "1 search of each strategy" in text and "Wilcoxon" not in text and "±" not in text
    assert "0.200  1.20" in text and text.endswith("which strategy is better is not known: use --seeds 20")


def test_json_is_an_object_for_each_strategy_and_number(task: Task) -> None:
    task = Task(task.table, task.seen, task.judged, Reward({"macs": 5e7}))
    rows = to_json(Report(task, [result("random", 2.0), result("ppo", 1.0)], [1, 10]))
    assert [(row["strategy"], row["evaluations"]) for row in rows] == [
        ("random", 1), ("random", 10), ("ppo", 1), ("ppo", 10),
    ]  # fmt: skip
    assert rows[0] == {
        "strategy": "random",
        "benchmark": "NAS-Bench-201, accuracy x (MACs / 50M) ^ -0.07",
        "evaluations": 1,
        "mean_regret": 2.5,
        "std_regret": pytest.approx(0.3742, abs=1e-4),
        "seeds": 6,
        "workers": 1,
        "simulated_time": 1.0,
        "strategy_seconds": 0.0012,
        "substitutes": 0.5,
        "reached": {
            "within": 0.0, "share": 0.0, "quarter": None, "median": None, "three_quarters": None, "evaluations": 10,
        },
        "p_values": {"ppo": pytest.approx(2 / 2**6)},
    }  # fmt: skip


def of_regrets(*regrets: list[float]) -> Result:
    return Result(Setup("random"), np.array(regrets), np.ones((len(regrets), len(regrets[0]))), 0.0, 0.0)


def test_a_search_has_what_it_keeps_to_the_end() -> None:
    found = of_regrets([0.5, 0, 0, 0], [0, 0, 0, 0], [0.5, 0, 0.5, 0], [0, 0, 0, 0.5], [0.5, 0.1, 0.1, 0.1])
    assert found.needed(0).tolist() == [2, 1, 4, np.inf, np.inf]
    assert found.needed(0.1).tolist() == [2, 1, 4, np.inf, 2]
    assert of_regrets([94.373 - 94.273]).needed(0.1).tolist() == [1], "whatever a float makes of it"


def test_searches_that_never_get_there_count_in_the_quarters(task: Task) -> None:
    one = of_regrets(*[[1.0] * n + [0.0] * (10 - n) for n in (2, 4, 6)], *[[1.0] * 10] * 5)
    assert Needed.of(one, 0) == Needed(3 / 8, {"quarter": 5, "median": None, "three_quarters": None})
    every = of_regrets([1.0, 0.0], [0.0, 0.0], [0.0, 0.0])
    assert Needed.of(every, 0) == Needed(1.0, {"quarter": 1, "median": 1, "three_quarters": 2})
    text = Report(task, [one], [10]).text()
    assert "hand over the table's best, by what it is judged by, and does so to the end" in text
    assert "random 38 % 5 > 10 > 10" in (" ".join(line.split()) for line in text.splitlines())
    assert "a network within 0.5 points of the table's best" in Report(task, [one], [10], 0.5).text()


def test_a_best_that_does_not_look_it_is_said(task: Task) -> None:
    other = (1, *ARCH[1:])
    task = Task(task.table, {ARCH: 2.0, other: 1.0}, {ARCH: 1.0, other: 2.23456})
    report = Report(task, [of_regrets([1.23456])], [1])
    assert "looks best in the whole table has the regret 1.235" in report.text() and "--within 1.235" in report.text()
    assert "looks best" not in Report(task, report.results, [1], 1.235).text()


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_picture_is_one_and_the_same_each_time(task: Task, suffix: str) -> None:
    bench_plot = pytest.importorskip("nas.bench.plot", reason="pictures need matplotlib")
    none = Result(Setup("best"), np.zeros((6, 10)), np.ones((6, 10)), 0.0, 0.0)
    results = [result("random", 2.0), result("ppo", 1.0), result("once", 1.0, seeds=1), none]
    content = bench_plot.picture(results, "NAS-Bench-201", "points", suffix)
    assert content == bench_plot.picture(results, "NAS-Bench-201", "points", suffix)
    if suffix == "png":
        assert Image.open(io.BytesIO(content)).size == (1125, 750)
    else:
        assert b">random<" in content and b">once<" in content
