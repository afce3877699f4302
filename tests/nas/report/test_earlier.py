"""Earlier searches on the page: which there were, and how far they were trusted, trial by trial."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from nas.checks.schemas import TRUST
from nas.files import EXPERIENCE
from nas.ledger.config import Config
from nas.ledger.experience import EarlierRun, Experience, Result, choices_of
from nas.report.earlier import TITLE
from nas.report.numbers import Numbers
from nas.report.page import page
from searchspaces import Chain, Mnas, Space

SPACE = Mnas(width=0.1, image_size=16)


def experience() -> Experience:
    def run(name: str, space: Space) -> EarlierRun:
        archs = [space.sample(random.Random(i)) for i in range(6)]
        results = tuple(Result(arch, 0.5, tuple(space.features(arch))) for arch in archs)
        return EarlierRun(name, space.reference, space.settings(), choices_of(space), "flowers", {}, 0, results)

    return Experience((run("spring", SPACE), run("<b>", Chain())))


def test_they_are_listed_with_their_trust(make_run: Any, config: Config) -> None:
    began = experience()
    config = replace(config, experience=began.names, experience_sha256=began.sha256)
    rng = random.Random(0)
    trust = [[0.58, 0.5], [0.7, 0.2], [0.91, 0.04]]
    trials = [{"arch": SPACE.sample(rng), "accuracy": rng.random(), "macs": 10**5, "trust": of} for of in trust]
    run = make_run(trials, config=config)
    assert "cannot read" in page([Numbers.of(run)]), "its file is lost"
    (run.path / EXPERIENCE).write_text(began.text or "")
    html = page([Numbers.of(run)])
    assert TITLE in html and ">0.58</td>" in html and ">0.91</td>" in html and ">0.04</td>" in html
    assert "trial 2: spring 0.91" in html and "&lt;b&gt;" in html and "<b></td>" not in html
    assert ">choices and features</td>" in html and ">features</td>" in html
    assert Numbers.of(run).to_dict()["trust"] == [{"trial": i, "trust": of} for i, of in enumerate(trust)]


def test_a_run_without_them_says_nothing(make_run: Any) -> None:
    run = make_run([{"arch": SPACE.sample(random.Random(0)), "accuracy": 0.5, "macs": 10**5}])
    assert TITLE not in page([Numbers.of(run)])
    assert TRUST not in run.study.trials[0].system_attrs
