"""CIFAR from tiny files in the official layouts: both layouts, every way to find them, every way they can be wrong."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import pickle
import struct
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nas.data import Images, load, load_test
from nas.data.cifar import CIFAR10, CIFAR100, Cifar, CifarLayout

BATCH = 20  # images a file


class Python2Pickler(pickle._Pickler):
    """Writes byte strings by the opcodes of Python 2's `str`, which Python 3 no longer writes."""

    def save_bytes(self, value: bytes) -> None:
        self.write(b"T" + struct.pack("<i", len(value)) + value)

    dispatch = {**pickle._Pickler.dispatch, bytes: save_bytes}  # noqa: RUF012


def python2(content: Any) -> bytes:
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(content)
    return file.getvalue().replace(b"numpy._core.", b"numpy.core.")


def python3(content: Any) -> bytes:
    return pickle.dumps({key.decode(): value for key, value in content.items()}, protocol=4)


def python3_protocol2(content: Any) -> bytes:
    return pickle.dumps(content, protocol=2)


def batches(cifar: Cifar) -> dict[str, tuple[np.ndarray, list[int]]]:
    """Random pixels and balanced labels for every file of the Python layout."""
    rng = np.random.default_rng(0)
    classes = len(cifar.class_names)
    size = max(BATCH, 2 * classes // len(cifar.python.train))
    return {
        name: (
            rng.integers(0, 256, (size, 3072), dtype=np.uint8),
            [int(k) for k in rng.permutation(np.arange(size) % classes)],
        )
        for name in cifar.python.train + cifar.python.test
    }


def write_python(cifar: Cifar, data_dir: Path, dump: Callable[[Any], bytes] = python2) -> Path:
    folder = data_dir / cifar.python.folder
    folder.mkdir(parents=True)
    for name, (pixels, labels) in batches(cifar).items():
        content = {b"batch_label": name.encode(), b"data": pixels}
        if cifar is CIFAR100:
            content |= {b"fine_labels": labels, b"coarse_labels": [label // 5 for label in labels]}
        else:
            content |= {b"labels": labels}
        (folder / name).write_bytes(dump(content))
    return folder


def write_binary(cifar: Cifar, data_dir: Path) -> Path:
    folder = data_dir / cifar.binary.folder
    folder.mkdir(parents=True)
    for name, (pixels, labels) in batches(cifar).items():
        columns = [[label // 5 for label in labels], labels] if cifar is CIFAR100 else [labels]
        record = np.concatenate([np.array(columns, dtype=np.uint8).T, pixels], axis=1)
        (folder / f"{name}.bin").write_bytes(record.tobytes())
    return folder


def read(cifar: Cifar, data_dir: Path, split: Any = "train", *, download: bool = False) -> Images:
    return cifar.read(split, data_dir, download=download, log=lambda _: None)


def same(a: Images, b: Images) -> bool:
    return torch.equal(a.pixels, b.pixels) and torch.equal(a.labels, b.labels)


both = pytest.mark.parametrize("cifar", [CIFAR10, CIFAR100], ids=lambda cifar: cifar.name)


@both
def test_the_class_names_are_all_there(cifar: Cifar):
    assert len(set(cifar.class_names)) == int(cifar.name.removeprefix("cifar"))
    assert list(cifar.class_names) == sorted(cifar.class_names)


@both
@pytest.mark.parametrize("dump", [python2, python3, python3_protocol2])
def test_the_python_layout(cifar: Cifar, dump: Callable[[Any], bytes], tmp_path: Path):
    write_python(cifar, tmp_path, dump)
    for split, names in (("train", cifar.python.train), ("test", cifar.python.test)):
        images = read(cifar, tmp_path, split)
        expected = [batches(cifar)[name] for name in names]
        assert images.labels.tolist() == [label for _, labels in expected for label in labels]
        planes = torch.from_numpy(np.concatenate([pixels for pixels, _ in expected])).view(-1, 3, 32, 32)
        assert torch.equal(images.pixels, planes.permute(0, 2, 3, 1))


@both
def test_both_layouts_are_the_same_data_set(cifar: Cifar, tmp_path: Path):
    write_python(cifar, tmp_path / "py")
    write_binary(cifar, tmp_path / "bin")
    py, binary = (load(cifar.name, tmp_path / layout) for layout in ("py", "bin"))
    assert same(py.train, binary.train)
    assert same(py.val, binary.val)
    assert (py.mean, py.std, py.class_names) == (binary.mean, binary.std, binary.class_names)
    assert same(*(load_test(cifar.name, tmp_path / layout) for layout in ("py", "bin")))


@pytest.mark.parametrize("write", [write_python, write_binary])
def test_the_data_folder_may_be_the_batches_folder_itself(write: Callable[..., Path], tmp_path: Path):
    folder = write(CIFAR10, tmp_path)
    assert same(read(CIFAR10, folder), read(CIFAR10, tmp_path))


def test_training_needs_no_test_file(tmp_path: Path):
    (write_python(CIFAR10, tmp_path) / "test_batch").unlink()
    assert len(load("cifar10", tmp_path).val) == 5 * BATCH // 10


@pytest.fixture
def site(tmp_path: Path, serve: Callable[[Path], str]) -> Cifar:
    """CIFAR-10, whose official archives are tiny ones in a folder `site`."""
    home = tmp_path / "site"

    def packed(layout: CifarLayout, folder: Path) -> CifarLayout:
        with tarfile.open(home / layout.archive, "w:gz") as archive:
            archive.add(folder, layout.folder)
        return dataclasses.replace(layout, md5=hashlib.md5((home / layout.archive).read_bytes()).hexdigest())

    return dataclasses.replace(
        CIFAR10,
        python=packed(CIFAR10.python, write_python(CIFAR10, home)),
        binary=packed(CIFAR10.binary, write_binary(CIFAR10, home)),
        site=serve(home),
    )


@pytest.mark.parametrize("layout", ["python", "binary"])
def test_an_archive_is_unpacked_where_it_lies(site: Cifar, layout: str, tmp_path: Path):
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    name = getattr(site, layout).archive
    (tmp_path / "site" / name).rename(data_dir / name)
    assert same(read(site, data_dir), read(CIFAR10, tmp_path / "site"))
    assert (data_dir / getattr(site, layout).folder).is_dir()


def test_what_is_absent_is_downloaded_once(site: Cifar, tmp_path: Path):
    data_dir = tmp_path / "data"
    images = read(site, data_dir, download=True)
    assert same(images, read(CIFAR10, tmp_path / "site"))
    assert same(images, read(dataclasses.replace(site, site="http://127.0.0.1:9"), data_dir, download=True))


def test_nothing_is_downloaded_unless_asked(site: Cifar, tmp_path: Path):
    with pytest.raises(ValueError, match="cifar10 is not in"):
        read(site, tmp_path / "data", download=False)
    assert not (tmp_path / "data").exists()


def test_a_broken_archive_is_refused_by_name(site: Cifar, tmp_path: Path):
    archive = tmp_path / "data" / site.python.archive
    archive.parent.mkdir()
    archive.write_bytes((tmp_path / "site" / site.python.archive).read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"cifar-10-python\.tar\.gz is not the official archive, or cut off"):
        read(site, archive.parent)


@both
def test_offline_and_absent_is_one_line_that_says_what_to_do(cifar: Cifar, tmp_path: Path):
    offline = dataclasses.replace(cifar, site="http://127.0.0.1:9")  # the discard port: connection refused
    for download in (False, True):
        with pytest.raises(ValueError, match="--data shapes") as caught:
            read(offline, tmp_path / "data", download=download)
        message = str(caught.value)
        assert "\n" not in message
        assert cifar.python.archive in message
        assert str(tmp_path / "data") in message


def test_the_official_addresses_and_checksums():
    assert CIFAR10.site == CIFAR100.site == "https://www.cs.toronto.edu/~kriz"
    assert {layout.archive: layout.md5 for cifar in (CIFAR10, CIFAR100) for layout in (cifar.python, cifar.binary)} == {
        "cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a",
        "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530",
        "cifar-100-python.tar.gz": "eb9058c3a382ffc7106e4002c42a8d85",
        "cifar-100-binary.tar.gz": "03b5dce01913d631647c71ecec9e9cb8",
    }


# ------------------------------------------------------------------ files that are wrong


def refused(tmp_path: Path, file: str, why: str) -> None:
    """Reading CIFAR-10 fails, and says which file it is and why."""
    with pytest.raises(ValueError, match=why) as caught:
        read(CIFAR10, tmp_path)
    assert file in str(caught.value)


GOOD = np.zeros((BATCH, 3072), dtype=np.uint8)
LABELS = [0] * BATCH


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({b"data": GOOD[:, :-1], b"labels": LABELS}, r"must be uint8 \[N, 3072\], not uint8 \[20, 3071\]"),
        ({b"data": GOOD.astype(np.float32), b"labels": LABELS}, "its array is of float32, not of bytes"),
        ({b"data": b"none", b"labels": LABELS}, r"must be uint8 \[N, 3072\], not bytes"),
        ({b"data": GOOD, b"labels": LABELS[:-1]}, "20 images but 19 labels"),
        ({b"data": GOOD, b"labels": [*LABELS[:-1], 10]}, "labels go from 0 to 10, not within 0 to 9"),
        ({b"data": GOOD, b"labels": [*LABELS[:-1], -1]}, "labels go from -1 to 0"),
        ({b"data": GOOD, b"labels": [*LABELS[:-1], 0.5]}, "list of whole numbers"),
        ({b"data": GOOD[:0], b"labels": []}, "holds no images"),
        ({b"data": GOOD, b"fine_labels": LABELS}, "has no 'labels'"),
        ({b"labels": LABELS}, "has no 'data'"),
        ([GOOD, LABELS], "no dictionary but list"),
    ],
)
def test_a_pickle_of_something_else(content: Any, why: str, tmp_path: Path):
    (write_python(CIFAR10, tmp_path) / "data_batch_3").write_bytes(python2(content))
    refused(tmp_path, "data_batch_3", why)


@pytest.mark.parametrize("damage", [lambda b: b[:-100], lambda b: b"", lambda b: b"\x00" + b, lambda b: b"<html>"])
def test_a_pickle_that_is_broken(damage: Callable[[bytes], bytes], tmp_path: Path):
    path = write_python(CIFAR10, tmp_path) / "data_batch_3"
    path.write_bytes(damage(path.read_bytes()))
    refused(tmp_path, "data_batch_3", "is not a CIFAR batch, or is cut off")


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_would_run_code(protocol: int, tmp_path: Path):
    victim = tmp_path / "made by the pickle"
    path = write_python(CIFAR10, tmp_path) / "data_batch_3"
    path.write_bytes(pickle.dumps({b"data": GOOD, b"labels": Malicious(victim)}, protocol=protocol))
    refused(tmp_path, "data_batch_3", f"it asks for {os.name}.mkdir, which a CIFAR batch never does")
    assert not victim.exists()


def test_a_binary_file_cut_within_a_record(tmp_path: Path):
    path = write_binary(CIFAR10, tmp_path) / "data_batch_3.bin"
    path.write_bytes(path.read_bytes()[:-1])
    refused(tmp_path, "data_batch_3.bin", "61,459 bytes are no multiple of 3,073")


def test_a_binary_file_with_wrong_labels(tmp_path: Path):
    path = write_binary(CIFAR10, tmp_path) / "data_batch_3.bin"
    path.write_bytes(b"\x0a" + path.read_bytes()[1:])
    refused(tmp_path, "data_batch_3.bin", "labels go from 0 to 10")


def test_a_binary_file_of_the_other_data_set(tmp_path: Path):
    path = write_binary(CIFAR100, tmp_path) / "train.bin"
    path.write_bytes(path.read_bytes()[: 3073 * 7])
    with pytest.raises(ValueError, match=r"train\.bin .* no multiple of 3,074"):
        read(CIFAR100, tmp_path)


def test_a_file_cut_between_two_records(tmp_path: Path):
    path = write_binary(CIFAR10, tmp_path) / "data_batch_3.bin"
    path.write_bytes(path.read_bytes()[: 3073 * (BATCH - 2)])
    refused(tmp_path, CIFAR10.binary.folder, "20, 20, 18, 20, 20 images")
    path.write_bytes(path.read_bytes() + bytes(3073))  # a difference of one is a subset's remainder
    assert len(read(CIFAR10, tmp_path)) == 5 * BATCH - 1


@pytest.mark.parametrize("write", [write_python, write_binary])
def test_a_missing_batch(write: Callable[..., Path], tmp_path: Path):
    next(write(CIFAR10, tmp_path).glob("data_batch_3*")).unlink()
    refused(tmp_path, "data_batch_3", "is missing")


# ------------------------------------------------------------------ the real images


def test_real_images_are_split_45_to_5(tmp_path: Path):
    """On `$NAS_DATA` all of CIFAR-10; else a subset from the JPEG pack, if the checkout has one beside it."""
    unpack = Path(__file__).parents[4] / "shared" / "data" / "unpack_cifar10.py"
    data_dir = Path(os.environ.get("NAS_DATA", tmp_path))
    if data_dir == tmp_path:
        if not unpack.is_file():
            pytest.skip("neither $NAS_DATA nor ../shared/data/unpack_cifar10.py is there")
        pytest.importorskip("PIL")
        subset = ["--train", "1000", "--test", "500"]
        subprocess.run([sys.executable, unpack, data_dir, *subset], check=True, capture_output=True)
    dataset, test = load("cifar10", data_dir, download=False), load_test("cifar10", data_dir, download=False)
    assert len(dataset.train) == 9 * len(dataset.val)
    assert len(set(dataset.val.labels.bincount().tolist())) == len(set(test.labels.bincount().tolist())) == 1
    np.testing.assert_allclose(dataset.mean, (0.4914, 0.4822, 0.4465), atol=0.02)  # the published statistics
    np.testing.assert_allclose(dataset.std, (0.247, 0.2435, 0.2616), atol=0.02)
