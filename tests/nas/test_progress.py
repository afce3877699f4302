"""What a person, a pipe and a program see."""

from __future__ import annotations

import io
import json

import pytest

from nas.network import Designed
from nas.progress import JsonLines, Lines, Terminal
from nas.recipe import Recipe
from nas.run import Row
from nas.train import Epoch
from nas.trial import State, TrialSpec
from searchspaces.cost import Cost

SPEC = TrialSpec(3, Designed("resnet20"), Recipe(epochs=2), 0)


def row(state: State = State.COMPLETE, reason: str = "") -> Row:
    found = (0.5, 0.45, 9_800_000) if state == State.COMPLETE else (None, None, 9_800_000)
    accuracy, reward, macs = found
    return Row(3, state, "abcd", "text", accuracy, reward, macs, 1000, 1, None, 75.0, reason, None, ())


def shown(progress: Lines, *rows: Row) -> str:
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


def test_a_terminal_also_shows_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    text = shown(Terminal(io.StringIO()), row())
    states = text.split("\r\033[K")
    assert "trial 3: training, 9.8M MACs" in states and "trial 3: epoch 1/2, 25.0 %" in states
    assert "best 50.0 % at 9.8M MACs (trial 3)  |  10m00s left" in states
    assert states[-1] == ""  # the line is left empty


def test_a_program_gets_json() -> None:
    told = json.loads(shown(JsonLines(io.StringIO(), "one"), row()))
    assert (
        told["number"] == 3 and told["state"] == "complete" and told["run"] == "one" and told["seconds_left"] == 600.0
    )
