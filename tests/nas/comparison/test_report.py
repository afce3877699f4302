"""What is said of a comparison: with made-up accuracies, so that what is true is known."""

from __future__ import annotations

import csv
import io
import json
import random
import xml.etree.ElementTree
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nas.comparison.picture import drawn, picture
from nas.comparison.report import in_words, results_table, to_csv, to_json, to_markdown, to_text, write
from nas.comparison.results import ComparisonResults, NetworkResult, Training
from nas.statistics.differences import Fit
from nas.text.units import format_spread
from nas.training.recipe import Recipe
from searchspaces.cost import Cost

#           name       found  MACs       test accuracy
NETWORKS = [
    ("a:best", True, 8_000_000, 0.69),
    ("resnet8@0.79", False, 7_900_000, 0.64),
    ("mobilenet_v2@0.15", False, 7_300_000, 0.61),
    ("resnet20", False, 40_500_000, 0.75),
    ("lenet5", False, 400_000, 0.10),
]


def made_up(noise: float, seeds: int = 3, networks: list[tuple[str, bool, int, float]] = NETWORKS) -> ComparisonResults:
    """Every network has its accuracy, every seed its luck, and there is `noise` of that deviation; none at chance."""
    rng = random.Random(1)
    luck = [rng.gauss(0, 0.01) for _ in range(seeds)]

    def result(name: str, found: bool, macs: int, level: float) -> NetworkResult:
        trainings = {}
        for seed in range(seeds):
            accuracy = level + (luck[seed] + rng.gauss(0, noise) if level > 0.1 else 0)
            trainings[seed] = Training(seed, accuracy - 0.01, accuracy, 100_000, 100.0 + seed, 2000.0, 90_000)
        return NetworkResult(name, name, found, Cost(20_000, macs, 30_000), trainings, {})

    found = tuple(result(*network) for network in networks)
    return ComparisonResults("one", "cifar10", Recipe(epochs=2), "cpu", seeds, 10, found)


def verdict(found: ComparisonResults) -> str:
    return in_words(found)[0]


def test_the_hardest_of_those_that_cost_no_more_is_the_reference() -> None:
    line = verdict(made_up(noise=0.002))
    assert line.startswith(
        "a:best against resnet8@0.79, the best of 3 hand-designed networks of at most 8M MACs: better "
    )
    assert ", 95 % interval " in line and ", 3 seeds (+" in line
    points, low, high = (float(line.partition(word)[2].split()[0].rstrip(",")) for word in ("by ", "interval ", " to "))
    assert low < 5 < high and low < points < high


def test_a_larger_network_is_no_reference() -> None:
    found = made_up(noise=0.002)
    assert [result.name for result in found.references(found.all[0])] == ["resnet8@0.79", "mobilenet_v2@0.15", "lenet5"]
    assert [(limit, [r.name for r in group]) for limit, group in found.groups] == [
        (8_000_000, ["a:best", "resnet8@0.79", "mobilenet_v2@0.15", "lenet5"]),
        (None, ["resnet20"]),
    ]


def test_the_luck_of_a_seed_is_no_noise() -> None:
    """It is 1 point, five times the noise: unpaired, the interval would be as wide as that makes it."""
    said = made_up(noise=0.002).verdict(made_up(noise=0.002).all[0])
    assert said and said.interval and said.interval.high - said.interval.low < 0.012


