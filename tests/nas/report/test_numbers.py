"""The numbers of a report are those of the ledger."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from pathlib import Path

import pytest

from nas.files import CONFIG, JOURNAL
from nas.ledger.config import Budget, Config
from nas.ledger.run import Run
from nas.report.control import controls
from nas.report.numbers import Numbers
from nas.reward import Reward
from searchspaces import Arch, Mnas

SPACE = Mnas(width=0.1, image_size=16)


@pytest.fixture
def config(config: Config) -> Config:
    return replace(config, reward=Reward())


def arch(number: int) -> Arch:
    return SPACE.sample(random.Random(number))


def test_each_new_best_with_the_networks_and_seconds_until_then(make_run) -> None:
    trials = [
        {"arch": arch(0), "accuracy": 0.3, "macs": 100},
        {"arch": arch(1), "reason": "out of memory"},
        {"arch": arch(2), "accuracy": 0.2, "macs": 100},
        {"arch": arch(3), "accuracy": 0.5, "macs": 100},
    ]
    numbers = Numbers.of(make_run(trials))
    assert [(s.trials, s.seconds, s.row.number) for s in numbers.steps] == [(1, 10, 0), (4, 40, 3)]
    assert numbers.best is not None and numbers.best.number == 3


def test_time_counts_trainings_side_by_side_once_and_pauses_not_at_all(make_run) -> None:
    ends = [10, 12, 1000]  # the second began before the first ended; then nothing ran for long
    trials = [{"arch": arch(i), "accuracy": 0.1 * i, "macs": 1, "ended": end} for i, end in enumerate(ends)]
    assert Numbers.of(make_run(trials)).seconds == {0: 10, 1: 12, 2: 22}


def test_the_order_is_that_in_which_trials_ended(make_run) -> None:
    trials = [{"arch": arch(i), "accuracy": 0.5, "macs": 1, "ended": end} for i, end in enumerate([30, 10, 20])]
    assert [row.number for row in Numbers.of(make_run(trials)).trained] == [1, 2, 0]


def test_repeats_and_what_was_too_large_are_no_networks_tried(make_run) -> None:
    trials = [
        {"arch": arch(0), "accuracy": 0.3, "macs": 100},
        {"arch": arch(0), "accuracy": 0.3, "macs": 100, "duplicate_of": 0},
        {"arch": arch(1), "reason": "not trained: 9 MACs are more than --max-macs 8", "refused": True},
        {"arch": arch(2)},
    ]
    numbers = Numbers.of(make_run(trials))
    assert [row.number for row in numbers.trained] == [0]
    assert numbers.states == {"complete": 1, "repeated": 1, "too large": 1, "running": 1}


def test_no_network_of_the_front_is_beaten_in_both(make_run) -> None:
    found = [(300, 0.5), (100, 0.2), (200, 0.1), (100, 0.3), (400, 0.5)]
    trials = [{"arch": arch(i), "accuracy": a, "macs": macs} for i, (macs, a) in enumerate(found)]
    assert [(row.macs, row.accuracy) for row in Numbers.of(make_run(trials)).front] == [(100, 0.3), (300, 0.5)]


def test_why_steps_were_taken_one_by_one_is_counted_alike(make_run) -> None:
    reasons = ("replay 1 was off by 90%", "replay 2 was off by 7%", "a coin")
    trials = [{"arch": arch(i), "accuracy": 0.5, "macs": 100, "single_steps": why} for i, why in enumerate(reasons)] + [
        {"arch": arch(3), "accuracy": 0.5, "macs": 100}
    ]
    assert Numbers.of(make_run(trials)).single_steps == {"replay 1 was off by 90%": 2, "a coin": 1}


def test_failures_are_counted_by_reason_whatever_its_numbers(make_run) -> None:
    reasons = ["out of memory: tried 5 MiB", "out of memory: tried 70 MiB", "the loss is NaN"]
    numbers = Numbers.of(make_run([{"arch": arch(i), "reason": reason} for i, reason in enumerate(reasons)]))
    assert numbers.failures == {"out of memory: tried 5 MiB": 2, "the loss is NaN": 1}
    assert numbers.best is None and numbers.importances is None


def test_proposals_are_counted_in_windows_with_what_the_policy_thought(make_run) -> None:
    first, last = SPACE.from_options(SPACE.options((0,) * len(SPACE.choices))), (1,) * len(SPACE.choices)
    early = [{"arch": first, "accuracy": 0.1, "macs": 1, "log_prob": math.log(0.25)}] * 5
    late = [{"arch": last, "accuracy": 0.1, "macs": 1, "log_prob": math.log(0.75)}] * 5
    proposed = Numbers.of(make_run(early + late)).proposed
    assert len(proposed) == len(SPACE.choices)
    for one in proposed:
        assert one.shares[0][0] == 1 and one.shares[1][1] == 1 and one.leading == 1
        assert one.probabilities == pytest.approx([0.25, 0.75])


def test_importances_find_the_one_choice_that_matters(make_run) -> None:
    archs = [arch(i) for i in range(60)]
    matters = [{"arch": a, "accuracy": 0.2 + 0.6 * (a[0] == 0) + i / 1e4, "macs": 1} for i, a in enumerate(archs)]
    importances = Numbers.of(make_run(matters)).importances
    assert importances is not None
    assert [c for c, value in importances.values.items() if value > importances.by_luck] == [SPACE.choices[0].name]


def test_importances_of_noise_are_not_beyond_luck(make_run) -> None:
    rng = random.Random(1)
    trials = [{"arch": arch(i), "accuracy": rng.random(), "macs": 1} for i in range(60)]
    importances = Numbers.of(make_run(trials)).importances
    assert importances is not None and max(importances.values.values()) < 1.5 * importances.by_luck


def test_the_command_is_noted_and_its_password_is_not_told(make_run, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = ["/usr/bin/nas", "search", "--name", "a b", "--storage", "mysql://me:secret@host/db?passwd=more"]
    monkeypatch.setattr("sys.argv", typed)
    run = make_run([])
    assert Numbers.of(run).command == "nas search --name 'a b' --storage mysql://me@host/db"
    document = json.loads((run.path / CONFIG).read_text())
    del document["command"]  # as earlier versions wrote it
    (run.path / CONFIG).write_text(json.dumps(document))
    assert Numbers.of(Run.open(run.path)).command == ""


def test_a_run_of_an_older_version_that_never_began_says_so(tmp_path: Path, config: Config) -> None:
    run = Run.create(tmp_path / "runs" / "new", config, Budget(trials=1))
    (run.path / JOURNAL).unlink()
    document = json.loads((run.path / CONFIG).read_text())
    (run.path / CONFIG).write_text(json.dumps({k: v for k, v in document.items() if k not in ("study", "id")}))
    with pytest.raises(ValueError, match="no trial yet"):
        Numbers.of(Run.open(run.path))


def test_json_is_json(make_run) -> None:
    numbers = Numbers.of(make_run([{"arch": arch(i), "accuracy": i / 10, "macs": i + 1} for i in range(4)]))
    document = json.loads(json.dumps(numbers.to_dict()))
    assert document["best"]["number"] == 3 and document["trained"] == 4 and len(document["front"]) == 4


def test_a_control_is_compared_within_what_both_have_spent(make_run, config: Config) -> None:
    def trials(*accuracies: float) -> list[dict[str, object]]:
        return [{"arch": arch(i), "accuracy": a, "macs": 1} for i, a in enumerate(accuracies)]

    search = Numbers.of(make_run(trials(0.2, 0.6, 0.7, 0.9), "search"))
    random_one = replace(config, strategy="random", seed=7)
    control = Numbers.of(make_run(trials(0.5, 0.4), "control", random_one))
    (pair,) = controls([search, control])
    assert [(w.measure, w.budget, w.search.accuracy, w.random.accuracy) for w in pair.compared] == [
        ("trials", 2, 0.6, 0.5),
        ("seconds", 20.0, 0.6, 0.5),
    ]
    assert pair.compared[0].difference == pytest.approx(0.1)
    other = replace(random_one, recipe=replace(config.recipe, epochs=2))
    assert not controls([search, Numbers.of(make_run(trials(0.5), "other", other))])
