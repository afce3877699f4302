"""`nas scale`: what it prints and writes, and that a mistake is one clear line and exit code 2."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call_nas: Cli) -> Cli:
    """Calls `nas scale` in an empty folder: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NAS_RUNS", raising=False)
    return partial(call_nas, "scale")


def test_phi_3_is_b3(cli: Cli, tmp_path: Path) -> None:
    code, out, _ = cli("--phi", "3", "--no-time", "--batch-size", "2")
    assert code == 0 and "efficientnet_b3: efficientnet_b0 at phi 3" in out
    assert "published (used)" in out and "12,233,232" in out and "1,827,141,392" in out
    assert "chosen by hand" in out and "to train 2 at once (computed" in out
    written = json.loads((tmp_path / "efficientnet_b3.json").read_text())
    assert written == {"baseline": "efficientnet_b3", "num_classes": 1000, "image_size": 300}


def test_json_has_the_network_and_the_formulas(cli: Cli) -> None:
    code, out, _ = cli("--phi", "3", "--no-time", "--batch-size", "1", "--json")
    found = json.loads(out)
    assert code == 0 and found["published"] is True
    asked = {"params": 12_233_232, "macs": 1_827_141_392, "image_size": 300, "width": 1.2, "depth": 1.4, "dropout": 0.3}
    assert {name: found[name] for name in asked} == asked
    assert found["formula"]["width"] == 1.331 and found["formula"]["image_size"] == 340
    assert found["memory"]["training"] > found["memory"]["inference"] and found["seconds_per_image"] is None


def test_a_fraction_is_by_the_formula(cli: Cli) -> None:
    code, out, _ = cli("--phi", "2.5", "--no-time", "--batch-size", "1")
    assert code == 0 and "efficientnet_b0@1.2691x1.5774-318" in out and "Used is the formula" in out


def test_a_family_is_a_table(cli: Cli, tmp_path: Path) -> None:
    code, out, _ = cli("--phi", "0..2", "--table", "--base", "resnet8", "--batch-size", "1")
    assert code == 0 and out.count("formula") == 3 and "resnet8@1.21x1.44-42" in out
    code, out, _ = cli("--phi", "0..1", "--base", "resnet8", "--batch-size", "1", "--json")
    assert [row["phi"] for row in json.loads(out)] == [0, 1] and not list(tmp_path.iterdir())


def test_limits_are_solved_and_a_network_is_written(cli: Cli, tmp_path: Path) -> None:
    limits = ("--target-macs", "30M", "--max-memory", "1GB", "--memory-for", "training", "--batch-size", "4")
    code, out, _ = cli("--base", "resnet8", *limits, "--out", "grown")
    assert code == 0 and "the largest is at phi" in out and "measured on cpu" in out and "(untrained)" in out
    names = {path.name for path in (tmp_path / "grown").iterdir()}
    assert names == {"architecture.json", "weights.safetensors", "network.py"}
    code, _, err = cli("--base", "resnet8", "--phi", "1", "--out", "grown")
    assert code == 2 and "has the weights of another training" in err


def test_further_costs_are_columns(cli: Cli) -> None:
    asked = ("--base", "resnet8", "--phi", "0..1", "--batch-size", "1")
    code, out, _ = cli(*asked, "--costs", "flash, memory,activations,latency")
    header = next(line for line in out.splitlines() if line.startswith("phi"))
    assert code == 0 and header.split("MACs")[1].split() == [
        "activations", "memory", "memory", "(int8)", "flash", "(int8)", "latency", "from",
    ]  # fmt: skip
    assert "memory (int8) and flash (int8): of a microcontroller" in out
    assert "latency: of one image by pytorch on cpu, measured." in out
    code, out, _ = cli(*asked, "--costs", "flash,activations", "--json")
    base, grown = json.loads(out)
    assert code == 0 and list(base["costs"]) == ["activations", "flash"]
    assert base["costs"]["activations"] == base["activations"] and base["memory"]["batch_size"] == 1
    assert 70_000 < base["costs"]["flash"] < grown["costs"]["flash"]
    code, out, _ = cli(*asked, "--json")
    assert all("costs" not in row for row in json.loads(out))


def test_further_costs_of_one_network(cli: Cli) -> None:
    code, out, _ = cli("--base", "resnet8", "--phi", "1", "--batch-size", "1", "--costs", "flash,latency")
    assert code == 0 and "\nflash (int8) " in out and "\nlatency      " in out and "\ntime " not in out
    code, out, _ = cli("--base", "resnet8", "--phi", "1", "--batch-size", "1", "--costs", "latency", "--json")
    found = json.loads(out)
    assert code == 0 and found["costs"]["latency"] > 0 and found["seconds_per_image"] is None


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "say how large"),
        (("--phi", "1", "--costs", "energy"), "--costs: energy is measured on a device by nas search alone"),
        (("--phi", "1", "--costs", "Power"), "or one of your own in small letters"),
        (("--phi", "1", "--costs", "latency"), "choose a smaller phi, or leave latency out of --costs"),
        (("--phi", "1", "--latency-runtime", "onnxruntime"), "--latency-runtime is of --costs latency"),
        (("--phi", "1", "--target-macs", "1G"), "not both"),
        (("--phi", "x"), "--phi is a number or a range"),
        (("--target-macs", "-1G"), "is not a number"),
        (("--target-macs", "1M"), "even phi 0 does not fit: efficientnet_b0 has 386M MACs"),
        (("--max-memory", "1kB"), "even phi 0 does not fit: efficientnet_b0 needs 32.4 MB"),
        (("--max-memory", "lots"), "is not an amount of memory"),
        (("--max-memory", "1GB", "--memory-for", "both"), "--memory-for is inference or training"),
        (("--target-macs", "1G", "--max-macs", "1G"), "the same limit"),
        (("--phi", "1", "--base", "nobody"), "'nobody' is no network"),
        (("--phi", "1", "--base", "nobody:best"), "no run called nobody"),
        (("--phi", "1", "--base", "vgg16"), "does not scale"),
        (("--phi", "1"), "choose a smaller phi"),
        (("--phi", "1", "--alpha", "1.2"), "coefficients go together"),
        (("--phi", "1", "--batch-size", "0"), "--batch-size must be at least 1"),
        (("--phi", "1", "--image-size", "0"), "must be at least 1"),
        (("--phi", "0..1", "--out", "x"), "--out is for one network"),
    ],
)
def test_a_mistake_is_one_line(
    cli: Cli, args: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("nas.scale.family.memory_of", lambda device: 1_000_000)
    code, out, err = cli(*args)
    assert code == 2 and message in err and err.count("\n") == 1 and not out and not list(tmp_path.iterdir())
