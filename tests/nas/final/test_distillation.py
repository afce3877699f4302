"""`nas train --teacher`: what it says and keeps, that it goes on to the same bits, and what it refuses in one line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import nas
from nas.checks import schemas
from nas.data import Dataset, Images
from nas.data.source import DataSource
from nas.final.job import Job
from nas.final.run import begin, resume
from nas.final.teacher import Teacher
from nas.ledger.config import Budget, Config
from nas.ledger.run import Run
from nas.network import Designed
from nas.training import checkpoints
from nas.training.recipe import Recipe

TRAIN = ("train", "resnet8@0.25", "--data", "shapes", "--epochs", "2", "--batch-size", "20", "--out", "a")
RECIPE = Recipe(epochs=3, batch_size=20)

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, in which every data set is the tiny one, and a teacher in `t`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NAS_RUNS", raising=False)
    monkeypatch.setattr("nas.data.load", lambda name, data_dir=None, **how: tiny)
    monkeypatch.setattr("nas.data.load_test", lambda name, data_dir=None, **how: tiny.val)
    begin(Path("t"), Job(Designed("resnet8@0.5"), DataSource("tiny"), RECIPE, seed=5), tiny, tiny.val)


def job() -> Job:
    return Job(Designed("resnet8@0.25"), DataSource("tiny"), RECIPE, teacher=Teacher.read("t", Path("runs")))


def weights(folder: str) -> bytes:
    return Path(folder, "weights.safetensors").read_bytes()


def changed(change: Callable[[dict[str, torch.Tensor], dict[str, str]], object]) -> None:
    """The teacher's file with other tensors or metadata."""
    path = Path("t/weights.safetensors")
    with safe_open(path, "pt") as file:
        metadata = dict(file.metadata())
    tensors = load_file(path)
    change(tensors, metadata)
    save_file(tensors, path, metadata)


# ------------------------------------------------------------------ what is said and kept


def test_the_command_says_who_teaches(call_nas: Cli) -> None:
    code, out, err = call_nas(*TRAIN, "--teacher", "t", "--set", "distill_temperature=2")
    assert (code, err) == (0, "")
    assert (
        "\nteacher   resnet8@0.5, weights of t/weights.safetensors; its loss counts 0.9 of 1, at temperature 2\n" in out
    )
    kept = json.loads(Path("a/training.json").read_text())["job"]
    assert kept["teacher"]["network"] == {"baseline": "resnet8@0.5"}
    assert kept["teacher"]["weights"] == str(Path("t/weights.safetensors").resolve()) and kept["teacher"]["sha256"]
    assert (kept["recipe"]["distill"], kept["recipe"]["distill_temperature"]) == (0.9, 2)
    result = json.loads(Path("a/result.json").read_text())
    assert result["teacher"] == {"network": "resnet8@0.5", "weights": str(Path("t/weights.safetensors").resolve())}
    assert result["recipe"]["distill"] == 0.9


def test_from_python_it_is_the_same() -> None:
    options = {"data": "shapes", "epochs": 2, "batch_size": 20, "teacher": Path("t")}
    taught = nas.train("resnet8@0.25", out="b", **options, recipe={"distill": 0.5})
    assert taught.result["recipe"]["distill"] == 0.5 and taught.result["teacher"]["network"] == "resnet8@0.5"
    nas.train("resnet8@0.25", out="c", **options | {"teacher": None})
    nas.train("resnet8@0.25", out="d", **options, recipe={"distill": 0})
    assert weights("b") != weights("c") == weights("d")


def test_without_one_nothing_is_said_of_it(call_nas: Cli) -> None:
    _, out, _ = call_nas(*TRAIN)
    assert "teacher" not in out
    assert json.loads(Path("a/result.json").read_text())["teacher"] is None
    assert json.loads(Path("a/training.json").read_text())["job"]["recipe"]["distill"] is None


def test_a_trial_that_was_trained_teaches(tmp_path: Path, config: Config, tiny: Dataset, call_nas: Cli) -> None:
    from nas.searching import driver
    from nas.searching.progress import Output

    run = Run.create(tmp_path / "runs" / "one", replace(config, num_classes=4), Budget(trials=1))
    driver.to_the_end(run, run.budget, tiny, "cpu", None, Output("none"), None)
    code, _, err = call_nas(*TRAIN, "--teacher", "one:best")
    assert code == 2 and "--teacher one:best has no trained weights" in err
    assert call_nas("train", "one:best", "--epochs", "1", "--batch-size", "20")[0] == 0
    code, out, err = call_nas(*TRAIN, "--teacher", "one:best")
    assert (code, err) == (0, "") and "/one/trained-0/weights.safetensors; its loss" in out
    code, _, err = call_nas("train", "one:best", "--teacher", "one:best")
    assert code == 2 and "one/trained-0 is the folder of the teacher itself: choose another --out" in err


