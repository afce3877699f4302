"""Commands of the shell within bounds of time, output and what they leave behind."""

from __future__ import annotations

import os
import resource
import shlex
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from nas.devices.shell import KEPT, Ended, Stopped, run_shell

WORLDS_OWN = "import os, sys, time; os.setsid(); print(os.getpid(), flush=True); time.sleep(30)"


def is_running(process: int) -> bool:
    """Whether it is there, and no zombie that nobody has read the end of."""
    try:
        return Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_code_and_last_lines() -> None:
    ended = run_shell("echo one; echo two; echo; printf '  '; echo why >&2; exit 3", 10)
    assert ended == Ended(3, "two", "why")
    assert run_shell("true", 10) == Ended(0, "", "")
    assert run_shell("kill -9 $$", 10).code == -9
    assert run_shell("printf '10%%\\r100%%\\r\\n3.2\\r\\n'", 10).said == "3.2"
    assert run_shell("printf '\\377 3'", 10).said == "\ufffd 3"


def test_there_is_nothing_to_read() -> None:
    assert run_shell("cat; echo end", 10).said == "end"


@pytest.mark.parametrize("command", ["sleep 30", "while :; do :; done", "trap '' TERM; while :; do sleep 1; done"])
def test_what_hangs_is_ended(command: str) -> None:
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        run_shell(command, 0.3)
    assert time.monotonic() - start < 5


def test_output_without_end_takes_no_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TimeoutError):
        run_shell("yes 'some words that are repeated'", 1)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB


def test_megabytes_do_not_stop_it() -> None:
    write = "import sys; sys.stdout.write('x' * 3_000_000 + '\\n'); sys.stderr.write('y' * 3_000_000); print(7)"
    assert run_shell(f"{shlex.quote(sys.executable)} -c {shlex.quote(write)}", 20).said == "7"
    assert run_shell(f"head -c {KEPT - 1} /dev/zero | tr '\\0' 1", 20).said == "1" * (KEPT - 1)
    assert run_shell(f"head -c {KEPT + 1} /dev/zero | tr '\\0' 1", 20).said is None  # its beginning is not known


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_it_left_running_ends_with_it() -> None:
    ended = run_shell("sleep 30 & echo $!", 10)
    assert ended.said is not None and not is_running(int(ended.said))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_daemon_that_keeps_its_output_open_is_not_waited_for() -> None:
    """As ssh's master connection does."""
    start = time.monotonic()
    python, code = shlex.quote(sys.executable), shlex.quote(WORLDS_OWN)
    ended = run_shell(f"{python} -c {code} & sleep 0.5; echo its result", 20)
    assert ended.said == "its result" and time.monotonic() - start < 10
    daemon = next(p for p in Path("/proc").glob("[0-9]*") if WORLDS_OWN.encode() in command_line(p))
    os.kill(int(daemon.name), signal.SIGKILL)


def command_line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_an_interruption_ends_it(tmp_path: Path) -> None:
    noted = tmp_path / "process"
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        run_shell(f"echo $$ > {noted}; sleep 30", 20)
    assert not is_running(int(noted.read_text("utf-8")))


def test_another_thread_may_end_it() -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        run_shell("sleep 30", 60, stop=stop)
    assert time.monotonic() - began < 20


def test_it_has_variables_beside_those_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERE", "a")
    assert run_shell("echo $HERE $OWN", 20, {"OWN": "b"}).said == "a b"
