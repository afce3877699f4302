"""Archives: complete and verified, or not there at all."""

from __future__ import annotations

import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nas.data.download import CHUNK, extract, fetch


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
    path.write_bytes(bytes(range(256)) * (5 * CHUNK // 256))
    return path


@pytest.fixture
def served(source: Path) -> Iterator[str]:
    """The folder of `source` on a loopback HTTP server."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, request, client_address, server):
            super().__init__(request, client_address, server, directory=str(source.parent))

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_fetch_over_http_tells_its_progress(source: Path, served: str, tmp_path: Path):
    lines: list[str] = []
    target = tmp_path / "new folder" / "big.bin"
    fetch(f"{served}/big.bin", md5(source), target, lines.append)
    assert target.read_bytes() == source.read_bytes()
    assert "big.bin (5 MB)" in lines[0]
    assert lines[-1] == "big.bin: 100 %"
    assert len(lines) == 6  # a line a MiB


def test_a_wrong_checksum_leaves_nothing_behind(source: Path, tmp_path: Path):
    target = tmp_path / "data" / "big.bin"
    with pytest.raises(ValueError, match=r"big\.bin is not the official archive, or cut off"):
        fetch(source.as_uri(), "0" * 32, target, silent)
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
