"""`nas export`, as a person calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from nas.cli import main
from nas.exports.files import write_network
from nas.network import Designed


def nas(*args: object, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.argv", ["nas", *map(str, args)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_a_folder_of_nas_train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_network(tmp_path, Designed("resnet8"), Designed("resnet8").build(7, 16), (7, 16), {})
    assert nas("export", tmp_path, "--out", tmp_path / "out", "--json", monkeypatch=monkeypatch) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["trained"] is True and said["steps"] == []
    assert [Path(file["path"]).name for file in said["files"]] == [
        "network.py", "weights.safetensors", "architecture.json", "README.md",
    ]  # fmt: skip
    assert said["files"][0]["difference"] == 0.0
    assert load_file(tmp_path / "out" / "weights.safetensors")["fc.2.weight"].shape == (7, 64)


def test_an_untrained_network_is_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    args = ("export", "resnet8", "--untrained", "--to", "standalone", "--classes", 3, "--out", out)
    assert nas(*args, monkeypatch=monkeypatch) == 0
    said = capsys.readouterr().out
    assert said.startswith("network   resnet8, for 3 classes at 32 pixels\nweights   UNTRAINED: random\n")
    assert "max logit difference 0" in said
    assert "NUM_CLASSES = 3" in (out / "network.py").read_text()
    assert nas(*args, monkeypatch=monkeypatch) == 2
    assert "has network.py already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["resnet8", "--untrained", "--to", "gguf"], "--to is of state_dict, standalone, onnx, pt2, pte, tflite"),
        (["resnet8", "--untrained", "--test"], "nothing says on which the network was trained: give --data"),
        (["resnet8", "--untrained", "--data-dir", "."], "are of images to measure by: add --data"),
        (
            ["resnet1202", "--untrained"],
            "gives logits that are no numbers, so no file can be checked: without training",
        ),
        (["resnet8", "--untrained", "--image-size", "0"], "must be at least 1"),
        (["resnet8"], "resnet8 has no trained weights: `nas train resnet8` makes some"),
        (["resnet8", "--untrained", "--weights", "x.pth"], "give one of both"),
        (["no_such_network"], "is no network"),
    ],
)
def test_mistakes_are_one_line(
    args: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert nas("export", *args, monkeypatch=monkeypatch) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
    assert not list(tmp_path.iterdir())
