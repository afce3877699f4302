"""A training in a folder: what it leaves at every moment, and that `resume` ends it as if it had not been stopped."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from nas.data import Dataset, Images
from nas.data.source import DataSource
from nas.files import sole_process
from nas.final import run as training_run
from nas.final.job import Job
from nas.final.run import begin, check_free, find, resume
from nas.network import Designed, Found, Network
from nas.searching.progress import Output
from nas.training import checkpoints
from nas.training.fine_tuning import FineTuning
from nas.training.progress import SilentTraining
from nas.training.recipe import Recipe
from nas.training.train import Diverged, Moment
from nas.training.transfer import Start, Weights
from searchspaces import Mnas, NASNet

RECIPE = Recipe(epochs=3, batch_size=20)
RESNET = Designed("resnet8@0.25")
JOB = Job(RESNET, DataSource("tiny"), RECIPE)
ENDED = ["architecture.json", "mistakes.png", "result.json", "training.json", "weights.safetensors"]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def equal(first: Path, second: Path) -> bool:
    """Whether two trainings ended the same: weights to the last bit, and all that is said but for times."""
    weights, others = (load_file(folder / "weights.safetensors") for folder in (first, second))
    said, also = (json.loads((folder / "result.json").read_text()) for folder in (first, second))
    for result in (said, also):
        for timed in (result, *result["history"]):
            del timed["seconds"]
    same = all(tensor.equal(others[name]) for name, tensor in weights.items())
    assert same == ((first / "weights.safetensors").read_bytes() == (second / "weights.safetensors").read_bytes())
    return said == also and same


@pytest.fixture(autouse=True)
def data(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every data set is the tiny one."""
    monkeypatch.setattr("nas.data.load", lambda name, place=None, **how: tiny)
    monkeypatch.setattr("nas.data.load_test", lambda name, place=None, **how: tiny.val)


class Stopping(SilentTraining):
    """Has Ctrl-C come in the middle of an epoch."""

    def __init__(self, epoch: int) -> None:
        self.stop = epoch

    def moment(self, moment: Moment) -> None:
        if (moment.epoch, moment.step) == (self.stop, 3):
            raise KeyboardInterrupt


