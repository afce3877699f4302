"""What is seen of a training: a line an epoch, in a terminal a live line that fits, for programs JSON."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace

import pytest
import torch

from nas.training.progress import (
    SilentTraining,
    TrainingJson,
    TrainingLines,
    TrainingTerminal,
    watch_training,
)
from nas.training.recipe import Recipe
from nas.training.train import Epoch, Moment

RECIPE = Recipe(epochs=10)
MOMENT = Moment(3, 20, 80, 11_520, 10.0, 0.225, torch.tensor(1.25))
EPOCH = Epoch(3, 1.5, 0.5, 15_360, 12.0)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, clock: Clock):
    """A terminal of 60 columns, closed in the end."""
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    terminal = TrainingTerminal(Terminal(), RECIPE, clock)
    yield terminal
    terminal.close()


def test_the_live_line_ticks_between_moments(shown: TrainingTerminal, clock: Clock) -> None:
    clock.seconds = 2.0
    assert shown.parts() == ["starting", "2s"]
    shown.moment(MOMENT)
    at_once = ["epoch 3/10", "step 20/80", "34s left", "loss 1.250", "1,152 images/s", "10s so far"]
    assert shown.parts() == at_once
    clock.seconds = 5.0
    assert shown.parts() == [*at_once[:2], "31s left", *at_once[3:5], "13s so far"]
    shown.moment(replace(MOMENT, step=80))
    assert shown.parts()[1] == "validation"


def test_where_the_clock_decides_it_counts_down(shown: TrainingTerminal) -> None:
    shown.recipe = replace(RECIPE, seconds=60.0)
    shown.moment(replace(MOMENT, done=10 / 60))
    assert shown.parts()[::2] == ["epoch 3", "50s left", "1,152 images/s"]


def test_in_a_terminal_lines_stay_above_the_live_line_that_goes(shown: TrainingTerminal) -> None:
    shown.moment(MOMENT)
    shown.epoch(EPOCH)
    shown.close()
    assert isinstance(shown.out, Terminal)
    text = shown.out.getvalue()
    assert "\x1b[?25l" not in text  # the cursor is never hidden: one who kills the process would miss it
    assert "epoch 3/10  loss 1.500  validation 50.0 %  12s\n" in text
    assert text.endswith("\x1b[2K") or "\x1b[2K" in text[text.rindex("12s") :]


@pytest.mark.parametrize("width", range(10, 90, 7))
def test_no_part_of_it_is_broken(shown: TrainingTerminal, width: int) -> None:
    shown.moment(MOMENT)
    parts, text = shown.parts(), shown.line(width)
    kept = text.split("  ")
    assert len(text) <= width and kept == parts[: len(kept)]
    rest = parts[len(kept) :]
    assert not rest or len(text) + 2 + len(rest[0]) > width


def test_a_line_is_broken_between_words(shown: TrainingTerminal) -> None:
    shown._console.width = 44
    shown.epoch(EPOCH)
    assert isinstance(shown.out, Terminal)
    assert "epoch 3/10  loss 1.500  validation 50.0 %\n12s\n" in shown.out.getvalue()


def test_a_pipe_has_a_line_an_epoch() -> None:
    out = io.StringIO()
    lines = TrainingLines(out, RECIPE)
    lines.moment(MOMENT)
    lines.epoch(EPOCH)
    lines.close()
    assert out.getvalue() == "epoch 3/10  loss 1.500  validation 50.0 %  12s\n"


def test_a_program_has_an_object_an_epoch() -> None:
    out = io.StringIO()
    TrainingJson(out, "a", RECIPE).epoch(EPOCH)
    said = {"training": "a", "epoch": 3, "epochs": 10, "loss": 1.5, "val_accuracy": 0.5, "images": 15_360}
    assert json.loads(out.getvalue()) == said | {"seconds": 12.0} and out.getvalue().count("\n") == 1


def test_what_is_shown_follows_where_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert type(watch_training("none", "a", RECIPE)) is SilentTraining
    assert type(watch_training("json", "a", RECIPE)) is TrainingJson
    assert type(watch_training("lines", "a", RECIPE)) is TrainingLines
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("TERM", "dumb")
    assert type(watch_training("lines", "a", RECIPE)) is TrainingLines
    monkeypatch.setenv("TERM", "xterm")
    terminal = watch_training("lines", "a", RECIPE)
    terminal.close()
    assert type(terminal) is TrainingTerminal
