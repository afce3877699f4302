"""What a person, a pipe and a program see."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest

from nas.ledger.run import TrialRow
from nas.network import Designed
from nas.searching.progress import JsonLines, Lines, Output, trial_line
from nas.searching.terminal import watch_search
from nas.training.recipe import Recipe
from nas.training.train import Epoch
from nas.training.trial import State, TrialSpec
from searchspaces.cost import Cost

SPEC = TrialSpec(3, Designed("resnet20"), Recipe(epochs=2), 0)


def row(state: State = State.COMPLETE, reason: str = "") -> TrialRow:
    found = (0.5, 0.45, 9_800_000) if state == State.COMPLETE else (None, None, 9_800_000)
    accuracy, reward, macs = found
    return TrialRow(3, state, "abcd", "text", accuracy, reward, macs, 1000, 1, None, 75.0, reason, None, ())


def shown(progress: Lines, *rows: TrialRow) -> str:
    progress.started(SPEC, Cost(1000, 9_800_000, 1))
    progress.epoch(SPEC, Epoch(1, 1.0, 0.25, 100, 1.0))
    for one in rows:
        progress.finished(one, row(), 600.0)
    progress.close()
    assert isinstance(progress.out, io.StringIO)
    return progress.out.getvalue()


def test_a_pipe_gets_one_plain_line_a_trial() -> None:
    text = shown(Lines(io.StringIO()), row(), row(State.FAILED, "out of memory: 3 GB"))
    first, second = text.splitlines()
    assert first == (
        "trial   3  50.0 %  reward 0.4500    9.8M MACs      1k params   1m15s  best 50.0 % at 9.8M MACs (trial 3)"
        "  10m00s left"
    )
    assert "failed: out of memory: 3 GB" in second and "\033" not in text


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("seconds_left", [None, 600.0])
@pytest.mark.parametrize("number", [3, 1234])
def test_a_trials_line_fits_the_terminal(width: int, seconds_left: float | None, number: int) -> None:
    reason = (
        "RuntimeError: Given groups=1, weight of size [8, 3, 3, 3], expected input[20, 4, 32, 32] to have 3 channels"
    )
    for one in (row(), row(State.FAILED, reason), row(State.PRUNED, "stopped after epoch 2")):
        line = trial_line(replace(one, number=number), row(), seconds_left, width)
        assert len(line) <= width and line.startswith(f"trial {number:>3}"), line
        if one.state == State.COMPLETE:
            assert "50.0 %" in line and "9.8M MACs" in line
        else:
            assert f"{one.state}: " in line and (one.reason in line or line.endswith("..."))


def test_120_columns_say_everything_and_80_what_matters() -> None:
    assert trial_line(row(), row(), 600.0, 120) == trial_line(row(), row(), 600.0)
    assert trial_line(row(), row(), 600.0, 80) == (
        "trial   3  50.0 %  reward 0.4500    9.8M MACs      1k params   1m15s  best"
    )
    other = replace(row(), number=2)
    assert trial_line(row(), other, 600.0, 80).endswith("1m15s"), "it is not the best"


def test_an_experiments_line_names_its_training() -> None:
    training = replace(row(), id="resnet20@0.25 at 32, seed 1", architecture="resnet20@0.25 at 32, seed 1")
    failed = replace(training, state=State.FAILED, reason="out of memory: " + "x" * 100)
    for one in (training, failed):
        line = trial_line(one, row(), 600.0, 80)
        assert one.id in line and len(line) <= 80


def test_what_takes_its_time_is_a_line_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("none", "lines", "json"):
        output = Output(kind)
        with output.busy("timing 4 networks"), output.passing("reading shapes"):
            pass
        watch_search(kind, "one").waiting("starting 2 workers with Ray")
    said = capsys.readouterr()
    lines = "timing 4 networks ...\nstarting 2 workers with Ray ...\n"
    assert said.out == lines and said.err == lines, "with json, it goes where a program does not read"


def test_a_program_gets_json() -> None:
    told = json.loads(shown(JsonLines(io.StringIO(), "one"), row()))
    assert (
        told["number"] == 3 and told["state"] == "complete" and told["run"] == "one" and told["seconds_left"] == 600.0
    )
