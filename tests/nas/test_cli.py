"""The command line: what it prints, and that a mistake is one clear line and exit code 2."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Generator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from optuna.storages.journal import JournalFileBackend
from safetensors.torch import load_file

import nas
from nas import baselines, results
from nas.data import Dataset
from nas.data.images import Images
from nas.devices.halted import DeviceFault
from nas.files import BEGINNING, CONFIG, JOURNAL
from nas.ledger.config import Budget
from nas.ledger.run import Run
from nas.searching import choices, driver
from nas.searching.timing import Estimate
from nas.training.train import Epoch, OnStep
from nas.training.trial import State, TrialResult, TrialSpec
from tests.nas.conftest import pretend

Cli = "Callable[..., tuple[int, str, str]]"


@pytest.fixture
def cli(tmp_path: Path, tiny: Dataset, monkeypatch: pytest.MonkeyPatch, call_nas):
    """Calls `nas` in an empty folder, where every data set is the tiny one: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NAS_RUNS", raising=False)
    monkeypatch.setattr("nas.data.load", lambda name, data_dir=None, **how: tiny)
    monkeypatch.setattr("nas.data.load_test", lambda name, data_dir=None, **how: tiny.val)
    return call_nas


SEARCH = ("search", "--width", "0.1", "--batch-size", "20")


def test_search_top_and_train(cli, tmp_path: Path, pretended: None) -> None:
    code, out, err = cli(*SEARCH, "--trials", "4", "--target-macs", "1M", "--name", "one")
    assert code == 0, err
    for said in ("42 choices, 2.8e+18 architectures", "(macs / 1M) ^ -0.07", "4 trials in about", "runs/one/"):
        assert said in out
    assert (
        out.count("\ntrial ") - 1 == 4
        and "4 trials done: that is all that --trials allows. `nas top one` lists them" in out
    )

    code, out, _ = cli("top", "one", "--json")
    rows = json.loads(out)
    fields = {"number", "state", "architecture", "accuracy", "reward", "macs", "params", "seconds", "reason"}
    assert code == 0 and len(rows) == 4 and all(fields <= row.keys() for row in rows)
    code, out, _ = cli("top", "one", "-n", "2")
    assert code == 0 and len(out.splitlines()) == 2 + 2 + 3 and f"best: one:{rows[0]['number']}, mnas@0.1:" in out
    text = out.rpartition(" ")[2].strip()

    code, out, err = cli("train", "one:best", "--epochs", "2", "--batch-size", "20", "--out", "trained")
    assert code == 0 and "test accuracy" in out, err
    code, _, err = cli("train", "one:best", "--epochs", "2", "--batch-size", "20", "--out", "trained")
    assert code == 2 and "has the weights of another training" in err
    saved = json.loads((tmp_path / "trained" / "architecture.json").read_text())
    assert (saved["num_classes"], saved["image_size"]) == (4, 16)
    network = Run.open(tmp_path / "runs" / "one")
    module = network.network(network.best_row()).build(4, 16)
    module.load_state_dict(load_file(tmp_path / "trained" / "weights.safetensors"))
    code, out, err = cli(
        "train", "trained/architecture.json", "--epochs", "1", "--batch-size", "20", "--json", "--out", "b"
    )
    assert code == 0 and json.loads(out)["macs"] == rows[0]["macs"], err

    code, out, err = cli("train", text, "--epochs", "1", "--set", "cutout=4", "--json", "--out", "c")
    assert code == 0 and json.loads(out)["params"] == rows[0]["params"], err