@pytest.fixture
def stop_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs a call that trains, with Ctrl-C in that epoch."""

    def stop(epoch: int, call: Callable[[], object]) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("nas.training.train.TOLD_EVERY", 0)
            patch.setattr(training_run, "watch_training", lambda *args: Stopping(epoch))
            with pytest.raises(KeyboardInterrupt) as stopped:
                call()
            assert "nothing is lost but this epoch: `nas resume " in stopped.value.__notes__[0]

    return stop


def test_one_seed_gives_one_result(tiny: Dataset, tmp_path: Path) -> None:
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        begin(tmp_path / name, replace(JOB, seed=seed), tiny, tiny.val)
    assert files(tmp_path / "first") == ENDED
    assert equal(tmp_path / "first", tmp_path / "again") and not equal(tmp_path / "first", tmp_path / "other")


def starting_from(folder: Path, network: Network, fresh: tuple[str, ...] = ()) -> Start:
    """Weights with seed 9, in a file."""
    torch.manual_seed(9)
    folder.mkdir()
    save_file(network.build(4, 16).state_dict(), folder / "weights.safetensors")
    return Start(Weights.read(folder), fresh)


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_a_training_that_was_stopped_ends_the_same(epoch: int, tiny: Dataset, tmp_path: Path, stop_in) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "halves"
    begin(whole, JOB, tiny, tiny.val)
    stop_in(epoch, lambda: begin(folder, JOB, tiny, tiny.val))
    assert ("checkpoint.pt" in files(folder)) == (epoch > 1) and "result.json" not in files(folder)
    torch.manual_seed(99)
    result = resume(folder)
    assert equal(whole, folder) and files(folder) == ENDED
    assert [(e["epoch"], e["val_accuracy"]) for e in result["history"]][2] == (3, result["val_accuracy"])


def test_it_may_be_stopped_again_and_again(tiny: Dataset, tmp_path: Path, stop_in) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "parts"
    begin(whole, JOB, tiny, tiny.val)
    stop_in(1, lambda: begin(folder, JOB, tiny, tiny.val))
    for epoch in (1, 2, 2, 3):
        stop_in(epoch, lambda: resume(folder))
    resume(folder)
    assert equal(whole, folder)


_CELLS = NASNet(blocks=1, filters=4, drop_path=0.5, dropout=0.2)
DROPPING = Found(_CELLS, _CELLS.sample(random.Random(0)))
KINDS = {
    "drop-path and dropout": (DROPPING, Recipe(epochs=2, batch_size=20), ()),
    "adamw, cutout, bfloat16": (RESNET, Recipe(epochs=2, batch_size=20, optimizer="adamw", cutout=4, bf16=True), ()),
    "stochastic depth": (Designed("stochastic_depth_resnet8"), Recipe(epochs=2, batch_size=20), ()),
    "fresh and frozen": (RESNET, Recipe(epochs=2, batch_size=20), ("fc",)),
    "found": (Found(Mnas(width=0.1, image_size=16), (0,) * 42), Recipe(epochs=2, batch_size=20), ()),
    "scaled": (Designed("resnet8@0.25"), Recipe(epochs=2, batch_size=20, image_size=20, subset=60), ()),
}


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_decides_it_is_kept(kind: str, tiny: Dataset, tmp_path: Path, stop_in) -> None:
    network, recipe, fresh = KINDS[kind]
    tuning, start = FineTuning(), None
    if fresh:
        tuning, start = FineTuning(("conv1",), backbone_lr=0.5), starting_from(tmp_path / "start", network, fresh)
    job = Job(network, DataSource("tiny"), recipe, seed=3, start=start, tuning=tuning)
    begin(tmp_path / "whole", job, tiny, tiny.val)
    for epoch in (1, 2):  # with the first, what it starts from is read again
        stop_in(epoch, lambda epoch=epoch: begin(tmp_path / f"{epoch}", job, tiny, tiny.val))
        torch.manual_seed(99)
        result = resume(tmp_path / f"{epoch}")
        assert equal(tmp_path / "whole", tmp_path / f"{epoch}")
        assert (result["start"] is None) == (not fresh)


def test_the_weights_that_it_started_from_are_needed_until_an_epoch_is_done(
    tiny: Dataset, tmp_path: Path, stop_in
) -> None:
    start = starting_from(tmp_path / "start", RESNET)
    job = replace(JOB, start=start)
    for epoch in (1, 2):
        stop_in(epoch, lambda epoch=epoch: begin(tmp_path / f"{epoch}", job, tiny, tiny.val))
    save_file(RESNET.build(4, 16).state_dict(), tmp_path / "start" / "weights.safetensors")
    with pytest.raises(ValueError, match=r"start/weights\.safetensors is not what the training was to start from"):
        resume(tmp_path / "1")
    (tmp_path / "start" / "weights.safetensors").unlink()
    with pytest.raises(ValueError, match=r"cannot read .*start/weights\.safetensors"):
        resume(tmp_path / "1")
    assert resume(tmp_path / "2")["start"]["weights"] == str(start.weights.path)


def test_the_clock_goes_on(tiny: Dataset, tmp_path: Path, stop_in) -> None:
    job = replace(JOB, recipe=replace(RECIPE, seconds=1.0))
    stop_in(3, lambda: begin(tmp_path / "a", job, tiny, tiny.val))
    snapshot, _ = checkpoints.load(tmp_path / "a" / "checkpoint.pt")
    result = resume(tmp_path / "a")
    assert result["history"][1]["seconds"] == snapshot.epochs[-1].seconds < result["history"][2]["seconds"]
    assert 1 <= result["seconds"] < 3


def test_one_that_has_ended_is_left_as_it_is(tiny: Dataset, tmp_path: Path) -> None:
    result = begin(tmp_path / "a", JOB, tiny, tiny.val)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "a").iterdir()}
    assert resume(tmp_path / "a") == json.loads(json.dumps(result))
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "a").iterdir()} == before


def test_what_a_process_had_no_time_to_remove_is_removed(tiny: Dataset, tmp_path: Path) -> None:
    begin(tmp_path / "a", JOB, tiny, tiny.val)
    for name in ("checkpoint.pt", "training.driver"):
        (tmp_path / "a" / name).touch()
    resume(tmp_path / "a")
    assert files(tmp_path / "a") == ENDED


def test_one_that_another_process_ends_meanwhile_is_not_trained_again(
    tiny: Dataset, tmp_path: Path, stop_in, monkeypatch
) -> None:
    stop_in(2, lambda: begin(tmp_path / "a", JOB, tiny, tiny.val))
    document = training_run._document

    def slowly(folder: Path) -> dict[str, Any]:
        found = document(folder)
        with monkeypatch.context() as patch:
            patch.setattr(training_run, "_document", document)
            resume(folder)
        return found

    monkeypatch.setattr(training_run, "_document", slowly)
    monkeypatch.setattr(training_run.checkpoints, "load", _Once(checkpoints.load))
    assert resume(tmp_path / "a")["test_accuracy"] > 0
    assert files(tmp_path / "a") == ENDED


class _Once:
    """A function that may be called once."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self.call: Callable[..., Any] | None = call

    def __call__(self, *args: Any) -> Any:
        assert self.call is not None
        call, self.call = self.call, None
        return call(*args)


