"""Files written so that a reader, or a machine that loses power, sees the old one or the new one; the cache's place."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path


def cache_dir() -> Path:
    """The user's folder for what can be made again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nas"


def make_folder(path: Path) -> Path:
    """`path`, made if it is not there. Raises ValueError where it cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"cannot make the folder {path}: {error.strerror}; choose another --out") from None
    return path


def write_all(files: Mapping[Path, str | bytes]) -> list[Path]:
    """Write every content to its path, each atomically; returns the paths."""
    for path, content in files.items():
        write_atomically(path, content)
    return list(files)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write `content` to a temporary file beside `path`, force it to disk, and rename it. Text is UTF-8 everywhere.

    What UTF-8 cannot hold, of a file's name that is not UTF-8 itself, is escaped.
    """
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
