"""The commands and scripts of docs/device.md measure, with real networks and on a device that is only pretended."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from nas.devices.command import CostCommand
from nas.devices.remote import RemoteDevice
from nas.exports.measured import files_for, probe_files
from nas.network import Designed

PAGE = (Path(__file__).parents[1] / "docs" / "device.md").read_text("utf-8")
SCRIPTS = dict(re.findall(r'^```py title="(\S+)"\n(.*?)^```', PAGE, re.DOTALL | re.MULTILINE))


class Device(NamedTuple):
    """What is measured on it, by its formats."""

    files: dict[str, Path]
    probe: dict[str, Path]


def commands() -> list[CostCommand]:
    """Those that the page gives to `nas search`."""
    lines = re.sub(r"\\\n\s*", "", PAGE).splitlines()
    words = [shlex.split(line.strip()) for line in lines if line.strip().startswith("nas search")]
    return [CostCommand.parse(line[line.index("--cost-command") + 1]) for line in words if "--cost-command" in line]


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Device:
    """The files of a network and of the probe, as every command of the page takes them."""
    pytest.importorskip("onnxruntime")
    here, probe, anything = tmp_path_factory.mktemp("network"), tmp_path_factory.mktemp("probe"), commands()[0]
    return Device(
        files_for(anything, Designed("resnet8@0.25"), 10, 16, 3, here), probe_files(anything, 10, 16, 3, probe)
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the scripts lie; `python` is the one that runs the tests."""
    for name, text in SCRIPTS.items():
        (tmp_path / name).write_text(text, "utf-8")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_its_commands_are_read() -> None:
    assert [(command.costs, command.formats) for command in commands()] == [(("latency",), ("onnx",))] * 4
    others = re.findall(r"latency='(scp [^']*)'", PAGE)
    assert len(others) == 1 and CostCommand.parse(f"latency={others[0]}").formats == ("onnx",)
    assert CostCommand.parse("latency,energy=./it {tflite}").costs == ("latency", "energy")


def test_the_pi_s_command_sends_the_file_and_runs_the_script(folder: Path, device: Device) -> None:
    """With an `ssh` that runs the command here, as the Pi's shell would."""
    pi = folder / "pi"
    (pi / "env" / "bin").mkdir(parents=True)
    (pi / "bench.py").write_text(SCRIPTS["bench.py"], "utf-8")
    program(pi / "env" / "bin" / "python", f'exec {sys.executable} "$@"')
    over_ssh = [command.template for command in commands() if "ssh" in command.template]
    for template, host in zip(over_ssh, ("pi", "pi0"), strict=True):  # the other one is the first of several boards
        program(folder / "ssh", f'test "$1" = {host} && cd pi && exec sh -c "$2"')
        command = CostCommand(("latency",), f"PATH={folder}:$PATH; {template}", attempts=1)
        assert 1e-5 < command.measure(device.files)["latency"] < 1
        assert (pi / "net.onnx").read_bytes() == device.files["onnx"].read_bytes()
        (pi / "net.onnx").unlink()


def program(path: Path, text: str) -> None:
    """Write one of the shell."""
    path.write_text(f"#!/bin/sh\n{text}\n", "utf-8")
    path.chmod(0o755)


def test_a_device_that_fails_one_time_in_ten_measures_all(folder: Path, device: Device) -> None:
    here, *_, pretended = commands()
    pi = RemoteDevice(CostCommand(pretended.costs, pretended.template, attempts=6), device.probe)
    said: list[str] = []
    quick = here.measure(device.files)["latency"]
    slow = min(pi.measure_patiently(device.files, said.append, lambda _: None)["latency"] for _ in range(4))
    assert 2 < slow / quick < 50 and said == []