def test_what_stayed_at_chance_makes_nothing_look_sure() -> None:
    found = made_up(noise=0.01)
    said = found.verdict(found.all[0])
    assert said and said.networks == 4 and said.interval
    rows = {(r.name, seed): t.test_accuracy for r in found.all for seed, t in r.trainings.items()}
    with_chance = Fit.of(rows).planned(["a:best"], ["resnet8@0.79"])
    assert with_chance and with_chance.high - with_chance.low < said.interval.high - said.interval.low


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Of a planned comparison with one reference: the truth is 5 points."""
    rng = random.Random(0)
    covered = 0
    for _ in range(300):
        found = made_up(0, 3, NETWORKS[:3])
        noisy = tuple(
            replace(r, trainings={s: replace(t, test_accuracy=t.test_accuracy + rng.gauss(0, 0.01)) for s, t in
                                  r.trainings.items()})
            for r in found.all
        )  # fmt: skip
        said = replace(found, all=noisy).verdict(noisy[0])
        assert said and said.interval and said.reference.name == "resnet8@0.79"
        covered += said.interval.low < 0.05 < said.interval.high
    assert 0.91 < covered / 300 < 0.985


def test_with_much_noise_nothing_is_shown() -> None:
    line = verdict(made_up(noise=0.06))
    assert ": no difference shown: " in line and " 95 % interval -" in line


def test_what_is_worse_is_said_to_be() -> None:
    worse = [("a:best", True, 8_000_000, 0.60), *NETWORKS[1:]]
    assert ": worse by " in verdict(made_up(0.002, networks=worse))


def test_one_seed_shows_no_spread() -> None:
    found = made_up(noise=0.002, seeds=1)
    assert "one seed each shows no spread, so this may be chance: use --seeds 3" in verdict(found)
    assert "interval" not in " ".join(in_words(found)) and "±" not in results_table(found)


def test_several_found_networks_share_the_confidence() -> None:
    found = made_up(0.002, networks=[*NETWORKS, ("a:17", True, 7_950_000, 0.68)])
    lines = in_words(found)
    assert lines[1].startswith("a:17 against resnet8@0.79") and "97.5 % interval" in lines[0] and "97.5 %" in lines[1]
    assert lines[2].startswith("planned: these 2 comparisons, whose intervals hold together (Bonferroni)")
    assert any(line.startswith("interval of a:17: Student's") for line in lines)


def test_what_a_network_was_found_around_is_always_compared() -> None:
    """Here it has more multiply-adds, so that it is no reference by these."""
    found = made_up(0.002, networks=[NETWORKS[0], NETWORKS[3]])
    found = replace(found, all=(replace(found.all[0], around="resnet20"), found.all[1]))
    lines = in_words(found)
    start = "a:best against resnet20, around which it was found (40.5M MACs against 8M): worse by "
    assert lines[0].startswith(start) and "95 % interval" in lines[0]
    assert lines[1].startswith("planned: this one comparison; a:best had the best reward")
    assert [v["reference"] for v in to_json(found)["verdicts"]] == ["resnet20"]
    among = made_up(0.002)
    lines = in_words(replace(among, all=(replace(among.all[0], around="resnet20"), *among.all[1:])))
    assert "of at most 8M MACs: better by" in lines[0] and lines[1].startswith(start)
    assert all("97.5 % interval" in line for line in lines[:2])
    assert lines[2].startswith(
        "planned: these 2 comparisons, whose intervals hold together (Bonferroni); the reference"
    )
    smaller = in_words(replace(among, all=(replace(among.all[0], around="lenet5"), *among.all[1:])))
    assert not any("around which" in line for line in smaller)  # it is among the references


def test_the_method_is_said() -> None:
    lines = in_words(made_up(noise=0.002))
    assert lines[1].startswith("planned: this one comparison; the reference is the one of the best mean on the test")
    assert lines[1].endswith("; a:best had the best reward in its search, which sees validation images only")
    assert (
        "these two and the others above chance, 4 networks (6 degrees of freedom); from these two alone it" in lines[2]
    )


def test_without_a_found_network_the_first_named_is_compared() -> None:
    found = made_up(0.002, networks=NETWORKS[1:])
    assert verdict(found).startswith("resnet8@0.79 against mobilenet_v2@0.15, the best of 2 networks of at most 7.9M")
    assert not any("search" in line for line in in_words(found)) and "larger" not in results_table(found)


def test_where_there_is_no_comparison_the_reason_is_said() -> None:
    found = made_up(0.002, networks=[NETWORKS[0], NETWORKS[3]])
    assert "no network of at most its 8M MACs was trained; --match-macs narrows" in verdict(found)
    assert "no other network was trained" in verdict(made_up(0.002, networks=NETWORKS[:1]))
    failed = replace(found.all[0], trainings={}, failures={0: "Diverged: too fast"})
    lines = in_words(replace(found, all=(failed, found.all[1])))
    assert lines[0].startswith("a:best: none of its trainings has ended well")
    assert lines[1] == "failed: a:best, seed 0: Diverged: too fast"
    assert lines[2].startswith("missing: 2 of 6 trainings; `nas resume one`")


def test_the_reference_is_there_with_a_seed_missing() -> None:
    found = made_up(noise=0.002)
    fewer = replace(found.all[1], trainings={s: t for s, t in found.all[1].trainings.items() if s}, failures={0: "no"})
    said = replace(found, all=(found.all[0], fewer, *found.all[2:])).verdict(found.all[0])
    assert said and list(said.by_seed) == [1, 2] and said.interval and said.interval.low < 0.05 < said.interval.high


def test_the_front() -> None:
    assert [result.name for result in made_up(noise=0.002).pareto] == [
        "lenet5", "mobilenet_v2@0.15", "resnet8@0.79", "a:best", "resnet20"
    ]  # fmt: skip


def test_the_table_has_groups_and_the_budget_beside_each_result() -> None:
    lines = results_table(made_up(noise=0.002)).splitlines()
    assert lines[2] == "up to 8M MACs:" and lines[3].startswith("a:best ") and lines[7] == "larger:"
    assert "100k in 1m41s" in lines[3] and "90 kB" in lines[3] and "990" in lines[3] and "2,000" in lines[3]


def test_table_json_csv_and_markdown_agree(tmp_path: Path) -> None:
    images = made_up(noise=0.002)
    seconds = replace(images, recipe=Recipe(seconds=100.0))
    document = json.loads(json.dumps(to_json(images)))
    rows = list(csv.DictReader(io.StringIO(to_csv([images, seconds]))))
    assert [row["equal"] for row in rows] == ["images"] * 5 + ["seconds"] * 5
    assert [row["network"] for row in rows[:5]] == [row["network"] for row in document["networks"]]
    row, figures = rows[0], document["networks"][0]
    assert float(row["test_accuracy"]) == figures["test_accuracy"] == images.all[0].test_accuracy
    assert row["images"] == "100000" and row["macs_budget"] == "8000000" and rows[4]["macs_budget"] == ""
    assert document["verdicts"][0]["reference"] == "resnet8@0.79" and document["verdicts"][0]["shown"]
    assert document["words"] == in_words(images) and list(figures["trainings"]) == ["0", "1", "2"]
    text, page = to_text([images, seconds]), to_markdown([images, seconds])
    for line in in_words(images):
        assert line in text and f"- {line}" in page
    for said in ("at equal training images", "at equal training seconds", "each trained from scratch for 1m40s"):
        assert said in text
    assert "### Up to 8M MACs" in page and page.count("| a:best |") == 2
    assert [p.name for p in write([images], tmp_path, csv=tmp_path / "t.csv")][:2] == ["comparison.md", "t.csv"]
    assert (tmp_path / "t.csv").read_text() == to_csv([images])


def test_between_networks_that_guess_there_is_no_difference() -> None:
    networks = [("a:best", True, 8_000_000, 0.1), ("resnet8@0.79", False, 7_900_000, 0.1)]
    found = made_up(0.0, networks=networks)
    better = replace(
        found.all[0], trainings={s: replace(t, test_accuracy=0.12) for s, t in found.all[0].trainings.items()}
    )
    found = replace(found, all=(better, found.all[1]))
    assert verdict(found).endswith(
        ": neither is above chance, 10 %, so nothing is known of them: train longer, or on more images"
    )
    assert len(in_words(found)) == 1 and not to_json(found)["verdicts"][0]["shown"]


def test_spread() -> None:
    assert format_spread([0.612]) == "61.2 %"
    assert format_spread([0.612, 0.618]) == "61.5 ± 0.4 %"


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_the_picture_shows_every_network(suffix: str) -> None:
    pytest.importorskip("matplotlib")
    images = made_up(noise=0.002)
    content = picture([images, replace(images, recipe=Recipe(seconds=100.0))], suffix)
    if suffix == "png":
        assert content.startswith(b"\x89PNG")
        return
    texts = [e.text for e in xml.etree.ElementTree.fromstring(content).iter() if e.text and e.text.strip()]
    assert all(texts.count(name) == 2 for name, *_ in NETWORKS)
    assert {"found", "hand-designed", "Pareto front", "10M"} <= set(texts)
    assert any("at equal training seconds, mean ± standard deviation of 3 seeds" in text for text in texts)


def test_of_networks_of_as_many_multiply_adds_the_picture_has_rows(stays_inside: Callable[[Any], None]) -> None:
    """The best on top, with a dot for each seed; side by side at equal images and seconds."""
    pytest.importorskip("matplotlib")
    alike = [(name, found, 8_000_000 - 1_000 * i, level) for i, (name, found, _, level) in enumerate(NETWORKS)]
    found = replace(made_up(0.002, networks=alike), data="folder:/home/somebody/pictures/of/flowers/in/spring")
    figure = drawn([found, replace(found, recipe=Recipe(seconds=100.0))])
    stays_inside(figure)
    for axes in figure.axes:
        names = [label.get_text().partition(",")[0] for label in axes.get_yticklabels()]
        assert names == ["lenet5", "mobilenet_v2@0.15", "resnet8@0.79", "a:best", "resnet20"]
        dots = {row: line for line in axes.lines if line.get_label() == "a seed" for row in set(line.get_ydata())}
        assert len(dots) == 5 and all(len(line.get_xdata()) == 3 for line in dots.values())
        assert axes.get_xlabel() == "test accuracy, %"


@pytest.mark.parametrize("most", [12_100_000, 40_500_000, 4_000_000_000])
def test_points_fill_the_picture_however_far_apart_they_are(most: int, stays_inside: Callable[[Any], None]) -> None:
    pytest.importorskip("matplotlib")
    networks = [("a:best", True, 8_000_000, 0.69), ("a_baseline_of_a_long_name@0.79", False, most, 0.64)]
    figure = drawn([made_up(0.002, networks=networks)])
    stays_inside(figure)
    (axes,) = figure.axes
    ends = axes.transAxes.inverted().transform(axes.transData.transform([(8_000_000, 69), (most, 64)]))
    assert ends[1][0] - ends[0][0] > 0.55