def test_a_process_killed_at_the_very_end_only_tests_again(tiny: Dataset, tmp_path: Path, monkeypatch) -> None:
    begin(tmp_path / "whole", JOB, tiny, tiny.val)
    with monkeypatch.context() as patch:
        patch.setattr(training_run, "write_network", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            begin(tmp_path / "a", JOB, tiny, tiny.val)
    monkeypatch.setattr("nas.data.batches.TrainBatches.draw", _interrupt)
    resume(tmp_path / "a")
    assert equal(tmp_path / "whole", tmp_path / "a")


def _interrupt(*args: object, **more: object) -> None:
    raise KeyboardInterrupt


def test_other_images_are_refused(tiny: Dataset, tmp_path: Path, stop_in, monkeypatch) -> None:
    images = replace(tiny, sha256="as it was")
    stop_in(2, lambda: begin(tmp_path / "a", JOB, images, tiny.val))
    with pytest.raises(ValueError, match="the images of tiny are not those that the training began with"):
        resume(tmp_path / "a")
    monkeypatch.setattr("nas.data.load", lambda name, place=None, **how: images)
    assert resume(tmp_path / "a")["data"] == "tiny"


def test_a_folder_that_is_taken_is_refused(tiny: Dataset, tmp_path: Path, stop_in) -> None:
    folder = tmp_path / "a b"
    stop_in(2, lambda: begin(folder, JOB, tiny, tiny.val))
    before = files(folder)
    with pytest.raises(ValueError, match=r"`nas resume '.*a b'` continues it, another --out starts anew"):
        begin(folder, JOB, tiny, tiny.val)
    assert files(folder) == before
    resume(folder)
    with pytest.raises(ValueError, match="has the weights of another training: choose another --out"):
        check_free(folder)


def test_another_process_is_refused(tiny: Dataset, tmp_path: Path, stop_in) -> None:
    stop_in(2, lambda: begin(tmp_path / "a", JOB, tiny, tiny.val))
    with (
        sole_process(tmp_path / "a" / "training.driver", "at it"),
        pytest.raises(ValueError, match=r"another process is training in .*a: wait for it, or stop it first"),
    ):
        resume(tmp_path / "a")


def test_an_edited_training_is_refused(tiny: Dataset, tmp_path: Path, stop_in) -> None:
    folder = tmp_path / "a"
    stop_in(2, lambda: begin(folder, JOB, tiny, tiny.val))
    document = json.loads((folder / "training.json").read_text())
    document["job"]["recipe"]["lr"] = 0.01
    (folder / "training.json").write_text(json.dumps(document))
    with pytest.raises(ValueError, match=r"was edited since the training began \(recipe\.lr: 0\.05 -> 0\.01\)"):
        resume(folder)


@pytest.mark.parametrize("epoch", [1, 2])
@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"job": {}, "taken": null, "versions": {}}'])
def test_a_damaged_training_is_said(damage: str, epoch: int, tiny: Dataset, tmp_path: Path, stop_in) -> None:
    stop_in(epoch, lambda: begin(tmp_path / "a", JOB, tiny, tiny.val))
    (tmp_path / "a" / "training.json").write_text(damage)
    with pytest.raises(ValueError, match=r"training\.json is damaged"):
        resume(tmp_path / "a")


