"""A command of the user's, run by the shell within bounds: of its time, of what is kept of its output, of what is left.

It has a session of its own, so that all that it started ends with it, and no terminal: where ssh would ask for a
password, it fails instead of waiting for somebody to type.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

KEPT = 65_536
"""Bytes that are kept of an output, the last ones: a command may print for as long as it may run."""

_READS = 16  # of `KEPT` bytes, once a command has ended: more than a pipe holds
_LOOK = 0.05  # seconds between two looks whether it has ended, while another process has its output open
_GRACE = 1.0  # seconds in which it may end by itself, once it is asked to


@dataclass(frozen=True)
class Ended:
    """How a command ended, and the last lines with something in them of its output and of its errors."""

    code: int  # as the shell has it; negative: the signal that ended the shell
    said: str | None  # "": it printed nothing; None: its last line is longer than what is kept
    complained: str


class Stopped(BaseException):
    """What a thread did has no use any more, since somebody asked for the end."""


def run_shell(
    command: str, timeout: float, variables: Mapping[str, str] | None = None, stop: threading.Event | None = None
) -> Ended:
    """Run `command` by /bin/sh in the current folder; there is nothing for it to read.

    It has `variables` in its environment, beside those of this process. Whatever of it still runs is ended when the
    shell has ended, when this process is interrupted, when another thread sets `stop`, which raises Stopped, or after
    `timeout` seconds, which raises TimeoutError. What made itself a session of its own, as a daemon does, goes on.
    """
    process = subprocess.Popen(
        ["/bin/sh", "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=os.environ | (variables or {}),
    )
    assert process.stdout and process.stderr
    with process:  # it closes the pipes
        said, complained = _Tail(process.stdout), _Tail(process.stderr)
        try:
            _follow(process, (said, complained), time.monotonic() + timeout, stop)
        finally:
            _end(process)
        for tail in (said, complained):
            tail.finish()
    return Ended(process.returncode, said.last_line(), complained.last_line() or "")


class _Tail:
    """The last `KEPT` bytes that came through a pipe."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self.pipe = pipe.fileno()
        os.set_blocking(self.pipe, False)
        self._kept, self._cut = b"", False

    def read(self) -> bool:
        """Take what is there now; False where nothing will come any more. Raises BlockingIOError where nothing is."""
        new = os.read(self.pipe, KEPT)
        self._cut = self._cut or len(self._kept) + len(new) > KEPT
        self._kept = (self._kept + new)[-KEPT:]
        return bool(new)

    def finish(self) -> None:
        """Take what came last. A process that parted from the command may have the pipe open, and go on writing."""
        with contextlib.suppress(BlockingIOError):
            for _ in range(_READS):
                if not self.read():
                    break

    def last_line(self) -> str | None:
        """That with something in it; "" where there is none, None where its beginning is lost."""
        lines = self._kept.decode("utf-8", "replace").splitlines()
        filled = [number for number, line in enumerate(lines) if line.strip()]
        if not filled:
            return ""
        return None if self._cut and filled[-1] == 0 else lines[filled[-1]].strip()


def _follow(
    process: subprocess.Popen[bytes], tails: tuple[_Tail, ...], until: float, stop: threading.Event | None
) -> None:
    """Read while the shell runs, so no full pipe stops it. Raises Stopped, and TimeoutError at the time `until`."""
    with selectors.DefaultSelector() as waiting:
        for tail in tails:
            waiting.register(tail.pipe, selectors.EVENT_READ, tail)
        while process.poll() is None:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            if stop is not None and stop.is_set():
                raise Stopped
            for key, _ in waiting.select(min(left, _LOOK)):
                if not key.data.read():
                    waiting.unregister(key.fileobj)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask what is left of the group of `process` to end, and then have it ended."""
    try:
        until = time.monotonic() + _GRACE
        there = _signal(process, signal.SIGTERM)
        while there and time.monotonic() < until:
            process.poll()  # else its entry would stay in the group
            there = _signal(process, 0)
            time.sleep(_LOOK / 5)
    finally:
        _signal(process, signal.SIGKILL)
        process.wait()


def _signal(process: subprocess.Popen[bytes], number: int) -> bool:
    """Send it to the group of `process`; False where nothing is left of that."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):  # the latter, on macOS, where all of it has ended
        return False
    return True
