"""Fetch and unpack one official archive: checked before it is opened, and complete or absent whatever goes wrong."""

from __future__ import annotations

import hashlib
import logging
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

Log = Callable[[str], None]

TIMEOUT = 5.0  # seconds to connect, and for each read
RETRIES = 2  # after a failure, a second and two later


class _Tenths:
    """Tells of each tenth of a download, where its size is known. It has what pooch asks of a progress bar."""

    def __init__(self, what: str, log: Log) -> None:
        self.what, self.log = what, log
        self.total, self.received, self.told = 0, 0, 0

    def update(self, received: int) -> None:
        self.received += received
        tenths = self.received * 10 // self.total if self.total else 0
        if tenths > self.told:
            self.told = tenths
            self.log(f"{self.what}: {10 * tenths} %")

    def reset(self) -> None:
        """From the start: pooch does it in the end, and then says all at once."""
        self.received = 0

    def close(self) -> None:
        """Nothing is open."""


def fetch(url: str, md5: str, target: Path, log: Log) -> None:
    """Download `url` to the file `target`, which appears only when its checksum is right. What fails is tried again.

    Raises `OSError` if the network or the disk fails, `ValueError` if what came is not what was asked for.
    """
    import pooch  # which few commands need

    pooch.get_logger().setLevel(logging.CRITICAL)
    name = target.name
    registry, urls = {name: f"md5:{md5}"}, {name: url}
    archive = pooch.create(target.parent, "", registry=registry, urls=urls, retry_if_failed=RETRIES)
    log(f"downloading {url}")

    def get(url: str, output_file: str, of: Any) -> None:
        pooch.HTTPDownloader(timeout=TIMEOUT, progressbar=_Tenths(name, log))(url, output_file, of)

    try:
        archive.fetch(name, downloader=get)
    except ValueError:
        raise ValueError(f"{name} is not the official archive, or cut off, as {url} has it") from None


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
