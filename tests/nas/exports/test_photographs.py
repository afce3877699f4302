"""Awkward photographs get the same classes and probabilities from the network and from every exported file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nas.data.preprocessing import Preprocessing
from nas.data.task import Task
from nas.exports.classifier import Classifier
from nas.exports.files import Written, write_network
from nas.exports.job import Changes, run
from nas.exports.source import run_source
from nas.exports.target import read_source
from nas.network import Designed

TASK = Task(("oak", "pine tree", "Ümlaut"), Preprocessing(24, (0.3, 0.4, 0.6), (0.3, 0.2, 0.25)), "folder:trees")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Oblong, on its side by EXIF, transparent, a palette with a clear colour, 16 bits of grey, CMYK, not upright."""
    folder, rng = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0)
    colours = rng.integers(256, size=(40, 90, 4), dtype=np.uint8)
    grey = np.linspace(0, 65535, 50 * 30).reshape(50, 30).astype(np.uint16)
    exif = Image.Exif()
    exif[0x0112] = 6
    images: dict[str, Callable[[Path], None]] = {
        "oblong.jpg": Image.fromarray(colours[..., :3]).save,
        "turned.jpg": lambda path: Image.fromarray(colours[..., :3]).save(path, exif=exif),
        "clear.png": Image.fromarray(colours).save,
        "palette.gif": lambda path: Image.fromarray(colours[..., 0]).convert("P").save(path, transparency=3),
        "grey.png": Image.fromarray(grey).save,
        "cmyk.jpg": Image.fromarray(colours, "CMYK").save,
        "tall.webp": Image.fromarray(colours[..., :3].transpose(1, 0, 2).copy()).save,
    }
    for name, save in images.items():
        save(folder / name)
    return [folder / name for name in images]


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Written]]:
    """A network as trained in `trained/`, exported to `shipped/` in every format."""
    pytest.importorskip("onnxscript")
    home = tmp_path_factory.mktemp("home")
    (home / "trained").mkdir()
    torch.manual_seed(0)
    module = Designed("resnet8").build(3, 24)
    with torch.no_grad():
        module.train()(torch.randn(8, 3, 24, 24))
    write_network(home / "trained", Designed("resnet8"), module.eval(), (3, 24), TASK.metadata())
    source = read_source(str(home / "trained"), None, home)
    formats = ["standalone", "state_dict", "onnx", "pt2"]
    done = run(home / "shipped", formats, source, Changes(fold_bn=True), None, None, lambda text: None)
    return home, done.files


def test_all_forms_agree(shipped: tuple[Path, list[Written]], photographs: list[Path]) -> None:
    home, files = shipped
    assert {"network.py", "classify.py"} <= {file.path.name for file in files}
    trained = Classifier.load(str(home / "trained"))
    wanted = {p.path: dict(p.classes) for p in trained.predict(photographs)}
    assert all(abs(sum(shares.values()) - 1) < 1e-5 for shares in wanted.values())
    assert len({tuple(shares.values()) for shares in wanted.values()}) == len(photographs)  # no two are alike
    for name in ("network.onnx", "network.pt2"):
        for found in Classifier.load(str(home / "shipped" / name)).predict(photographs):
            assert dict(found.classes) == pytest.approx(wanted[found.path], abs=1e-5), (name, found.path.name)
    for program in ("network.py", "classify.py"):
        code = f"import sys; sys.path.insert(0, '.'); from {Path(program).stem} import *\n"
        code += "classify = predict if 'predict' in globals() else classifier()\n"
        code += "for path in sys.argv[1:]: print(*[f'{n}={s:.7f}' for n, s in classify(path).items()], sep=';')"
        done = subprocess.run(
            [sys.executable, "-I", "-c", code, *map(str, photographs)],
            cwd=home / "shipped",
            capture_output=True,
            encoding="utf-8",
            check=False,
            env={"PYTHONIOENCODING": "utf-8"},
        )
        assert done.returncode == 0, done.stderr
        for path, line in zip(photographs, done.stdout.splitlines(), strict=True):
            found_here = {n: float(s) for n, s in (pair.split("=") for pair in line.split(";"))}
            assert found_here == pytest.approx(wanted[path], abs=1e-5), (program, path.name)


def test_shipped_commands(shipped: tuple[Path, list[Written]], photographs: list[Path]) -> None:
    for program in ("network.py", "classify.py"):
        command = [sys.executable, str(shipped[0] / "shipped" / program), str(photographs[0]), "--top", "1"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"{photographs[0]}  ") and done.stdout.count("%") == 1


