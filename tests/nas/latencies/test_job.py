"""`nas latency-table` and `nas.latency_table`: said before, measured, gone on with, and refused."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from torch import nn

import nas
from nas.cli import app
from nas.devices.latency import Effort
from nas.latencies import job
from nas.latencies.table import LatencyTable
from nas.options.commands import LatencyTableOptions
from searchspaces import Arch, Choice, Space, get_space
from searchspaces.layers import conv, head, network

LITTLE = ("--space", "compact", "--max-macs", "200k", "--image-size", "16", "--rows", "12", "--networks", "8")
SAYS = (
    f"{sys.executable} -c 'import sys, pathlib; print(pathlib.Path(sys.argv[1]).stat().st_size * 1e-9)' {{state_dict}}"
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(job, "EFFORT", Effort.of(2))
    monkeypatch.chdir(tmp_path)


def run(*line: str) -> None:
    app(["latency-table", *line], standalone_mode=False)


def test_a_table_of_this_machine(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    run(*LITTLE, "--device", "cpu")
    said = capsys.readouterr().out
    for line in (
        "space     compact, each network as wide as 200k multiply-adds allow",
        "images    3x16x16 images of 10 classes",
        "measures  12 rows, and 8 networks twice: 28 measurements",
        "takes     about ",
        "writes    compact-latency.json\n",
        "measured  28 of 28",
        "of 8 networks that the predictor had not seen",
        "the same networks measured twice",
        "by multiply-adds",
        "by the sum of the rows",
    ):
        assert line in said
    assert "nas search --space compact --max-macs 200k --target-latency " in said
    assert said.index("takes ") < said.index("measured ")
    table = LatencyTable.read("compact-latency.json")
    assert table.target.runtime == "pytorch" and table.target.name
    assert table.measurements == 28

    run(*LITTLE, "--device", "cpu", "--json")
    streams = capsys.readouterr()
    assert "which has 28 of them already" in streams.err
    summary = json.loads(streams.out)
    assert summary["measurements"] == 28 and summary["error"]["mape"] == table.error.mape  # type: ignore[union-attr]

    monkeypatch.setattr(job, "NOISY", -1.0)
    said = job.report(table, get_space("compact", **table.settings), Path("x"))
    assert "Measure again when nothing else runs there" in said

    with pytest.raises(
        ValueError, match=r"compact-latency.json is another table, of 12 rows and 8 networks of compact"
    ):
        run(*LITTLE, "--device", "cpu", "--seed", "1")


def test_a_table_of_a_command() -> None:
    table = nas.latency_table(
        space="compact", settings={"max_macs": 200_000}, image_size=16, rows=0, networks=8,
        cost_command=f"latency={SAYS}", out="pi.json",
    )  # fmt: skip
    assert str(table.target).startswith("the command latency=") and not table.rows
    assert {one.seconds[0] for one in table.networks} == {one.seconds[1] for one in table.networks}
    space = job.choose_space(LatencyTableOptions(space="compact", settings={"max_macs": 200_000}, image_size=16))
    table.check(space, 16)
    assert table.predict(space, table.networks[0].arch).seconds > 0


def test_ctrl_c(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def measure(*_: object, **__: object) -> object:
        calls.append(0)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return type("Measured", (), {"seconds": 0.001})

    monkeypatch.setattr(job, "measure_latency", measure)
    with pytest.raises(KeyboardInterrupt) as stop:
        nas.latency_table(
            space="compact", max_macs="200k", image_size=16, rows=12, networks=8, device="cpu", progress="lines"
        )  # fmt: skip
    assert stop.value.__notes__ == ["the same command goes on from compact-latency.json"]
    assert "stopped: the same command goes on from compact-latency.json" in capsys.readouterr().out
    assert LatencyTable.read_unfinished("compact-latency.json").measurements == 3  # four told how long it takes


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("--max-macs", "8M", "--width", "2"), "--width sets one for all"),
        (("--width", "2", "--space-set", "width=3"), "give one of them"),
        (("--space", "compcat"), "there is no space called 'compcat'"),
        (("--cost-command", "energy=x {onnx}"), "measures energy, and a table is of latency: name that"),
        (("--cost-command", "latency=x"), "the command takes no network"),
        (("--cost-command", "latency=x {onnx}", "--threads", "2"), "measures by itself: leave out --threads"),
        (("--latency-runtime", "tflite"), "--latency-runtime is one of"),
        (("--latency-runtime", "onnxruntime", "--device", "cuda"), "is on the CPU: leave out --device cuda"),
        (("--networks", "7"), "--networks must be at least 8"),
        (("--out", "nowhere/x.json"), "there is no folder nowhere"),
        (("--out", "."), "it is a folder"),
        (("--budget", "20"), "has no unit"),
    ],
)
def test_mistakes(line: tuple[str, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        run(*line)
    assert "\n" not in str(caught.value)


@dataclass(frozen=True)
class Fixed(Space):
    """One whose networks have no width."""

    name: ClassVar[str] = "fixed"

    @property
    def choices(self) -> tuple[Choice, ...]:
        return (Choice("depth", (1, 2)),)

    def build(self, arch: Arch, num_classes: int = 10, image_size: int | None = None) -> nn.Module:
        return network(*[conv(8)] * (1 + arch[0]), head(num_classes))


def test_a_space_without_widths_has_no_limit() -> None:
    assert job.choose_space(LatencyTableOptions(space=Fixed())) == Fixed()
    with pytest.raises(ValueError, match="networks of fixed have none: leave it out"):
        job.choose_space(LatencyTableOptions(space=Fixed(), max_macs="8M"))


def test_a_space_as_a_search_has_it() -> None:
    found = job.choose_space(LatencyTableOptions(space="mnas", max_macs="8M", image_size=64, classes=7, channels=1))
    assert found.settings() == {
        "image_size": 64, "width": 1.0, "max_macs": 8_000_000, "num_classes": 7, "image_channels": 1,
    }  # fmt: skip
    assert job.choose_space(LatencyTableOptions(space=found)) == found
    with pytest.raises(ValueError, match="leave out settings and width"):
        job.choose_space(LatencyTableOptions(space=found, width=2.0))
