"""`nas show`: any network as a table, in another notation, or drawn."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nas.cli import main
from nas.cli.tables import network_table
from nas.ledger.config import Config
from nas.ledger.run import Run
from nas.network import Designed, Found
from nas.references.show import show, usual_shape
from searchspaces import SPACES, Mnas, NASNet, get_space
from searchspaces.genotypes import NASNET_A, parse_genotype

MNAS = "mnas@0.25:sep_k3_se0.25_none_f1.0_n0," + ",".join(["mb6_k3_se0.0_id_f1.0_n0"] * 6)
Nas = Callable[..., tuple[int, str, str]]


@pytest.fixture
def nas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Nas:
    monkeypatch.chdir(tmp_path)

    def call(*args: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["nas", *args])
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        return int(end.value.code or 0), captured.out, captured.err

    return call


def test_an_architecture_is_headed_by_what_it_is(nas: Nas) -> None:
    code, out, err = nas("show", MNAS)
    space = Mnas(width=0.25)
    assert code == 0, err
    for said in ("mnas: image_size 32, width 0.25", space.short_id(space.parse(MNAS.partition(":")[2])), MNAS):
        assert said in out
    assert "32 pixels, 10 classes: " in out
    assert "block1  sep  3       0.25  none  1.0      0" in out
    assert "sep 3x3 se" in out and "2 x mbconv6 3x3 + x" in out and "3 x mbconv6 3x3/2 + x" in out


@pytest.mark.parametrize("name", sorted(SPACES))
def test_every_space_is_shown(name: str) -> None:
    space = get_space(name)
    arch = space.parse(space.format(tuple(0 for _ in space.choices)))
    shown = show(Found(space, arch), (10, 32))
    assert sum(row.cost.macs for row in shown.rows) == shown.cost.macs and all(shown.words)
    assert "layers" in network_table(shown) and shown.graphs()


def test_a_baseline_is_shown_as_published_or_for_data(nas: Nas) -> None:
    assert "224 pixels, 1000 classes: 25,557,032 parameters" in nas("show", "resnet50")[1]
    code, out, _ = nas("show", "resnet50", "--data", "cifar100")
    assert code == 0 and "32 pixels, 100 classes" in out and "3 x (conv 1x1, conv 3x3, conv 1x1) + x" in out
    assert "64 pixels, 7 classes" in nas("show", "resnet50", "--image-size", "64", "--classes", "7")[1]


def test_the_form_of_a_run_and_of_a_file(tmp_path: Path, run: Run, config: Config) -> None:
    network = Found(config.space, tuple(0 for _ in config.space.choices))
    assert usual_shape("mnas:text", network, tmp_path) == (10, 16)
    path = tmp_path / "architecture.json"
    path.write_text(json.dumps(json.loads(network.to_json()) | {"num_classes": 4, "image_size": 24}))
    assert usual_shape(str(path), network, tmp_path) == (4, 24)
    assert usual_shape("resnet20", Designed("resnet20"), tmp_path) == (10, 32)


def test_json_has_the_rows(nas: Nas) -> None:
    code, out, _ = nas("show", MNAS, "--json")
    document = json.loads(out)
    assert code == 0 and document["text"] == MNAS and document["space"] == "mnas" and len(document["rows"]) == 10
    assert sum(row["cost"]["params"] for row in document["rows"]) == document["params"]


def test_other_notations(nas: Nas, tmp_path: Path) -> None:
    assert nas("show", MNAS, "--format", "text")[1].strip() == MNAS
    assert nas("show", MNAS, "--format", "blocks")[1].splitlines()[:2] == [
        "ds_r1_k3_s1_e1_c8_se0.25_noskip",
        "ir_r2_k3_s1_e6_c8",
    ]
    blocks = nas("show", MNAS, "--format", "blocks")[1].split()
    code, out, err = nas("show", f"mnas@0.25:{','.join(blocks)}", "--json")
    space = Mnas(width=0.25)
    assert code == 0 and json.loads(out)["id"] == space.short_id(space.parse(MNAS.partition(":")[2])), err
    (tmp_path / "a.json").write_text(nas("show", MNAS, "--format", "json")[1])
    assert nas("show", "a.json", "--format", "text")[1].strip() == MNAS
    space = NASNet().holding(NASNET_A)
    text = Found(space, space.encode(NASNET_A)).text
    assert parse_genotype(nas("show", text, "--format", "genotype")[1]) == NASNET_A


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("resnet20", "--format", "blocks"), "resnet20 is no architecture of a space"),
        ((MNAS, "--format", "genotype"), "mnas has no --format genotype"),
        ((MNAS, "--format", "xml"), "--format is table, text"),
        ((MNAS, "--image-size", "-1"), "--image-size must be at least 1 pixels, not -1"),
        ((MNAS, "--draw", "a.gif"), "end its name in .svg or .png"),
        (("nonsense",), "is no network"),
    ],
)
def test_mistakes_are_one_line(nas: Nas, args: tuple[str, ...], said: str) -> None:
    code, _, err = nas("show", *args)
    assert code == 2 and said in err and err.count("\n") == 1


def test_it_draws(nas: Nas, tmp_path: Path) -> None:
    code, out, err = nas("show", "resnet20", "--draw", "a.svg")
    assert code == 0 and "conv2_x" in out and "wrote a.svg" in err
    picture = (tmp_path / "a.svg").read_text()
    assert "270k params, 40.6M MACs at 32 pixels" in picture and ">conv2_x<" in picture and "32x32x16" in picture


def test_without_matplotlib_one_line_says_what_to_install(nas: Nas, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*sys.modules]:
        if name in ("nas.drawing.draw", "nas.drawing.pictures") or name.startswith("matplotlib"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, _, err = nas("show", "resnet20", "--draw", "a.svg")
    assert code == 2 and err == "nas: --draw needs matplotlib: pip install matplotlib\n"