# ------------------------------------------------------------------ going on

KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from nas.data import Dataset, Images
from nas.data.source import DataSource
from nas.final.job import Job
from nas.final.run import begin
from nas.final.teacher import Teacher
from nas.network import Designed
from nas.training import checkpoints
from nas.training.recipe import Recipe

save, calls = checkpoints.save, []
def killing(*args):
    if len(calls) == int(sys.argv[1]): os.kill(os.getpid(), signal.SIGKILL)
    calls.append(args)
    save(*args)
checkpoints.save = killing
torch.set_num_threads(1)
dataset = Dataset.split("tiny", ("a", "b", "c", "d"), Images(*torch.load("images.pt")))
recipe = Recipe(epochs=3, batch_size=20, mixup=0.2)
teacher = Teacher.read("t", Path("runs"))
begin(Path("a"), Job(Designed("resnet8@0.25"), DataSource("tiny"), recipe, teacher=teacher), dataset, dataset.val)
"""


@pytest.mark.parametrize("epochs", [0, 2])
def test_a_killed_training_ends_with_the_same_bits(epochs: int, tiny: Dataset, monkeypatch) -> None:
    """Also where no epoch was done, so that it begins anew."""
    pixels, labels = (
        torch.cat([getattr(part, what) for part in (tiny.train, tiny.val)]) for what in ("pixels", "labels")
    )
    torch.save((pixels, labels), "images.pt")
    dataset = Dataset.split("tiny", tiny.class_names, Images(pixels, labels))
    monkeypatch.setattr("nas.data.load", lambda name, place=None, **how: dataset)
    monkeypatch.setattr("nas.data.load_test", lambda name, place=None, **how: dataset.val)
    killed = subprocess.run([sys.executable, "-c", KILLED, f"{epochs}"], check=False, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert Path("a/checkpoint.pt").exists() == (epochs > 0)
    begin(Path("whole"), replace(job(), recipe=replace(RECIPE, mixup=0.2)), dataset, dataset.val)
    torch.manual_seed(99)
    result = resume("a")
    assert weights("a") == weights("whole")
    assert result["teacher"] == json.loads(Path("whole/result.json").read_text())["teacher"]


def interrupted(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training in `a` that was stopped after its first epoch."""
    save = checkpoints.save

    def stopping(*args: object) -> None:
        save(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save", stopping)
        with pytest.raises(KeyboardInterrupt):
            begin(Path("a"), job(), tiny, tiny.val)


def test_another_or_no_teacher_is_refused(tiny: Dataset, monkeypatch, call_nas: Cli) -> None:
    interrupted(tiny, monkeypatch)
    before = weights("t")
    changed(lambda tensors, _: tensors["fc.2.bias"].add_(1))
    code, _, err = call_nas("resume", "a")
    assert code == 2 and err.count("\n") == 1
    assert "/t/weights.safetensors is not the teacher that the training began with: restore it, or begin anew" in err
    Path("t/weights.safetensors").unlink()
    code, _, err = call_nas("resume", "a")
    assert code == 2 and err.count("\n") == 1 and "cannot read " in err and "/t/weights.safetensors" in err
    Path("t/weights.safetensors").write_bytes(before)
    code, out, err = call_nas("resume", "a")
    assert (code, err) == (0, "") and "\nteacher   resnet8@0.5, weights of /" in out


def test_a_training_json_without_a_word_of_teachers_goes_on(tiny: Dataset, monkeypatch) -> None:
    """As older versions wrote it, and its checkpoint."""
    begin(Path("whole"), replace(job(), teacher=None, recipe=RECIPE), tiny, tiny.val)
    monkeypatch.setattr(Job, "to_dict", _older(Job.to_dict))
    with monkeypatch.context() as patch:
        patch.setattr(f"{__name__}.job", lambda: Job(Designed("resnet8@0.25"), DataSource("tiny"), RECIPE))
        interrupted(tiny, monkeypatch)
    kept = json.loads(Path("a/training.json").read_text())["job"]
    assert "teacher" not in kept and "distill" not in kept["recipe"]
    schemas.JOB.checked("job", kept)
    resume("a")
    assert weights("a") == weights("whole")


def _older(to_dict: Callable[[Job], dict]) -> Callable[[Job], dict]:
    def older(job: Job) -> dict:
        document = to_dict(job)
        del document["teacher"], document["recipe"]["distill"], document["recipe"]["distill_temperature"]
        return document

    return older


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--teacher", "nothing"), "nothing"),
        (("--teacher", "resnet20"), "--teacher resnet20 has no trained weights: a teacher is the folder of nas train"),
        (("--teacher", "t/architecture.json"), "t/architecture.json has no trained weights: a teacher is the folder"),
        (("--teacher", "t.onnx"), "--teacher t.onnx: an exported file cannot teach; give the folder of nas train"),
        (("--teacher", "t", "--out", "t"), "t is the folder of the teacher itself: choose another --out"),
        (("--teacher", "./t", "--set", "distill=2"), "distill must be at most 1, not 2"),
        (("--teacher", "./t", "--set", "distill_temperature=0"), "distill_temperature must be above 0, not 0"),
        (("--set", "distill=0.5"), "--set distill and --set distill_temperature are for learning from a teacher"),
        (("--set", "distill_temperature=2"), "are for learning from a teacher, as in `nas train NETWORK --teacher"),
    ],
)
def test_a_mistake_is_one_line(more: tuple[str, ...], message: str, call_nas: Cli) -> None:
    code, _, err = call_nas(*TRAIN, *more)
    assert code == 2 and message in err and err.count("\n") == 1, err
    assert not Path("a").exists()


