"""nas from Python: a search, what it returns, and that the command line does the same."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from safetensors.torch import save_file

import nas
from nas.data import Dataset
from searchspaces import Compact, Mnas

QUICK: dict[str, Any] = {"data": "shapes", "image_size": 16, "subset": 100, "batch_size": 20, "strategy": "random"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty folder, where the images of every data set are few."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NAS_RUNS", raising=False)
    monkeypatch.setattr("nas.data.load", lambda name, place=None, **how: tiny)


def ledger(run: nas.Run) -> list[dict[str, Any]]:
    """What does not depend on the clock."""
    return [{k: v for k, v in row.to_dict().items() if k != "seconds"} for row in run.rows()]


def test_a_search_returns_a_run_whose_best_network_is_built(capfd: pytest.CaptureFixture[str]) -> None:
    run = nas.search(space="compact", max_macs="200k", trials=3, **QUICK)
    assert capfd.readouterr() == ("", "")
    assert run.ended == "3 trials done: that is all that --trials allows" and len(run.trials) == 3
    best = run.best
    assert best.val_accuracy == max(t.val_accuracy or 0 for t in run.trials) and best == run.top(1)[0]
    assert [t.reward for t in run.top(5)] == sorted((t.reward or 0 for t in run.trials), reverse=True)
    assert best.macs is not None and best.macs <= 200_000 and best.arch == run.config.space.parse(best.architecture)
    assert best.blueprint.cost.macs == best.macs and (best.blueprint.num_classes, best.blueprint.image_size) == (4, 16)
    assert best.build()(torch.zeros(2, 3, 16, 16)).shape == (2, 4)
    assert best.build(num_classes=7)(torch.zeros(2, 3, 16, 16)).shape == (2, 7)
    assert isinstance(run.study, optuna.Study) and run.study.best_value == best.reward


def test_the_command_line_makes_the_same_ledger(call_nas: Any) -> None:
    run = nas.search(space="mnas", width=0.1, trials=3, seed=5, name="one", recipe={"cutout": 4}, **QUICK)
    code, _, err = call_nas(
        *("search", "--space", "mnas", "--width", "0.1", "--trials", "3", "--seed", "5", "--name", "two"),
        *("--data", "shapes", "--image-size", "16", "--subset", "100", "--batch-size", "20"),
        *("--strategy", "random", "--set", "cutout=4"),
    )
    assert code == 0, err
    other = nas.open("two")
    assert ledger(run) == ledger(other) and len(run.trials) == 3
    assert run.config == other.config and run.budget == replace(other.budget, timing=0.0), "it says how long it takes"


def test_numbers_are_numbers_or_as_on_the_command_line(pretended: None) -> None:
    words, numbers = (
        nas.search(target_macs=macs, budget=budget, trials=2, width=0.1, **QUICK | {"subset": subset})
        for macs, budget, subset in (("1M", "1h", "0.1k"), (1e6, 3600, 100))
    )
    assert words.config == numbers.config and words.budget == numbers.budget


def test_a_space_may_be_given_itself(pretended: None) -> None:
    run = nas.search(space=Mnas(width=0.1), trials=2, **QUICK)
    assert run.config.space == Mnas(width=0.1, image_size=16)
    run = nas.search(space=Compact(), max_macs=150_000, trials=2, settings={"image_size": 24}, **QUICK)
    assert run.config.space == Compact(image_size=24, max_macs=150_000, num_classes=4)


def test_trials_are_told_as_they_end_and_printed_where_wanted(
    pretended: None, capfd: pytest.CaptureFixture[str]
) -> None:
    told: list[nas.Trial] = []
    nas.search(width=0.1, trials=3, name="one", progress="json", on_trial=told.append, **QUICK)
    out, err = capfd.readouterr()
    assert [json.loads(line)["number"] for line in out.splitlines()] == [t.number for t in told] == [0, 1, 2]
    assert "results   runs/one/" in err and told[0].text.startswith("mnas@0.1:")
    with pytest.raises(ValueError, match="progress is one of none, lines, json"):
        nas.search(trials=1, progress="loud", **QUICK)  # type: ignore[arg-type]


def test_an_interrupted_search_goes_on(pretended: None) -> None:
    def interrupt(trial: nas.Trial) -> None:
        if trial.number == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as stop:
        nas.search(width=0.1, trials=4, name="one", on_trial=interrupt, **QUICK)
    assert "nas.open('runs/one').resume()" in stop.value.__notes__[-1]
    assert len(nas.open("runs/one").trials) == 2
    assert len(nas.open("one").resume().trials) == 4
    assert len(nas.open("one").resume(trials=6).trials) == 6
    whole = nas.search(width=0.1, trials=6, name="whole", **QUICK)
    assert ledger(whole) == ledger(nas.open("one"))


def test_a_control_stands_beside_its_search(pretended: None) -> None:
    run = nas.search(width=0.1, trials=3, control=True, name="one", **QUICK | {"strategy": "evolution"})
    assert run.control is not None and run.control.name == "one-random" and len(run.control.trials) == 3
    assert run.control.control is None


def test_a_search_begins_from_earlier_ones_and_goes_on_so(pretended: None, capfd: pytest.CaptureFixture[str]) -> None:
    more: dict[str, Any] = QUICK | {"width": 0.1, "strategy": "controller"}
    nas.search(trials=8, name="before", **QUICK | {"width": 0.2})
    run = nas.search(trials=4, name="one", experience="before", progress="lines", control=True, **more)
    assert "earlier   before: " in capfd.readouterr().out and run.config.experience == ("before",)
    assert run.control is not None and run.control.config.experience == ()
    trust = [trial.system_attrs["experience:trust"] for trial in run.study.trials]
    assert len(trust) == 4 and all(0 <= value <= 1 for (value,) in trust)
    whole = nas.search(trials=6, name="two", experience=["before"], **more)
    shutil.rmtree("runs/before")
    nas.open("one").resume(trials=6)
    assert ledger(nas.open("one")) == ledger(whole)
    Path("runs/one/experience.json").unlink()
    with pytest.raises(ValueError, match=r"cannot read runs/one/experience.json"):
        nas.open("one").resume(trials=7)


def test_a_search_begins_from_what_is_in_the_package(
    tiny: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nas.data.load", lambda name, place=None, **how: tiny)
    quick: dict[str, Any] = QUICK | {"space": "compact", "max_macs": "200k", "strategy": "controller", "trials": 1}
    run = nas.search(**quick, progress="lines")
    assert run.config.experience == ("c10-compact",)
    assert "earlier   c10-compact: 99 networks of compact on cifar10, in the package" in capfd.readouterr().out
    assert nas.search(**quick, experience="none").config.experience == ()


def test_what_a_person_can_name_is_loaded(pretended: None, tmp_path: Path) -> None:
    run = nas.search(width=0.1, trials=2, name="one", **QUICK)
    best = nas.load("runs/one:best")
    assert best == run.best.blueprint == nas.load("one:best") == nas.load(tmp_path / "runs" / "one:best")
    assert nas.load(best.text).network == nas.load(run.best.text).network
    Path("found.json").write_text(best.to_json())
    assert nas.load("found.json").text == best.text
    resnet = nas.load("resnet20")
    assert (resnet.num_classes, resnet.image_size, resnet.cost.macs) == (10, 32, 40_551_040)
    assert resnet.build(image_size=16)(torch.zeros(2, 3, 16, 16)).shape == (2, 10)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ({"space": "nothing"}, "there is no space called 'nothing'"),
        ({"target_macs": "many"}, "'many' is not a number"),
        ({"budget": 0}, "--budget must be above 0, not 0"),
        ({"settings": {"layers": 3}}, "the space mnas has no layers"),
        ({"recipe": {"colour": 1}}, "a recipe has no 'colour'"),
        ({"strategy": "luck"}, "luck"),
        ({"experience": "nope", "strategy": "controller"}, "no run called nope"),
        ({"experience": "nope"}, "--experience is for the strategy controller: random has no use"),
        ({"experience": "a", "strategy": "controller", "objectives": "accuracy,macs"}, "--experience is of one reward"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(mistake: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words) as error:
        nas.search(**QUICK | mistake)
    assert "\n" not in str(error.value) and not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", ["runs/gone", "gone"])
def test_a_run_that_is_not_there(name: str) -> None:
    with pytest.raises(ValueError, match="no run called gone in runs: there are none yet"):
        nas.open(name)
    with pytest.raises(ValueError, match="no run called gone"):
        nas.load(f"{name}:best")


def test_only_what_is_offered_is_there() -> None:
    assert all(hasattr(nas, name) for name in nas.__all__)
    with pytest.raises(AttributeError, match="no attribute 'serch'"):
        nas.serch  # noqa: B018


def test_a_backbone_is_of_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    channels = {1: 16, 2: 32, 4: 64}
    for target in ("resnet8", "around:resnet8", nas.load("resnet8").build(10, 32)):
        assert nas.backbone(target, image_size=32).channels == channels
    whole = nas.load("resnet8").build(10, 32).eval()
    save_file(whole.state_dict(), "weights.safetensors")
    backbone = nas.backbone("resnet8", weights="weights.safetensors").eval()
    x = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(backbone(x)[4], torch.nn.Sequential(*list(whole.children())[:-1])(x))
    with pytest.raises(ValueError, match="no map of stride 64"):
        nas.backbone("resnet8", strides=[64])
