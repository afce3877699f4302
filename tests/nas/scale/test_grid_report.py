"""What is said of a grid: with made-up accuracies, so that what is true is known."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nas.scale.report import in_words, results_table, to_csv, to_json, to_markdown, write
from nas.scale.results import GridResults, TripleResult
from scaling.compound import Compound

#            depth width resolution, accuracy
NETWORKS = [
    ((1, 1, 1), 0.55),
    ((2, 1, 1), 0.58),
    ((1, 1.4, 1), 0.575),
    ((1, 1, 1.4), 0.60),
    ((1.2, 1.1, 1.15), 0.60),
    ((1.3, 1.1, 1.1), 0.599),
    ((1.1, 1.2, 1.1), 0.57),
]
PAPER = "d1.2-w1.1-r1.15"


def made_up(noise: float, seeds: int = 3) -> GridResults:
    """Every network has its accuracy of `NETWORKS`, every seed its luck, and there is `noise` of that deviation."""
    rng = random.Random(0)
    luck = [rng.gauss(0, 0.01) for _ in range(seeds)]
    found = []
    for factors, accuracy in NETWORKS:
        compound = Compound(*factors)
        macs = int(5e6 * (1 if compound == Compound(1, 1, 1) else 2))
        accuracies = {seed: accuracy + luck[seed] + rng.gauss(0, noise) for seed in range(seeds)}
        found.append(TripleResult(compound, (), round(24 * compound.gamma), 100_000, macs, accuracies, {}))
    return GridResults("one", "resnet20", "cifar10", seeds, tuple(found))


def said(found: GridResults, about: str) -> str:
    (line,) = [line for line in in_words(found) if line.startswith(about)]
    return line


def test_with_little_noise_what_is_true_is_shown() -> None:
    found = made_up(noise=0.001)
    assert said(found, "best triple").startswith("best triple: depth x1.2, width x1.1, resolution x1.15, ")
    assert said(found, "not told apart").endswith(": d1.3-w1.1-r1.1"), "0.1 points are less than the noise lets be seen"
    line = said(found, "against depth only")
    assert "better by " in line and ", 95 % interval " in line and line.endswith(", 3 seeds")
    assert "better by " in said(found, "against width only") and "better by " in said(found, "against base")
    assert "no difference shown" in said(found, "against resolution only")
    assert not any("too small" in line for line in in_words(found))


def test_the_luck_of_a_seed_is_no_noise() -> None:
    """It is 1 point, ten times the noise: unpaired, 2 points could not be told from it with three seeds."""
    interval = to_json(made_up(noise=0.001))["networks"][1]["best_minus_this"]
    assert interval["estimate"] == pytest.approx(0.02, abs=0.002) and interval["high"] - interval["low"] < 0.01


def test_with_much_noise_the_words_say_that_nothing_is_shown() -> None:
    found = made_up(noise=0.03)
    lines = in_words(found)
    assert not any(line.startswith("against") and "better" in line for line in lines)
    assert any(line.startswith("this grid is too small to tell which way of growing is best") for line in lines)
    assert said(found, "not told apart").count("d1") == 2


def test_what_is_worse_is_said_to_be() -> None:
    found = made_up(noise=0.001)
    worse = [replace(r, accuracies={s: a + 0.05 for s, a in r.accuracies.items()}) for r in found.all[1:2]]
    line = said(replace(found, all=(found.all[0], *worse, *found.all[2:])), "against depth only")
    low, high = line.partition("95 % interval ")[2].partition(",")[0].split(" to ")
    assert "worse by 3" in line or "worse by 2.9" in line
    assert 0 < float(low) < 3 < float(high)


def test_one_seed_tells_nothing_apart() -> None:
    lines = in_words(made_up(noise=0.001, seeds=1))
    assert any("start another grid with --seeds 3" in line for line in lines)
    assert any("whether that is chance is not known, 1 seed" in line for line in lines)
    assert not any("better" in line for line in lines)


def test_what_is_missing_and_what_failed_is_said() -> None:
    found = made_up(noise=0.001)
    last = replace(found.all[-1], accuracies={0: 0.57}, failures={1: "Diverged: too fast"})
    lines = in_words(replace(found, all=(*found.all[:-1], last)))
    assert f"failed: {last.name}, seed 1: Diverged: too fast" in lines
    assert any(line.startswith("missing: 1 of 21 trainings; `nas resume one`") for line in lines)


def test_before_anything_is_trained_there_is_no_best() -> None:
    found = made_up(noise=0.001)
    nothing = replace(found, all=tuple(replace(r, accuracies={}, macs=None, params=None) for r in found.all))
    assert in_words(nothing)[-1] == "no triple is trained yet, so there is no best one"
    assert to_json(nothing)["best"] is None and results_table(nothing) and to_csv(nothing)


def test_unequal_multiply_adds_are_not_passed_over() -> None:
    found = made_up(noise=0.001)
    dear = replace(found.all[1], macs=12_000_000)
    line = said(replace(found, all=(found.all[0], dear, *found.all[2:])), "against depth only")
    assert line.endswith("; it has 20 % more multiply-adds")


def test_table_json_and_csv_agree() -> None:
    found = made_up(noise=0.001)
    document = json.loads(json.dumps(to_json(found)))
    rows = list(csv.DictReader(io.StringIO(to_csv(found))))
    assert document["best"] == {"alpha": 1.2, "beta": 1.1, "gamma": 1.15}
    assert [row["network"] for row in rows] == [row["network"] for row in document["networks"]]
    row, figures = rows[4], document["networks"][4]
    assert row["network"] == PAPER and row["n"] == "3" and float(row["accuracy"]) == figures["accuracy"]
    assert figures["formula_ratio"] == pytest.approx(1.92, abs=0.01) and figures["measured_ratio"] == 2.0
    assert f"{100 * figures['accuracy']:.1f} ± {100 * figures['deviation']:.1f} %" in results_table(found)


def test_further_costs_are_columns_of_all_three() -> None:
    found = made_up(noise=0.001)
    rows = tuple(replace(result, costs={"flash": 2e5, "latency": 0.002}) for result in found.all[:-1])
    found = replace(found, costs=("flash", "latency"), all=(*rows, found.all[-1]))
    header, _, first, *_, last = results_table(found).splitlines()
    assert header.split()[6:9] == ["MACs", "flash", "latency"] and "200 kB" in first and "2ms" in first
    assert last.split()[7:9] == ["-", "-"]
    assert to_json(found)["networks"][0]["flash"] == 2e5
    lines = list(csv.DictReader(io.StringIO(to_csv(found))))
    assert lines[0]["latency"] == "0.002" and lines[-1]["latency"] == ""
    assert "| MACs | flash | latency | formula |" in to_markdown(found)


def test_the_report_is_kept_beside_the_ledger(tmp_path: Path) -> None:
    found = made_up(noise=0.003)
    markdown, values, picture = write(found, tmp_path)
    assert markdown.read_text() == to_markdown(found) and values.read_text() == to_csv(found)
    assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 20_000


def test_a_triple_that_luck_may_have_put_on_top_is_not_called_the_best() -> None:
    for found in (made_up(noise=0.05), made_up(noise=0.001, seeds=1)):
        assert in_words(found)[0].startswith("highest triple, not shown to be best: depth x")
        assert not any(line.startswith("best triple") for line in in_words(found))


def test_where_no_network_is_above_chance_nothing_is_compared(tmp_path: Path) -> None:
    found = made_up(noise=0.001)
    guessing = [replace(r, accuracies={seed: 0.1 + seed / 1000 for seed in r.accuracies}) for r in found.all]
    (line,) = in_words(replace(found, all=tuple(guessing), num_classes=10))
    assert line.startswith("no network is above chance, 10 %, so which way of growing is best cannot be said")
    assert len(in_words(replace(found, num_classes=10))) > 5


def test_the_picture_has_room_for_a_base_of_any_name(stays_inside: Callable[[Any], None]) -> None:
    from nas.scale.picture import drawn

    text = "compact@max_macs=8M:" + ",".join(["n3_sep_k3_se0.25_s1_g2.0"] * 8)
    figure = drawn(replace(made_up(noise=0.003), base=text, data="folder:/home/somebody/pictures/of/flowers/in/spring"))
    stays_inside(figure)
    assert text in figure.get_suptitle().replace("\n", "")


def test_a_picture_of_few_trainings(tmp_path: Path) -> None:
    found = made_up(noise=0.003, seeds=1)
    nothing = {"accuracies": {}, "macs": None}
    write(replace(found, all=(replace(found.all[0], **nothing), *found.all[1:4])), tmp_path)
    assert (tmp_path / "scaling.png").exists()
