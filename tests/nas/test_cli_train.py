"""`nas train`, and `nas resume` of what it began: what they print, and that a mistake is one line and exit code 2."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.data import Dataset
from nas.final import run as training_run
from nas.training.progress import SilentTraining, TrainingLines
from nas.training.train import Moment

TRAIN = ("train", "resnet8@0.25", "--data", "shapes", "--epochs", "3", "--batch-size", "20", "--out", "a")

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(tmp_path: Path, tiny: Dataset, monkeypatch: pytest.MonkeyPatch, call_nas: Cli) -> Cli:
    """Calls `nas` in an empty folder, where every data set is the tiny one: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NAS_RUNS", raising=False)
    monkeypatch.setattr("nas.data.load", lambda name, data_dir=None, **how: tiny)
    monkeypatch.setattr("nas.data.load_test", lambda name, data_dir=None, **how: tiny.val)
    return call_nas


@pytest.fixture
def stopped(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> str:
    """What `nas train` printed that was stopped by Ctrl-C in its second epoch."""

    def moment(self: SilentTraining, moment: Moment) -> None:
        if moment.epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("nas.training.train.TOLD_EVERY", 0)
        patch.setattr(TrainingLines, "moment", moment)
        code, out, err = cli(*TRAIN)
    assert code == 130 and err == ""
    return out


def test_a_training_that_was_stopped_goes_on(cli: Cli, stopped: str) -> None:
    assert "epoch 1/3  loss " in stopped and "epoch 2/3" not in stopped
    assert stopped.endswith("\nstopped; nothing is lost but this epoch: `nas resume a` continues\n")
    code, out, err = cli("resume", "a/")
    assert code == 0 and err == ""
    said, _, trained = out.partition("results   a/\n\n")
    assert "tiny, 4 classes: a, b, c, d" in said and "start     goes on after epoch 1 of 3, seed 0\n" in said
    *epochs, tested, wrote = trained.splitlines()
    assert [line[:9] for line in epochs] == ["epoch 2/3", "epoch 3/3"]
    assert tested.startswith("test accuracy ") and wrote == "wrote a/"


def test_one_that_has_ended_is_shown(cli: Cli) -> None:
    cli(*TRAIN)
    code, out, err = cli("resume", "a")
    assert code == 0 and err == "" and out.startswith("test accuracy ")
    assert out.endswith("\nthis training had ended: it is in a/\n")


def test_json_is_events_and_a_result(cli: Cli, stopped: str) -> None:
    code, out, err = cli("resume", "a", "--json")
    assert code == 0
    result = json.loads(out)
    events = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    assert [(e["training"], e["epoch"], e["epochs"]) for e in events] == [("a", 2, 3), ("a", 3, 3)]
    for event, noted in zip(events, result["history"][1:], strict=True):
        assert {name: event[name] for name in noted} == noted
    assert result["val_accuracy"] == result["history"][-1]["val_accuracy"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("resume", "a", "--trials", "3"), "a is a training: leave out --trials, which is for searches"),
        (("resume", "a", "--device", "cuda:7"), "--device cuda:7 cannot be used here"),
        (TRAIN, "a has a training that has not ended: `nas resume a` continues it, another --out starts anew"),
    ],
)
def test_a_mistake_is_one_line(cli: Cli, stopped: str, tmp_path: Path, args: tuple[str, ...], message: str) -> None:
    before = sorted((tmp_path / "a").iterdir())
    code, _, err = cli(*args)
    assert code == 2 and message in err and err.count("\n") == 1
    assert sorted((tmp_path / "a").iterdir()) == before
    assert cli("resume", "a")[0] == 0


def test_epochs_are_not_counted_where_the_clock_decides(cli: Cli) -> None:
    code, out, err = cli(*TRAIN, "--set", "seconds=0.2")
    assert code == 0 and "epoch 1  loss " in out and "epoch 1/" not in out, err
    assert training_run.result_of(Path("a")) is not None
