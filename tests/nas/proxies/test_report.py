"""What is said of a study: with made-up trainings, so that what is true is known."""

from __future__ import annotations

import csv
import io
import json
import math
import random
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from nas.proxies.report import _points, in_words, networks_csv, results_table, to_csv, to_json, to_markdown, write
from nas.proxies.results import CEILING, Judged, Proxy, StudyResults
from nas.proxies.study import ProxyStudy
from nas.training.learning_curve import CurvePoint

NETWORKS = 24
BAD, GOOD = "100", "200"  # short trainings


@cache
def made_up(seeds: int = 2, luck: float = 0.003, drawn: int = 1) -> StudyResults:
    """Networks of 50 to 70 %; a seed's luck is of deviation `luck`.

    The full schedule's area tells the quality with little noise, its accuracy with more; the short training `GOOD` is
    as good as the area and twice as dear, `BAD` says nothing. The multiply-adds say a little.
    """
    rng = random.Random(drawn)
    study = ProxyStudy(tuple(f"n{n}" for n in range(NETWORKS)), (BAD, GOOD), (100, 200), 32, 1000, seeds)
    quality = [0.5 + 0.2 * n / (NETWORKS - 1) for n in range(NETWORKS)]
    curves = {}
    for seed in range(seeds):
        for n, q in enumerate(quality):
            ended = q + rng.gauss(0, luck)
            full = [
                CurvePoint(
                    at, 2 - q + rng.gauss(0, 0.1), 3 - q + rng.gauss(0, 0.02), 0.3 + rng.gauss(q, 0.1), at / 100, 0.5
                )
                for at in (100, 200)
            ]
            curves["full", seed, n] = (*full, CurvePoint(1000, 1 - q, 2 - q, ended, 10.0, 0.5))
            curves[BAD, seed, n] = (CurvePoint(100, rng.random(), rng.random(), rng.random(), 1.0, 0.5),)
            curves[GOOD, seed, n] = (
                CurvePoint(200, 2 - q, 3 - q + rng.gauss(0, 0.02), 0.3 + rng.gauss(q, 0.1), 2.0, 0.5),
            )
    macs = np.array([1e6 * (1 + q + rng.gauss(0, 0.2)) for q in quality])
    return StudyResults("one", study, "cifar10", curves, macs, macs / 100, {}, 0)


def of(found: StudyResults, proxy: Proxy) -> Judged:
    (judged,) = [judged for judged in found.judged if judged.proxy == proxy]
    return judged


def said(found: StudyResults, about: str) -> list[str]:
    return [line for line in in_words(found) if line.startswith(about)]


def test_good_and_bad_proxies_are_told_apart() -> None:
    found = made_up()
    area, bad = of(found, Proxy("full", "area", 100)), of(found, Proxy(BAD, "accuracy"))
    assert area.spearman.low > 0.85 and area.spearman.estimate > area.kendall.estimate > 0.7
    assert area.kept >= 0.75 and area.regret < 0.02
    assert bad.spearman.low < 0 < bad.spearman.high and bad.kept < 0.7 and bad.regret > area.regret
    assert area.against_macs and area.against_macs.low > 0
    assert area.seconds == 1.0 and bad.seconds == 1.5 and area.share == pytest.approx(1 / 10.5)


def test_the_best_per_second_is_good_and_cheap() -> None:
    found = made_up()
    for budget in (5, 20, 100):
        best = found.best(budget)
        assert best and best.proxy == Proxy("full", "area", 100), budget
    area, full = of(found, Proxy("full", "area", 100)), of(found, CEILING)
    assert area.found[20] == pytest.approx(found.spread * area.spearman.estimate * 2.7, rel=0.05), "of 200 networks"
    assert full.found[20] == pytest.approx(found.spread * full.spearman.estimate * 1.87, rel=0.05), "of 20"
    assert full.found[5] < full.found[20] < full.found[100]
    assert sum(judged.chosen or 0 for judged in found.judged) == pytest.approx(1)
    assert (area.chosen or 0) > 0.5


def test_the_ceiling_is_one_training_against_another() -> None:
    assert of(made_up(), CEILING).spearman.estimate > 0.99
    noisy = made_up(luck=0.1)
    ceiling = of(noisy, CEILING)
    assert 0.1 < ceiling.spearman.estimate < 0.6
    assert of(noisy, Proxy("full", "area", 100)).spearman.estimate < 0.8, "a truth of luck hides how good it is"
    one = made_up(seeds=1)
    assert one.ceiling is None and "there is one seed" in said(one, "ceiling")[0]
    assert not [judged for judged in one.judged if judged.proxy == CEILING]


def test_a_truth_of_luck_alone_is_said_to_be_none() -> None:
    words = [in_words(made_up(luck=3.0, drawn=drawn)) for drawn in range(12)]
    without = [any("that the full training ranks the networks is not" in line for line in lines) for lines in words]
    assert sum(without) >= 9, "but for one of forty, by chance"
    assert not said(made_up(), "that the full training ranks")


