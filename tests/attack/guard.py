"""A call in a process of its own, which may neither hang nor take all memory, and whose output is kept."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

SECONDS = 60.0  # a value that is refused, is within a few, and within these on a busy machine
BYTES = 3 << 30  # of memory, beyond what the process has when it begins
PAGE = os.sysconf("SC_PAGE_SIZE")

How = Literal["exit", "signal", "time", "memory", "began"]


@dataclass(frozen=True)
class Ended:
    """How a call ended, and what it wrote. `code` is that of an exit or the number of a signal."""

    how: How
    code: int
    out: str
    err: str
    seconds: float


def guarded(call: Callable[[], int], folder: Path, begun: Callable[[str], bool] = lambda out: False) -> Ended:
    """`call`, which returns an exit code, in a fork of this process, in `folder`.

    It is ended when what it has written so far says that it has `begun` what may take long. The process must have one
    thread alone.
    """
    out, err = folder.with_suffix(".out"), folder.with_suffix(".err")
    began = time.monotonic()
    if (child := os.fork()) == 0:
        _be_child(call, folder, out, err)
    how: How = "exit"
    limit = _resident(child) + BYTES
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() - began > SECONDS:
            how = "time"
        elif _resident(child) > limit:
            how = "memory"
        elif begun(_text(out)):
            how = "began"
        if how != "exit":
            os.killpg(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            break
        time.sleep(0.01)
    code = os.waitstatus_to_exitcode(status)
    if how == "exit" and code < 0:
        how = "signal"
    return Ended(how, abs(code), _text(out), _text(err), time.monotonic() - began)


def _be_child(call: Callable[[], int], folder: Path, out: Path, err: Path) -> None:
    """Never returns."""
    code = 70
    try:
        os.setsid()
        os.chdir(folder)
        for number, path in ((0, Path(os.devnull)), (1, out), (2, err)):
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC), number)
        code = call()
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def _resident(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""
