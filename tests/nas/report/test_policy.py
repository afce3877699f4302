"""How a policy learned: on the page, as numbers and as event files; and that nothing is said of what has no policy."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from nas.ledger.config import Config
from nas.ledger.run import Run
from nas.report.numbers import Numbers
from nas.report.page import page
from nas.samplers import StrategySampler, make_sampler
from searchspaces import Mnas

SPACE = Mnas(width=0.1, image_size=16)
PART = "How the policy learned"


def trials(count: int) -> list[dict[str, Any]]:
    """Every other one is of a network that was known: a batch of 5 is complete after trials 4, 9, ..."""
    rng = random.Random(0)
    found = [{"arch": SPACE.sample(rng), "accuracy": rng.random(), "macs": 10**5} for _ in range(count)]
    return [trial | ({"duplicate_of": number - 1} if number % 2 else {}) for number, trial in enumerate(found)]


def learn(run: Run) -> None:
    """Note what the run's strategy learned of its trials."""
    with run.driving() as study:
        sampler = make_sampler(run.config.strategy, run.config.space, run.config.seed)
        assert isinstance(sampler, StrategySampler)
        sampler.catch_up(study)


@pytest.fixture
def run(make_run) -> Run:
    run: Run = make_run(trials(22))
    learn(run)
    return run


def test_each_update_and_the_networks_tried_until_then(run: Run) -> None:
    numbers = Numbers.of(run)
    assert [update.trial for update in numbers.updates] == [4, 9, 14, 19]
    assert numbers.tried == [3, 5, 8, 10]
    document = json.loads(json.dumps(numbers.to_dict(), allow_nan=False))
    assert document["updates"] == [asdict(update) for update in numbers.updates]


def test_the_page_draws_and_lists_them(run: Run) -> None:
    html, last = page([Numbers.of(run)]), Numbers.of(run).updates[-1]
    assert PART in html and "4 in all" in html
    for words in ("Entropy, nats", "Baseline", "Mean advantage", "Loss", "KL, nats", "Ratios beyond the clip"):
        assert f"<figcaption>{words}</figcaption>" in html
    assert f"update 4, after trial 19: KL, nats {last.kl:.3g}" in html
    assert f">{last.entropy:.3g}</td>" in html and f">{last.advantage_std:.3g}</td>" in html


def test_a_run_of_an_older_version_is_said_to_have_none_until_it_is_resumed(make_run) -> None:
    run = make_run(trials(12))
    assert "No update is noted" in page([Numbers.of(run)]) and "nas resume one notes" in page([Numbers.of(run)])
    learn(run)
    assert "2 in all" in page([Numbers.of(run)])


def test_without_a_policy_there_is_no_such_part(make_run, config: Config) -> None:
    run = make_run(trials(12), config=replace(config, strategy="evolution"))
    learn(run)
    assert Numbers.of(run).updates == [] and PART not in page([Numbers.of(run)])


def test_several_objectives_are_said_to_have_none(make_run, config: Config) -> None:
    objectives = replace(config, reward=replace(config.reward, targets={}), objectives=("accuracy", "macs"))
    assert "begun anew for each trial" in page([Numbers.of(make_run([], config=objectives))])


def test_event_files_have_them(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from nas.report.events import write

    numbers = Numbers.of(run)
    (place,) = write([numbers], tmp_path / "events")
    events = EventAccumulator(str(place)).Reload()
    for name in ("entropy", "baseline", "advantage_mean", "advantage_std", "loss", "kl", "clip_fraction"):
        read = [(event.step, event.value) for event in events.Scalars(f"policy/{name}")]
        expected = [getattr(update, name) for update in numbers.updates]
        assert [step for step, _ in read] == [3, 5, 8, 10]
        assert [value for _, value in read] == pytest.approx(expected)