def test_where_the_truth_does_not_rank_nothing_more_is_said() -> None:
    """Nor in the table, the picture's order or to programs: what little can be said is not followed by what is best."""
    (found,) = [made_up(luck=3.0, drawn=drawn) for drawn in range(12) if made_up(luck=3.0, drawn=drawn).ranks is False][
        :1
    ]
    words, document = in_words(found), to_json(found)
    assert not any(line.startswith(("best per second", "with other networks", "shown to rank")) for line in words)
    assert [line.partition(" ")[0] for line in words] == ["truth:", "ceiling:", "that", "each"]
    assert set(document["best_per_second"].values()) == {None}
    assert all(row.rstrip()[-1] == "%" for row in results_table(found).splitlines()[3:]), "no points above a random one"


@pytest.mark.parametrize("seeds", [1, 2])
def test_at_chance_there_is_no_order(seeds: int) -> None:
    """Networks that guess alike may rank each other well: most of them have the same accuracy."""
    found = replace(made_up(seeds=seeds), num_classes=2)  # of 50 to 70 %
    words = in_words(found)
    assert words[1].startswith("no network is above chance, 50 %, after the full training, so there is no order")
    assert not any(line.startswith(("ceiling", "best per second", "shown to rank")) for line in words)
    assert set(to_json(found)["best_per_second"].values()) == {None}
    assert replace(found, num_classes=10).learned and found.ranks is False


def test_one_seed_is_said_to_flatter_what_it_calls_best() -> None:
    for line in said(made_up(seeds=1), "best per second, in the time"):
        assert line.endswith("; judged by the very training that it is a cut of") == (" cut at " in line)


def test_seeds_are_averaged_where_there_are_three() -> None:
    found = made_up(seeds=3)
    one, two = (of(found, Proxy("full", "accuracy", 100, seeds)) for seeds in (1, 2))
    assert two.seconds == 2 * one.seconds and two.spearman.estimate > one.spearman.estimate
    assert {judged.proxy.seeds for judged in made_up().judged} == {1}


def test_a_cut_is_not_judged_by_its_own_training() -> None:
    """Luck that the cut shares with its own end, and no other training, is worth nothing."""
    rng = np.random.default_rng(0)
    study = ProxyStudy(tuple(f"n{n}" for n in range(NETWORKS)), (), (100,), 32, 1000, 2)
    curves = {}
    for seed in range(2):
        for n, end in enumerate(rng.random(NETWORKS)):
            curves["full", seed, n] = (
                CurvePoint(100, 1.0, 1 - end, end, 1.0, 0.1),
                CurvePoint(1000, 1.0, 1.0, end, 10.0, 0.1),
            )
    macs = np.arange(1.0, NETWORKS + 1)
    found = StudyResults("one", study, "cifar10", curves, macs, macs, {}, 0)
    cut = of(found, Proxy("full", "area", 100))
    assert cut.spearman.estimate == of(found, CEILING).spearman.estimate and cut.spearman.high < 0.9


def test_chance() -> None:
    found = made_up()
    kept, regret = found.by_chance
    assert kept == pytest.approx(1 / 3) and regret == pytest.approx(0.1, abs=0.01)
    row = results_table(found).splitlines()[2]
    assert row.startswith("random ") and "-0.0" not in row
    assert _points(-1e-17) == "0.0", "what rounding leaves of no loss"


def test_in_words() -> None:
    found = made_up()
    assert said(found, "truth")[0].startswith("truth: validation accuracy after the full training; 24 networks of ")
    best = said(found, "best per second, in the time of 20 full trainings")[0]
    assert "mean training loss since the start of the full schedule cut at 100 images (+" in best
    assert said(found, "with other networks")[0].count(" % ") <= 3
    assert " of 12 proxies, of which the cheapest is " in said(found, "shown to rank better than the number of MACs")[0]


def test_for_programs(tmp_path: Path) -> None:
    found = made_up()
    document = json.loads(json.dumps(to_json(found), allow_nan=False))
    assert document["best_per_second"]["20"] == "full:100:area" and document["ceiling"]["proxy"] == "full:accuracy"
    assert len(document["networks"]) == NETWORKS and len(document["networks"][0]["full:accuracy"]) == 2
    rows = list(csv.DictReader(io.StringIO(to_csv(found))))
    area = next(row for row in rows if row["proxy"] == "full:100:area")
    assert float(area["spearman_low"]) > 0.85 and float(area["seconds"]) == 1.0
    values = list(csv.DictReader(io.StringIO(networks_csv(found))))
    assert len(values) == 2 * NETWORKS and float(values[1]["100:loss"]) == -found.curves[BAD, 1, 0][0].loss
    assert "| cut at 100 | area | 1 |" in to_markdown(found)
    names = {path.name for path in write(found, tmp_path)}
    assert {"proxies.md", "proxies.csv", "networks.csv", "proxies.png"} == names


def test_before_anything_is_trained(tmp_path: Path) -> None:
    study = made_up().study
    none = np.full(NETWORKS, math.nan)
    found = StudyResults("one", study, "cifar10", {}, none, none, {}, study.size)
    assert "nothing to judge by" in in_words(found)[0] and "missing: 144 of 144" in in_words(found)[1]
    assert to_json(found)["proxies"] == [] and {path.name for path in write(found, tmp_path)} == {
        "proxies.md",
        "networks.csv",
    }
