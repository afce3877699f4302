"""An Optuna journal that is written to seldom, and lives through a power loss, a full disk or a `kill -9`.

Optuna appends a line for each event, forces it to disk, and never looks back. A trial of 40 choices has 50 events, and
these took longer than all else that surrounds its training: what belongs together is written together here. And a line
that was cut off is skipped by readers, but the next one written would be glued to it and damage the journal for good:
so whoever is about to write first drops what is torn, and the lock that a killed process left. What is damaged before
the end is none of these: nobody can say what it held, so it is named, and nothing is read past it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shlex
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import msgspec
from optuna.storages.journal import JournalFileBackend

from nas.files import sole_process
from nas.ledger.journal_lines import Before, after, checked

_logger = logging.getLogger(__name__)


class Damaged(ValueError):
    """A line before the end of a journal that is none."""

    def __init__(self, path: Path, line: int, what: str) -> None:
        super().__init__(
            f"{path} is damaged in line {line} ({what}): restore it from a copy, or have `nas repair "
            f"{shlex.quote(str(path.parent))}` keep what can be read"
        )


class Journal(JournalFileBackend):
    """The journal in a file. Within `together`, what is noted of a trial waits, to be forced to disk once."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path
        self.last_line = 0
        """The number, from 1, of the last line that was read."""
        self._waiting: list[dict[str, Any]] | None = None
        self._read = (0, 0, Before())  # so many logs; where in the file the next one begins; what they made

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """Optuna's way to read the logs from that number on, up to a torn end.

        Raises Damaged where that is not the end. Optuna's own guesses the encoding: with NUL bytes, UTF-32.
        """
        number, position, before = self._read if self._read[0] == log_number_from else (0, 0, Before())
        torn = None
        with self.path.open("rb") as file:
            file.seek(position)
            for line in file:
                log = log_in(line)
                if log is None:
                    torn = torn or line
                    continue
                if torn is not None:
                    raise Damaged(self.path, number + 1, what_is_wrong_with(torn))
                try:
                    log = checked(log, before)
                except ValueError as error:
                    raise Damaged(self.path, number + 1, str(error)) from None
                before = after(log, before)
                position += len(line)
                number += 1
                if number > log_number_from:
                    self.last_line, self._read = number, (number, position, before)
                    yield log

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Choices and attributes of trials are written with the next event that is neither, or in the end.

        Until then no other process sees them. An exception leaves them unwritten, as a `kill -9` does. May be entered
        within itself.
        """
        if self._waiting is not None:
            yield
            return
        self._waiting = []
        try:
            yield
            if self._waiting:
                super().append_logs(self._waiting)
        finally:
            self._waiting = None

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Optuna's way to write `logs`."""
        if self._waiting is not None:
            self._waiting += logs
            if all("param_name" in log or "user_attr" in log for log in logs):
                return
            logs, self._waiting = self._waiting, []
        super().append_logs(logs)


@contextlib.contextmanager
def sole_writer(journal: Path, beginning: bool = False, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """Be the one process that writes to `journal`, repaired. Raises ValueError where another one does.

    `beginning`: the process that was to begin it may have died within its first line. With `waiting` another process
    is waited for, see `nas.files.sole_process`.

    Optuna's own lock is a file that a killed process leaves behind and that would block for half a minute; since
    nobody else writes now, it is removed.
    """
    with sole_process(lock_of(journal), f"writing to {journal}", waiting):
        journal.with_name(journal.name + ".lock").unlink(missing_ok=True)
        if dropped := drop_torn_lines(journal, beginning):
            _logger.warning("%s ended in a torn line: dropped its %d bytes", journal, dropped)
        yield


def lock_of(journal: Path) -> Path:
    """The file that is locked while somebody writes to `journal`. It stays there."""
    return journal.with_suffix(".driver")


def drop_torn_lines(journal: Path, beginning: bool = False) -> int:
    """Cut `journal` after its last whole line; returns how many bytes were dropped.

    Whole lines are JSON and end in a newline. Only the end can be torn, since a journal is only appended to. Raises
    Damaged where no line is whole: that is no journal, unless it is the `beginning` of one.
    """
    if not journal.exists():
        return 0
    with journal.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        keep = size
        while keep and log_in(line := _last_line(file.fileno(), keep)) is None:
            keep -= len(line)
        if size and not keep and not beginning:
            raise Damaged(journal, 1, what_is_wrong_with(line))
        if keep < size:
            file.truncate(keep)
            file.flush()
            os.fsync(file.fileno())
    return size - keep


def _last_line(descriptor: int, end: int) -> bytes:
    """The line that ends at byte `end`."""
    length = 1 << 12
    while True:
        start = max(0, end - length)
        tail = os.pread(descriptor, end - start, start)
        newline = tail.rfind(b"\n", 0, -1)
        if newline >= 0 or start == 0:
            return tail[newline + 1 :]
        length *= 2


def log_in(line: bytes) -> dict[str, Any] | None:
    """What a whole line says; None of one that is torn."""
    if not line.endswith(b"\n"):
        return None
    try:
        log = _quickly(line)
    except (ValueError, RecursionError):
        log = _patiently(line)
    return log if isinstance(log, dict) else None


_quickly = msgspec.json.Decoder().decode
"""Four times as fast as Python's own, which takes all that this does, for the same, and more."""


def _patiently(line: bytes) -> Any:
    """As Python reads JSON: with NaN and infinity, half characters, and the mark that an editor puts first."""
    try:
        return json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None


def what_is_wrong_with(line: bytes) -> str:
    """In words, of a line in which there is no log."""
    if nuls := line.count(b"\0"):
        return f"{nuls} NUL bytes"
    return "it is empty" if not line.strip() else "it is no JSON object"