@pytest.mark.parametrize("damage", ["{}", '{"test_accuracy": 0.5, "val_accuracy": "x", "macs": 1, "params": 1}'])
def test_a_damaged_result_is_said(damage: str, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(damage)
    with pytest.raises(ValueError, match=r"result\.json is damaged: (test_accuracy is miss|val_accuracy must be a n)"):
        resume(tmp_path)


def test_a_torn_checkpoint_is_said_and_a_begun_one_removed(tiny: Dataset, tmp_path: Path, stop_in) -> None:
    folder = tmp_path / "a"
    stop_in(2, lambda: begin(folder, JOB, tiny, tiny.val))
    whole = (folder / "checkpoint.pt").read_bytes()
    (folder / ".checkpoint.pt.x1").write_bytes(whole[:100])  # the process was killed while it wrote the next one
    (folder / "checkpoint.pt").write_bytes(whole[:-100])
    with pytest.raises(ValueError, match=r"checkpoint\.pt is damaged"):
        resume(folder)
    (folder / "checkpoint.pt").write_bytes(whole)
    resume(folder)
    assert files(folder) == ENDED


def test_one_that_diverges_leaves_nothing_to_go_on_with(tiny: Dataset, tmp_path: Path) -> None:
    with pytest.raises(Diverged, match="a lower --lr may help"):
        begin(tmp_path / "a", replace(JOB, recipe=replace(RECIPE, lr=1e3, weight_decay=1e3)), tiny, tiny.val)
    assert not (tmp_path / "a").exists()


def test_a_mistake_leaves_no_folder(tiny: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no row 'conv9'"):
        begin(tmp_path / "a", replace(JOB, tuning=FineTuning(("conv9",))), tiny, tiny.val)
    assert not (tmp_path / "a").exists()


def test_a_full_disk_is_said(tiny: Dataset, tmp_path: Path, monkeypatch) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save", full)
        with pytest.raises(ValueError, match=r"No space left on device\. Free some space, then `nas resume .*a`"):
            begin(tmp_path / "a", JOB, tiny, tiny.val)
    assert resume(tmp_path / "a")["test_accuracy"] > 0


def test_what_is_no_longer_as_it_was_is_said(tiny: Dataset, tmp_path: Path, stop_in, capsys) -> None:
    stop_in(2, lambda: begin(tmp_path / "a", JOB, tiny, tiny.val))
    file = tmp_path / "a" / "training.json"
    document = json.loads(file.read_text())
    document["versions"]["torch"] = "1.0"
    file.write_text(json.dumps(document))
    resume(tmp_path / "a", output=Output("lines"))
    out = capsys.readouterr().out
    assert "goes on after epoch 1 of 3" in out and "not as before: torch: '1.0' -> " in out
    assert out.count("\nepoch ") == 2


def test_what_a_name_means(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for file in (
        "a/training.json",
        "runs/b/training.json",
        "old/result.json",
        "runs/run/config.json",
        "runs/run/trained-1/training.json",
    ):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("{}")
    runs = Path("runs")
    for name, meant in (
        ("a", "a"), ("a/", "a"), ("./a", "a"), ("b", "runs/b"), ("runs/b", "runs/b"), ("old", "old"), ("run", None),
        ("runs/run", None), ("nothing", None), ("run/trained-1", "runs/run/trained-1"),
    ):  # fmt: skip
        assert find(name, runs) == (Path(meant) if meant else None), name
    (tmp_path / "runs" / "a").mkdir()
    (tmp_path / "runs" / "a" / "config.json").write_text("{}")
    with pytest.raises(ValueError, match=r"a is a run and the folder of a training: say runs/a or \./a"):
        find("a", runs)
    assert find("./a", runs) == Path("a") and find("runs/a", runs) is None


KILLED = """
import os, signal, sys
import torch
from nas import files
from nas.training import checkpoints
from nas.data import Dataset, Images
from nas.data.source import DataSource
from nas.network import Designed
from nas.training.recipe import Recipe
from nas.final.job import Job
from nas.final.run import begin

def killing(call, when):
    calls = []
    def counted(*args):
        calls.append(args)
        if len(calls) == when: os.kill(os.getpid(), signal.SIGKILL)
        return call(*args)
    return counted

if sys.argv[1] == "before the third":
    checkpoints.save = killing(checkpoints.save, 3)
else:  # the first file is training.json
    files.os.fsync = killing(os.fsync, 4)
torch.set_num_threads(1)
dataset = Dataset.split("tiny", ("a", "b", "c", "d"), Images(*torch.load("images.pt")))
job = Job(Designed("resnet8@0.25"), DataSource("tiny"), Recipe(epochs=3, batch_size=20))
begin(files.Path("a"), job, dataset, dataset.val)
"""


@pytest.mark.parametrize("moment", ["before the third", "while the third is written"])
def test_a_killed_process_loses_an_epoch(moment: str, tiny: Dataset, tmp_path: Path) -> None:
    torch.save(
        (torch.cat([tiny.train.pixels, tiny.val.pixels]), torch.cat([tiny.train.labels, tiny.val.labels])),
        tmp_path / "images.pt",
    )
    images = Images(*torch.load(tmp_path / "images.pt"))
    dataset = Dataset.split("tiny", tiny.class_names, images)
    command = [sys.executable, "-c", KILLED, moment]
    killed = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    torn = [name for name in files(tmp_path / "a") if name.startswith(".checkpoint.pt.")]
    assert len(torn) == (moment != "before the third")
    assert len(checkpoints.load(tmp_path / "a" / "checkpoint.pt")[0].epochs) == 2
    begin(tmp_path / "whole", JOB, dataset, dataset.val)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nas.data.load", lambda name, place=None, **how: dataset)
        patch.setattr("nas.data.load_test", lambda name, place=None, **how: dataset.val)
        resume(tmp_path / "a")
    assert files(tmp_path / "a") == ENDED and equal(tmp_path / "a", tmp_path / "whole")


def nas(*args: str, cwd: Path) -> subprocess.Popen[str]:
    """The command line as a process of its own."""
    code = "from nas.cli import main; main()"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", code, *args], cwd=cwd, text=True, **pipes)


def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    small = ("--data", "shapes", "--subset", "100", "--batch-size", "50")
    process = nas("train", "resnet8@0.1", *small, "--epochs", "1000", "--out", "a", cwd=tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch 1/"):
            process.send_signal(signal.SIGINT)
            break
    out, err = process.communicate()
    assert process.returncode == 130 and err == ""
    assert out.endswith("stopped; nothing is lost but this epoch: `nas resume a` continues\n")
    assert files(tmp_path / "a") == ["checkpoint.pt", "training.driver", "training.json"]


@pytest.mark.slow
def test_killed_at_any_moment_again_and_again_it_ends_the_same(tmp_path: Path) -> None:
    (tmp_path / "network.json").write_text(DROPPING.to_json())
    how = ("network.json", "--data", "shapes", "--subset", "300", "--batch-size", "20", "--epochs", "8")
    how = (*how, "--set", "cutout=8", "--set", "optimizer=adamw", "--lr", "0.005")
    with nas("train", *how, "--out", "whole", cwd=tmp_path) as whole:
        whole.communicate()
    rng, command, kills = random.Random(0), ("train", *how, "--out", "a"), 0
    while not (tmp_path / "a" / "result.json").exists():
        with nas(*command, cwd=tmp_path) as process:
            assert process.stdout is not None
            begun = rng.choice(("results ", "epoch "))  # said before the first epoch, and after it
            if any(line.startswith(begun) for line in process.stdout):  # else it only had to test
                time.sleep(rng.uniform(0, 1))
            process.kill()
            _, err = process.communicate()
            kills += process.returncode != 0
            assert process.returncode in (0, -signal.SIGKILL), err
        command = ("resume", "a")
    assert kills > 3
    resume(tmp_path / "a")  # where it was killed after all was written, what is left is removed
    assert files(tmp_path / "a") == ENDED and equal(tmp_path / "a", tmp_path / "whole")