def test_shipped_commands_name_what_they_cannot_read(
    shipped: tuple[Path, list[Written]], photographs: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "text.jpg").write_text("text")
    (tmp_path / "empty.png").touch()
    photos = [tmp_path / "text.jpg", tmp_path / "missing.jpg", photographs[0], tmp_path / "empty.png"]
    for program in ("network.py", "classify.py"):
        command = [sys.executable, str(shipped[0] / "shipped" / program), *map(str, photos)]
        plain = os.environ | {"PYTHONIOENCODING": "ascii"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=plain)
        assert done.returncode == 2 and done.stdout.startswith(f"{photographs[0]}  ") and "\\xdcmlaut" in done.stdout
        assert done.stderr.splitlines() == [
            f"{tmp_path}/text.jpg cannot be read as an image: cannot identify image file",
            f"{tmp_path}/missing.jpg cannot be read as an image: No such file or directory",
            f"{tmp_path}/empty.png cannot be read as an image: the file is empty",
        ]
    for program, missing in (("network.py", "there are no weights"), ("classify.py", "there is no file")):
        alone = tmp_path / program
        shutil.copy(shipped[0] / "shipped" / program, alone)
        command = [sys.executable, str(alone), str(photographs[0])]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1 and done.stderr.startswith(missing) and done.stderr.count("\n") == 1


def test_the_file_builds_its_network_without_pillow_and_numpy(shipped: tuple[Path, list[Written]]) -> None:
    code = "import sys; sys.modules['PIL'] = None; sys.path.insert(0, '.'); import network; network.trained()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=shipped[0] / "shipped", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    header = (shipped[0] / "shipped" / "network.py").read_text(encoding="utf-8")
    assert not [line for line in header.splitlines() if line.startswith(("import numpy", "from PIL", "import PIL"))]


@pytest.mark.parametrize("program", ["network.py", "classify.py"])
def test_what_is_not_installed_is_said(program: str, shipped: tuple[Path, list[Written]]) -> None:
    code = "import sys, importlib.util as u; find = u.find_spec; sys.argv = ['x', 'photo.jpg']\n"
    code += "u.find_spec = lambda name: None if name == 'PIL' else find(name)\n"
    code += f"sys.path.insert(0, '.'); import {Path(program).stem} as shipped; shipped.main()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=shipped[0] / "shipped", capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "photographs need what is not installed here: pip install pillow\n"


def test_a_file_that_would_say_something_else_is_not_written(
    shipped: tuple[Path, list[Written]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = read_source(str(shipped[0] / "trained"), None, tmp_path)
    monkeypatch.setattr("nas.exports.photographs._PREDICT", WRONG)
    with pytest.raises(ValueError, match=r"network\.py would not give the probabilities"):
        run(tmp_path / "out", ["standalone"], source, Changes(), None, None, lambda text: None)
    assert not (tmp_path / "out").exists()


WRONG = """
def predict(path, model=None):
    return dict.fromkeys(CLASS_NAMES, 1 / 3)
"""


@pytest.mark.parametrize(("channels", "fit"), [(1, "crop"), (5, "pad"), (3, "pad")])
def test_networks_of_other_channels_and_of_whole_images_classify_alike_everywhere(
    channels: int, fit: str, tmp_path: Path, photographs: list[Path]
) -> None:
    """Grey networks take photographs, too; others take arrays, and say so of a photograph."""
    pytest.importorskip("onnxscript")
    (tmp_path / "trained").mkdir()
    task = Task(("oak", "pine"), Preprocessing(24, (0.4,) * channels, (0.25,) * channels, fit), "array:trees.npz")
    torch.manual_seed(0)
    module = Designed("resnet8@0.25").build(2, 24, channels)
    with torch.no_grad():
        module.train()(torch.randn(8, channels, 24, 24))
    folder = tmp_path / "trained"
    write_network(folder, Designed("resnet8@0.25"), module.eval(), (2, 24), task.metadata(), channels=channels)
    source = read_source(str(folder), None, tmp_path)
    assert source.channels == channels and source.metadata.get("channels", "3") == str(channels)
    assert source.metadata.get("fit", "crop") == fit
    shipped = tmp_path / "shipped"
    changes = Changes(fold_bn=True, quantize="dynamic")
    run(shipped, ["standalone", "state_dict", "pt2"], source, changes, None, None, lambda text: None)
    run(tmp_path / "onnx", ["onnx"], source, Changes(), None, None, lambda text: None)
    np.save(tmp_path / "image.npy", np.random.default_rng(0).integers(256, size=(30, 40, channels), dtype=np.uint8))
    shown = [tmp_path / "image.npy", *(photographs if channels < 5 else [])]
    wanted = {p.path: dict(p.classes) for p in Classifier.load(str(folder)).predict(shown)}
    for program in (shipped / "network.pt2", tmp_path / "onnx" / "network.onnx"):
        for found in Classifier.load(str(program)).predict(shown):
            assert dict(found.classes) == pytest.approx(wanted[found.path], abs=1e-5)
    for file in (shipped / "network.py", tmp_path / "onnx" / "classify.py"):
        called = run_source(file.read_text(encoding="utf-8"), file)
        classify = called.classifier() if file.name == "classify.py" else called.predict
        for path in shown:
            assert classify(path) == pytest.approx(wanted[path], abs=1e-4)
        if channels == 5:
            with pytest.raises(ValueError, match="5 are wanted: give an array"):
                classify(photographs[0])
