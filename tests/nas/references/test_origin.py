"""A network that comes from a run carries that run's data, classes and pixels wherever it goes."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import nas
from nas.comparison.candidates import source_of
from nas.data.source import DataSource, choose_source
from nas.data.task import Task
from nas.exports.files import write_network
from nas.exports.target import read_source
from nas.final.run import find
from nas.options.groups import DataOptions
from nas.references.origin import Origin, origin_of
from nas.references.resolve import resolve
from nas.scale.family import base_of, member
from searchspaces import Compact

CallNas = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images of three fruits, in `fruits/`, and a run on them at 16 pixels, `runs/fruity`."""
    home = tmp_path_factory.mktemp("searched")
    for number in range(45):
        place = home / "fruits" / ("apple", "fig", "quince")[number % 3]
        place.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 18), (number * 5, 200 - number, number % 3 * 100)).save(place / f"{number}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        nas.search(
            space=Compact(width=0.25), data=f"folder:{home / 'fruits'}", image_size=16, trials=2, batch_size=10,
            strategy="random", name="fruity", runs_dir=home / "runs",
        )  # fmt: skip
    return home


@pytest.fixture
def home(searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the run, and an empty folder to be in: that of the images is where it was."""
    shutil.copytree(searched / "runs", tmp_path / "runs")
    monkeypatch.setenv("XDG_CACHE_HOME", str(searched / "cache"))
    monkeypatch.delenv("NAS_RUNS", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def origin(target: str) -> Origin | None:
    return origin_of(target, resolve(target, "runs"), "runs")


def test_a_trial_is_for_its_runs_images(home: Path, searched: Path) -> None:
    found = origin("fruity:best")
    assert found is not None and found.words == "run fruity"
    assert found.data.name == "folder:fruits" and found.data.folder == searched and found.data.image_size == 16
    assert len(found.data.load(lambda text: None).class_names) == 3 and found.data.sha256
    number = nas.open("fruity").best.number
    assert found.trained == Path("runs/fruity") / f"trained-{number}"
    for spelled in ("fruity:1@1.1x1-20", "fruity:1@1.10x1.0-20", "fruity:1@1.1x1-18@1x1-20"):
        found = origin(spelled)
        assert found is not None and found.trained == Path("runs/fruity/trained-1@1.1x1-20"), spelled
    found = origin("fruity:best@1.1x1-18@1x1-20")  # by its number: the best may be another one later
    assert found is not None and found.trained == Path(f"runs/fruity/trained-{number}@1.1x1-20")
    larger = origin("fruity:1@1.1x1-20")
    assert (
        larger is not None and larger.data.image_size == 20 and larger.trained == Path("runs/fruity/trained-1@1.1x1-20")
    )
    assert origin("./runs/fruity:1") is not None
    assert origin("resnet8") is None and origin(nas.open("fruity").best.text) is None


def test_files_carry_it_on(home: Path, call_nas: CallNas) -> None:
    code, out, err = call_nas("show", "fruity:best", "--format", "json")
    assert code == 0, err
    Path("found.json").write_text(out, encoding="utf-8")
    of_run, of_file = origin("fruity:best"), origin("found.json")
    assert of_run is not None and of_file is not None and of_file.data == of_run.data and of_file.trained is None
    for blueprint in (nas.load("fruity:best"), nas.open("fruity").best.blueprint):
        Path("python.json").write_text(blueprint.to_json(), encoding="utf-8")
        of_python = origin("python.json")
        assert of_python is not None and of_python.data == of_run.data
        for file in ("found.json", "python.json"):
            assert (nas.load(file).num_classes, nas.load(file).image_size) == (3, 16), file
    grown = member(base_of("fruity:best", "runs"), 1)
    Path("grown.json").write_text(json.dumps(grown.architecture()), encoding="utf-8")
    of_grown = origin("grown.json")
    assert of_grown is not None and of_grown.data.same_images(of_run.data)
    assert of_grown.data.image_size == grown.image_size > 16
    of_others = member(base_of("fruity:best", "runs", num_classes=7), 1)
    assert of_others.data is None  # for seven classes it is no longer


RESULT = {"data": "folder:fruits", "test_accuracy": 0.5, "val_accuracy": 0.5, "macs": 1, "params": 1}


def test_what_is_for_other_data_is_not_trained_on_cifar10(home: Path, call_nas: CallNas) -> None:
    document = json.loads(nas.load("fruity:best").to_json())
    del document["data"]  # as older versions wrote them
    Path("old.json").write_text(json.dumps(document), encoding="utf-8")
    Path("old").mkdir()
    Path("old/architecture.json").write_text(json.dumps(document | {"num_classes": 10}), encoding="utf-8")
    Path("old/result.json").write_text(json.dumps(RESULT), encoding="utf-8")
    commands = (["train"], ["compare"], ["scale", "--search", "--base"])
    for command, (target, says) in itertools.product(
        commands, {"old.json": "3 classes", "old": "folder:fruits"}.items()
    ):
        code, out, err = call_nas(*command, target)
        assert (code, out) == (2, ""), (command, target)
        assert err.count("\n") == 1 and says in err and "does not say where its images are: give --data" in err
    assert choose_source(None, DataOptions()).name == "cifar10"  # of what is for no data


@pytest.mark.parametrize(
    "data", ["[]", '{"folder": null}', '{"name": 3}', '{"name": "shapes", "image_size": "16"}', '{"name": "x", "y": 1}']
)
def test_damaged_data_in_a_file_are_refused(home: Path, data: str) -> None:
    Path("x.json").write_text(f'{{"baseline": "resnet8", "data": {data}}}', encoding="utf-8")
    with pytest.raises(
        ValueError,
        match=r"x\.json (is damaged: data|was written by a newer .* has 'data.y')",
    ):
        origin("x.json")


def test_what_is_said_goes_before_what_is_usual(searched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(searched)
    usual = DataSource("folder:fruits", searched, 16, True, "abc")
    assert choose_source(usual, DataOptions()) == usual
    assert choose_source(usual, DataOptions(data="folder:fruits")) == usual  # from here it is the same folder
    assert choose_source(usual, DataOptions(image_size=24)).image_size == 24
    assert choose_source(usual, DataOptions(data="")).name == ""
    moved = choose_source(usual, DataOptions(data_dir="elsewhere"))
    assert moved.folder == searched / "elsewhere" and moved.sha256 == "abc"
    other = choose_source(usual, DataOptions(data="folder:other"))
    assert other == DataSource("folder:other", searched, 16, False, None)
    assert choose_source(usual, DataOptions(data="shapes")) == DataSource("shapes")
    assert choose_source(None, DataOptions()) == DataSource("cifar10")
    with pytest.raises(ValueError, match=r"--skip-unreadable is for the images of a folder, and shapes is none"):
        choose_source(usual, DataOptions(data="shapes", skip_unreadable=True))


def test_what_is_loaded_again_leaves_out_what_was_left_out() -> None:
    noted = DataSource("folder:fruits", Path("here"), 16, False, "abc")
    assert noted.again() == DataSource("folder:fruits", Path("here"), 16, True, "abc"), "other images are refused later"
    assert noted.again(Path("there")).folder == Path("there")
    assert DataSource("shapes").again() == DataSource("shapes")


def test_comparisons_take_the_data_of_the_found(home: Path, searched: Path) -> None:
    def chosen(targets: list[str], data: str | None = None, pixels: int | None = None) -> tuple[DataSource, str]:
        return source_of(targets, DataOptions(data=data, image_size=pixels), Path("runs"))[:2]

    for targets in (["fruity"], ["resnet8", "fruity:top2"], ["fruity:1", "resnet8"]):
        source, why = chosen(targets)
        assert (source.name, source.folder, source.image_size) == ("folder:fruits", searched, 16)
        assert why == "as run fruity has it"
    assert chosen(["resnet8"]) == (DataSource("cifar10"), "")
    assert chosen(["fruity"], "shapes") == (DataSource("shapes"), "")
    with pytest.raises(ValueError, match="choose for all by --image-size"):
        chosen(["fruity:1", "fruity:1@1.1x1-20"])
    assert chosen(["fruity:1", "fruity:1@1.1x1-20"], pixels=20)[0].image_size == 20
    Path("x.json").write_text('{"baseline": "resnet8", "data": {"name": "shapes"}}', encoding="utf-8")
    with pytest.raises(ValueError, match=r"folder:fruits, .* shapes: choose one by --data"):
        chosen(["fruity", "x.json"])


def test_exports_take_the_trained_weights(home: Path, call_nas: CallNas) -> None:
    code, _, err = call_nas("export", "fruity:best", "--out", "out")
    assert code == 2 and "fruity:best is not trained yet: `nas train fruity:best` does that" in err
    assert not Path("out").exists()
    code, _, err = call_nas("predict", "fruity:best", "x.png")
    assert code == 2 and "there is no image x.png" in err
    found = origin("fruity:best")
    assert found is not None and found.trained is not None
    network = resolve("fruity:best", "runs")
    task = Task.of(found.data.load(lambda text: None))
    found.trained.mkdir()
    write_network(found.trained, network, network.build(3, 16), (3, 16), task.metadata(), data=found.data)
    source = read_source("fruity:best", None, Path("runs"))
    assert source.trained and source.task == task and source.shape == (3, 16)
    assert {file.path.name for file in nas.export("fruity:best", to="standalone", out="py").files} == {
        "network.py",
        "weights.safetensors",
        "architecture.json",
        "README.md",
    }
    again = read_source(str(found.trained), None, Path("runs"))
    assert again.trained and again.origin is not None and again.origin.data == found.data
    assert not read_source("fruity:best", None, Path("runs"), allow_untrained=True).trained


def test_the_folder_of_a_training_takes_part_in_a_comparison(home: Path, searched: Path) -> None:
    nas.train("fruity:1", epochs=1, batch_size=10)
    run = nas.compare("runs/fruity/trained-1", baselines="none", epochs=1, seeds=1, batch_size=10)
    assert run.config.source.same_images(nas.open("fruity").config.source) and run.config.num_classes == 3
    assert run.best.text == nas.load("fruity:1").text


def test_an_export_is_for_the_data_of_its_weights(home: Path, searched: Path, call_nas: CallNas) -> None:
    shutil.copytree(searched / "fruits", home / "other")  # of the same classes
    nas.train("fruity:1", data=f"folder:{home / 'other'}", epochs=1, batch_size=10)
    code, out, err = call_nas(
        "export", "fruity:1", "--to", "state_dict,standalone", "--out", "out", "--test", "--prune", "0.1"
    )
    assert code == 0, err
    assert f"data      folder:other in {home}" in out
    found = origin("out")
    assert found is not None and found.data.name == "folder:other" and found.data.image_size == 16
    code, out, err = call_nas("export", "fruity:1", "--image-size", "20", "--out", "larger")
    assert code == 0 and "trained on folder:other, at 16 pixels\n" in out, err
    code, out, err = call_nas("train", "out", "--epochs", "1", "--set", "batch_size=10")
    assert code == 0, err
    assert f"data      folder:other in {home}, 3 classes: apple, fig, quince; as out/architecture.json has it" in out


def test_a_training_that_has_not_ended_is_said(home: Path, call_nas: CallNas) -> None:
    Path("runs/fruity/trained-1").mkdir()
    Path("runs/fruity/trained-1/training.json").write_text("{}")
    for command in (["predict", "fruity:1", "fruits"], ["export", "fruity:1"], ["export", "runs/fruity/trained-1"]):
        Path("fruits").mkdir(exist_ok=True)
        Image.new("RGB", (9, 9)).save("fruits/one.png")
        code, _, err = call_nas(*command)
        assert code == 2 and "not ended: `nas resume runs/fruity/trained-1` continues it" in err, err
    for name in ("fruity:1", "fruity/trained-1", "runs/fruity/trained-1"):
        assert find(name, Path("runs")) == Path("runs/fruity/trained-1"), name
    with pytest.raises(ValueError, match="no training of fruity:0 to continue: `nas train fruity:0` begins one"):
        find("fruity:0", Path("runs"))