@pytest.mark.parametrize("command", [("search", "--trials", "1"), ("compare", "resnet8")])
def test_only_a_training_takes_one(command: tuple[str, ...], call_nas: Cli) -> None:
    code, _, err = call_nas(*command, "--data", "shapes", "--set", "distill=0.5")
    assert code == 2 and "are for learning from a teacher, as in `nas train" in err and err.count("\n") == 1


def test_other_classes_are_refused(tiny: Dataset, monkeypatch, call_nas: Cli) -> None:
    for names, message in (
        (("d", "c", "b", "a"), "has 4 classes, in another order: a, b, c, d; the 4 of tiny are d, c, b, a"),
        (("a", "b", "c", "x"), "has 4 classes, others than the data's: a, b, c, d; the 4 of tiny are a, b, c, x"),
    ):
        images = replace(tiny, class_names=names)
        monkeypatch.setattr("nas.data.load", lambda name, data_dir=None, images=images, **how: images)
        for quiet in ((), ("--json",)):
            code, _, err = call_nas(*TRAIN, "--teacher", "t", *quiet)
            assert code == 2 and message in err and err.count("\n") == 1, err
        assert not Path("a").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _, metadata: metadata.update(trained="no"), "has untrained weights: a teacher has to be trained"),
        (lambda _, metadata: metadata.clear(), "does not say which classes it knows, nor how images were normalised"),
        (lambda tensors, _: tensors.pop("fc.2.bias"), "fc.2.bias"),
    ],
)
def test_a_file_that_cannot_teach_is_refused(change: Callable[..., object], message: str, call_nas: Cli) -> None:
    changed(change)
    Path("t/result.json").unlink()  # which would say what the weights' file does not
    code, _, err = call_nas(*TRAIN, "--teacher", "t")
    assert code == 2 and message in err and err.count("\n") == 1, err
    assert not Path("a").exists()


def test_a_training_that_has_not_ended_cannot_teach(tiny: Dataset, monkeypatch, call_nas: Cli) -> None:
    interrupted(tiny, monkeypatch)
    code, _, err = call_nas(*TRAIN, "--out", "b", "--teacher", "a")
    assert code == 2 and "the training in a has not ended: `nas resume a` continues it" in err


def test_one_of_other_pixels_and_another_normalisation_teaches(tiny: Dataset, call_nas: Cli) -> None:
    other = replace(tiny, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    large = Job(Designed("resnet8@0.5"), DataSource("tiny"), replace(RECIPE, image_size=24))
    begin(Path("large"), large, other, other.val)
    code, out, err = call_nas(*TRAIN, "--teacher", "large")
    assert (code, err) == (0, "") and "teacher   resnet8@0.5, weights of large/" in out
