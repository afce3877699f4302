"""Files: text is read in one way that names what is wrong with it, and written so that a reader sees old or new.

A machine that loses power while a file is written has the old one or the new one, too.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import fcntl
import hashlib
import json
import math
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

CONFIG, JOURNAL = "config.json", "journal.log"
"""What a run's folder has."""
BEGINNING = ".beginning"
"""What it has as long as the process that makes the run is not through: resuming the run does the rest."""
EXPERIENCE = "experience.json"
"""What it has where it began from earlier searches, see `nas.ledger.experience`."""
WEIGHTS, ARCHITECTURE, RESULT = "weights.safetensors", "architecture.json", "result.json"
TRAINING = "training.json"  # what the folder of a training has from its beginning on, see `nas.final.run`
MISTAKES = "mistakes.png"
"""What the folder of a training has when it has ended."""

_INSTANT = 0.5  # seconds
_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
"""What editors write before the text, and what that then is; without a mark it is UTF-8."""


def sha256_of(path: Path) -> str:
    """Of what is in the file `path`. Raises ValueError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from None


def cache_dir() -> Path:
    """The user's folder for what can be made again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nas"


def read_text(path: Path) -> str:
    """The text in `path`, with or without a byte order mark.

    Raises ValueError where it cannot be read, or is damaged: with the line.
    """
    try:
        return decoded(path.read_bytes(), path)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None


def decoded(content: bytes, path: Path) -> str:
    """`content`, which was read from `path`, as text. Raises ValueError where it is none, with the line."""
    mark = next((mark for mark in _MARKS if content.startswith(mark)), b"")
    content, encoding = content[len(mark) :], _MARKS.get(mark, "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].decode(encoding, errors="replace").count("\n") + 1
        raise ValueError(f"{path} is damaged in line {line}: it is no text in {encoding.upper()}") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise ValueError(f"{path} is damaged in line {line}: it has NUL bytes, as after a power loss")
    return text


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in `path`. Raises ValueError where it cannot be read, or is none: with the line."""
    return parse_json(read_text(path), path)


def parse_json(text: str, path: Path) -> dict[str, Any]:
    """The JSON object that `text` of `path` is. Raises ValueError where it is none, with the line."""
    try:
        value = json.loads(text, parse_float=_finite, parse_constant=_finite)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is damaged in line {error.lineno}: no JSON, {error.msg}") from None
    except ValueError as error:  # of a number of thousands of digits, or one that is none
        raise ValueError(f"{path} is damaged: {error}") from None
    except RecursionError:
        raise ValueError(f"{path} is damaged: its JSON is nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError(f"{path} is damaged: it has {_KINDS.get(type(value), 'a number')} where an object should be")
    return value


def _finite(text: str) -> float:
    """The number that `text` is. Raises ValueError where that is none, or beyond all numbers, as JSON has none."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"it has {text} where a finite number should be")
    return number


_KINDS: dict[type, str] = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}


def make_folder(path: Path) -> Path:
    """`path`, made if it is not there. Raises ValueError where it cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"cannot make the folder {path}: {error.strerror}; choose another --out") from None
    return path


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """`make_folder`, which is gone again where nothing came of what it was for."""
    is_new = not path.exists()
    make_folder(path)
    try:
        yield path
    except BaseException:
        if is_new:
            with contextlib.suppress(OSError):  # other files are in it
                path.rmdir()
        raise


def write_all(files: Mapping[Path, str | bytes]) -> list[Path]:
    """Write every content to its path, each atomically; returns the paths."""
    for path, content in files.items():
        write_atomically(path, content)
    return list(files)


def write_atomically(path: Path, content: str | bytes, private: bool = False) -> None:
    """Write `content` to a temporary file beside `path`, force it to disk, and rename it. Text is UTF-8 everywhere.

    What UTF-8 cannot hold, of a file's name that is not UTF-8 itself, is escaped. A `private` file is for its owner.
    """
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o600 if private else 0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_new(path: Path, content: str | bytes, private: bool = False) -> None:
    """As `write_atomically`, by the one process that is first. Raises FileExistsError in the others."""
    whole = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        write_atomically(whole, content, private)
        try:
            os.link(whole, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            os.close(os.open(path, os.O_CREAT | os.O_EXCL))
            whole.replace(path)
    finally:
        whole.unlink(missing_ok=True)


def is_left_behind(folder: Path) -> bool:
    """Whether `folder` has nothing but what a process leaves that is killed before it has made a run there."""
    if not folder.is_dir() or folder.is_symlink():
        return False
    return all(file.name in (BEGINNING, EXPERIENCE) or _is_unfinished(file, CONFIG) for file in folder.iterdir())


def _is_unfinished(file: Path, name: str) -> bool:
    """Whether `file` is what a process was to rename `name`, as `write_atomically` and `write_new` do."""
    return file.name.startswith(".") and file.name.lstrip(".").startswith(f"{name}.")


def is_taken(folder: Path) -> bool:
    """Whether something is where a run's `folder` is to be made; what is left behind there is nothing."""
    return (folder.exists() or folder.is_symlink()) and not is_left_behind(folder)


@contextlib.contextmanager
def sole_process(lock: Path, busy: str, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """Be the one process that holds `lock`. Raises ValueError where another one does, which is `busy` then.

    With `waiting` it is waited for, however long that takes, and `waiting` is told so, once.

    The lock is the operating system's, on that file: it is gone with its process, however that ended. Those who ask
    `is_busy` have it for an instant, which is waited for.
    """
    with lock.open("ab") as file:
        until, is_said = time.monotonic() + _INSTANT, False
        while not _locked(file, fcntl.LOCK_EX):
            if time.monotonic() > until and waiting is None:
                raise ValueError(f"another process is {busy}: wait for it, or stop it first")
            if time.monotonic() > until and waiting is not None and not is_said:
                waiting(f"waiting for another process that is {busy}")
                is_said = True
            time.sleep(_INSTANT / 50)
        yield


def is_busy(lock: Path) -> bool:
    """Whether a process holds `lock`, see `sole_process`."""
    if not lock.exists():
        return False
    with lock.open("rb") as file:
        return not _locked(file, fcntl.LOCK_SH)


def _locked(file: IO[bytes], kind: int) -> bool:
    """Whether the lock of that `kind` on `file` is to be had: it is now."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def resumable(folder: Path, then: str) -> Iterator[None]:
    """A disk that is full, or takes nothing, is a ValueError that says so, and `then` what goes on from `folder`."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise
        raise ValueError(f"cannot write to {folder}: {error.strerror}. Free some space, then {then}") from None


def check_no_weights(folder: Path) -> None:
    """Raises ValueError where weights are in `folder`, which others would be written over."""
    if (folder / WEIGHTS).exists():
        raise ValueError(f"{folder} has the weights of another training: choose another --out, or remove them")