def test_a_search_really_trains(cli) -> None:
    code, out, err = cli(*SEARCH, "--trials", "2", "--strategy", "reinforce", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [row["state"] for row in rows] == ["complete"] * 2
    assert rows[0]["accuracy"] > 0 and "results   runs/mnas-cifar10-1/" in err


def test_a_limit_scales_each_network_where_the_space_has_a_width(cli, pretended: None) -> None:
    code, out, err = cli("search", "--space", "compact", "--max-macs", "2M", "--trials", "4", "--name", "one")
    assert code == 0 and "compact, each as wide as 2M MACs allow" in out, err
    rows = json.loads(cli("top", "one", "--json")[1])
    assert len(rows) == 4 and all(1_400_000 < row["macs"] <= 2_000_000 for row in rows)
    text = cli("top", "one")[1].rpartition(" ")[2].strip()
    assert text.startswith("compact@image_size=16,max_macs=2M,num_classes=4:s")
    code, out, err = cli("train", text, "--epochs", "1", "--batch-size", "20", "--json", "--out", "a")
    assert code == 0 and json.loads(out)["macs"] == rows[0]["macs"], err
    code, out, err = cli("train", "a/architecture.json", "--epochs", "1", "--batch-size", "20", "--json", "--out", "b")
    assert code == 0 and json.loads(out)["macs"] == rows[0]["macs"], err


@pytest.mark.parametrize("space", ["chain", "nasnet"])
def test_a_limit_scales_networks_that_are_no_rows(cli, pretended: None, space: str) -> None:
    code, out, err = cli("search", "--space", space, "--max-macs", "1M", "--trials", "2", "--name", "one")
    assert code == 0 and f"{space}, each as wide as 1M MACs allow" in out, err
    rows = json.loads(cli("top", "one", "--json")[1])
    assert all(600_000 < row["macs"] <= 1_000_000 for row in rows)


@pytest.mark.parametrize("size", [("--width", "0.1"), ("--target-macs", "1M")])
def test_at_one_width_a_limit_leaves_out_what_is_larger(cli, pretended: None, size: tuple[str, str]) -> None:
    """The target is where networks should be, the limit what none of them may exceed."""
    code, out, err = cli("search", "--space", "mnas", *size, "--max-macs", "1M", "--trials", "6", "--name", "one")
    assert code == 0 and ", of up to 1M MACs" in out and "6 trials done" in out, err
    assert ("(macs / 1M) ^ -0.07" in out) == ("--target-macs" in size)
    rows = json.loads(cli("top", "one", "--json")[1])
    trained = [row for row in rows if row["state"] == "complete"]
    refused = [row for row in rows if "not trained" in row["reason"]]
    assert trained and refused and all(row["macs"] <= 1_000_000 for row in trained)
    assert all(row["macs"] > 1_000_000 and row["state"] == "pruned" and row["reward"] is None for row in refused)
    assert "MACs are more than --max-macs 1M" in refused[0]["reason"]


def test_resume_goes_on(cli, pretended: None) -> None:
    cli(*SEARCH, "--trials", "2", "--name", "one")
    code, out, _ = cli("resume", "one", "--trials", "5")
    assert code == 0 and out.startswith("one goes on with tiny, to 5 trials in all, on cpu\n")
    assert out.count("\ntrial") == 3
    assert len(json.loads(cli("top", "one", "--json")[1])) == 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_what_ends_a_job_say_how_to_go_on(cli, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.engines.local.run_trial", lambda *args: signal.raise_signal(number))
    code, out, err = cli(*SEARCH, "--trials", "2", "--name", "one")
    assert code == 130 and not err
    assert "stopped before any trial was done. Trial 0 was under way, and will begin anew. `nas resume one` cont" in out


def test_a_broken_device_ends_the_search_and_nothing_is_blamed_for_it(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """At its second network; the search that goes on is the one that would have been."""
    begun: list[int] = []

    def breaking(spec: TrialSpec, *rest: Any) -> Any:
        begun.append(spec.number)
        if len(begun) == 2:
            raise DeviceFault("the GPU cuda:0 is broken for this process: CUDA error: unspecified launch failure")
        return pretend(spec, *rest)

    monkeypatch.setattr("nas.engines.local.run_trial", breaking)
    code, out, err = cli(*SEARCH, "--trials", "4", "--name", "one")
    assert code == 1 and "1 trial" not in out
    goes_on = "No trial has failed of it: `nas resume one` continues, in a new process"
    fault = "the GPU cuda:0 is broken for this process: CUDA error: unspecified launch failure"
    assert err == f"nas: {fault}. {goes_on}\n"
    rows = json.loads(cli("top", "one", "--json")[1])
    assert sorted(row["state"] for row in rows) == ["complete", "running"]
    assert cli("resume", "one")[0] == 0 and begun[:3] == [0, 1, 1]
    assert cli(*SEARCH, "--trials", "4", "--name", "whole")[0] == 0
    kept = ("number", "architecture", "reward", "reason")
    one, whole = (json.loads(cli("top", name, "--json")[1]) for name in ("one", "whole"))
    assert [[row[key] for key in kept] for row in one] == [[row[key] for key in kept] for row in whole]


def test_latency_is_not_measured_on_a_gpu_that_others_share(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    shared = ("--gpus", "1", "--gpus-per-trial", "0.5", "--trials", "1", "--name", "one")
    for asked in (("--target-latency", "5ms"), ("--objectives", "accuracy,latency", "--strategy", "nsga2")):
        code, _, err = cli(*SEARCH, *asked, *shared)
        assert code == 2 and "with --gpus-per-trial 0.5 others train on that GPU at the same time" in err
        assert err.count("\n") == 1 and not Path("runs/one").exists()


def test_ctrl_c_before_there_is_a_run_is_one_line(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nas.searching.plan.estimate_trial_seconds", interrupted)
    code, out, err = cli(*SEARCH, "--trials", "2", "--name", "one")
    assert code == 130 and err == "nas: stopped\n" and not Path("runs/one").exists()
    assert "timing 4 networks in miniature, for 1m00s at most ..." in out.splitlines()


def test_timing_is_said_before_it_and_counts(cli, pretended: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a budget of 40 seconds it may take four; what it took, a resumed run still counts."""

    def slow(*how: Any) -> Estimate:
        time.sleep(0.2)
        return Estimate(2.0, 3, 4)

    monkeypatch.setattr("nas.searching.plan.estimate_trial_seconds", slow)
    code, out, err = cli(*SEARCH, "--trials", "3", "--budget", "40s", "--name", "one")
    assert code == 0, err
    header = out.splitlines()
    assert "timing 4 networks in miniature, for 4.0s at most ..." in header
    assert "time      about 2.0s a trial on cpu: 3 trials in about 6s (only 3 of 4 networks could be timed)" in header
    assert header.index("timing 4 networks in miniature, for 4.0s at most ...") < next(
        number for number, line in enumerate(header) if line.startswith("time ")
    )
    assert json.loads(Path("runs/one/config.json").read_text())["budget"]["timing"] >= 0.2
    opened = nas.open("one")
    timing = opened.budget.timing
    assert 0.2 <= timing < 20 and opened.budget == Budget(3, 40.0, timing)
    limits: list[Budget] = []
    drive = driver.drive
    monkeypatch.setattr(driver, "drive", lambda run, limit, *rest: limits.append(limit) or drive(run, limit, *rest))
    opened.resume(trials=4, budget="60s")
    assert limits == [Budget(4, 60.0, timing)]


def test_a_control_follows_its_search_and_is_resumed_with_it(cli, pretended: None, monkeypatch) -> None:
    drive, interruptions = driver.drive, [True]

    def interrupted(run: Run, *rest: Any) -> str:
        if run.name == "one-random" and interruptions:
            interruptions.pop()
            raise KeyboardInterrupt
        return drive(run, *rest)

    monkeypatch.setattr(driver, "drive", interrupted)
    code, out, err = cli(*SEARCH, "--trials", "4", "--name", "one", "--control")
    assert code == 130 and "`nas resume one` continues" in out, err
    assert "then of random search with an equal budget in runs/one-random/" in out
    code, out, err = cli("resume", "one")
    assert code == 0 and "one beside one-random" in out and "points, which may be chance" in out, err
    assert [len(json.loads(cli("top", name, "--json")[1])) for name in ("one", "one-random")] == [4, 4]
    code, out, _ = cli("resume", "one", "--trials", "6", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["run"] for line in lines] == ["one"] * 2 + ["one-random"] * 2 + ["one"]
    assert lines[-1]["control"]["verdict"] and {f["name"] for f in lines[-1]["control"]["figures"]} >= {
        "best",
        "median",
    }
    assert json.loads(cli("report", "one", "--json")[1])["controls"][0]["random"] == "one-random"
    (Path("runs") / "two-random").mkdir()
    (Path("runs") / "two-random" / "notes.txt").write_text("somebody's own")
    code, _, err = cli(*SEARCH, "--trials", "4", "--name", "two", "--control")
    assert code == 2 and "two-random exists, where the control goes: choose another --name" in err
    assert not (Path("runs") / "two").exists()


def test_a_front_is_searched_and_listed(cli, pretended: None) -> None:
    code, out, err = cli(*SEARCH, "--trials", "8", "--name", "one", "--objectives", "macs,accuracy")
    assert code == 0 and "objectives accuracy, macs; strategy controller" in out, err
    front = json.loads(cli("top", "one", "--pareto", "--json")[1])
    assert front == sorted(front, key=lambda row: row["accuracy"]) == sorted(front, key=lambda row: row["macs"])
    every = [row for row in json.loads(cli("top", "one", "--json")[1]) if row["reward"] is not None]
    assert front[-1]["number"] == every[0]["number"]
    code, out, _ = cli("top", "one", "--pareto", "-n", "1")
    assert f"{len(front)} of 8 trials: no other is as good in accuracy, macs" in out
    assert len(out.splitlines()) == 2 + len(front) + 3
    assert cli("resume", "one", "--trials", "9")[0] == 0


def test_trainings_are_stopped_early(cli, pretended: None) -> None:
    code, out, err = cli(*SEARCH, "--trials", "9", "--name", "one", "--epochs", "3", "--pruner", "asha")
    assert code == 0 and "stopped early by asha" in out and "9 trials in at most" in out, err
    code, out, _ = cli("top", "one")
    stopped = [line for line in out.splitlines() if "stopped after epoch 1" in line]
    assert 0 < len(stopped) < 9 and all(" pruned " in line for line in stopped)


def test_a_full_disk_says_how_to_go_on(cli, pretended: None, monkeypatch: pytest.MonkeyPatch) -> None:
    append, run = JournalFileBackend.append_logs, Path("runs/one")

    def full(backend: JournalFileBackend, logs: list[dict[str, Any]]) -> None:
        if (run / CONFIG).exists() and not (run / BEGINNING).exists():
            raise OSError(28, "No space left on device")
        append(backend, logs)

    monkeypatch.setattr(JournalFileBackend, "append_logs", full)
    code, _, err = cli(*SEARCH, "--trials", "2", "--name", "one")
    assert code == 2 and "No space left on device" in err and "`nas resume one` continues" in err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("search", "--space", "xyz"), "no space called 'xyz'; there are "),
        (("search", "--trials", "0"), "--trials must be at least 1, not 0"),
        (("search", "--trials", "many"), "Invalid value for '--trials'"),
        (("search", "--budget", "soon"), "'soon' is not a time: write 90s, 20m"),
        (("search", "--target-macs", "lots"), "'lots' is not a number: write 600k, 10M"),
        (("search", "--target-macs", "1M", "--target", "macs=1M"), "are the same: give one of them"),
        (("search", "--hard"), "--hard needs a target"),
        (("search", "--max-macs", "lots"), "'lots' is not a number: write 600k, 10M"),
        (("search", "--max-macs", "0"), "--max-macs must be at least 1, not 0"),
        (("search", "--max-macs", "8M", "--target-macs", "9M"), "--target-macs is above --max-macs 8M"),
        (("train", "compact@max_macs=8M,depth=3:abc"), "the space compact has no depth"),
        (("search", "--w", "0.5"), "it goes with a target, such as --target-macs"),
        (("search", "--target-macs", "1M", "--w", "0.5"), "positive exponent"),
        (("search", "--strategy", "guess"), "no strategy 'guess': choose one of"),
        (("search", "--epochs", "0"), "epochs must be at least 1, not 0"),
        (("search", "--pruner", "asha"), "--pruner asha compares networks after each epoch but the last: add --epochs"),
        (("search", "--pruner", "axe"), "no pruner 'axe': choose one of none, asha, hyperband, median"),
        (("search", "--pruner", "asha", "--set", "seconds=3"), "--pruner compares networks after equal epochs"),
        (("search", "--pruner", "asha", "--epochs", "3", "--objectives", "accuracy,macs"), "leave it out with"),
        (("search", "--objectives", "accuracy,flops"), "nothing here measures flops: add --cost-command flops="),
        (("search", "--objectives", "reward,macs"), "--objectives reward needs a target, as --target-macs 10M"),
        (("search", "--signal", "colour"), "--signal is one of accuracy, loss, not 'colour'"),
        (("search", "--signal", "loss", "--objectives", "accuracy,macs"), "leave out --signal loss"),
        (("search", "--objectives", "accuracy,macs", "--control"), "--control compares one reward"),
        (("search", "--strategy", "random", "--control"), "choose another --strategy, or leave it out"),
        (("search", "--subset", "10M"), "asked for 10,000,000 images; tiny has 180"),
        (("search", "--set", "colour=red"), "a recipe has no 'colour'"),
        (("search", "--workers", "1", "--device", "cuda"), "--device is for one trial at a time"),
        (("train", "mnas@x:abc"), "no width multiplier"),
        (("train", "resnet20@0.25", "--lr", "1e3", "--set", "weight_decay=1000"), "a lower --lr may help"),
        (("search", "--device", "cuda:7"), "--device cuda:7 cannot be used here"),
        (("search", "--gpus", "8"), "asked for 8 GPUs; this machine has"),
        (("search", "--workers", "0"), "--workers must be at least 1"),
        (("search", "--name", "a/b"), "cannot be called 'a/b'"),
        (("search", "--colour", "red"), "No such option: --colour"),
        (("resume", "nothing"), "no run called nothing in runs: there are none yet"),
        (("top", "nothing"), "no run called nothing"),
        (("train", "resnet_21"), "'resnet_21' is no network: name a baseline"),
        (("train", "resnet21"), "a CIFAR ResNet has 6n + 2 layers (8, 20, 32, 44, 56, 110, ...), not 21"),
        (("train", "alexnet"), "alexnet needs images of at least"),
        (("compare", "resnet20", "--baselines", "inception_v3"), "inception_v3 needs images of at least 75 pixels"),
        (("baselines", "--sort", "colour"), "--sort is one of year, name, params, macs, top1, top5, not 'colour'"),
        (("baselines", "--data", "mnist"), "no data set 'mnist'"),
        (("baselines", "show", "resnet_21"), "no baseline called 'resnet_21': `nas baselines` lists them"),
        (("baselines", "show", "resnet50+red"), "resnet50 has no option 'red': it has stride_1x1, and zero_init"),
        (("train", "mnas:abc"), "expected 7 parts joined by ','"),
        (("train", "nothing:best"), "no run called nothing"),
        (("train", "absent.json"), "cannot read absent.json: No such file"),
        (("compare", "nothing"), "'nothing' is no network"),
        (("compare", "resnet20", "--seeds", "0"), "--seeds must be at least 1"),
        (("fly",), "No such command 'fly'"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(cli, args: tuple[str, ...], message: str) -> None:
    if args[0] == "search" and "--trials" not in args and "--budget" not in args:
        args = (*args, "--trials", "1")
    code, _, err = cli(*args)
    assert code == 2 and message in err
    assert err.startswith("nas: ") and err.count("\n") == 1
    assert not Path("runs").exists() or not list(Path("runs").iterdir())


def test_a_budget_that_no_trial_fits_is_refused(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.searching.plan.estimate_trial_seconds", lambda *args: Estimate(7200.0, 4, 4))
    code, _, err = cli(*SEARCH, "--budget", "20m")
    assert code == 2 and err.count("\n") == 1
    assert "a trial takes about 2h00m on cpu, longer than the budget of 20m00s: give a longer --budget, or" in err
    assert not Path("runs").exists()


def test_a_taken_name_and_an_edited_config_are_refused(cli, tmp_path: Path, pretended: None) -> None:
    cli(*SEARCH, "--trials", "1", "--name", "one")
    code, _, err = cli(*SEARCH, "--trials", "1", "--name", "one")
    assert code == 2 and "`nas resume one` continues it" in err
    config = tmp_path / "runs" / "one" / "config.json"
    config.write_text(config.read_text().replace('"seed": 0', '"seed": 1'))
    code, _, err = cli("resume", "one")
    assert code == 2 and "seed: 0 -> 1" in err


def test_gpu_choice_follows_what_there_is(cli) -> None:
    from nas.devices.device import choose_device

    assert choose_device("auto", 1) == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu", 1) == "cpu"


@pytest.mark.parametrize(("classes", "there", "used"), [(10, 45_000, 5_000), (100, 45_000, 10_000), (3, 240, 240)])
def test_images_of_a_trial_where_nobody_says(tiny: Dataset, classes: int, there: int, used: int) -> None:
    images = Images(torch.zeros(there, 1, 1, 3, dtype=torch.uint8), torch.zeros(there, dtype=torch.int64))
    names = tuple(f"class {number}" for number in range(classes))
    assert choices.usual_images(replace(tiny, class_names=names, train=images)) == used


def test_the_zoo_is_listed(cli) -> None:
    code, out, err = cli("baselines", "--sort", "macs")
    assert code == 0 and out.splitlines()[2].startswith("lenet5"), err
    code, out, _ = cli("baselines", "--json")
    zoo = {row["name"]: row for row in json.loads(out)}
    assert code == 0 and zoo.keys() == baselines.BASELINES.keys()
    expected = {"year": 2015, "params": 269_722, "macs": 40_551_040, "image_size": 32, "num_classes": 10}
    assert expected.items() <= zoo["resnet20"].items()
    code, out, _ = cli("baselines", "--data", "cifar100", "--json")
    rows = json.loads(out)
    assert code == 0 and {(row["image_size"], row["num_classes"]) for row in rows} == {(32, 100)}
    assert {row["name"] for row in rows} == {name for name, row in zoo.items() if row["cifar10"]}


def test_a_baseline_is_shown_as_its_papers_rows(cli) -> None:
    code, out, err = cli("baselines", "show", "resnet50")
    assert code == 0 and "25,557,032 parameters, 4,089,184,256 multiply-adds" in out, err
    assert "\nconv3_x   28x28x512" in out and "on ImageNet: top-1 22.85 %, top-5 6.71 % (table 3, 10 crops)" in out
    code, out, _ = cli("baselines", "show", "resnet50", "--data", "cifar10", "--json")
    rows = json.loads(out)["rows"]
    assert code == 0 and [row["output"] for row in rows][-2:] == [[2048, 4, 4], [10]]
    assert sum(row["cost"]["macs"] for row in rows) == json.loads(out)["macs"]


def test_a_search_in_a_table(cli, tmp_path: Path) -> None:
    rows = {
        "".join(map(str, arch)): {"test_acc": [50 + sum(arch)], "mean_acc": 60} for arch in product(range(3), repeat=8)
    }
    (tmp_path / "table.json").write_text(json.dumps(rows))
    macro = ("search", "--space", "nasbench_macro", "--evaluator", "table")
    code, out, err = cli(*macro, "--table", "table.json", "--trials", "3", "--target-macs", "30M", "--name", "t")
    assert code == 0, err
    for said in (
        "6,561 architectures",
        "looked up in table.json: test accuracy of one",
        "nothing is trained: 3 trials",
    ):
        assert said in out
    assert "60.00 % mean test accuracy of three trainings; the best in the table has 60.00 %\n3 trials done" in out
    code, out, _ = cli("top", "t")
    assert code == 0 and "accuracy: test accuracy of one training." in out
    (tmp_path / "table.json").rename(tmp_path / "moved.json")
    code, _, err = cli("resume", "t", "--trials", "4")
    assert code == 2 and "cannot read" in err and len(err.splitlines()) == 1
    code, out, err = cli("resume", "t", "--trials", "4", "--table", "moved.json")
    assert code == 0 and "4 trials done" in out, err
    (tmp_path / "moved.json").write_text(json.dumps(rows) + "\n")
    code, _, err = cli("resume", "t", "--trials", "5", "--table", "moved.json")
    assert code == 2 and "moved.json has changed since the run began" in err

    for arguments, said in (
        (macro, "--evaluator table needs a table: add --table FILE"),
        (("search", "--table", "moved.json", "--evaluator", "train"), "--evaluator train and --table FILE disagree"),
        (("search", "--evaluator", "oracle"), "--evaluator is train, table or supernet"),
        ((*macro, "--table", "moved.json", "--epochs", "2"), "--evaluator table trains nothing"),
        ((*macro, "--table", "moved.json", "--pruner", "asha"), "leave that out"),
        ((*macro, "--table", "none.json"), "cannot read none.json: No such file"),
    ):
        code, out, err = cli(*arguments)
        assert code == 2 and said in err and len(err.splitlines()) == 1 and not out


def test_settings_of_the_strategy_are_kept_and_gone_on_with(cli, tmp_path: Path, pretended: None) -> None:
    code, out, _ = cli(
        *SEARCH,
        "--trials",
        "2",
        "--name",
        "one",
        "--strategy",
        "ppo",
        "--strategy-set",
        "entropy=0.01",
        "--strategy-set",
        "batch=2",
    )
    assert code == 0 and "strategy ppo with entropy_weight 0.01, batch 2, seed 0" in out
    path = tmp_path / "runs" / "one" / CONFIG
    document = json.loads(path.read_text())
    assert document["config"]["strategy_settings"] == {"entropy_weight": 0.01, "batch": 2}
    assert cli("resume", "one", "--trials", "4")[0] == 0
    assert [update.trial for update in results.Run.open(path.parent).updates] == [1, 3]
    document["config"]["strategy_settings"]["batch"] = 3
    path.write_text(json.dumps(document))
    code, _, err = cli("resume", "one", "--trials", "6")
    assert code == 2 and "strategy_settings.batch: 2 -> 3" in err


def test_a_run_from_before_there_were_such_settings_goes_on(cli, tmp_path: Path, pretended: None) -> None:
    cli(*SEARCH, "--trials", "2", "--name", "one")
    folder = tmp_path / "runs" / "one"
    for file in (folder / CONFIG, folder / JOURNAL):  # the journal has the configuration, too
        text = file.read_text()
        assert "strategy_settings" in text
        file.write_text(re.sub(r'(,\s*)"strategy_settings": ?\{\}', "", text))
        assert "strategy_settings" not in file.read_text()
    assert cli("resume", "one", "--trials", "3")[0] == 0


@pytest.mark.parametrize(
    ("setting", "message"),
    [("nope=1", "it has algorithm="), ("batch=0", "batch must be at least 1, not 0")],
)
def test_a_wrong_setting_of_the_strategy_writes_nothing(cli, tmp_path: Path, setting: str, message: str) -> None:
    code, _, err = cli(*SEARCH, "--trials", "1", "--name", "one", "--strategy-set", setting)
    assert code == 2 and err.count("\n") == 1 and message in err
    assert not (tmp_path / "runs" / "one").exists()


def failing(spec: TrialSpec, dataset: Dataset, on_step: OnStep | None = None) -> Generator[Epoch, None, TrialResult]:
    return TrialResult(State.FAILED, 0.0, reason="Torch not compiled with CUDA enabled")
    yield


def test_a_search_in_which_nothing_succeeded_says_why_and_exits_with_1(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.engines.local.run_trial", failing)
    begun = (*SEARCH, "--trials", "3", "--name", "one")
    for command in (
        begun,
        ("resume", "one"),
        (*begun[:-1], "set", "--seeds", "2"),
        (*begun[:-1], "beside", "--control"),
    ):
        code, _, err = cli(*command)
        assert code == 1, command
        last = err.strip().splitlines()[-1]
        assert re.fullmatch(
            r"nas: no trial succeeded: \d+ were begun, and (\d+) failed, \1 of them by "
            "`Torch not compiled with CUDA enabled`",
            last,
        )


def test_one_success_is_enough(cli, pretended: None) -> None:
    assert cli(*SEARCH, "--trials", "12", "--name", "one")[0] == 0  # some of them fail
