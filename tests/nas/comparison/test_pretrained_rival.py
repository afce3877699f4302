"""A pretrained network beside those that are trained from scratch: checked first, fine-tuned, and reported apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nas
from nas.comparison.candidates import split_start
from nas.comparison.experiment import read
from nas.comparison.report import in_words, to_csv, to_json, to_text
from nas.data import Dataset
from nas.results import Run

LESS: dict[str, Any] = {"epochs": 1, "batch_size": 20}


@pytest.fixture(scope="module")
def images(tiny: Dataset, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("images") / "tiny.npz"
    np.savez(path, images=tiny.train.pixels.numpy(), labels=tiny.train.labels.numpy())
    return f"array:{path}"


@pytest.fixture(scope="module")
def pretrained(tiny: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of a network that was trained on two other classes."""
    folder = tmp_path_factory.mktemp("before")
    labels = tiny.train.labels.numpy() % 2
    np.savez(folder / "two.npz", images=tiny.train.pixels.numpy(), labels=labels)
    out = nas.train("resnet8@0.2", data=f"array:{folder / 'two.npz'}", out=folder / "two", **LESS)
    return out.path / "weights.safetensors"


@pytest.fixture(scope="module")
def compared(images: str, pretrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    networks = ["resnet8@0.1", "resnet8@0.05", f"resnet8@0.2+init={pretrained}"]
    home = tmp_path_factory.mktemp("runs")
    return nas.compare(networks, data=images, seeds=2, runs_dir=home, name="c", backbone_lr=0.5, **LESS)


def test_it_is_fine_tuned_and_reported_apart(compared: Run, pretrained: Path) -> None:
    (found,) = read(compared)
    rival = found.all[2]
    assert rival.start == str(pretrained.resolve()) and found.rivals == [rival] and len(rival.trainings) == 2
    assert not any(r.start for r in found.references(found.subjects[0])) and rival not in found.pareto
    job = compared.config.job((0, 2))
    assert job.start is not None and job.start.tuning.backbone_lr == 0.5 and compared.config.job((0, 0)).start is None
    said = [line for line in in_words(found) if "began from the weights of" in line]
    assert len(said) == 1 and str(pretrained.resolve()) in said[0]
    assert f"{rival.name} (pretrained)" in to_text([found])
    document = to_json(found)
    assert [row.get("start") for row in document["networks"]].count(rival.start) == 1 and document["pretrained"]
    assert "start" in to_csv([found]).splitlines()[0]


def test_on_grey_images_it_sees_one_channel(
    tiny: Dataset, pretrained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its file is checked as it is trained: the weights of red, green and blue are summed."""
    np.savez(tmp_path / "grey.npz", images=tiny.train.pixels[..., :1].numpy(), labels=tiny.train.labels.numpy())
    networks = ["resnet8@0.1", f"resnet8@0.2+init={pretrained}"]
    data = f"array:{tmp_path / 'grey.npz'}"
    run = nas.compare(networks, data=data, seeds=1, runs_dir=tmp_path, name="g", progress="lines", **LESS)
    assert "summed over red, green and blue, for images of one channel" in capsys.readouterr().out
    assert [len(result.trainings) for result in read(run)[0].all] == [1, 1]


def test_its_weights_are_those_of_the_file(images: str, tmp_path: Path) -> None:
    """With a learning rate of next to nothing it knows what it knew, and from random weights next to nothing."""
    before = nas.train("resnet8@0.2", data=images, out=tmp_path / "before", epochs=8, batch_size=20)
    networks = [f"resnet8@0.2+init={before.path}", "resnet8@0.2"]
    run = nas.compare(networks, data=images, seeds=1, runs_dir=tmp_path, lr=1e-6, baselines="none", **LESS)
    known, random = (result.test_accuracy for result in read(run)[0].all)
    assert before.test_accuracy > 0.6 and abs(known - before.test_accuracy) < 0.2 and random < known - 0.2


def test_a_file_is_checked_before_anything_is_trained(images: str, pretrained: Path, tmp_path: Path) -> None:
    def compare(*networks: str, **more: Any) -> Run:
        return nas.compare(list(networks), data=images, runs_dir=tmp_path, seeds=1, **LESS, **more)

    with pytest.raises(ValueError, match=r"cannot read .*nowhere\.pth"):
        compare("resnet8@0.1", f"resnet8@0.2+init={tmp_path}/nowhere.pth")
    with pytest.raises(ValueError, match=r"does not fit resnet8@0\.1"):
        compare(f"resnet8@0.1+init={pretrained}")
    with pytest.raises(ValueError, match="names no file: write resnet8"):
        compare("resnet8+init=")
    with pytest.raises(ValueError, match="are for given weights: name a network as resnet18"):
        compare("resnet8@0.1", backbone_lr=0.5)
    with pytest.raises(ValueError, match="no row 'other'"):
        compare(f"resnet8@0.2+init={pretrained}", fresh="other")
    assert not list(tmp_path.iterdir())


def test_a_run_whose_file_has_changed_does_not_go_on(images: str, pretrained: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(pretrained.read_bytes())
    run = nas.compare([f"resnet8@0.2+init={copy}"], data=images, seeds=1, runs_dir=tmp_path / "runs", **LESS)
    copy.write_bytes(copy.read_bytes() + b" ")
    with pytest.raises(ValueError, match="is not what the trainings were to start from"):
        nas.open(run.path).resume()


def test_names_are_split() -> None:
    assert split_start("a+bn+init=b+c.pth") == ("a+bn", "b+c.pth")
    assert split_start("squeezenet1_1+bn") == ("squeezenet1_1+bn", "")
