"""Fetch and unpack one official archive: checked before it is opened, and complete or absent whatever goes wrong."""

from __future__ import annotations

import hashlib
import tarfile
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path

Log = Callable[[str], None]

TIMEOUT = 5.0  # seconds to connect, and for each read
CHUNK = 1 << 20  # bytes


def fetch(url: str, md5: str, target: Path, log: Log) -> None:
    """Download `url` to the file `target`, which appears only when its checksum is right.

    Raises `OSError` if the network or the disk fails, `ValueError` if what came is not what was asked for.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=target.parent) as scratch:
        part = Path(scratch) / target.name
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response, part.open("wb") as file:
            total = int(response.headers["Content-Length"] or 0)
            log(f"downloading {url} ({total / 1e6:.0f} MB)")
            received, reported = 0, 0
            while chunk := response.read(CHUNK):
                file.write(chunk)
                received += len(chunk)
                if total and received * 10 // total > reported:
                    reported = received * 10 // total
                    log(f"{target.name}: {reported * 10} %")
        verify(part, md5)
        part.replace(target)


def verify(path: Path, md5: str) -> None:
    """`ValueError` unless the file at `path` has this MD5 sum."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != md5:
        raise ValueError(f"{path.name} is not the official archive, or cut off (MD5 {found}, not {md5}): get it again")


def extract(archive: Path, md5: str, folder: str, log: Log) -> Path:
    """Unpack `folder` of `archive` beside it and return where it is; the archive's checksum is verified first."""
    target = archive.parent / folder
    verify(archive, md5)
    log(f"extracting {archive}")
    with tempfile.TemporaryDirectory(prefix=".extract-", dir=archive.parent) as scratch:
        with tarfile.open(archive) as tar:
            tar.extractall(scratch, filter="data")
        try:
            (Path(scratch) / folder).rename(target)
        except OSError:
            if not target.is_dir():  # otherwise another process was as quick: its copy is as good
                raise
    return target
