"""Published archives as tables: with small ones in NATS-Bench's layout, and none is trusted."""

from __future__ import annotations

import bz2
import os
import pickle
import tarfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.bench.convert import convert, main
from nas.searching.published import read
from searchspaces import NASBench201

SPACE = NASBench201()
CELLS = [SPACE.format((i, 0, 0, 0, 0, 0)) for i in range(3)]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The space has three cells."""
    monkeypatch.setattr(NASBench201, "size", 3)


def results(number: int) -> dict[str, Any]:
    """Of a cell, as `ArchResults.state_dict` writes them: two seeds of each, their accuracies a point apart."""

    def of(images: str, epochs: int, *names: str) -> dict[tuple[str, int], Any]:
        return {
            (images, seed): {
                "name": "infer.tiny",
                "net_state_dict": None,
                "train_acc1es": OrderedDict({epochs - 1: 99.0}),
                "params": 0.129306,
                "flop": np.float64(15.64737),
                "seed": seed,
                "epochs": epochs,
                "latency": [0.0139],
                "eval_names": list(names),
                "eval_acc1es": {f"{name}@{epochs - 1}": 50.0 + number + plus + epochs / 10 for name in names},
            }
            for plus, seed in ((0.0, 777), (np.float64(1.0), 888))
        }

    def at(epochs: int) -> dict[str, Any]:
        all_results = of("cifar10-valid", epochs, "x-valid", "ori-test") | of("cifar100", epochs, "x-valid", "x-test")
        all_results |= of("cifar10", epochs, "ori-test") if epochs == 200 else {}
        seeds = {images: [777, 888] for images, _ in all_results}
        return {"arch_index": number, "arch_str": CELLS[number], "all_results": all_results, "dataset_seed": seeds}

    return {"12": at(12), "200": at(200)}


def archive(folder: Path, found: dict[str, Any]) -> Path:
    """A folder of compressed pickles, as the tar is when it is unpacked."""
    folder.mkdir()
    for name, value in found.items():
        (folder / f"{name}.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps(value, protocol=4)))
    return folder


@pytest.fixture
def published(tmp_path: Path) -> Path:
    found = {f"{i:06d}": results(i) for i in range(3)}
    return archive(tmp_path / "NATS-tss-v1_0-3ffb9-simple", found | {"meta": {"meta_archs": CELLS, "total_archs": 3}})


@pytest.mark.parametrize("packed", [False, True])
def test_the_table_has_the_means_over_seeds(published: Path, tmp_path: Path, packed: bool) -> None:
    if packed:
        with tarfile.open(tmp_path / "a.tar", "w") as tar:
            tar.add(published, published.name)
        published = tmp_path / "a.tar"
    text = convert(published)
    assert text.splitlines()[0] == "cell,val_acc_12,test_acc_200"
    assert text.splitlines()[1:] == [f"{cell},{51.7 + i:.3f},{70.5 + i:.3f}" for i, cell in enumerate(CELLS)]
    assert convert(published, "cifar100") == text, "as these results are made"


def test_the_command_writes_what_the_bench_reads(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(published), str(tmp_path / "table.csv")]) == 0
    table = read(SPACE, tmp_path / "table.csv")
    assert [SPACE.format(arch) for arch in table.observed] == CELLS
    assert list(table.observed.values()) == pytest.approx([51.7, 52.7, 53.7])
    assert list(table.reported.values()) == pytest.approx([70.5, 71.5, 72.5])
    assert capsys.readouterr().out.startswith(f"wrote {tmp_path / 'table.csv'}: 3 cells")


class Call:
    """A pickle that makes a folder when it is read."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.folder,)


def test_a_pickle_can_call_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = archive(tmp_path / "bad", {"000000": Call(tmp_path / "made")})
    assert main([str(bad), str(tmp_path / "table.csv")]) == 2
    assert not (tmp_path / "made").exists() and not (tmp_path / "table.csv").exists()
    error = capsys.readouterr().err
    assert "000000.pickle.pbz2" in error and "mkdir, which results never do" in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda found: found["12"]["all_results"].clear(), "fmean requires at least one data point"),
        (lambda found: found.pop("200"), "'200'"),
        (lambda found: found["200"].update(arch_str="|nor_conv_9x9~0|"), "nor_conv_9x9"),
        (lambda found: found["200"].update(arch_str=CELLS[1]), "is there twice"),
        (lambda found: found["200"]["all_results"]["cifar10", 777]["eval_acc1es"].clear(), "ori-test@199"),
        (
            lambda found: found["200"]["all_results"]["cifar10", 777]["eval_acc1es"].update({"ori-test@199": 1e9}),
            "accuracies are in %",
        ),
    ],
)
def test_what_is_damaged_is_named(tmp_path: Path, change: Any, said: str) -> None:
    found = results(0)
    change(found)
    bad = archive(tmp_path / "bad", {"000001": results(1), "000002": found})
    with pytest.raises(ValueError, match=r"000002\.pickle\.pbz2 in .* is not what NATS-Bench publishes: .*") as error:
        convert(bad)
    assert said in str(error.value)


def test_what_is_no_archive_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "NAS-Bench-201-v1_1-096897.pth").write_bytes(b"\x80\x02\x8a")
    (tmp_path / "cut.tar").mkdir()
    for name, said in (
        ("NAS-Bench-201-v1_1-096897.pth", "what is read is NATS-tss-v1_0-3ffb9-simple.tar"),
        ("cut.tar", "has 0 of 3 cells: download it again"),
        ("absent.tar", "No such file or directory"),
    ):
        assert main([str(tmp_path / name), str(tmp_path / "table.csv")]) == 2
        error = capsys.readouterr().err
        assert error.startswith("nas.bench.convert: ") and said in error and error.count("\n") == 1
    with pytest.raises(ValueError, match="--data is one of cifar10, cifar100, not 'shapes'"):
        convert(tmp_path, "shapes")
