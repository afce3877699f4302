"""What a terminal shows while a search runs: at any width, by a clock that is set by hand."""

from __future__ import annotations

import io
import re

import pytest

from nas.ledger.run import TrialRow
from nas.network import Designed
from nas.searching.terminal import Terminal
from nas.text.live import Plain
from nas.training.recipe import Recipe
from nas.training.train import Epoch
from nas.training.trial import State, TrialSpec
from searchspaces.cost import Cost


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Shown:
    """A terminal of `width` columns, and a search of trainings in it."""

    def __init__(self, width: int = 80, epochs: int = 2) -> None:
        self.out, self.clock, self.epochs = io.StringIO(), Clock(), epochs
        self.terminal = Terminal(Plain(self.out, width), self.clock)

    def spec(self, number: int) -> TrialSpec:
        return TrialSpec(number, Designed("resnet20"), Recipe(epochs=self.epochs), 0)

    def start(self, *numbers: int) -> None:
        for number in numbers:
            self.terminal.started(self.spec(number), Cost(1000, 9_800_000, 1))

    def step(self, number: int, epoch: int, step: int, steps: int = 78) -> None:
        self.terminal.step(self.spec(number), epoch, step, steps)

    def finish(self, number: int) -> None:
        row = TrialRow(number, State.COMPLETE, "abcd", "t", 0.5, 0.45, 9_800_000, 1000, 1, None, 75.0, "", None, ())
        self.terminal.finished(row, row, 600.0)

    def lines(self, width: int = 79) -> list[str]:
        lines = self.terminal.lines(width)
        assert all(len(line) <= width for line in lines), lines
        return lines


def test_it_says_at_which_step_each_trial_is_and_for_how_long() -> None:
    shown = Shown()
    shown.start(3, 4)
    assert shown.lines()[:2] == ["trial   3    9.8M MACs  starting", "trial   4    9.8M MACs  starting"]
    shown.clock.now = 5.0
    shown.step(3, 1, 20)
    shown.clock.now = 9.9
    assert shown.lines()[0] == "trial   3    9.8M MACs  epoch 1/2, step 20/78  4s"
    shown.terminal.epoch(shown.spec(3), Epoch(1, 1.0, 0.25, 100, 1.0))
    shown.step(3, 2, 1)
    assert shown.lines()[0] == "trial   3    9.8M MACs  epoch 2/2, step 1/78  25.0 %  4s"
    shown.finish(3)
    assert shown.lines() == [
        "trial   4    9.8M MACs  starting",
        "1 done, best 50.0 % at 9.8M MACs (trial 3)  9s gone",
    ]


def test_one_epoch_is_not_counted() -> None:
    shown = Shown(epochs=1)
    shown.start(3)
    shown.step(3, 1, 7, 9)
    assert shown.lines()[0] == "trial   3    9.8M MACs  step 7/9  0s"


def test_the_clock_ticks_while_nothing_is_reported() -> None:
    shown = Shown()
    left = [100.0]
    shown.terminal.began(lambda: left[0] - shown.clock.now)
    seen = []
    for now in (0.0, 1.0, 2.5, 61.0):
        shown.clock.now = now
        seen.append(shown.lines()[-1])
    shown.terminal.close()
    assert seen == [
        "0 done  0s gone, 1m40s left",
        "0 done  1s gone, 1m39s left",
        "0 done  2s gone, 1m37s left",
        "0 done  1m01s gone, 39s left",
    ]


def test_what_is_waited_for_is_said_until_a_training_is_heard_of() -> None:
    shown = Shown()
    shown.terminal.waiting("starting 2 workers with Ray")
    shown.start(0, 1)
    shown.clock.now = 6.0
    assert shown.lines() == ["starting 2 workers with Ray ...  6s", "0 done  6s gone"]
    shown.step(1, 1, 1)
    first, second, _ = shown.lines()
    assert first.endswith("starting") and "step 1/78" in second
    shown.terminal.close()


@pytest.mark.parametrize("width", [60, 79, 119])
def test_many_trials_at_once_have_one_line(width: int) -> None:
    shown = Shown()
    shown.start(*range(3, 67))
    for number in range(3, 67):
        shown.step(number, 1, number)
    shown.step(9, 1, 1)
    several, _ = shown.lines(width)
    assert several.startswith("64 training: 3") and "; slowest 9: epoch 1/2" in several


@pytest.mark.parametrize("width", [40, 80, 120])
def test_nothing_is_wider_than_the_terminal_and_nothing_is_left_behind(width: int) -> None:
    shown = Shown(width)
    shown.terminal.began(lambda: 600.0)
    shown.start(*range(4))
    for number in range(4):
        shown.step(number, 1, 5)
    shown.terminal._live.refresh()
    for number in range(4):
        shown.finish(number)
    shown.terminal.close()
    written = shown.out.getvalue()
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.replace("\r", "\n"))
    assert max(map(len, plain.splitlines())) <= width
    assert written.rstrip("\n").endswith("\x1b[2K"), "the lines that change are gone"
    assert "\x1b[?25l" not in written, "the cursor is never hidden: a killed process could not bring it back"
    assert re.search(r"\x1b\[[0-9;]*m", written) is None, "no colours"
    assert plain.count("trial   3  50.0 %  ") == 1
