"""The page: all that a report holds, for every state that a run can be in, in a real browser."""

from __future__ import annotations

import dataclasses
import math
import random
import re
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from optuna.trial import create_trial

from nas.report.numbers import Numbers
from nas.report.page import page
from nas.reward import Reward
from nas.training.recipe import Recipe
from searchspaces import Mnas

SPACE = Mnas(width=0.1, image_size=16)


class Reader(HTMLParser):
    """The text of a page; raises where an element is closed that was not open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        assert tag in ("meta", "img", "path", "line", "circle", "wbr")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(html: str) -> str:
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    return " ".join(reader.text.split())


def trials(count: int) -> list[dict[str, object]]:
    rng = random.Random(0)
    return [
        {"arch": SPACE.sample(rng), "accuracy": rng.random(), "macs": rng.randrange(10**5, 10**6), "log_prob": -1.0}
        for _ in range(count)
    ]


SITUATIONS = {
    "none": [],
    "running": [{"arch": (0,) * len(SPACE.choices)}],
    "one": trials(1),
    "failed": [{"arch": (0,) * len(SPACE.choices), "reason": "it broke at <b>42</b> & more"}],
    "many": [
        *trials(40),
        {"arch": (0,) * len(SPACE.choices), "reason": "it broke"},
        {"arch": (1,) * len(SPACE.choices)},
    ],
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_every_state_of_a_run_has_a_page(make_run, situation: str) -> None:
    text = read(page([Numbers.of(make_run(SITUATIONS[situation]))]))
    assert "How it was searched" in text and "accuracy x (macs / 1M) ^ -0.07" in text
    assert ("The best network" in text) == (situation in ("one", "many"))
    assert ("Why trials failed" in text) == (situation in ("failed", "many"))
    assert ("had not ended" in text) == (situation in ("running", "many"))
    if situation == "failed":
        assert "it broke at <b>42</b> & more" in text


def test_by_how_many_images_networks_were_judged_is_told(make_run, config) -> None:
    """Runs that began before it was noted say what they know."""
    judged = dataclasses.replace(config, validation={"daisy": 40, "rose": 0, "tulip": 3})
    text = read(page([Numbers.of(make_run(trials(3), config=judged))]))
    assert "Accuracies are of 43 validation images, ±15 points; no test image was seen." in text
    assert "No validation image is of rose." in text
    text = read(page([Numbers.of(make_run(trials(3), "older"))]))
    assert "Accuracies are of validation images; no test image was seen." in text and "No validation image" not in text


def test_a_page_needs_nothing_but_itself(make_run) -> None:
    html = page([Numbers.of(make_run(trials(30)))])
    outside = html.replace("http://www.w3.org/2000/svg", "")
    assert "<script" not in html and "@import" not in html and 'src="http' not in outside and "url(" not in outside


def test_very_many_trials_are_drawn_small(make_run, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(trials(60))
    each = page([Numbers.of(run)])
    monkeypatch.setattr("nas.report.charts.TITLES", 50)
    together = page([Numbers.of(run)])
    assert together.count("cloud") > each.count("cloud") and len(together) < len(each) - 10_000


def test_runs_side_by_side(make_run, config) -> None:
    several = [Numbers.of(make_run(trials(6), name)) for name in ("first", "<second>")]
    text = read(page(several))
    assert text.startswith("first, <second>") and text.count("The best network") == 2 and "The front of all" in text


def charts(html: str) -> dict[str, set[str]]:
    """By the title of each chart, the colours of the runs in it."""
    figures = re.findall(r"<figcaption>(.*?)</figcaption>(<svg.*?</svg>)", html, re.DOTALL)
    return {title: set(re.findall(r"var\(--run(\d)\)", svg)) for title, svg in figures}


OTHERS: dict[str, dict[str, object]] = {
    "the target": {"reward": Reward({"macs": 2e6})},
    "no target": {"reward": Reward()},
    "w": {"reward": Reward({"macs": 1e6}, -1.0, -1.0)},
    "the signal": {"reward": Reward({"macs": 1e6}, signal="loss")},
    "the objectives": {"objectives": ("accuracy",)},
    "the data": {"data": "cifar10"},
    "the files of the data": {"data_sha256": "0" * 64},
    "the recipe": {"recipe": Recipe(batch_size=20, epochs=2)},
    "the table": {"table_sha256": "1" * 64},
}


@pytest.mark.parametrize("what", OTHERS)
def test_rewards_that_measure_different_things_share_no_axis(make_run, config, what: str) -> None:
    """Two runs of one kind and one of another: three colours, and in each chart those of one kind."""
    configs = [config, dataclasses.replace(config, **OTHERS[what]), config]
    names = ("first", "other", "third")
    several = [Numbers.of(make_run(trials(6), name, config=c)) for name, c in zip(names, configs, strict=True)]
    html = page(several)
    drawn = charts(html)
    assert all(colours in ({"0", "2"}, {"1"}) for title, colours in drawn.items() if "Accuracy" not in title)
    reward = configs[1].reward
    for title in ("By networks tried", "By time"):
        assert drawn[f"{title}: first, third, {config.reward}"] == {"0", "2"}
        assert drawn[f"{title}: other, {reward}"] == {"1"}
    of_one_training = what in ("the target", "no target", "w", "the signal", "the objectives")
    assert (drawn.get("Accuracy and the Pareto front") == {"0", "1", "2"}) == of_one_training
    assert "have axes of their own" in read(html)


def test_what_differs_between_runs_is_told(make_run, config) -> None:
    other = dataclasses.replace(config, recipe=Recipe(batch_size=20, epochs=3), reward=Reward())
    text = read(page([Numbers.of(make_run(trials(3), "a")), Numbers.of(make_run(trials(3), "b", config=other))]))
    assert f"Reward is{config.reward}accuracy" in text.replace("  ", "") and "Recipe, epochs13" in text
    alike = read(page([Numbers.of(make_run(trials(3), name)) for name in ("c", "d")]))
    assert "Reward is" not in alike and "of their own" not in alike and "Recipe, " not in alike


@pytest.mark.parametrize("value", [sys.float_info.max, math.inf, -math.inf, 1e200])
def test_values_of_another_program_may_be_anything(make_run, value: float) -> None:
    run = make_run(trials(7))
    with run.driving() as study:
        first = study.trials[0]
        study.add_trial(create_trial(value=value, params=first.params, distributions=first.distributions))
    html = page([Numbers.of(run)])
    assert "How it was searched" in read(html) and "0" * 50 not in html and "nan" not in html


def test_a_page_is_the_same_each_time(make_run) -> None:
    run = make_run(trials(25))
    assert page([Numbers.of(run)]) == page([Numbers.of(run)])


@pytest.fixture
def written(make_run, tmp_path: Path) -> Callable[..., Path]:
    def write(*situations: str) -> Path:
        several = [Numbers.of(make_run(SITUATIONS[name], f"a-run-with-a-long-name-{name}")) for name in situations]
        path = tmp_path / "report.html"
        path.write_text(page(several))
        return path

    return write


@pytest.mark.parametrize("situations", [("none",), ("many",), ("many", "one", "failed")])
def test_it_fits_a_phone_and_a_desk_without_a_complaint(chromium, written, situations: tuple[str, ...]) -> None:
    path = written(*situations)
    for width in (390, 1280):
        for dark in (False, True):
            chromium.open(path, width, dark)
            assert chromium.value("document.scrollingElement.scrollWidth <= innerWidth"), f"{width} pixels"
            assert chromium.value("[...document.images].every(image => image.naturalWidth > 0)")
            paper = chromium.value("getComputedStyle(document.body).backgroundColor")
            assert paper == ("rgb(20, 22, 26)" if dark else "rgb(246, 246, 244)")
    assert chromium.complaints == []


def test_it_prints(chromium, written) -> None:
    chromium.open(written("many"), 1280, dark=True)
    assert len(chromium.send("Page.printToPDF", {"printBackground": True})["data"]) > 10_000
    assert chromium.complaints == []
