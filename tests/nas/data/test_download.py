"""Archives: complete and verified, or not there at all."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pooch
import pytest
import requests

from nas.data.download import RETRIES, extract, fetch


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def silent(message: str) -> None:
    pass


def tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "site" / "big.bin"
    path.parent.mkdir()
    path.write_bytes(bytes(range(256)) * (5 * 2**20 // 256))
    return path


@pytest.fixture
def served(source: Path, serve: Callable[[Path], str]) -> str:
    """The folder of `source`, by HTTP."""
    return serve(source.parent)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no wait before another try."""
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)


def test_fetch_over_http_tells_its_progress(source: Path, served: str, tmp_path: Path):
    lines: list[str] = []
    target = tmp_path / "new folder" / "big.bin"
    fetch(f"{served}/big.bin", md5(source), target, lines.append)
    assert target.read_bytes() == source.read_bytes()
    assert lines == [f"downloading {served}/big.bin", *(f"big.bin: {10 * tenth} %" for tenth in range(1, 11))]


def test_what_fails_is_tried_again(source: Path, served: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tries: list[str] = []

    class Failing(pooch.HTTPDownloader):
        def __call__(self, url: str, *args: object, **kwargs: object) -> None:
            tries.append(url)
            if len(tries) <= RETRIES:
                raise requests.exceptions.ConnectionError("cut off")
            super().__call__(url, *args, **kwargs)

    monkeypatch.setattr(pooch, "HTTPDownloader", Failing)
    fetch(f"{served}/big.bin", md5(source), tmp_path / "big.bin", silent)
    assert len(tries) == 1 + RETRIES and (tmp_path / "big.bin").read_bytes() == source.read_bytes()


def test_a_wrong_checksum_leaves_nothing_behind(served: str, tmp_path: Path):
    target = tmp_path / "data" / "big.bin"
    with pytest.raises(ValueError, match=r"big\.bin is not the official archive, or cut off"):
        fetch(f"{served}/big.bin", "0" * 32, target, silent)
    assert list(target.parent.iterdir()) == []


def test_a_missing_file_is_an_oserror_and_leaves_nothing_behind(served: str, tmp_path: Path):
    with pytest.raises(OSError, match="404"):
        fetch(f"{served}/absent.bin", "0" * 32, tmp_path / "data" / "absent.bin", silent)
    assert list((tmp_path / "data").iterdir()) == []


def test_extract_yields_the_folder_beside_the_archive(tmp_path: Path):
    archive = tar(tmp_path / "a.tar.gz", {"batches/one": b"1", "batches/two": b"2"})
    folder = extract(archive, md5(archive), "batches", silent)
    assert folder == tmp_path / "batches"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"one": b"1", "two": b"2"}
    assert {path.name for path in tmp_path.iterdir()} == {"a.tar.gz", "batches"}


def test_extract_verifies_first(tmp_path: Path):
    archive = tar(tmp_path / "a.tar.gz", {"batches/one": b"1"})
    with pytest.raises(ValueError, match=r"a\.tar\.gz is not the official archive"):
        extract(archive, "0" * 32, "batches", silent)
    assert {path.name for path in tmp_path.iterdir()} == {"a.tar.gz"}


def test_a_member_outside_the_folder_is_refused(tmp_path: Path):
    archive = tar(tmp_path / "a.tar.gz", {"../../escaped": b"!"})
    with pytest.raises(tarfile.OutsideDestinationError):
        extract(archive, md5(archive), "batches", silent)
    assert not (tmp_path.parent / "escaped").exists()


def test_a_folder_that_another_process_made_meanwhile_is_kept(tmp_path: Path):
    archive = tar(tmp_path / "a.tar.gz", {"batches/one": b"mine"})
    (tmp_path / "batches").mkdir()
    (tmp_path / "batches" / "one").write_bytes(b"theirs")
    folder = extract(archive, md5(archive), "batches", silent)
    assert (folder / "one").read_bytes() == b"theirs"
